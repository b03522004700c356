"""The errors of batches.

LLMClientError
  CheckpointError (ValueError)     a checkpoint is none, is of a newer version, in use, or cannot be written
  BatchError                       the batch ended early; has .summary and .handles
    BatchStoppedError              somebody asked it to stop
    TooManyFailuresError           more items failed than max_failures allows
    UnstorableResultError          a result that no checkpoint can hold
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .exceptions import LLMClientError

if TYPE_CHECKING:
    from .batch_summary import BatchSummary
    from .vendor_batch import BatchHandle


class CheckpointError(LLMClientError, ValueError):
    """A checkpoint is none, belongs to a newer version or to a running process, or cannot be written."""


class BatchError(LLMClientError):
    """A batch ended before its end; whatever was in flight has ended and is recorded, and a later run goes on there.

    Args:
        message: Why.
        summary: What was done until then.
        handles: Batches at the vendor's that were made, and that nobody else remembers: `provider.batch` waits for
            them and collects them.
    """

    def __init__(
        self, message: str, *, summary: BatchSummary | None = None, handles: Sequence[BatchHandle] = ()
    ) -> None:
        super().__init__(message)
        self.summary = summary
        self.handles = tuple(handles)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), str(self), self.summary, self.handles))


def _rebuild(kind: type[BatchError], message: str, summary: Any, handles: Any = ()) -> BatchError:
    return kind(message, summary=summary, handles=handles)


class BatchStoppedError(BatchError):
    """Somebody asked the batch to stop, by `stop()` or by Ctrl-C."""


class TooManyFailuresError(BatchError):
    """More items failed than `max_failures` allows."""


class UnstorableResultError(BatchError):
    """The processor returned what no checkpoint can hold."""


def raise_reason(
    error: Exception | None, *, too_many: bool, whole: bool, summary: BatchSummary, last: str = ""
) -> None:
    """Raise why a batch was stopped; nothing where it came to its end all the same.

    Args:
        error: What ended it; None where nothing went wrong but items.
        too_many: Whether more items failed than may fail.
        whole: Whether every item had been taken, and has ended.
        summary: What was done until then.
        last: Why the last item that failed did.
    """
    if error is not None:
        if isinstance(error, BatchError):
            error.summary = summary
        raise error
    if too_many:
        raise TooManyFailuresError(
            f"the batch was stopped: more items failed than max_failures allows, the last with: {last}. {summary}",
            summary=summary,
        )
    if not whole:
        raise BatchStoppedError(f"the batch was stopped before its end: {summary}", summary=summary)
