"""What goes into providers and comes out of them."""

from ..._core.events import StreamEvent, StreamEventType
from ..._core.http import Timeouts
from ..._core.messages import Message, MessageInput, ProviderItems, Role, ToolCall, ToolCallDelta, normalize_messages
from ..._core.options import CallOptions
from ..._core.parts import AudioPart, FilePart, ImagePart, Part, RawPart, TextPart
from ..._core.results import Attempt, CompletionResult, EmbeddingResult
from ..._core.retry import RetryPolicy
from ..._core.usage import Usage
from ..._core.vendor_batch import BatchEmbedding, BatchHandle, BatchRequest, BatchStatus

__all__ = [
    "Attempt",
    "AudioPart",
    "BatchEmbedding",
    "BatchHandle",
    "BatchRequest",
    "BatchStatus",
    "CallOptions",
    "CompletionResult",
    "EmbeddingResult",
    "FilePart",
    "ImagePart",
    "Message",
    "MessageInput",
    "Part",
    "ProviderItems",
    "RawPart",
    "RetryPolicy",
    "Role",
    "StreamEvent",
    "StreamEventType",
    "TextPart",
    "Timeouts",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "normalize_messages",
]
