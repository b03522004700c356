"""The keepers of a batch's state, as the batch sees them, and the one that keeps nothing."""

from __future__ import annotations

from typing import Protocol

from .._core.batch_job import MINE, Claim, Failure, Ticket


class Job(Protocol):
    """The state of a batch: which items have their answers, which failed, who works on what.

    One object serves one run. Its methods are called by all workers of the batch at once: in the blocking face from
    several threads. The order of calls: `open`; then for each item `claim`, and where that said MINE exactly one of
    `record`, `record_failure` and `release`, which also follows where one of the other two raised; at the end `close`,
    once, however the run ended. Calls for items that were in flight when the run was left at once may come after
    `close`: they do nothing.

    A job for several processes has a `beat_seconds`: while items are worked on, the batch calls `heartbeat` that often,
    and asks again every `poll_seconds` for items that are worked on elsewhere.
    """

    beat_seconds: float | None
    """Seconds between two heartbeats; None where nobody wants them."""
    poll_seconds: float
    """Seconds after which items are asked for again that another process works on."""
    uses_keys: bool
    """Whether tickets need keys; computing them costs some microseconds for each item."""

    async def open(self) -> frozenset[str]:
        """Make ready: read what is there, take the lock, begin the list of failures.

        Returns:
            The names of the user's own types among the stored results, as far as they are known: the batch refuses to
            begin when it was not given them.

        Raises:
            CheckpointError: What is there is no state of a batch, is of a newer version, or belongs to another process.
            OSError: It cannot be read or written.
        """
        ...

    async def claim(self, ticket: Ticket) -> Claim:
        """Ask whether to work on an item."""
        ...

    async def record(self, ticket: Ticket, payload: bytes) -> None:
        """Store an item's answer, for good: when this returns, the item is never asked again.

        Args:
            ticket: Which item.
            payload: A JSON object without line breaks, not empty.

        Raises:
            CheckpointError: It could not be stored; what was stored before is intact. The batch stops.
        """
        ...

    async def record_failure(self, ticket: Ticket, failure: Failure) -> None:
        """Store why an item has no answer; a later run, or another process, tries it again.

        Raises:
            CheckpointError: It could not be stored. The batch stops.
        """
        ...

    def release(self, ticket: Ticket) -> None:
        """Give an item back that was begun and not ended: the run was cancelled, or recording raised.

        Never waits and never raises.
        """
        ...

    async def heartbeat(self) -> None:
        """Say that the items that were claimed are still being worked on. What it raises is logged."""
        ...

    async def finish(self) -> None:
        """The run has come to its end in good order: make what was stored durable. Not called when it was cut off.

        Raises:
            CheckpointError: It could not be made durable.
        """
        ...

    async def close(self) -> None:
        """Let go of everything. Never raises; in the blocking face it never waits, because a finalizer may call it."""
        ...


class NoJob:
    """The state of a batch that keeps none: every item is worked on, in every run."""

    beat_seconds: float | None = None
    poll_seconds = 1.0
    uses_keys = False

    async def open(self) -> frozenset[str]:
        return frozenset()

    async def claim(self, ticket: Ticket) -> Claim:
        return MINE

    async def record(self, ticket: Ticket, payload: bytes) -> None:
        return None

    async def record_failure(self, ticket: Ticket, failure: Failure) -> None:
        return None

    def release(self, ticket: Ticket) -> None:
        return None

    async def heartbeat(self) -> None:
        return None

    async def finish(self) -> None:
        return None

    async def close(self) -> None:
        return None
