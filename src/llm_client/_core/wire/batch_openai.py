"""OpenAI's Batch API, sans-IO: files of JSON lines in, files of JSON lines out.

https://platform.openai.com/docs/guides/batch and https://platform.openai.com/docs/api-reference/batch
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from .. import jsons
from ..vendor_batch import (
    BatchLimits,
    BatchProblem,
    BatchState,
    BatchStatus,
    Intent,
    Outcome,
    canceled,
    expired,
    unreadable,
)
from .batch_json import count_of, object_of
from .broken import shown
from .openai_errors import read_error
from .request import Failure

NAME = "openai"
FILES_PATH = "/files"
PATH = "/batches"
PAGE = 100
LIMITS = BatchLimits(requests=50_000, size=200_000_000, inputs=50_000)
CUSTOM_ID: re.Pattern[str] | None = None
"""Nothing is said of what a custom_id may hold."""
FRAME = 0

_WINDOW = "24h"
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
# The vendor's names for what stops a request of a batch.
_EXPIRED, _CANCELED = "batch_expired", ("batch_cancelled", "batch_canceled")
_KEY, _PART, _DIGEST = "llm_client_key", "llm_client_part", "llm_client_digest"


def line(custom_id: str, path: str, body: bytes) -> bytes:
    """One request as a line of the input file.

    Args:
        custom_id: Its name.
        path: The endpoint's path below the base URL.
        body: The JSON that the live endpoint gets.
    """
    head = jsons.dumps({"custom_id": custom_id, "method": "POST", "url": endpoint(path)})
    return head[:-1] + b',"body":' + body + b"}\n"


def endpoint(path: str) -> str:
    """What the Batch API calls an endpoint."""
    return f"/v1{path}"


def upload(lines: Sequence[bytes], boundary: str) -> tuple[str, bytes]:
    """The content type and the body of the upload of an input file.

    Args:
        lines: What `line` gave.
        boundary: Text that occurs nowhere in them.
    """
    mark = boundary.encode("ascii")
    head = (
        b'--%b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--%b\r\ncontent-disposition: form-data; name="file"; filename="batch.jsonl"\r\n'
        b"content-type: application/jsonl\r\n\r\n"
    ) % (mark, mark)
    return f"multipart/form-data; boundary={boundary}", b"".join([head, *lines, b"\r\n--%b--\r\n" % mark])


def read_file_id(body: bytes) -> str | None:
    """The id of an uploaded file, None where the answer holds none."""
    value = object_of(body)
    found = value.get("id")
    return found if isinstance(found, str) and found else None


def read_input_file(body: bytes) -> str | None:
    """The id of the file that a batch's requests are in, None where the answer names none."""
    found = object_of(body).get("input_file_id")
    return found if _is_text(found) else None


def create_body(file_id: str, path: str, intent: Intent) -> bytes:
    """The request that starts a batch."""
    return jsons.dumps(
        {
            "input_file_id": file_id,
            "endpoint": endpoint(path),
            "completion_window": _WINDOW,
            "metadata": {_KEY: intent.key, _PART: str(intent.part), _DIGEST: intent.digest},
        }
    )


def part_of(status: BatchStatus, key: str) -> int | None:
    """Which part of the submission of a name a batch is, None where it is another one's."""
    part = status.labels.get(_PART, "")
    return int(part) if status.labels.get(_KEY) == key and part.isascii() and part.isdigit() else None


def is_of(status: BatchStatus, intent: Intent) -> bool:
    """Whether a batch is the one that was intended.

    Raises:
        ValueError: It bears the name, but other requests.
    """
    labels = status.labels
    if labels.get(_KEY) != intent.key or labels.get(_PART) != str(intent.part):
        return False
    if labels.get(_DIGEST) != intent.digest:
        raise ValueError(
            f"key={intent.key!r} was used before, for other requests (batch {status.id}): "
            "give these requests another key"
        )
    return True


def status_of(value: Any) -> BatchStatus | None:
    """The batch in a decoded object, None where it holds none."""
    if not isinstance(value, dict):
        return None
    name, word = value.get("id"), value.get("status")
    if not (isinstance(name, str) and name and isinstance(word, str)):
        return None
    counts = value.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    files = tuple(each for each in (value.get("output_file_id"), value.get("error_file_id")) if _is_text(each))
    state: BatchState = "running"
    if word in _ENDED:
        state = "ended"
    elif word == "cancelling":
        state = "canceling"
    labels = value.get("metadata")
    return BatchStatus(
        id=name,
        state=state,
        vendor_state=word,
        total=count_of(counts.get("total")),
        succeeded=count_of(counts.get("completed")),
        failed=count_of(counts.get("failed")),
        created_at=_seconds(value.get("created_at")),
        expires_at=_seconds(value.get("expires_at")),
        results=files,
        problems=_problems(value.get("errors")),
        labels={k: v for k, v in labels.items() if _is_text(v)} if isinstance(labels, dict) else {},
    )


def _problems(value: Any) -> tuple[BatchProblem, ...]:
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, list):
        return ()
    found = []
    for each in data:
        if isinstance(each, dict):
            code, number = each.get("code"), each.get("line")
            text = each.get("message")
            found.append(
                BatchProblem(
                    text if _is_text(text) else "without a word",
                    code if _is_text(code) else None,
                    number if isinstance(number, int) and not isinstance(number, bool) else None,
                )
            )
    return tuple(found)


def read_line(value: Any) -> tuple[str, Outcome] | None:
    """The name of a request and what became of it, from a decoded line; None for a line that names none."""
    name = value.get("custom_id") if isinstance(value, dict) else None
    if not isinstance(name, str):
        return None
    response, error = value.get("response"), value.get("error")
    if isinstance(error, dict) and error:
        return name, _failed(error)
    if not isinstance(response, dict) or not isinstance(response.get("status_code"), int):
        return name, unreadable("neither an answer nor an error")
    status, body = response["status_code"], response.get("body")
    given = response.get("request_id")
    request_id = given if _is_text(given) else None
    if 200 <= status < 300:
        return name, Outcome(200, jsons.dumps(body), request_id=request_id)
    if not 400 <= status < 600:
        status = 502
    failure = read_error(body, request_id=request_id)
    if failure is None:
        text = shown(jsons.dumps(body)) if body is not None else ""
        failure = Failure(text or f"the API answered with status {status} and no words", request_id=request_id)
    return name, Outcome(status, failure=failure, request_id=request_id)


def _failed(error: Mapping[str, Any]) -> Outcome:
    code = error.get("code")
    if code == _EXPIRED:
        return expired()
    if code in _CANCELED:
        return canceled()
    failure = read_error({"error": error})
    if failure is None:
        return unreadable("an error without a word")
    return Outcome(failure.status or 500, failure=failure)


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value)


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
