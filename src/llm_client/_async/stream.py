"""What `stream()` returns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from .._core.events import StreamEvent


class EventStream:
    """The events of one answer: an iterator, and a context manager for early exits.

    Leaving the `async with` block, or calling `aclose()`, hangs up at once. Without either, leaving a loop early
    hangs up when Python disposes of the iterator.
    """

    __slots__ = ("__weakref__", "_events")

    def __init__(self, events: Any) -> None:
        # Any: an iterator that can be closed has no name that reads the same on both faces.
        self._events = events

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        # The generator itself: no further call per event.
        return self._events  # type: ignore[no-any-return]

    async def __anext__(self) -> StreamEvent:
        return await self._events.__anext__()  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Stop, and close the connection."""
        await self._events.aclose()

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
