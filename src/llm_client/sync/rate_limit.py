"""Rate limits."""

from .._core.retry import RetryPolicy
from .._sync.rate_limit import Limiter, TokenBucket

__all__ = ["Limiter", "RetryPolicy", "TokenBucket"]
