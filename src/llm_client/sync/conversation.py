"""Conversations."""

from .._sync.compacting import compact
from .._core.compaction import Compaction
from .._core.conversation import Conversation, ConversationConfig

__all__ = ["Compaction", "Conversation", "ConversationConfig", "compact"]
