"""What a provider is."""

from ..._sync.providers.base import BaseProvider, Provider

__all__ = ["BaseProvider", "Provider"]
