"""Adapters: what to do with the events of a stream, a provider's or an agent's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar

from .._core.buffer import StreamBuffer
from .._core.events import StreamEvent, StreamEventType
from .._core.exceptions import StreamError
from .._core.messages import ToolCall, ToolCallDelta
from .._core.options import check_number
from .._core.sse_format import format_sse_event, public_form
from .._core.usage import Usage
from .._seam import _async as seam
from .stream import EventStream

_BROKEN = {"status": 500, "error": "the stream broke off with an internal error"}


class SSEAdapter:
    """Turns streams into the text of Server-Sent Events; one adapter serves any number of streams at once.

    A browser that has gone away is noticed when something is sent to it. So that the upstream request does not go on
    for a reader who is gone, a comment is sent whenever nothing else has been for a while. For that the stream is read
    by one task of its own, in the blocking face by one daemon thread; `heartbeat=None` reads it where `transform` is
    iterated, which also keeps tools without a time limit on that thread.

    Args:
        full: Send all of results: reasoning, raw tool calls, of agents the turns and the conversation. Otherwise DONE
            carries content, usage, status, finish reason and the names of tools.
        heartbeat: Seconds of silence after which `: ping` is sent; None for never.

    Raises:
        TypeError: heartbeat is no number.
        ValueError: heartbeat is not above 0.
    """

    media_type: ClassVar[str] = "text/event-stream"
    """The content type of the response."""
    headers: ClassVar[Mapping[str, str]] = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    """Headers of the response that keep proxies from storing it, or from holding it back."""

    def __init__(self, *, full: bool = False, heartbeat: float | None = 5.0) -> None:
        check_number("heartbeat", heartbeat, low=0.0)
        if heartbeat == 0:
            raise ValueError("heartbeat is a number of seconds above 0, or None, got 0")
        self.full = full
        self.heartbeat = heartbeat
        self._closed = False

    def transform(self, stream: AsyncIterator[StreamEvent]) -> AsyncIterator[str]:
        """The text of each event of a stream, to be sent as it comes; ends with the stream, and closes it.

        A stream that raises is told to the browser as an ERROR event, without details, before the error goes on to
        the server: a connection that just breaks off would be opened again by the browser, with the same question.

        Args:
            stream: A provider's or an agent's, of this face.

        Raises:
            TypeError: The stream belongs to the other face.
            RuntimeError: The adapter was closed.
        """
        events = seam.check_stream(stream)
        if self._closed:
            raise RuntimeError("this SSEAdapter was closed: make a new one")
        return self._lines(events)

    def emit(self, event: StreamEvent) -> str:
        """The text of one event, as `transform` sends it; also for events of your own between two streams.

        Raises:
            TypeError: The event's data holds something that JSON cannot.
        """
        if self.full:
            return format_sse_event(event.type.value, public_form(event.data, full=True))
        return format_sse_event(event.type.value, event.data)

    async def close(self) -> None:
        """Begin no more streams; those that are under way end, and are closed, at their next event or heartbeat."""
        self._closed = True

    async def _lines(self, events: AsyncIterator[StreamEvent]) -> AsyncIterator[str]:
        source: Any = events if self.heartbeat is None else seam.with_heartbeat(events, self.heartbeat)
        emit = self.emit
        try:
            async with seam.closing(source):
                async for event in source:
                    yield event if isinstance(event, str) else emit(event)
                    if self._closed:
                        return
        except Exception:
            yield format_sse_event(StreamEventType.ERROR.value, _BROKEN)
            raise


class CallbackAdapter:
    """Calls a function for each event of a stream; functions of either colour, in the blocking face plain ones.

    Args:
        on_token: Called with each piece of text.
        on_reasoning: Called with each piece of reasoning.
        on_tool_start: Called with the ToolCallDelta that names the call.
        on_tool_delta: Called with the ToolCallDelta of each piece of the arguments.
        on_tool_end: Called with the whole ToolCall.
        on_usage: Called with the Usage of each answer.
        on_meta: Called with the dict of each META event: an agent's turns and tool results.
        on_done: Called with the result.
        on_error: Called with the dict of an ERROR event, {"status", "error"}.
        on_tool_call_start: The same as on_tool_start, under its older name.
        on_tool_call_end: The same as on_tool_end, under its older name.

    Raises:
        TypeError: One of them cannot be called, or one is given under both of its names.
    """

    def __init__(
        self,
        *,
        on_token: Callable[[str], Any] | None = None,
        on_reasoning: Callable[[str], Any] | None = None,
        on_tool_start: Callable[[ToolCallDelta], Any] | None = None,
        on_tool_delta: Callable[[ToolCallDelta], Any] | None = None,
        on_tool_end: Callable[[ToolCall], Any] | None = None,
        on_usage: Callable[[Usage], Any] | None = None,
        on_meta: Callable[[dict[str, Any]], Any] | None = None,
        on_done: Callable[[Any], Any] | None = None,
        on_error: Callable[[dict[str, Any]], Any] | None = None,
        on_tool_call_start: Callable[[ToolCallDelta], Any] | None = None,
        on_tool_call_end: Callable[[ToolCall], Any] | None = None,
    ) -> None:
        for one, other in ((on_tool_start, on_tool_call_start), (on_tool_end, on_tool_call_end)):
            if one is not None and other is not None:
                raise TypeError("on_tool_call_start and _end are other names for on_tool_start and _end: give one")
        on_tool_start, on_tool_end = on_tool_start or on_tool_call_start, on_tool_end or on_tool_call_end
        named: dict[StreamEventType, tuple[str, Callable[[Any], Any] | None]] = {
            StreamEventType.TOKEN: ("on_token", on_token),
            StreamEventType.REASONING: ("on_reasoning", on_reasoning),
            StreamEventType.TOOL_CALL_START: ("on_tool_start", on_tool_start),
            StreamEventType.TOOL_CALL_DELTA: ("on_tool_delta", on_tool_delta),
            StreamEventType.TOOL_CALL_END: ("on_tool_end", on_tool_end),
            StreamEventType.USAGE: ("on_usage", on_usage),
            StreamEventType.META: ("on_meta", on_meta),
            StreamEventType.DONE: ("on_done", on_done),
            StreamEventType.ERROR: ("on_error", on_error),
        }
        self._callbacks: dict[StreamEventType, tuple[str, Callable[[Any], Any]]] = {}
        for kind, (name, callback) in named.items():
            if callback is None:
                continue
            if not callable(callback):
                raise TypeError(f"{name} is a function, got {type(callback).__name__}")
            self._callbacks[kind] = (name, callback)

    async def consume(self, stream: AsyncIterator[StreamEvent]) -> Any:
        """Read a stream to its end, with a call for each event; whatever a function raises ends and closes the stream.

        Args:
            stream: A provider's or an agent's, of this face.

        Returns:
            What DONE carries, a CompletionResult or an AgentResult; after an ERROR a CompletionResult with `ok` False
            and what came so far.

        Raises:
            TypeError: The stream, or what a function returned, belongs to the other face.
        """
        buffer = StreamBuffer()
        async with seam.closing(seam.check_stream(stream)) as events:
            async for event in events:
                buffer.add(event)
                await self.emit(event)
        buffer.ended()
        return buffer.get_result()

    async def emit(self, event: StreamEvent) -> None:
        """Make the call for one event."""
        found = self._callbacks.get(event.type)
        if found is not None:
            name, callback = found
            await seam.resolve(callback(event.data), name)


class BufferingAdapter:
    """Passes a stream on and keeps what it amounts to: at its end, after an error, or so far."""

    def __init__(self) -> None:
        self._buffer = StreamBuffer()

    def wrap(self, stream: AsyncIterator[StreamEvent]) -> EventStream:
        """The same events; what an earlier stream left here is forgotten.

        Args:
            stream: A provider's or an agent's, of this face.

        Returns:
            An iterator, also usable as a context manager; closing it closes the stream.

        Raises:
            TypeError: The stream belongs to the other face.
        """
        events = seam.check_stream(stream)
        self._buffer = StreamBuffer()
        return EventStream(self._pass_on(events, self._buffer))

    @property
    def content(self) -> str:
        """All text that came, of an agent that of all its turns."""
        return self._buffer.content

    @property
    def reasoning(self) -> str | None:
        """All reasoning that came, None where there was none."""
        return self._buffer.reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls that came whole, in order."""
        return self._buffer.tool_calls

    @property
    def usage(self) -> Usage:
        """Tokens and cost, as far as the stream has told."""
        return self._buffer.usage

    @property
    def error(self) -> str | None:
        """What went wrong, None where nothing did."""
        return self._buffer.error

    def get_result(self) -> Any:
        """What DONE carried, a CompletionResult or an AgentResult; otherwise a CompletionResult of what came so far.

        That has `ok` False, and the status of the error; 502 where the stream just ended, 499 where it was not read to
        its end.
        """
        return self._buffer.get_result()

    async def _pass_on(self, stream: AsyncIterator[StreamEvent], buffer: StreamBuffer) -> AsyncIterator[StreamEvent]:
        add = buffer.add
        try:
            async with seam.closing(stream) as events:
                async for event in events:
                    add(event)
                    yield event
            buffer.ended()
        except Exception as error:
            buffer.failed(500, f"{type(error).__name__}: {error}")
            raise


async def collect_stream(stream: AsyncIterator[StreamEvent]) -> Any:
    """Read a stream to its end.

    Args:
        stream: A provider's or an agent's, of this face.

    Returns:
        What DONE carries, a CompletionResult or an AgentResult; after an ERROR a CompletionResult with `ok` False and
        what came so far.

    Raises:
        TypeError: The stream belongs to the other face.
    """
    buffer = StreamBuffer()
    async with seam.closing(seam.check_stream(stream)) as events:
        async for event in events:
            buffer.add(event)
    buffer.ended()
    return buffer.get_result()


async def stream_to_string(stream: AsyncIterator[StreamEvent]) -> str:
    """Read a stream to its end and return its text; of an agent, the final answer.

    Args:
        stream: A provider's or an agent's, of this face.

    Raises:
        StreamError: The stream ended with an ERROR event; its `result` holds what came so far.
        TypeError: The stream belongs to the other face.
    """
    result = await collect_stream(stream)
    # An agent that ran out of turns has a status in words, and its text is what it came to.
    if isinstance(result.status, int) and not result.ok:
        raise StreamError(result.error or "the stream failed", status=result.status, result=result)
    content: str = result.content
    return content
