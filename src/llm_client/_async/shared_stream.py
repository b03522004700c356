"""One upstream stream with any number of readers.

Nobody leads: whoever needs an event that has not been read yet reads it, and those who need the same one wait for that.
So a reader that pauses, or leaves, holds up no other. The upstream stream is closed when the last reader leaves.

Readers are counted with a deque, whose methods are atomic: a reader may leave inside a finalizer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from .._core.cache_answers import LAST
from .._core.events import StreamEvent
from .._seam import _async as seam


class SharedStream:
    """What came of a stream so far, and the way to the rest.

    Args:
        source: The upstream events, a generator.
        keep: Called with all events when the last one is DONE, before anybody gets it.
    """

    __slots__ = ("_keep", "_readers", "_source", "_unclosed", "_withdraw", "again", "ended", "events", "failure")

    def __init__(self, source: Any, keep: Callable[[list[StreamEvent]], Any]) -> None:
        self.events: list[StreamEvent] = []
        self.ended = False
        self.failure: Exception | None = None
        self.again: SharedStream | None = None  # the next try of those whose first one this was
        self._source = source
        self._keep = keep
        self._readers: deque[None] = deque()
        self._unclosed = deque([None])  # who takes it out closes the source
        self._withdraw: Callable[[], object] | None = None

    @property
    def complete(self) -> bool:
        """Whether DONE or ERROR has come."""
        return bool(self.events) and self.events[-1].type in LAST

    def enter(self) -> None:
        """Begin to read."""
        self._readers.append(None)

    async def leave(self) -> None:
        """Stop reading; the last one to leave closes the upstream stream."""
        self._readers.pop()
        if self._readers:
            return
        self.ended = True
        self._retire()
        try:
            self._unclosed.pop()
        except IndexError:
            return
        try:
            await self._source.aclose()
        except (RuntimeError, ValueError):
            pass  # its last read was cancelled a moment ago and closes it on its way out

    async def next(self, position: int, *, alone: bool) -> bool:
        """Have the event at a position read.

        Args:
            position: How many events the reader has had.
            alone: Whether nobody else can be reading.

        Returns:
            Whether it is there; else the stream has ended without it.

        Raises:
            Exception: The upstream stream raised it.
        """
        if position >= len(self.events) and not self.ended:
            if alone:
                await self._read(position)
            else:
                await seam.shared_call((self, position), partial(self._read, position))
        if position < len(self.events):
            return True
        if self.failure is not None:
            raise self.failure
        return False

    async def _read(self, position: int) -> None:
        if position < len(self.events) or self.ended:
            return
        try:
            event = await self._source.__anext__()
        except StopAsyncIteration:
            self._end()
            return
        except Exception as error:
            self.failure = error
            self._end()
            return
        if event.type in LAST:
            await self._keep([*self.events, event])
            self.events.append(event)
            self._end()
        else:
            self.events.append(event)

    def _end(self) -> None:
        self.ended = True
        self._retire()

    def _retire(self) -> None:
        withdraw, self._withdraw = self._withdraw, None
        if withdraw is not None:
            withdraw()

    def list_in(self, streams: dict[Hashable, SharedStream], key: Hashable) -> SharedStream:
        """Let others find this stream, until it ends; returns the one that they find, which may be an earlier one."""
        listed = streams.setdefault(key, self)
        if listed is self:
            self._withdraw = partial(streams.pop, key, None)
        return listed


_streams: Any = seam.per_loop(dict, dict.clear)


def find_stream(
    key: Hashable, make: Callable[[], SharedStream], failed: SharedStream | None = None
) -> tuple[SharedStream, bool]:
    """The running stream of a key, else a new one; tells whether it is new.

    In this face a stream is shared by the readers that `seam.per_loop` puts together: those of one event loop, or
    where there is none, of one process.

    Args:
        key: What makes streams equal.
        make: Makes a new one.
        failed: One that failed at once. Those who waited for it share one more try, also after that has ended.
    """
    again = None if failed is None else failed.again
    if again is not None and (again.complete or not again.ended):
        again.enter()
        return again, False
    stream, new = _find(key, make)
    if failed is not None:
        failed.again = stream
    return stream, new


def _find(key: Hashable, make: Callable[[], SharedStream]) -> tuple[SharedStream, bool]:
    streams = _streams.get()
    running = streams.get(key)
    if running is None or running.ended:
        made = make()
        if running is not None:
            streams.pop(key, None)
        running = made.list_in(streams, key)
        if running is made:
            running.enter()
            return made, True
    running.enter()
    return running, False
