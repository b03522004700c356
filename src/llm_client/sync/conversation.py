"""Conversations."""

from .._core.compaction import Compaction
from .._core.conversation import Conversation, ConversationConfig
from .._sync.compacting import compact

__all__ = ["Compaction", "Conversation", "ConversationConfig", "compact"]
