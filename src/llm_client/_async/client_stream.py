"""Answers in pieces as version 1's client gave them: its own events, as SSE text or on a Pusher channel."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .._core.buffer import StreamBuffer
from .._core.events import StreamEvent, StreamEventType
from .._core.results import CompletionResult
from .._core.sse_format import format_sse_event
from .._core.v1 import OK
from .._seam import _async as seam
from .pusher import PusherStreamer

_TOGETHER = 0.05
"""Seconds for which pieces of text are sent to Pusher as one message."""
_MOST = 2000
"""Characters of such a message, which stays below Pusher's limit in every script."""


async def as_sse(events: AsyncIterator[StreamEvent], model: str) -> AsyncIterator[str]:
    """The text of `meta`, each `token`, and `done` or `error`.

    Args:
        events: A provider's stream.
        model: For `meta`.
    """
    text: list[str] = []
    async with seam.closing(events):
        yield format_sse_event("meta", {"model": model, "stream_mode": "sse"})
        async for event in events:
            if event.type is StreamEventType.TOKEN:
                text.append(event.data)
                yield format_sse_event("token", event.data)
            elif event.type is StreamEventType.DONE:
                done = {"usage": event.data.usage.to_dict(), "status": event.data.status, "output": "".join(text)}
                yield format_sse_event("done", done)
            elif event.type is StreamEventType.ERROR:
                yield format_sse_event("error", event.data)


async def to_pusher(events: AsyncIterator[StreamEvent], channel: str | PusherStreamer) -> CompletionResult:
    """Send `new-response`, the text as `new-token`, and `response-finished` with "OK" or the error.

    Args:
        events: A provider's stream.
        channel: The Pusher channel, or one that is open.

    Returns:
        The answer, or what came of it before it failed.

    Raises:
        ConfigurationError: Something that Pusher needs is not in the environment.
        DeliveryError: Pusher refused an event, or could not be reached.
    """
    buffer = StreamBuffer()
    waiting: list[str] = []
    since = 0.0
    async with seam.closing(events), _opened(channel) as pusher:
        await pusher.push("new-response", "")
        async for event in events:
            buffer.add(event)
            if event.type is StreamEventType.TOKEN:
                if not waiting:
                    since = seam.now()
                waiting.append(event.data)
                if seam.now() - since < _TOGETHER and sum(map(len, waiting)) < _MOST:
                    continue
            if waiting:
                await pusher.push("new-token", "".join(waiting))
                waiting = []
        buffer.ended()
        result: CompletionResult = buffer.get_result()
        await pusher.push("response-finished", OK if result.ok else result.error)
    return result


def _opened(channel: str | PusherStreamer) -> PusherStreamer:
    return channel if isinstance(channel, PusherStreamer) else PusherStreamer(channel)
