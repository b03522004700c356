"""Streams and their events."""

from .._core.events import StreamEvent, StreamEventType
from .._core.sse_format import format_sse_event
from .._sync.stream import EventStream

__all__ = ["EventStream", "StreamEvent", "StreamEventType", "format_sse_event"]
