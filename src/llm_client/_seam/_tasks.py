"""Calls, crews and shared calls on an event loop: the asynchronous half of what needs more than a line."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import Any, TypeVar
from weakref import WeakSet

from . import _flight
from ._colour import is_async_callable
from ._threads import (
    DRAIN_SECONDS,
    CallCancelled,
    CallTimeout,
    Job,
    Outcome,
    context_with_deadline,
    name_of,
    now,
    refuse_if_full,
)

T = TypeVar("T")
S = TypeVar("S")

CREW_DRAIN_SECONDS = 5.0
"""How long cancelled work may take to clean up; longer than one call's, because calls drain inside of it."""

dismissed: WeakSet[asyncio.Task[Any]] = WeakSet()
"""Tasks of crews that were cancelled because nobody wants their results: before Python 3.11 a task cannot tell."""

_log = logging.getLogger("llm_client.seam")
_END: Any = object()


class LoopWaiter:
    """One waiting task, woken from any thread."""

    __slots__ = ("_future", "_loop", "_thread")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        """Let the waiting task go on. Never waits."""
        try:
            if self._thread == threading.get_ident():
                self._set()
            else:
                self._loop.call_soon_threadsafe(self._set)
        except RuntimeError:
            pass  # its loop is closed: nobody waits there any more

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until woken, or for some seconds; tell whether it was woken."""
        if timeout is None:
            await self._future
        else:
            await asyncio.wait((self._future,), timeout=timeout)
        return self._future.done()


async def call(function: Callable[..., Any], kwargs: Mapping[str, Any], timeout: float | None) -> Any:
    """The asynchronous face's `call`; see `_async.call`."""
    label = name_of(function)
    bound = functools.partial(function, **kwargs)
    if is_async_callable(function):
        return await _call_in_task(bound, timeout, timeout, label)
    started = now()
    value = await _call_in_thread(bound, timeout, label)
    if inspect.isawaitable(value):
        left = None if timeout is None else max(0.0, timeout - (now() - started))
        return await _call_in_task(lambda: value, left, timeout, label)
    return value


async def _call_in_task(make: Callable[[], Awaitable[T]], seconds: float | None, limit: float | None, label: str) -> T:
    # Not wait_for, which can swallow a cancellation before Python 3.12; and `wait` also tells the task's own
    # cancellation from the caller's.
    task = context_with_deadline(seconds).run(asyncio.get_running_loop().create_task, _await(make))
    task.add_done_callback(_look_at_error)
    try:
        await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait((task,), timeout=DRAIN_SECONDS)
        raise
    except BaseException:
        _cancel(task)
        raise
    if task.done():
        return _result(task)
    task.cancel()
    await asyncio.wait((task,), timeout=DRAIN_SECONDS)
    if not task.done():
        _log.warning("%s was cancelled after %g s but does not end", label, limit)
    raise CallTimeout(limit or 0.0, still_running=not task.done())


async def _call_in_thread(function: Callable[[], T], timeout: float | None, label: str) -> T:
    if timeout is not None:
        refuse_if_full(label)
    waiter = LoopWaiter()
    job = Job(function, timeout, label, waiter.wake)
    try:
        await waiter.wait(timeout)
    except BaseException:
        if job.outcome is None:
            job.abandon()
        raise
    if job.outcome is None:
        raise job.time_out(timeout or 0.0)
    return job.take()


