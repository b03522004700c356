"""Anthropic's Message Batches, sans-IO: one large request in, a file of JSON lines out.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .. import jsons
from ..vendor_batch import BatchLimits, BatchState, BatchStatus, Intent, Outcome, canceled, expired, unreadable
from .anthropic_errors import read_error
from .batch_json import count_of

NAME = "anthropic"
PATH = "/v1/messages/batches"
PAGE = 100
LIMITS = BatchLimits(requests=100_000, size=256_000_000, inputs=100_000)
CUSTOM_ID: re.Pattern[str] | None = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_HEAD, _TAIL = b'{"requests":[', b"]}"
FRAME = len(_HEAD) + len(_TAIL)
"""Bytes of a batch besides its requests."""


def line(custom_id: str, path: str, body: bytes) -> bytes:
    """One request as a member of the batch, with the comma that follows it.

    Args:
        custom_id: Its name.
        path: Not said: all of these requests go to the Messages API.
        body: The JSON that the live endpoint gets.
    """
    return b'{"custom_id":' + jsons.dumps(custom_id) + b',"params":' + body + b"},"


def create_body(lines: Sequence[bytes]) -> bytes:
    """The request that starts a batch.

    Args:
        lines: What `line` gave, at least one.
    """
    return b"".join([_HEAD, *lines[:-1], lines[-1][:-1], _TAIL])


def is_of(status: BatchStatus, intent: Intent) -> bool:
    """Whether a batch can be the one that was intended: batches bear no names here, only their size."""
    return status.total == intent.count


def status_of(value: Any) -> BatchStatus | None:
    """The batch in a decoded object, None where it holds none."""
    if not isinstance(value, dict):
        return None
    name, word = value.get("id"), value.get("processing_status")
    if not (isinstance(name, str) and name and isinstance(word, str)):
        return None
    counts = value.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    number = {
        kind: count_of(counts.get(kind)) for kind in ("processing", "succeeded", "errored", "canceled", "expired")
    }
    state: BatchState = "running"
    if word == "ended":
        state = "ended"
    elif word == "canceling":
        state = "canceling"
    url = value.get("results_url")
    return BatchStatus(
        id=name,
        state=state,
        vendor_state=word,
        total=sum(number.values()),
        succeeded=number["succeeded"],
        failed=number["errored"] + number["canceled"] + number["expired"],
        created_at=_seconds(value.get("created_at")),
        expires_at=_seconds(value.get("expires_at")),
        results=(url,) if isinstance(url, str) and url else (),
    )


def read_line(value: Any) -> tuple[str, Outcome] | None:
    """The name of a request and what became of it, from a decoded line; None for a line that names none."""
    name = value.get("custom_id") if isinstance(value, dict) else None
    if not isinstance(name, str):
        return None
    result = value.get("result")
    kind = result.get("type") if isinstance(result, dict) else None
    if kind == "succeeded" and isinstance(result.get("message"), dict):
        return name, Outcome(200, jsons.dumps(result["message"]))
    if kind == "expired":
        return name, expired()
    if kind == "canceled":
        return name, canceled()
    if kind == "errored":
        error = result.get("error")
        # The API wraps the error as a live answer would; some servers leave the wrapping out.
        failure = read_error(error) or read_error({"error": error})
        if failure is None:
            return name, unreadable("an error without a word")
        return name, Outcome(failure.status or 500, failure=failure, request_id=failure.request_id)
    return name, unreadable(f"of the unknown kind {kind!r}")


def _seconds(value: Any) -> float | None:
    if not isinstance(value, str):
        return None
    # Before Python 3.11 a "Z" is not understood, nor a fraction of other than 3 or 6 digits.
    whole = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", value)
    if whole is None:
        return None
    zone = "+00:00" if whole[2] == "Z" else whole[2]
    try:
        return datetime.fromisoformat(whole[1] + zone).timestamp()
    except ValueError:
        return None
