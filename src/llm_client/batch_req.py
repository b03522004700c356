"""Batches: many requests at once, each answered once."""

from ._async.batch import BatchManager, RequestManager
from ._core.batch_outcome import BatchFailure
from ._core.batch_summary import BatchSummary
from ._core.retry import RetryPolicy
from ._core.vendor_batch import BatchEmbedding, BatchHandle, BatchRequest, BatchStatus

__all__ = [
    "BatchEmbedding",
    "BatchFailure",
    "BatchHandle",
    "BatchManager",
    "BatchRequest",
    "BatchStatus",
    "BatchSummary",
    "RequestManager",
    "RetryPolicy",
]
