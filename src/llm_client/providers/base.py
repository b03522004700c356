"""What a provider is."""

from .._async.providers.base import BaseProvider, Provider

__all__ = ["BaseProvider", "Provider"]
