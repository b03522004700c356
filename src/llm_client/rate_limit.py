"""Rate limits."""

from ._async.rate_limit import Limiter, TokenBucket
from ._core.retry import RetryPolicy

__all__ = ["Limiter", "RetryPolicy", "TokenBucket"]