async def _await(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def _result(task: asyncio.Task[T]) -> T:
    if task.cancelled():
        raise CallCancelled("the call was cancelled from within")
    return task.result()


def _look_at_error(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # an error that comes too late for anybody is no "exception was never retrieved"


def _cancel(task: asyncio.Task[Any]) -> None:
    try:
        task.cancel()
    except RuntimeError:
        pass  # its loop is closed


class _Finished:
    """Tasks in the order in which they ended, without looking at all of them each time."""

    __slots__ = ("_ended", "_waiting")

    def __init__(self) -> None:
        self._ended: deque[asyncio.Task[Any]] = deque()
        self._waiting: asyncio.Future[None] | None = None

    def add(self, task: asyncio.Task[Any]) -> None:
        self._ended.append(task)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self) -> asyncio.Task[Any]:
        while not self._ended:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._ended.popleft()


async def pool(
    items: Iterable[T] | AsyncIterable[T], worker: Callable[[T], Any], workers: int
) -> AsyncIterator[tuple[T, Any]]:
    """The asynchronous face's `pool`; see `_async.pool`."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    source: Iterator[T] | AsyncIterator[T] = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
    running: dict[asyncio.Task[Any], T] = {}
    fetching: asyncio.Task[Any] | None = None
    finished = _Finished()
    exhausted = False

    def start(make: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(_await(make))
        task.add_done_callback(_look_at_error)
        task.add_done_callback(finished.add)
        return task

    def work_on(item: T) -> None:
        running[start(functools.partial(_work, worker, item))] = item

    try:
        while True:
            # Only here, after the reader has come back for more, is the next item taken.
            while not exhausted and fetching is None and len(running) < workers:
                if isinstance(source, AsyncIterator):
                    fetching = start(functools.partial(_next, source))
                    continue
                item = next(source, _END)
                if item is _END:
                    exhausted = True
                else:
                    work_on(item)
            if not running and fetching is None:
                return
            task = await finished.next()
            if task is fetching:
                fetching = None
                item = _result(task)
                if item is _END:
                    exhausted = True
                else:
                    work_on(item)
            else:
                yield running.pop(task), _outcome(task)
    finally:
        await _drain([*running, *([] if fetching is None else [fetching])])


async def _drain(tasks: list[asyncio.Task[Any]]) -> None:
    dismissed.update(tasks)
    for task in tasks:
        _cancel(task)
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=CREW_DRAIN_SECONDS)
        if late:
            _log.warning("%d cancelled calls do not end", len(late))


async def _work(worker: Callable[[T], Any], item: T) -> Any:
    value = worker(item)
    return await value if inspect.isawaitable(value) else value


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source, _END)


def _outcome(task: asyncio.Task[Any]) -> Any:
    try:
        return _result(task)
    except Exception as error:
        return error


async def shared_call(key: Hashable, thunk: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """The asynchronous face's `shared_call`; see `_async.shared_call`."""
    loop = asyncio.get_running_loop()
    while True:
        flight, led = _flight.board(key, loop)
        if led:
            _take_off(flight, loop, thunk)
        elif not _flight.may_wait(flight, loop):
            return await thunk(), True
        outcome = await _landing(flight, loop)
        if outcome is None:  # it runs on a loop that has ended, or stands still
            if not (flight.loop is None or flight.loop.is_running()):
                flight.retire()
                continue
            return await thunk(), True
        if outcome is not _flight.NO_ANSWER:
            return outcome.get(), led
        if led:
            raise CallCancelled("the shared call was cancelled from within")


def _take_off(flight: _flight.Flight, loop: asyncio.AbstractEventLoop, thunk: Callable[[], Awaitable[Any]]) -> None:
    async def fly() -> Outcome[Any]:
        try:
            return Outcome(value=await thunk())
        except Exception as error:
            return Outcome(error=error)

    def landed(task: asyncio.Task[Outcome[Any]]) -> None:
        failed = task.cancelled() or task.exception() is not None
        flight.land(_flight.NO_ANSWER if failed else task.result())

    def stop() -> None:
        try:
            loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:
            pass  # the loop is closed, and the call with it

    try:
        context = copy_context()
        context.run(_flight.leading.set, (*_flight.leading.get(), flight.key))
        task = context.run(loop.create_task, fly())
        task.add_done_callback(landed)
        flight.stop = stop
    except BaseException:
        flight.land(_flight.NO_ANSWER)
        raise


async def _landing(flight: _flight.Flight, loop: asyncio.AbstractEventLoop) -> Outcome[Any] | None:
    waiter = LoopWaiter()
    flight.add(waiter)
    try:
        if flight.loop is loop:
            await waiter.wait()
        else:
            pulse = _flight.Pulse(flight.loop)
            while not await waiter.wait(_flight.LOOK_SECONDS):
                if pulse.is_lost():
                    return None
    finally:
        flight.leave(waiter)
    return flight.outcome


class Closing(AbstractAsyncContextManager[T]):
    """Closes a stream on the way out, whichever name its closing method has."""

    __slots__ = ("_stream",)

    def __init__(self, stream: T) -> None:
        self._stream = stream

    async def __aenter__(self) -> T:
        return self._stream

    async def __aexit__(self, *exc_info: object) -> None:
        close = getattr(self._stream, "aclose", None) or getattr(self._stream, "close", None)
        ended = close() if callable(close) else None
        if inspect.isawaitable(ended):
            await ended


class Lock:
    """Keeps the tasks of one event loop apart; made anywhere, used on any number of loops, first come first served.

    Tasks of different loops do not wait for each other: a loop that ended while holding it would stop all others.
    """

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[asyncio.AbstractEventLoop, deque[asyncio.Future[None]]] = {}

    async def acquire(self, timeout: float | None = None) -> bool:
        """Take the lock.

        Args:
            timeout: Longest wait in seconds; None waits for ever.

        Returns:
            Whether it was taken.
        """
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            for other in list(self._queues):
                if other.is_closed():  # it ended while it held the lock
                    self._queues.pop(other, None)
            self._queues[loop] = deque()  # present: taken; its content: who waits
            return True
        turn: asyncio.Future[None] = loop.create_future()
        queue.append(turn)
        try:
            if timeout is None:
                await turn
            else:
                await asyncio.wait((turn,), timeout=timeout)
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.release()  # it was handed over in the same moment: hand it on
            else:
                turn.cancel()
            raise
        if turn.done():
            return True
        turn.cancel()
        return False

    def release(self) -> None:
        """Give the lock to the next in the queue; never waits."""
        loop = asyncio.get_running_loop()
        queue = self._queues[loop]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[loop]

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *exc_info: object) -> None:
        self.release()


_background: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks only weakly


def start_quietly(thunk: Callable[[], Awaitable[object]]) -> None:
    """Run something as a task of the running loop, whose errors are logged."""
    task = asyncio.get_running_loop().create_task(_quietly(thunk))
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _quietly(thunk: Callable[[], Awaitable[object]]) -> None:
    try:
        await thunk()
    except Exception:
        _log.warning("%s in the background failed", name_of(thunk), exc_info=True)
