"""A whole answer as the events of a stream: for providers that give answers whole, and for stored ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .events import StreamEvent, StreamEventType
from .messages import ToolCallDelta
from .results import CompletionResult


def events_of(result: CompletionResult) -> Iterator[StreamEvent]:
    """A result as the events of a stream, the text word by word."""
    if not result.ok:
        yield StreamEvent(StreamEventType.ERROR, {"status": result.status, "error": result.error})
        return
    if result.reasoning:
        yield StreamEvent(StreamEventType.REASONING, result.reasoning)
    for piece in pieces_of(result.content):
        yield StreamEvent(StreamEventType.TOKEN, piece)
    for index, call in enumerate(result.tool_calls or ()):
        yield StreamEvent(StreamEventType.TOOL_CALL_START, ToolCallDelta(index, call.id, call.name))
        yield StreamEvent(StreamEventType.TOOL_CALL_DELTA, ToolCallDelta(index, call.id, call.name, call.arguments))
        yield StreamEvent(StreamEventType.TOOL_CALL_END, call)
    yield StreamEvent(StreamEventType.USAGE, result.usage)
    yield StreamEvent(StreamEventType.DONE, result)


def pieces_of(text: str) -> list[str]:
    """Words with the white space behind them; together they are the text."""
    pieces: list[str] = []
    start = 0
    for position in range(1, len(text)):
        if text[position - 1].isspace() and not text[position].isspace():
            pieces.append(text[start:position])
            start = position
    if text:
        pieces.append(text[start:])
    return pieces
