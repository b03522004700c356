"""failures.jsonl: why items of a batch have no answer, one line for each, for people and programs."""

from __future__ import annotations

import os

from .._core import files, jsons
from .._core.batch_errors import CheckpointError
from .._core.batch_job import Failure, Ticket
from ._fork import ForkLock


class FailuresFile:
    """The failures of one run. Several batches may write to one file: each line names its checkpoint.

    Args:
        path: Where; the file is made with the first failure.
        owner: The checkpoint; None for a batch that has none.
    """

    def __init__(self, path: str | os.PathLike[str], owner: str | os.PathLike[str] | None) -> None:
        self._path = os.path.abspath(path)
        self._owner = None if owner is None else os.path.relpath(owner, os.path.dirname(self._path))
        self._lock = ForkLock()

    def begin(self) -> None:
        """Take out what earlier runs of the same batch wrote: their failures are tried again now.

        Raises:
            CheckpointError: The file cannot be read or written.
        """
        try:
            data = files.read_bytes(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error(error) from error
        lines = data.splitlines(keepends=True)
        kept = [line for line in lines if not self._is_own(line)]
        if len(kept) == len(lines):
            return
        try:
            files.write_atomic(self._path, b"".join(kept), durable=False)
        except OSError as error:
            raise self._error(error) from error

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
            with self._lock, open(self._path, "ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"the list of failures {self._path!r} cannot be written: {error}")
