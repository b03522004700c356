"""Streams for the tests of adapters: of either face, with a memory of having been closed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from typing import Any

from llm_client import CompletionResult, StreamEvent, StreamEventType, ToolCall, ToolCallDelta, Usage

WAIT_SECONDS = 10.0


def token(text: str) -> StreamEvent:
    """A TOKEN event."""
    return StreamEvent(StreamEventType.TOKEN, text)


def done(content: str = "", **fields: Any) -> StreamEvent:
    """A DONE event with a completion."""
    return StreamEvent(StreamEventType.DONE, CompletionResult(content=content, **fields))


def error(status: int = 500, text: str = "broken") -> StreamEvent:
    """An ERROR event."""
    return StreamEvent(StreamEventType.ERROR, {"status": status, "error": text})


def every_kind() -> list[StreamEvent]:
    """One event of each kind, in the order of a stream, but for ERROR."""
    call = ToolCall("c1", "search", '{"q": "fox"}')
    usage = Usage(7, 3)
    return [
        StreamEvent(StreamEventType.META, {"event": "note"}),
        StreamEvent(StreamEventType.REASONING, "hm"),
        token("Hello"),
        token(" you"),
        StreamEvent(StreamEventType.TOOL_CALL_START, ToolCallDelta(0, "c1", "search")),
        StreamEvent(StreamEventType.TOOL_CALL_DELTA, ToolCallDelta(0, "c1", "search", '{"q": "fox"}')),
        StreamEvent(StreamEventType.TOOL_CALL_END, call),
        StreamEvent(StreamEventType.USAGE, usage),
        done("Hello you", tool_calls=[call], usage=usage, reasoning="hm"),
    ]


class Stream:
    """Gives events on both faces; an exception in their place is raised, a number is a pause in seconds."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = list(items)
        self.given = 0
        self.closed = threading.Event()

    def of(self, face: Any) -> Any:
        """The stream of one face: an asynchronous or a plain generator."""
        return self.plain() if face.__name__.endswith("sync") else self.asynchronous()

    def of_the_other(self, face: Any) -> Any:
        """The stream of the face that is not given."""
        return self.asynchronous() if face.__name__.endswith("sync") else self.plain()

    def plain(self) -> Any:
        try:
            for item in self._items:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, (int, float)):
                    time.sleep(item)
                    continue
                self.given += 1
                yield item
        finally:
            self.closed.set()

    async def asynchronous(self) -> Any:
        try:
            for item in self._items:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, (int, float)):
                    await asyncio.sleep(item)
                    continue
                self.given += 1
                yield item
        finally:
            self.closed.set()
