"""OpenAI, and every server that speaks its dialects."""

from ..._sync.providers.openai import OpenAIProvider

__all__ = ["OpenAIProvider"]
