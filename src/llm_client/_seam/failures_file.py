"""failures.jsonl: why items of a batch have no answer, one line for each, for people and programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .._core import files, jsons
from .._core.batch_errors import CheckpointError
from .._core.batch_job import Failure, Ticket
from .._core.log import logger
from ._fork import ForkLock

try:
    import fcntl
except ImportError:  # not a POSIX system: there the file is not locked
    fcntl = None  # type: ignore[assignment]

_log = logger("batch")


def _lock(handle: int) -> bool:
    """Lock an open file, and wait for that; False where this cannot be done."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        return False  # not every file system can
    return True


def _append(handle: int, line: bytes) -> None:
    end, written = os.fstat(handle).st_size, 0
    try:
        while written < len(line):
            written += os.write(handle, line[written:])
    except OSError:
        if written:
            with suppress(OSError):
                os.ftruncate(handle, end)  # half a line would spoil the next one
        raise


class FailuresFile:
    """The failures of one run. Several batches may write to one file: each line names its checkpoint.

    The file is locked for each change, so that batches of several processes do not undo each other's.

    Args:
        path: Where; the file is made with the first failure.
        owner: The checkpoint; None for a batch that has none.
        shared: Whether other processes have the same owner: then nothing is taken out, as it may be theirs.
    """

    def __init__(
        self, path: str | os.PathLike[str], owner: str | os.PathLike[str] | None, shared: bool = False
    ) -> None:
        self._path = os.path.abspath(path)
        self._owner = None if owner is None else os.path.relpath(owner, os.path.dirname(self._path))
        self._shared = shared
        self._lock = ForkLock()

    def begin(self) -> None:
        """Take out what earlier runs of the same batch wrote: their failures are tried again now.

        Raises:
            CheckpointError: The file cannot be read or written.
        """
        if self._shared:
            return
        try:
            with self._lock, self._opened(os.O_RDONLY):
                lines = files.read_bytes(self._path).splitlines(keepends=True)
                kept = [line for line in lines if not self._is_own(line)]
                if len(kept) < len(lines):
                    files.write_atomic(self._path, b"".join(kept), durable=False)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error(error) from error

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        """The file, open and locked; the lock is that of the open file, and ends with it."""
        while True:
            handle = os.open(self._path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o666)
            try:
                if _lock(handle) and not self._is_there(handle):
                    continue  # it was replaced while we waited
                yield handle
                return
            finally:
                os.close(handle)

    def _is_there(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(handle))
        except FileNotFoundError:
            return False

    def _is_own(self, line: bytes) -> bool:
        try:
            value = jsons.loads(line)
        except ValueError:
            return False
        return isinstance(value, dict) and value.get("checkpoint", "") == self._owner

    def add(self, ticket: Ticket, failure: Failure) -> None:
        """Write one line.

        Raises:
            CheckpointError: It cannot be written.
        """
        value = {"checkpoint": self._owner, "index": ticket.index, "key": ticket.key, **failure.to_dict()}
        line = jsons.dumps(value) + b"\n"
        try:
            with self._lock, self._opened(os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
                _append(handle, line)
        except OSError as error:
            raise self._error(error) from error

    def rescue(self, ticket: Ticket, payload: bytes, error: Exception) -> None:
        """List an answer that the checkpoint did not take, whole, where this can be written; never raises.

        Args:
            ticket: Which item's.
            payload: The answer, as the checkpoint would have had it.
            error: Why it did not.
        """
        try:
            self.add(ticket, Failure(str(error), type(error).__name__, result=payload.decode()))
        except CheckpointError as second:
            _log.warning("the answer of item %d could not be recorded, nor listed: %s", ticket.index, second)

    def _error(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"the list of failures {self._path!r} cannot be written: {error}")
