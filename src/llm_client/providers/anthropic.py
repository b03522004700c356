"""Anthropic's Claude."""

from .._async.providers.anthropic import ANTHROPIC_AVAILABLE, AnthropicProvider

__all__ = ["ANTHROPIC_AVAILABLE", "AnthropicProvider"]
