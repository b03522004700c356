"""What a batch and the keeper of its state say to each other. Pure values; the conversation is `_async/batch_job.py`.

A batch knows items, processors and results. The keeper of its state, a job, knows only keys and payloads: it says of an
item whether its answer is there already, and stores answers and failures. So a file, a database that ten machines
share, and nothing at all are three jobs behind one batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class Ticket:
    """One item of the input.

    Args:
        index: Its position in the input, from 0; differs between runs when the input was changed.
        key: What it is known by: the digest of its content, and of equal items their number; the same in every run, in
            every process and on every machine. Empty where nothing is kept.
    """

    index: int
    key: str


class ClaimState(Enum):
    """What a job says of an item."""

    MINE = "mine"
    """Work on it; exactly one of `record`, `record_failure` and `release` will be called for it."""
    DONE = "done"
    """Its answer is stored; the claim carries it."""
    ELSEWHERE = "elsewhere"
    """Another process works on it: ask again later."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to "may I work on this item?".

    Args:
        state: Yes, not necessary, or not now.
        payload: For DONE, what `record` was given: a JSON object, as `codec` makes and reads it.
    """

    state: ClaimState
    payload: bytes | None = None


MINE = Claim(ClaimState.MINE)
ELSEWHERE = Claim(ClaimState.ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no answer.

    Args:
        error: What went wrong, in words.
        kind: The exception's class, or the result's.
        status: HTTP status, or 503 / 408 where no answer came; None where nothing says.
        attempts: How often the batch tried it.
        item: The item, as JSON or as the start of its repr.
        result: The result that said `ok=False`, or that could not be stored, as the start of its repr.
    """

    error: str
    kind: str
    status: int | None = None
    attempts: int = 1
    item: Any = None
    result: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "error": self.error,
            "type": self.kind,
            "status": self.status,
            "attempts": self.attempts,
            "item": self.item,
            "result": self.result,
        }
