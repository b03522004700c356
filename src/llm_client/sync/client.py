"""The client of version 1."""

from .._sync.client import OpenAIClient

__all__ = ["OpenAIClient"]
