"""Streams and their events."""

from ._async.stream import EventStream
from ._core.events import StreamEvent, StreamEventType
from ._core.sse_format import format_sse_event

__all__ = ["EventStream", "StreamEvent", "StreamEventType", "format_sse_event"]
