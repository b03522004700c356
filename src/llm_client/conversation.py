"""Conversations."""

from ._core.conversation import Conversation, ConversationConfig

__all__ = ["Conversation", "ConversationConfig"]
