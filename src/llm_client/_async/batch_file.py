"""The state of a batch in a file: a checkpoint that is only appended to, and a list of failures beside it."""

from __future__ import annotations

import os

from .._core.batch_errors import CheckpointError
from .._core.batch_job import MINE, Claim, ClaimState, Failure, Ticket
from .._core.checkpoint import format_line
from .._seam import _async as seam
from .._seam.checkpoint_file import CheckpointFile
from .._seam.failures_file import FailuresFile
from .batch_job import NoJob


class FileJob:
    """A `Job` for one process.

    Args:
        path: The checkpoint; made where it does not exist.
        failures: The list of failures; None for `failures.jsonl` in the folder of the checkpoint.
        sync_every: Seconds between two waits for the disk; 0 for one after every line, None for none.
    """

    beat_seconds: float | None = None
    poll_seconds = 1.0
    uses_keys = True

    def __init__(
        self, path: str | os.PathLike[str], failures: str | os.PathLike[str] | None, sync_every: float | None
    ) -> None:
        self._path = path
        self._sync_every = sync_every
        self._failures = FailuresFile(
            os.path.join(os.path.dirname(os.path.abspath(path)), "failures.jsonl") if failures is None else failures,
            path,
        )
        self._opened: CheckpointFile | None = None
        self._closed = False

    async def open(self) -> frozenset[str]:
        return await seam.offload(self._open)

    def _open(self) -> frozenset[str]:
        self._opened = file = CheckpointFile(self._path, self._sync_every)
        if self._closed:  # cancelled while it was being opened
            file.close()
        self._failures.begin()
        return file.types

    @property
    def _file(self) -> CheckpointFile:
        if self._opened is None:
            raise RuntimeError("the checkpoint was not opened")
        return self._opened

    async def claim(self, ticket: Ticket) -> Claim:
        line = self._file.find(ticket.key)
        return MINE if line is None else Claim(ClaimState.DONE, line)

    async def record(self, ticket: Ticket, payload: bytes) -> None:
        try:
            if self._file.append(format_line(ticket.index, ticket.key, payload)):
                await seam.offload(self._file.sync)
        except CheckpointError as error:
            self._failures.rescue(ticket, payload, error)
            raise

    async def record_failure(self, ticket: Ticket, failure: Failure) -> None:
        if not self._closed:
            self._failures.add(ticket, failure)

    def release(self, ticket: Ticket) -> None:
        return None  # what has no line is asked again

    async def heartbeat(self) -> None:
        return None

    async def finish(self) -> None:
        await seam.offload(self._file.sync)

    async def close(self) -> None:
        self._closed = True
        if self._opened is not None:
            self._opened.close()


class FailuresOnly(NoJob):
    """A `Job` that keeps no answers, only a list of failures."""

    def __init__(self, failures: str | os.PathLike[str]) -> None:
        self._failures = FailuresFile(failures, None)

    async def open(self) -> frozenset[str]:
        await seam.offload(self._failures.begin)
        return frozenset()

    async def record_failure(self, ticket: Ticket, failure: Failure) -> None:
        self._failures.add(ticket, failure)
