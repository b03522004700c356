"""Requests of a batch that may go live or through the vendor: what they are known by, and when which way is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal

from . import jsons
from .batch_codec import Codec
from .messages import normalize_messages
from .results import CompletionResult, EmbeddingResult
from .tools import as_tool_list
from .vendor_batch import MISSING, BatchEmbedding, BatchRequest
from .vendor_batch_packing import Question

Via = Literal["live", "vendor", "cheapest"]

VIAS = ("live", "vendor", "cheapest")
DAY = 86_400.0
"""Seconds in which both vendors promise the answers of a batch."""
RESERVE = 3600.0
LATE = "deadline"
"""The error code of a request whose batch had not ended at the deadline."""


@dataclass(slots=True, eq=False)
class Asked:
    """One request of the input.

    Args:
        index: Its position.
        request: What is asked.
        content: What it is known by.
        key: Its ticket's key; set when there is a job.
        settled: Whether its result is the vendor's last word, however often the manager tries.
    """

    index: int
    request: BatchRequest | BatchEmbedding
    content: Any
    key: str = field(default="", compare=False)
    settled: bool = False

    def __repr__(self) -> str:
        return repr(self.request)


def content_of_question(question: Question) -> str:
    """What a request is known by that goes to a vendor: the digest of what the API is sent."""
    value = jsons.dumps([question.path, jsons.loads(question.body)], sort_keys=True)
    return blake2b(value, digest_size=16).hexdigest()


def content_of_request(request: BatchRequest | BatchEmbedding) -> str:
    """What a request is known by whose provider speaks no vendor's dialect: the digest of its arguments.

    Raises:
        TypeError: An argument cannot be told from others, or is of the wrong type.
    """
    if isinstance(request, BatchEmbedding):
        value: Any = {name: getattr(request, name) for name in request.__dataclass_fields__ if name != "custom_id"}
    else:
        value = {
            "messages": [message.to_dict() for message in normalize_messages(request.messages)],
            "tools": None if request.tools is None else [tool.to_dict() for tool in as_tool_list(request.tools)],
            "tool_choice": request.tool_choice,
            "options": {
                name: f"{option.__module__}.{option.__qualname__}" if isinstance(option, type) else option
                for name, option in request.options.items()
            },
        }
    return blake2b(jsons.dumps(Codec().tagged(value), sort_keys=True), digest_size=16).hexdigest()


def deadline_time(deadline: Any, now: float) -> float | None:
    """When a deadline is, in seconds since the epoch.

    Args:
        deadline: Seconds from now, a timedelta from now, a datetime with a time zone, or None.
        now: Seconds since the epoch.

    Raises:
        TypeError: It is something else.
        ValueError: It is a datetime without a time zone, or no number above 0.
    """
    if deadline is None:
        return None
    if isinstance(deadline, datetime):
        if deadline.tzinfo is None:
            raise ValueError("deadline is a datetime with a time zone, such as datetime.now(timezone.utc) + ...")
        return deadline.timestamp()
    if isinstance(deadline, timedelta):
        deadline = deadline.total_seconds()
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float)):
        raise TypeError(f"deadline is seconds, a timedelta or a datetime, got {type(deadline).__name__}")
    if not deadline > 0:
        raise ValueError(f"deadline is a number of seconds above 0, got {deadline!r}")
    return now + deadline


def check_via(via: Any) -> Via:
    """The way that requests take.

    Raises:
        ValueError: There is no such way.
    """
    if via not in VIAS:
        raise ValueError(f"via is one of {', '.join(map(repr, VIAS))}, got {via!r}")
    found: Via = via
    return found


@dataclass(frozen=True, slots=True)
class Clock:
    """What the deadline allows.

    Args:
        via: The way that was chosen.
        deadline: Seconds since the epoch, None for none.
        reserve: Seconds before the deadline at which what is left goes live.
    """

    via: Via
    deadline: float | None
    reserve: float

    @property
    def until(self) -> float | None:
        """When nobody waits for the vendor any more."""
        if self.deadline is None or self.via == "vendor":
            return self.deadline
        return self.deadline - self.reserve

    def may_submit(self, now: float) -> bool:
        """Whether a batch that is made now can be expected to end in time."""
        until = self.until
        if until is None:
            return True
        return now < until if self.via == "vendor" else until - now >= DAY

    def is_over(self, now: float) -> bool:
        """Whether the time for the vendor is over."""
        return self.until is not None and now >= self.until


def check_reserve(seconds: Any) -> None:
    """Refuse what is no time before a deadline.

    Raises:
        TypeError: It is no number.
        ValueError: It is below 0, or without an end.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"reserve is a number of seconds, got {type(seconds).__name__}")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"reserve is a number of seconds, at least 0, got {seconds!r}")


def unanswered_request(
    request: BatchRequest | BatchEmbedding, model: str, *, under_way: str | None, over: bool, kept: bool
) -> CompletionResult | EmbeddingResult:
    """The result of a request that the vendor gave no answer for.

    Args:
        request: What was asked.
        model: The provider's.
        under_way: The id of the batch that the vendor still works on, None where there is none.
        over: Whether the deadline has come.
        kept: Whether a checkpoint remembers the batch.
    """
    status, code = 408, LATE
    if under_way is not None:
        later = "the next run with this checkpoint collects it" if kept else f"batch {under_way} goes on"
        words = f"the deadline came before the vendor's answer; {later}"
    elif over:
        words = "the deadline came before the request was handed to the vendor"
    else:
        status, code = 502, MISSING
        words = "the vendor no longer has the batch of this request, or its results"
    kind = EmbeddingResult if isinstance(request, BatchEmbedding) else CompletionResult
    return kind(status=status, error=words, error_code=code, model=model)


@dataclass(frozen=True, slots=True)
class LoggedBatch:
    """A batch as the checkpoint has it.

    Args:
        intent: What was written down before it was made.
        keys: The tickets' keys of its requests, in order.
        custom_ids: What the vendor calls them.
        kind: What the answers are.
        id: The vendor's id; None where the process ended before it was known.
    """

    intent: Mapping[str, Any]
    keys: tuple[str, ...]
    custom_ids: tuple[str, ...]
    kind: Literal["completion", "embedding"]
    id: str | None = None


def logged_batches(entries: list[Any]) -> list[LoggedBatch]:
    """The batches that a checkpoint's notes tell of, in order; notes of a strange shape are left out."""
    found: dict[tuple[Any, Any], LoggedBatch] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        intent = entry.get("intent")
        if isinstance(intent, Mapping):
            keys, names = entry.get("keys"), entry.get("custom_ids")
            if isinstance(keys, list) and isinstance(names, list) and len(keys) == len(names):
                kind: Literal["completion", "embedding"] = (
                    "embedding" if entry.get("kind") == "embedding" else "completion"
                )
                place = (intent.get("key"), intent.get("part"))
                found[place] = LoggedBatch(intent, tuple(keys), tuple(names), kind)
        elif isinstance(entry.get("id"), str):
            place = (entry.get("key"), entry.get("part"))
            known = found.get(place)
            if known is not None:
                found[place] = LoggedBatch(known.intent, known.keys, known.custom_ids, known.kind, entry["id"])
    return list(found.values())
