"""Rate limits."""

from .._core.retry import RetryPolicy
from .._sync.rate_limit import Limiter
from .._sync.token_bucket import TokenBucket

__all__ = ["Limiter", "RetryPolicy", "TokenBucket"]
