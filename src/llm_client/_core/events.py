"""What a stream yields."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from time import time
from typing import Any

from .sse_format import format_sse_event


class StreamEventType(str, Enum):
    """The kinds of stream events; the comment names the type of `StreamEvent.data`."""

    TOKEN = "token"  # str
    REASONING = "reasoning"  # str
    TOOL_CALL_START = "tool_call_start"  # ToolCallDelta, always with id and name
    TOOL_CALL_DELTA = "tool_call_delta"  # ToolCallDelta
    TOOL_CALL_END = "tool_call_end"  # ToolCall
    META = "meta"  # dict
    USAGE = "usage"  # Usage
    DONE = "done"  # CompletionResult, from an agent AgentResult
    ERROR = "error"  # {"status": int, "error": str}


@dataclass(slots=True)
class StreamEvent:
    """One event of a stream.

    Args:
        type: What kind of event.
        data: What the kind says it is, see `StreamEventType`.
        timestamp: When it was made, in seconds since the epoch; two events are equal whatever their times.
    """

    type: StreamEventType
    data: Any = None
    timestamp: float = field(default_factory=time, compare=False)

    def to_sse(self) -> str:
        """The event in the text form of Server-Sent Events: text as it is, everything else as JSON."""
        return format_sse_event(self.type.value, self.data)
