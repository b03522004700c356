"""One thing per event loop, closed when the loop ends: sessions, pools and clients of the asynchronous face."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from asyncio import AbstractEventLoop, get_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ._fork import keep_forever, on_fork

T = TypeVar("T")

CLOSE_SECONDS = 5.0
"""How long the end of a loop may be held up by closing what was opened on it."""

_log = logging.getLogger("llm_client.seam")


@dataclass(slots=True, eq=False)
class _Held:
    """Something open, how to close it, and whose it is."""

    thing: Any
    close: Callable[[Any], object] | None
    drop: Callable[[Any], object] | None
    owner: weakref.ref[PerLoop[Any]]

    async def end(self) -> None:
        close = self.close or _closer(self.thing)
        ended = close(self.thing)
        if inspect.isawaitable(ended):
            await ended


class _Guard:
    """All that one event loop has open.

    It is tied to the loop by an asynchronous generator that was started there and never finished: `asyncio.run` and
    everything built like it end such generators before they close the loop, and its `finally` closes what is open.
    The guard is held by the module and not by the owners of what it closes: a generator that is collected is ended by a
    new task, which a loop that is about to stop cancels before its first step.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.held: dict[int, _Held] = {}  # by id of the owner
        self._unowned: deque[_Held] = deque()
        self._sweeper: asyncio.Task[None] | None = None
        self._generator = self._watch()
        if not getattr(loop, "_asyncgens_shutdown_called", False):  # too late for a new one, and Python would warn
            try:
                self._generator.__anext__().send(None)
            except StopIteration:
                pass  # it has reached its yield

    async def _watch(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._close_all()

    async def _close_all(self) -> None:
        while self.held or self._unowned:
            batch = [*self.held.values(), *self._unowned]
            self.held.clear()
            self._unowned.clear()
            for held in batch:
                self._disown(held)
            tasks = [self.loop.create_task(_end_quietly(held)) for held in batch]
            _, late = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
        _guards.pop(self.loop, None)

    def _disown(self, held: _Held) -> None:
        owner = held.owner()
        if owner is not None:
            owner._forget(self.loop, held.thing)

    def let_go(self, owner: int) -> None:
        """Close something whose owner was collected. May run in a finalizer, on any thread: only asks for it."""
        held = self.held.pop(owner, None)
        if held is None:
            return
        self._unowned.append(held)
        try:
            self.loop.call_soon_threadsafe(self._sweep)
        except RuntimeError:
            pass  # the loop is closed: `drop_all` follows when the next one opens something

    def _sweep(self) -> None:
        if self._unowned and (self._sweeper is None or self._sweeper.done()):
            self._sweeper = self.loop.create_task(self._close_unowned())

    async def _close_unowned(self) -> None:
        while self._unowned:
            await _end_quietly(self._unowned[0])  # stays listed until it is closed: this task may be cancelled
            if self._unowned:
                self._unowned.popleft()

    def drop_all(self) -> None:
        """Let go of everything on a loop that was closed without ending its generators."""
        batch = [*self.held.values(), *self._unowned]
        self.held.clear()
        self._unowned.clear()
        for held in batch:
            self._disown(held)
            if held.drop is not None:
                try:
                    held.drop(held.thing)
                except Exception:
                    _log.debug("letting go of %r failed", held.thing, exc_info=True)


_guards: dict[AbstractEventLoop, _Guard] = {}
_owners: weakref.WeakSet[PerLoop[Any]] = weakref.WeakSet()


class PerLoop(Generic[T]):
    """One thing per event loop, made at first use and closed when the loop ends.

    What is left when the owner is collected is closed by its loop soon after; what is left on a loop that was closed
    the hard way is forgotten when the next loop opens something. No call ever waits, and none needs a lock: only a
    loop's own thread opens and closes its things.

    Args:
        factory: Makes the thing; called on the loop's thread, with the loop running.
        close: Closes it, may return something to await. Default: its `aclose()`, else its `close()`.
        drop: Lets go of it without a loop, where its own was closed too early. Default: nothing.
    """

    __slots__ = ("__weakref__", "_by_loop", "_close", "_drop", "_factory")

    def __init__(
        self,
        factory: Callable[[], T],
        close: Callable[[T], object] | None = None,
        drop: Callable[[T], object] | None = None,
    ) -> None:
        self._factory = factory
        self._close = close
        self._drop = drop
        self._by_loop: dict[AbstractEventLoop, T] = {}
        _owners.add(self)

    def get(self) -> T:
        """Return the running loop's own, made now if it has none."""
        try:
            return self._by_loop[get_running_loop()]
        except KeyError:
            return self._open()

    def peek(self) -> T | None:
        """Return the running loop's own if it has one."""
        return self._by_loop.get(get_running_loop())

    def _open(self) -> T:
        loop = get_running_loop()
        _forget_closed_loops()
        thing = self._factory()
        guard = _guards.get(loop)
        if guard is None:
            guard = _guards[loop] = _Guard(loop)
        guard.held[id(self)] = _Held(thing, self._close, self._drop, weakref.ref(self))
        self._by_loop[loop] = thing
        return thing

    async def close(self) -> None:
        """Close what belongs to the running loop; a later `get` makes anew."""
        loop = get_running_loop()
        thing = self._by_loop.pop(loop, None)
        guard = _guards.get(loop)
        held = None if thing is None or guard is None else guard.held.pop(id(self), None)
        if held is not None:
            await held.end()

    def _forget(self, loop: AbstractEventLoop, thing: Any) -> None:
        """Take note that a loop's own is being closed."""
        if self._by_loop.get(loop) is thing:
            self._by_loop.pop(loop, None)

    def _forget_all(self) -> None:
        """Start with nothing, in a forked child."""
        self._by_loop = {}

    def __del__(self, guards: dict[AbstractEventLoop, _Guard] = _guards) -> None:
        # Runs wherever the collector happens to run: only dictionary and deque operations, no lock, no waiting.
        for loop in [*getattr(self, "_by_loop", ())]:
            guard = guards.get(loop)
            if guard is not None:
                guard.let_go(id(self))


def _closer(thing: Any) -> Callable[[Any], object]:
    if hasattr(thing, "aclose"):
        return lambda it: it.aclose()
    return lambda it: it.close()


async def _end_quietly(held: _Held) -> None:
    try:
        await held.end()
    except Exception as error:
        _log.warning("closing %s failed: %r", type(held.thing).__name__, error)


def _forget_closed_loops() -> None:
    for loop, guard in list(_guards.items()):
        if loop.is_closed():
            _guards.pop(loop, None)
            guard.drop_all()


def open_loops() -> int:
    """How many event loops have something open."""
    return len(_guards)


def _drop_all() -> None:
    if _guards:
        keep_forever(dict(_guards))
    _guards.clear()
    for owner in list(_owners):
        owner._forget_all()


on_fork(_drop_all)
