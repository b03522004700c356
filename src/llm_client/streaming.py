"""Streams, their events, and adapters that do something with them."""

from ._async.pusher import PusherStreamer
from ._async.stream import EventStream
from ._async.streaming import BufferingAdapter, CallbackAdapter, SSEAdapter, collect_stream, stream_to_string
from ._core.events import StreamEvent, StreamEventType
from ._core.sse_format import format_sse_event

__all__ = [
    "BufferingAdapter",
    "CallbackAdapter",
    "EventStream",
    "PusherStreamer",
    "SSEAdapter",
    "StreamEvent",
    "StreamEventType",
    "collect_stream",
    "format_sse_event",
    "stream_to_string",
]
