"""Several providers as one."""

from .._async.providers.fallback import FallbackProvider

__all__ = ["FallbackProvider"]
