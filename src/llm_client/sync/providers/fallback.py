"""Several providers as one."""

from ..._sync.providers.fallback import FallbackProvider

__all__ = ["FallbackProvider"]
