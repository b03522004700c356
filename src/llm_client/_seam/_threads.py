"""Calls on threads of their own, and the deadline that a called function can ask for.

A thread cannot be killed. A call that exceeds its time is abandoned: nobody waits for it any more, and the error says
that it may still be running. Abandoned threads are counted, because a tool that hangs every time would otherwise eat
the process one thread at a time. All threads are daemons, so that none of them can hold up the end of the process.
"""

from __future__ import annotations

import functools
import itertools
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from .._core.call_timeout import CallTimeout as CallTimeout
from ._fork import clamp, on_fork

T = TypeVar("T")

MAX_ABANDONED = 32
"""So many abandoned threads may be alive before new calls with a time limit are refused."""

DRAIN_SECONDS = 1.0
"""How long a cancelled call may take to clean up before the caller goes on without it."""

DAY_SECONDS = 86400.0
"""The limit of waits that need none."""

now = time.monotonic
"""The clock of every deadline and every turn, in seconds."""

_log = logging.getLogger("llm_client.threads")
_deadline: ContextVar[float | None] = ContextVar("llm_client_deadline", default=None)
_abandoned: set[threading.Thread] = set()
_numbers = itertools.count(1)


class CallCancelled(RuntimeError):
    """A called function was cancelled from within, while nobody asked its caller to stop."""


class CallRefused(RuntimeError):
    """Too many earlier calls exceeded their time and still occupy threads."""


@dataclass(slots=True)
class Outcome(Generic[T]):
    """How a call ended: a value, or an error."""

    value: T | None = None
    error: BaseException | None = None

    def get(self) -> T:
        """Return the value or raise the error."""
        if self.error is not None:
            raise self.error
        return cast("T", self.value)


class ThreadWaiter:
    """One blocked thread, woken once from anywhere.

    A bare lock and not an Event: waking may happen in a finalizer, and an Event takes a lock of its own to be set.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        """Let the waiting thread go on; to be called once. Never waits."""
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until woken, or for some seconds; tell whether it was woken. A signal interrupts it."""
        if timeout is not None:
            return self._lock.acquire(timeout=clamp(timeout))
        # A wait without limit cannot be interrupted on every platform, and gevent takes it for a deadlock when only
        # another thread can end it.
        while not self._lock.acquire(timeout=DAY_SECONDS):
            continue
        return True


class Job(Generic[T]):
    """One function on one daemon thread of its own, in a copy of the caller's context.

    Args:
        function: What to call.
        timeout: The limit in seconds that `remaining_time()` shows to it; the job itself does not enforce it.
        label: The function's name, for the name of the thread and for the log.
        wake: Called from the thread when the outcome is there.
    """

    __slots__ = ("_context", "_function", "_label", "_wake", "outcome", "thread")

    def __init__(self, function: Callable[[], T], timeout: float | None, label: str, wake: Callable[[], None]) -> None:
        self._function = function
        self._context = context_with_deadline(timeout)
        self._label = label
        self._wake = wake
        self.outcome: Outcome[T] | None = None
        self.thread = threading.Thread(target=self._run, name=thread_name(label), daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.outcome = attempt(self._context.run, self._function)
        self._wake()

    def take(self) -> T:
        """Return the value or raise the error of a job that has ended."""
        outcome, self.outcome = self.outcome, None  # the error's traceback refers to this job: leave no cycle
        if outcome is None:
            raise RuntimeError(f"{self._label} has not ended yet")
        try:
            return outcome.get()
        finally:
            del outcome

    def abandon(self) -> None:
        """Stop waiting for it. Takes no lock and does not wait."""
        _abandoned.add(self.thread)

    def time_out(self, seconds: float) -> CallTimeout:
        """Abandon it with a warning in the log, and return the error to raise."""
        self.abandon()
        _log.warning(
            "%s gave no answer within %g s: its thread %r is abandoned and may still be running",
            self._label,
            seconds,
            self.thread.name,
        )
        return CallTimeout(seconds, still_running=True)


def attempt(function: Callable[..., T], *arguments: object) -> Outcome[T]:
    """Call a function and keep whatever comes of it; a cancellation of its own becomes an ordinary error."""
    try:
        return Outcome(value=function(*arguments))
    except BaseException as error:
        return Outcome(error=CallCancelled("the call was cancelled from within") if is_cancellation(error) else error)


def is_cancellation(error: BaseException) -> bool:
    """Whether an error is the cancellation of an asyncio task, without importing asyncio to find out."""
    module = sys.modules.get("asyncio.exceptions")
    return module is not None and isinstance(error, module.CancelledError)


def remaining_time() -> float | None:
    """Seconds left for the running call, for example for a tool's own HTTP time-out.

    Returns:
        At least 0.0; None where no limit applies.
    """
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - now())


def context_with_deadline(timeout: float | None) -> Context:
    """Copy the current context and set its deadline; an earlier deadline from outside stays."""
    context = copy_context()
    if timeout is not None:
        outer = _deadline.get()
        until = now() + timeout
        context.run(_deadline.set, until if outer is None else min(outer, until))
    return context


def abandoned_threads() -> int:
    """How many abandoned threads are still alive."""
    for thread in list(_abandoned):
        if not thread.is_alive():
            _abandoned.discard(thread)
    return len(_abandoned)


def refuse_if_full(label: str) -> None:
    """Refuse a call with a time limit while too many abandoned threads are alive.

    Raises:
        CallRefused: There are `MAX_ABANDONED` of them or more.
    """
    if len(_abandoned) < MAX_ABANDONED or abandoned_threads() < MAX_ABANDONED:
        return
    names = ", ".join(sorted({thread.name for thread in list(_abandoned)})[:3])
    message = (
        f"{label} was not called: {MAX_ABANDONED} calls that exceeded their time are still running in this process"
        f" (threads {names}, ...). Find out why they hang, or give them limits of their own: remaining_time() tells a"
        " function how many seconds it has left."
    )
    _log.warning(message)
    raise CallRefused(message)


def name_of(function: object) -> str:
    """A short name for messages and threads, looking through partials and callable objects."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def thread_name(label: str) -> str:
    """A name by which a thread of ours is recognised in a log or a debugger."""
    return f"llm-client-{label}-{next(_numbers)}"


on_fork(_abandoned.clear)
