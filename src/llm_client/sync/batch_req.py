"""Batches: many requests at once, each answered once."""

from .._core.batch_outcome import BatchFailure
from .._core.batch_summary import BatchSummary
from .._core.retry import RetryPolicy
from .._core.vendor_batch import BatchEmbedding, BatchHandle, BatchRequest, BatchStatus
from .._sync.batch import BatchManager, RequestManager

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
