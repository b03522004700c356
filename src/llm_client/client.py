"""The client of version 1."""

from ._async.client import OpenAIClient

__all__ = ["OpenAIClient"]
