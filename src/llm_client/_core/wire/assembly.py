"""Pieces of a streamed answer to events, and to the whole: one class for all dialects."""

from __future__ import annotations

from ..events import StreamEvent, StreamEventType
from ..messages import ToolCall, ToolCallDelta

_TOKEN = StreamEventType.TOKEN
_REASONING = StreamEventType.REASONING
_START = StreamEventType.TOOL_CALL_START
_DELTA = StreamEventType.TOOL_CALL_DELTA
_END = StreamEventType.TOOL_CALL_END


class _OpenCall:
    __slots__ = ("arguments", "ended", "id", "index", "name", "started")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.started = False
        self.ended = False


class Assembly:
    """Collects text, reasoning and tool calls, and makes the event of each piece.

    A call is known by the key under which the vendor streams it (an index, an item's id); its index in our events
    counts from 0 in the order of appearance. TOOL_CALL_START waits until id and name are both there.
    """

    __slots__ = ("_by_key", "_calls", "reasoning_pieces", "text_pieces")

    def __init__(self) -> None:
        self.text_pieces: list[str] = []
        self.reasoning_pieces: list[str] = []
        self._calls: list[_OpenCall] = []
        self._by_key: dict[object, _OpenCall] = {}

    @property
    def content(self) -> str:
        """The text so far."""
        return "".join(self.text_pieces)

    @property
    def reasoning(self) -> str | None:
        """The reasoning so far, None where there is none."""
        return "".join(self.reasoning_pieces) or None

    @property
    def tool_calls(self) -> list[ToolCall] | None:
        """The calls so far, None where there are none."""
        return [_whole(call) for call in self._calls if call.name] or None

    @property
    def ended_tool_calls(self) -> list[ToolCall] | None:
        """The calls that are complete, None where there are none."""
        return [_whole(call) for call in self._calls if call.ended] or None

    def text(self, piece: str, events: list[StreamEvent]) -> None:
        """Text came."""
        self.text_pieces.append(piece)
        events.append(StreamEvent(_TOKEN, piece))

    def reason(self, piece: str, events: list[StreamEvent]) -> None:
        """Reasoning came."""
        self.reasoning_pieces.append(piece)
        events.append(StreamEvent(_REASONING, piece))

    def has_call(self, key: object) -> bool:
        """Whether a call is streamed under this key."""
        return key in self._by_key

    def call(
        self,
        key: object,
        events: list[StreamEvent],
        *,
        id: str | None = None,
        name: str | None = None,
        arguments: str = "",
    ) -> None:
        """A piece of a tool call came; id and name count once, some servers repeat them in every piece."""
        call = self._by_key.get(key)
        if call is not None and id and name and call.id and id != call.id:
            # Some servers number all calls alike, or not at all: another id with a name is another call.
            self._end(call, events)
            call = None
        if call is None:
            call = self._by_key[key] = _OpenCall(len(self._calls))
            self._calls.append(call)
        if id and not call.id:
            call.id = id
        if name and not call.name:
            call.name = name
        if arguments:
            call.arguments.append(arguments)
        if call.started:
            if arguments:
                events.append(StreamEvent(_DELTA, ToolCallDelta(call.index, call.id, call.name, arguments)))
        elif call.id and call.name:
            self._start(call, events)

    def _start(self, call: _OpenCall, events: list[StreamEvent]) -> None:
        call.started = True
        events.append(StreamEvent(_START, ToolCallDelta(call.index, call.id, call.name)))
        early = "".join(call.arguments)
        if early:
            events.append(StreamEvent(_DELTA, ToolCallDelta(call.index, call.id, call.name, early)))

    def end_call(self, key: object, events: list[StreamEvent], *, arguments: str | None = None) -> None:
        """A call is complete.

        Args:
            key: Under which it was streamed.
            events: Where its TOOL_CALL_END goes.
            arguments: The vendor's final text, which wins over the sum of the pieces.
        """
        call = self._by_key.get(key)
        if call is not None:
            self._end(call, events, arguments)

    def _end(self, call: _OpenCall, events: list[StreamEvent], arguments: str | None = None) -> None:
        if call.ended or not call.name:
            return
        if not call.started:
            # The server never gave an id; results still need one to be told apart.
            call.id = call.id or f"call_{call.index}"
            self._start(call, events)
        if arguments is not None:
            missing = arguments[len("".join(call.arguments)) :]
            if missing and "".join(call.arguments) + missing == arguments:
                events.append(StreamEvent(_DELTA, ToolCallDelta(call.index, call.id, call.name, missing)))
            call.arguments = [arguments]
        call.ended = True
        events.append(StreamEvent(_END, _whole(call)))

    def end_all_calls(self, events: list[StreamEvent]) -> None:
        """All calls are complete."""
        for call in self._calls:
            self._end(call, events)


def _whole(call: _OpenCall) -> ToolCall:
    return ToolCall(id=call.id or f"call_{call.index}", name=call.name, arguments="".join(call.arguments))
