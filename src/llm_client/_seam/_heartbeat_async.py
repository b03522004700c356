"""Signs of life in an asynchronous stream: one task reads it, so that the reader can speak while nothing comes.

Not a time limit around each event: leaving one would cancel what the stream is waiting for, and a task for each event
would cost more than all the rest. A task of its own also keeps the time limits inside of the stream away from the code
that sends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from ._tasks import CREW_DRAIN_SECONDS, Closing
from ._threads import CallCancelled, Outcome

AHEAD = 8
"""So many events are read beyond what the caller has taken."""

PING = ": ping\n\n"


async def with_heartbeat(stream: Any, seconds: float) -> AsyncIterator[Any]:
    """The asynchronous face's `with_heartbeat`; see `_async.with_heartbeat`."""
    reader = _Reader(stream, seconds)
    try:
        events = reader.events
        while True:
            while events:
                yield events.popleft()
                reader.make_room()
            if reader.outcome is not None:
                outcome, reader.outcome = reader.outcome, None
                outcome.get()
                return
            if not await reader.wait():
                yield PING
    finally:
        await reader.stop()


class _Reader:
    """One task that reads a stream, and one timer that notices silence."""

    __slots__ = ("_heard", "_loop", "_room", "_seconds", "_stream", "_task", "_timer", "_waiting", "events", "outcome")

    def __init__(self, stream: Any, seconds: float) -> None:
        self.events: deque[Any] = deque()
        self.outcome: Outcome[None] | None = None
        self._stream = stream
        self._seconds = seconds
        self._waiting: asyncio.Future[bool] | None = None
        self._room: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._look)
        self._task = self._loop.create_task(self._read())

    async def wait(self) -> bool:
        """Wait for the next event, or the stream's end; False where nothing came for so long that a sign is due."""
        self._waiting = self._loop.create_future()
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def make_room(self) -> None:
        """An event was taken."""
        room = self._room
        if room is not None and not room.done():
            room.set_result(None)

    async def stop(self) -> None:
        """End the task, which closes the stream, and wait until it has."""
        self._timer.cancel()
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=CREW_DRAIN_SECONDS)
        if self._task.done():
            async with Closing(self._stream):  # once more: the task may have ended before it began
                pass

    async def _read(self) -> None:
        outcome: Outcome[None] = Outcome()
        try:
            async with Closing(self._stream) as stream:
                async for event in stream:
                    self.events.append(event)
                    self._wake(True)
                    if len(self.events) >= AHEAD:
                        await self._wait_for_room()
        except asyncio.CancelledError:
            outcome = Outcome(error=CallCancelled("the stream was cancelled from within"))
            raise
        except Exception as error:
            outcome = Outcome(error=error)
        except BaseException as error:
            outcome = Outcome(error=error)
            raise
        finally:
            self.outcome = outcome
            self._wake(True)

    async def _wait_for_room(self) -> None:
        self._room = self._loop.create_future()
        try:
            await self._room
        finally:
            self._room = None

    def _wake(self, heard: bool) -> None:
        self._heard = self._loop.time()
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(heard)

    def _look(self) -> None:
        # One timer for the whole stream: it looks when the last event was, instead of being set anew for each.
        left = self._heard + self._seconds - self._loop.time()
        if left <= 0:
            self._wake(False)
            left = self._seconds
        self._timer = self._loop.call_later(left, self._look)
