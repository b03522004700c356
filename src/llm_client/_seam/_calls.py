"""Several calls of users' functions at once, each under its own time limit: the blocking half."""

from __future__ import annotations

import functools
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from . import _crew
from ._colour import is_async_callable
from ._threads import DAY_SECONDS, CallRefused, Job, Outcome, attempt, name_of, now, refuse_if_full

Call = tuple[Callable[..., Any], Mapping[str, Any], "float | None"]


def each(calls: Sequence[Call], limit: int | None) -> Iterator[tuple[int, Any]]:
    """The blocking face's `call_each`: one daemon thread for each call, and no further one to watch its time."""
    if len(calls) == 1 or limit == 1:
        for index, call in enumerate(calls):
            yield index, _value(attempt(_crew.call, *call))
        return
    crew = _Calls(calls, len(calls) if limit is None else limit)
    try:
        yield from crew.outcomes()
    finally:
        crew.abandon()


class _Calls:
    __slots__ = ("_calls", "_cancels", "_ended", "_given_up", "_limit", "_running")

    def __init__(self, calls: Sequence[Call], limit: int) -> None:
        self._calls = calls
        self._limit = max(1, limit)
        self._running: dict[int, tuple[Job[Any], float | None]] = {}
        self._cancels: list[Callable[[], None]] = []
        self._given_up = False
        # SimpleQueue.put may interrupt itself: it never waits.
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()

    def outcomes(self) -> Iterator[tuple[int, Any]]:
        waiting = iter(enumerate(self._calls))
        more = True
        while more or self._running:
            while more and len(self._running) < self._limit:
                upcoming = next(waiting, None)
                if upcoming is None:
                    more = False
                else:
                    refused = self._start(*upcoming)
                    if refused is not None:
                        yield upcoming[0], refused
            if self._running:
                yield self._next()

    def _start(self, index: int, call: Call) -> RuntimeError | None:
        function, kwargs, timeout = call
        label = name_of(function)
        # A coroutine function is cancelled by the loop it runs on, in time; a plain one can only be given up from here.
        own_limit = is_async_callable(function)
        if timeout is not None and not own_limit:
            try:
                refuse_if_full(label)
            except CallRefused as refused:
                return refused
        work = functools.partial(_crew.call, function, kwargs, timeout if own_limit else None, self._note)
        try:
            job: Job[Any] = Job(work, timeout, label, functools.partial(self._ended.put, index))
        except RuntimeError as error:  # no further thread can be started
            return error
        self._running[index] = (job, None if timeout is None or own_limit else now() + timeout)
        return None

    def _next(self) -> tuple[int, Any]:
        while True:
            deadlines = [deadline for _, deadline in self._running.values() if deadline is not None]
            patience = min(max(0.0, min(deadlines) - now()), DAY_SECONDS) if deadlines else DAY_SECONDS
            with suppress(queue.Empty):
                index = self._ended.get(timeout=patience)
                if index in self._running:  # else it was given up a moment before it ended
                    job, _ = self._running.pop(index)
                    return index, _value(attempt(job.take))
                continue
            for index, (job, deadline) in self._running.items():
                if deadline is not None and deadline <= now() and job.outcome is None:
                    del self._running[index]
                    return index, job.time_out(self._calls[index][2] or 0.0)

    def _note(self, cancel: Callable[[], None]) -> None:
        # A call has begun on the loop thread: the order matters, `abandon` may run at the same time.
        self._cancels.append(cancel)
        if self._given_up:
            cancel()

    def abandon(self) -> None:
        """Stop waiting for what still runs, and cancel what can be. Takes no lock and does not wait."""
        if not self._running:
            return
        self._given_up = True
        for job, _ in self._running.values():
            if job.outcome is None:
                job.abandon()
        for cancel in list(self._cancels):
            cancel()


def _value(outcome: Outcome[Any]) -> Any:
    error = outcome.error
    if error is None:
        return outcome.value
    if isinstance(error, Exception):
        return error
    raise error
