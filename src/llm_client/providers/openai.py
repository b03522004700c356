"""OpenAI, and every server that speaks its dialects."""

from .._async.providers.openai import OpenAIProvider

__all__ = ["OpenAIProvider"]
