"""The one event loop of a blocking process, on a thread of its own, for tools that were written as `async def`.

One loop for all of them and not one per call: clients and locks that a tool keeps are bound to the loop on which they
were first used. It starts with the first such call, and never in a process that makes none.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ._colour import discard
from ._fork import ForkLock, keep_forever, on_fork
from ._threads import (
    DRAIN_SECONDS,
    CallCancelled,
    CallTimeout,
    Outcome,
    ThreadWaiter,
    attempt,
    context_with_deadline,
    is_cancellation,
    thread_name,
)

EXIT_SECONDS = 1.0
"""How long the end of the process may be held up by what still runs or is open on the loop."""

_log = logging.getLogger("llm_client.threads")


class LoopThread:
    """An event loop that runs for ever on a daemon thread."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop
        self._ident = 0
        self._ending = False
        self._started = ThreadWaiter()
        self._ended = ThreadWaiter()
        _start_real_thread(self._main, thread_name("loop"))
        self._started.wait()

    def run(
        self,
        make: Callable[[], Any],
        seconds: float | None,
        limit: float | None,
        label: str,
        note: Callable[[Callable[[], None]], None] | None = None,
    ) -> Any:
        """Await something on the loop, block until it is there.

        Args:
            make: Returns what is to be awaited; called on the loop.
            seconds: Time left for it; then it is cancelled.
            limit: The limit that an error names.
            label: The function's name, for the log.
            note: Given a function that cancels it, for whoever gives up waiting for this thread.

        Raises:
            CallTimeout: It took too long.
            RuntimeError: The caller is itself running on this loop, and would wait for itself.
        """
        if threading.get_ident() == self._ident:  # not "is it the running loop": gevent's greenlets share that
            awaitable = make()
            if inspect.isawaitable(awaitable):
                discard(awaitable)
            raise RuntimeError(
                f"{label} is an async tool, called by blocking code that itself runs inside an async tool: it would"
                " wait for itself. Inside `async def` use the asynchronous face, llm_client, or move the blocking call"
                " to a thread with asyncio.to_thread."
            )
        errand = _Errand(make)
        if note is not None:
            note(functools.partial(self._stop, errand))
        self.loop.call_soon_threadsafe(errand.start, context=context_with_deadline(seconds))
        try:
            errand.ended.wait(seconds)
        except BaseException:
            self.loop.call_soon_threadsafe(errand.stop)
            raise
        if errand.outcome is None:
            self.loop.call_soon_threadsafe(errand.stop)
            stopped = errand.ended.wait(DRAIN_SECONDS)
            if not stopped:
                _log.warning("%s was cancelled after %g s but does not end, or blocks its event loop", label, limit)
            raise CallTimeout(limit or 0.0, still_running=not stopped)
        outcome, errand.outcome = errand.outcome, None
        return outcome.get()

    def _stop(self, errand: _Errand) -> None:
        # From any thread, also in a finalizer: neither waits nor takes a lock.
        try:
            self.loop.call_soon_threadsafe(errand.stop)
        except RuntimeError:
            pass  # the loop has ended, and the call with it

    def _main(self) -> None:
        self._ident = threading.get_ident()
        keep_alive = _keep_hub_alive()
        self.loop = asyncio.new_event_loop()  # here: under gevent its selector belongs to the thread that makes it
        asyncio.set_event_loop(self.loop)
        self.loop.set_default_executor(_DaemonThreads())
        self.loop.call_soon(self._started.wake)
        while not self._ending:
            try:
                self.loop.run_forever()
            except BaseException as error:  # SystemExit from a task that a tool started: other tools need the loop
                _log.warning("the event loop of the async tools goes on after %r", error)
        try:
            self.loop.run_until_complete(_cancel_all())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
            if keep_alive is not None:
                keep_alive.stop()
                keep_alive.close()
            self._ended.wake()

    def end(self) -> None:
        """End the loop with all that runs or is open on it; waits for `EXIT_SECONDS` at most."""
        if not self._ending:
            self._ending = True
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._ended.wait(EXIT_SECONDS)


class _DaemonThreads(ThreadPoolExecutor):
    """Runs what tools hand to threads: Python waits for the threads of its own executor before it ends."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            outcome = attempt(functools.partial(function, *arguments, **kwargs))
            if outcome.error is None:
                future.set_result(outcome.value)
            else:
                future.set_exception(outcome.error)

        threading.Thread(target=run, name=thread_name("executor"), daemon=True).start()
        return future


class _Errand:
    """One call on the loop thread. All but `ended` and `outcome` is touched on the loop alone."""

    __slots__ = ("_make", "_stopped", "_task", "ended", "outcome")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._task: asyncio.Task[Any] | None = None
        self._stopped = False
        self.ended = ThreadWaiter()
        self.outcome: Outcome[Any] | None = None

    def start(self) -> None:
        if self._stopped:
            self._finish(CallCancelled("the call was cancelled before it began"))
            return
        self._task = asyncio.get_running_loop().create_task(self._go())
        self._task.add_done_callback(self._look)

    def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def _go(self) -> None:
        # SystemExit and KeyboardInterrupt are for the caller: raised in a task they would stop the loop.
        try:
            value = await self._make()
        except BaseException as error:
            if is_cancellation(error):
                raise
            self._finish(error)
        else:
            self.outcome = Outcome(value=value)
            self.ended.wake()

    def _look(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self._finish(CallCancelled("the call was cancelled from within"))

    def _finish(self, error: BaseException) -> None:
        self.outcome = Outcome(error=error)
        self.ended.wake()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=EXIT_SECONDS)


def _gevent() -> Any:
    """The module gevent.monkey, if it has replaced `threading`."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey if monkey is not None and monkey.is_module_patched("threading") else None


def _start_real_thread(main: Callable[[], None], name: str) -> None:
    """Start a daemon thread of the operating system, also where gevent has replaced `threading`.

    A loop on a greenlet would be the running loop of every greenlet of its thread.
    """
    monkey = _gevent()
    if monkey is not None:
        sys.modules["gevent"].get_hub()  # two threads that make their first hub at once can lock each other out
        monkey.get_original("_thread", "start_new_thread")(main, ())
    else:
        threading.Thread(target=main, name=name, daemon=True).start()


def _keep_hub_alive() -> Any:
    """Under gevent, give this thread's hub a timer: it takes a loop that waits for other threads for a deadlock."""
    if _gevent() is None:
        return None
    timer = sys.modules["gevent"].get_hub().loop.timer(3600.0, 3600.0)
    timer.start(_nothing)
    return timer


def _nothing() -> None:
    """What the timer does."""


_lock = ForkLock()
_current: LoopThread | None = None


def loop_thread() -> LoopThread:
    """The loop thread of this process, started now if there is none."""
    global _current
    with _lock:
        if _current is None:
            _current = LoopThread()
        return _current


def _at_exit() -> None:
    if _current is not None:
        _current.end()


def _drop() -> None:
    global _current
    if _current is not None:
        keep_forever(_current)
        _current = None


on_fork(_drop)
atexit.register(_at_exit)
