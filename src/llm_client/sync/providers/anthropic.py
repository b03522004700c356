"""Anthropic's Claude."""

from ..._sync.providers.anthropic import ANTHROPIC_AVAILABLE, AnthropicProvider

__all__ = ["ANTHROPIC_AVAILABLE", "AnthropicProvider"]
