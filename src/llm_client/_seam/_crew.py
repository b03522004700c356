"""Calls, crews and shared calls on threads: the blocking half of what needs more than a line. Never imports asyncio."""

from __future__ import annotations

import functools
import inspect
import logging
import queue
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextvars import Context, copy_context
from typing import Any, TypeVar

from . import _flight
from ._colour import describe, discard, is_async_callable, is_async_value
from ._threads import (
    DAY_SECONDS,
    Job,
    Outcome,
    ThreadWaiter,
    attempt,
    name_of,
    now,
    refuse_if_full,
    thread_name,
)

T = TypeVar("T")

_log = logging.getLogger("llm_client.seam")
_END: Any = object()


Note = Callable[[Callable[[], None]], None]
"""Takes a function that cancels a call, for whoever gives up waiting for it."""


def call(
    function: Callable[..., Any], kwargs: Mapping[str, Any], timeout: float | None, note: Note | None = None
) -> Any:
    """The blocking face's `call`; see `_sync.call`."""
    label = name_of(function)
    bound = functools.partial(function, **kwargs)
    if is_async_callable(function):
        return _on_loop_thread(bound, timeout, timeout, label, note)
    started = now()
    value = bound() if timeout is None else _call_in_thread(bound, timeout, label)
    if inspect.isawaitable(value):
        left = None if timeout is None else max(0.0, timeout - (now() - started))
        return _on_loop_thread(lambda: value, left, timeout, label, note)
    return value


def _on_loop_thread(
    make: Callable[[], Any], seconds: float | None, limit: float | None, label: str, note: Note | None
) -> Any:
    from ._loop_thread import loop_thread  # imports asyncio: only for those who bring a coroutine

    return loop_thread().run(make, seconds, limit, label, note)


def _call_in_thread(function: Callable[[], T], timeout: float, label: str) -> T:
    refuse_if_full(label)
    waiter = ThreadWaiter()
    job = Job(function, timeout, label, waiter.wake)
    try:
        waiter.wait(timeout)
    except BaseException:
        if job.outcome is None:
            job.abandon()
        raise
    if job.outcome is None:
        raise job.time_out(timeout)
    return job.take()


def resolve(value: T, what: str) -> T:
    """The blocking face's `resolve`; see `_sync.resolve`."""
    if is_async_value(value):
        discard(value)
        raise TypeError(
            f"{what} returned {describe(value)}; the blocking face, llm_client.sync, calls plain functions only."
            " Write it with `def`, or use the asynchronous face, llm_client."
        )
    return value


def pool(items: Iterable[T], worker: Callable[[T], Any], workers: int) -> Iterator[tuple[T, Any]]:
    """The blocking face's `pool`; see `_sync.pool`."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if hasattr(type(items), "__aiter__"):
        raise TypeError(
            f"the items are {describe(items)}; the blocking face, llm_client.sync, takes plain iterables only."
            " Use the asynchronous face, llm_client, with it."
        )
    if workers == 1:
        for item in items:
            yield item, _value(attempt(_work, worker, item))
        return
    crew = _Crew(worker, workers)
    source = iter(items)
    exhausted = False
    try:
        while True:
            # Only here, after the reader has come back for more, is the next item taken.
            while not exhausted and crew.busy < workers:
                item = next(source, _END)
                if item is _END:
                    exhausted = True
                else:
                    crew.hand_out(item)
            if not crew.busy:
                return
            item, outcome = crew.next()
            yield item, _value(outcome)
    finally:
        crew.dismiss()


class _Crew:
    """Daemon threads that work on what they are handed, each item in a copy of the founder's context."""

    __slots__ = ("_context", "_dismissed", "_done", "_size", "_todo", "_worker", "busy")

    def __init__(self, worker: Callable[[Any], Any], workers: int) -> None:
        self._worker = worker
        self._context = copy_context()
        # SimpleQueue.put may interrupt itself: it is safe where a finalizer closes the generator that owns the crew.
        self._todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Any, Outcome[Any]]] = queue.SimpleQueue()
        self._size = 0
        self._dismissed = False
        self.busy = 0

    def hand_out(self, item: Any) -> None:
        self.busy += 1
        if self._size < self.busy:
            self._size += 1
            threading.Thread(target=self._serve, name=thread_name("worker"), daemon=True).start()
        self._todo.put((item,))

    def next(self) -> tuple[Any, Outcome[Any]]:
        while True:
            try:
                item, outcome = self._done.get(timeout=DAY_SECONDS)
            except queue.Empty:
                continue
            self.busy -= 1
            return item, outcome

    def dismiss(self) -> None:
        """Let the threads end: at once, or with what they are working on. Does not wait for them."""
        self._dismissed = True
        for _ in range(self._size):
            self._todo.put(None)

    def _serve(self) -> None:
        while (ticket := self._todo.get()) is not None and not self._dismissed:
            (item,) = ticket
            context: Context = self._context.copy()
            self._done.put((item, attempt(context.run, _work, self._worker, item)))
            del ticket, item, context


def _work(worker: Callable[[T], Any], item: T) -> Any:
    return resolve(worker(item), name_of(worker))


def _value(outcome: Outcome[Any]) -> Any:
    error = outcome.error
    if error is None:
        return outcome.value
    if isinstance(error, Exception):
        return error
    raise error


def shared_call(key: Hashable, thunk: Callable[[], T]) -> tuple[T, bool]:
    """The blocking face's `shared_call`; see `_sync.shared_call`."""
    while True:
        flight, led = _flight.board(key, None)
        if led:
            return _fly(flight, thunk), True
        if not _flight.may_wait(flight, None):
            return thunk(), True
        outcome = _landing(flight)
        if outcome is None:  # it runs on a loop that has ended, or stands still
            if not (flight.loop is None or flight.loop.is_running()):
                flight.retire()
                continue
            return thunk(), True
        if outcome is not _flight.NO_ANSWER:
            return outcome.get(), False


def _fly(flight: _flight.Flight, thunk: Callable[[], T]) -> T:
    outcome: Outcome[Any] = _flight.NO_ANSWER
    token = _flight.leading.set((*_flight.leading.get(), flight.key))
    try:
        value = thunk()
        outcome = Outcome(value=value)
        return value
    except Exception as error:
        outcome = Outcome(error=error)
        raise
    finally:
        _flight.leading.reset(token)
        flight.land(outcome)


def _landing(flight: _flight.Flight) -> Outcome[Any] | None:
    waiter = ThreadWaiter()
    flight.add(waiter)
    try:
        pulse = _flight.Pulse(flight.loop)
        while not waiter.wait(_flight.LOOK_SECONDS):
            if pulse.is_lost():
                return None
    finally:
        flight.leave(waiter)
    return flight.outcome


def start_later(seconds: float, function: Callable[[], object]) -> None:
    """Run something on a daemon thread in a while; its errors are logged."""
    timer = threading.Timer(seconds, _quietly, (function,))
    timer.name = thread_name("later")
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError as error:  # the interpreter is ending, or the system has no thread left
        _log.debug("nothing more is done in the background: %s", error)


def _quietly(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception:
        _log.warning("%s in the background failed", name_of(function), exc_info=True)
