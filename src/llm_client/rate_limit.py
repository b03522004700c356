"""Rate limits."""

from ._async.rate_limit import Limiter
from ._async.token_bucket import TokenBucket
from ._core.retry import RetryPolicy

__all__ = ["Limiter", "RetryPolicy", "TokenBucket"]
