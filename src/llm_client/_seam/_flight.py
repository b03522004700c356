"""Equal calls at the same time share one: the registry of running calls, for both faces and all threads.

A flight is one running call under a key. Whoever finds none under its key starts one and leads it; whoever finds one
waits for it. In the asynchronous face the call runs in a task of its own, so that cancelling any waiter, the leader
included, leaves it running for the others; when the last waiter leaves, the call is cancelled. In the blocking face the
leader makes the call on its own thread, as it would have done alone.

Nothing here takes a lock. `dict.setdefault`, `dict.pop` and the methods of a deque are atomic, and every step is safe
in any order: a waiter that joins too late is woken at once, one whose flight has ended without an answer starts anew.
So a waiter may also leave inside a finalizer that runs in the middle of any of these functions.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from typing import Any, Protocol

from ._fork import keep_forever, on_fork
from ._threads import Outcome, now

LOOK_SECONDS = 0.25
"""How often a waiter looks whether the event loop of a flight that runs elsewhere still runs."""

STALL_SECONDS = 5.0
"""A loop that does not react for so long is taken to be blocked, perhaps by the very thread that waits here."""


class Waiter(Protocol):
    """Someone who sleeps until woken, on a thread or in a task."""

    def wake(self) -> None:
        """Wake it, from any thread, without waiting."""


class Loop(Protocol):
    """What a flight needs of an event loop."""

    def is_closed(self) -> bool: ...

    def is_running(self) -> bool: ...

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object: ...


class Flight:
    """One running call that others may wait for.

    Args:
        key: What makes calls equal.
        loop: The event loop that the call runs on; None if the leader's own thread makes it.
    """

    __slots__ = ("_waiters", "key", "loop", "outcome", "stop", "thread")

    def __init__(self, key: Hashable, loop: Loop | None) -> None:
        self.key = key
        self.loop = loop
        self.thread = threading.get_ident()
        self.outcome: Outcome[Any] | None = None
        self.stop: Callable[[], None] | None = None
        self._waiters: deque[Waiter] = deque()

    def add(self, waiter: Waiter) -> None:
        """Have someone woken when the flight lands; at once if it has."""
        self._waiters.append(waiter)
        if self.outcome is not None:
            self._wake_all()

    def leave(self, waiter: Waiter) -> None:
        """Stop waiting. The last one to leave a call in a task of its own stops it. Waits for nothing."""
        try:
            self._waiters.remove(waiter)
        except ValueError:  # it was woken: the flight has landed
            return
        if not self._waiters and self.stop is not None and self.outcome is None:
            self.retire()
            self.stop()

    def land(self, outcome: Outcome[Any]) -> None:
        """End the flight and wake all who wait for it."""
        self.outcome = outcome
        self.retire()
        self._wake_all()

    def retire(self) -> None:
        """Let nobody join any more."""
        # Between the two steps another thread could retire this flight and start the next, which would then leave the
        # registry early: it goes on as it is, and a later equal call makes its own.
        if _flights.get(self.key) is self:
            _flights.pop(self.key, None)

    def forget_waiters(self) -> None:
        """Drop them: they are threads and tasks of the parent process."""
        self._waiters = deque()

    def _wake_all(self) -> None:
        while True:
            try:
                waiter = self._waiters.popleft()
            except IndexError:
                return
            waiter.wake()


class Pulse:
    """Whether the event loop of a flight still runs, looked at from elsewhere now and then."""

    __slots__ = ("_answered", "_asked", "_loop")

    def __init__(self, loop: Loop | None) -> None:
        self._loop = loop
        self._asked = now()
        self._answered = True

    def is_lost(self) -> bool:
        """Whether the loop has ended, has stopped, or has not reacted for `STALL_SECONDS`."""
        if self._loop is None:  # a thread makes the call: it ends one way or the other
            return False
        if self._loop.is_closed() or not self._loop.is_running():
            return True
        if not self._answered:
            return now() - self._asked > STALL_SECONDS
        self._answered = False
        self._asked = now()
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # closed since
            return True
        return False

    def _answer(self) -> None:
        self._answered = True


NO_ANSWER: Outcome[Any] = Outcome(error=RuntimeError("the shared call ended without an answer"))
"""How a flight lands that was cancelled or interrupted: whoever still waits starts anew."""

leading: ContextVar[tuple[Hashable, ...]] = ContextVar("llm_client_leading", default=())
"""The keys of the calls that the current code is part of: joining one of them would be waiting for oneself."""

_flights: dict[Hashable, Flight] = {}


def board(key: Hashable, loop: Loop | None) -> tuple[Flight, bool]:
    """Find the flight of a key or start one; tell whether it was started here."""
    while True:
        flight = _flights.get(key)
        if flight is None:
            mine = Flight(key, loop)
            flight = _flights.setdefault(key, mine)
            if flight is mine:
                return flight, True
        if flight.outcome is None:
            return flight, False
        flight.retire()


def may_wait(flight: Flight, loop: Loop | None) -> bool:
    """Whether waiting for a flight cannot keep it from landing.

    Args:
        flight: One that someone else leads.
        loop: The waiter's event loop; None for one that blocks its thread.
    """
    if flight.key in leading.get():
        return False
    if loop is not None and flight.loop is loop:
        return True
    return flight.thread != threading.get_ident()


def flights() -> int:
    """How many calls can be joined now."""
    return len(_flights)


def _drop_all() -> None:
    for flight in list(_flights.values()):
        flight.forget_waiters()
    keep_forever(list(_flights.values()))
    _flights.clear()


on_fork(_drop_all)
