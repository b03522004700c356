"""Stopping a batch, and calling its processor, on threads. Never imports asyncio."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from . import _crew, _interrupt
from ._brake import SLICE_SECONDS, BrakeBase, WrongColour
from ._colour import describe
from ._threads import name_of, now, thread_name

T = TypeVar("T")
E = TypeVar("E")

_log = logging.getLogger("llm_client.batch")


class Brake(BrakeBase):
    """The blocking face's `Brake`."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: set[_interrupt.Interruption] = set()
        self._futures: set[Future[Any]] = set()

    def source(self, items: Iterable[T], make: Callable[[T], E]) -> Iterable[E]:
        """Pass items on, each as what `make` makes of it, until the brake is pulled; the source's errors pull it."""
        if hasattr(type(items), "__aiter__"):
            raise TypeError(
                f"the items are {describe(items)}; the blocking face, llm_client.sync, takes plain iterables only."
                " Use the asynchronous face, llm_client, with it."
            )
        self.exhausted = False
        return self._items(items, make)

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds, or until the brake is pulled."""
        until = now() + seconds
        while not self.pulled and (left := until - now()) > 0:
            time.sleep(min(left, SLICE_SECONDS))

    def call(self, processor: Callable[[Any], Any], item: Any) -> Any:
        """Call a processor on this thread.

        Raises:
            WrongColour: What it returned has to be awaited.
        """
        interruption = _interrupt.Interruption()
        token = _interrupt.current.set(interruption)
        self._lines.add(interruption)
        if self.left:
            interruption.stop()
        try:
            value = processor(item)
        finally:
            self._lines.discard(interruption)
            _interrupt.current.reset(token)
        try:
            return _crew.resolve(value, name_of(processor))
        except TypeError as error:
            raise WrongColour(str(error)) from None

    def submit(self, executor: Executor, processor: Callable[[Any], Any], item: Any) -> Any:
        """Call a processor in an executor, and wait for it."""
        future = executor.submit(processor, item)
        self._futures.add(future)
        try:
            return future.result()
        finally:
            self._futures.discard(future)

    def leave(self) -> None:
        """The batch is being left at once: the connections of what is in flight are cut. Never waits."""
        self.left = True
        self.pull()
        for interruption in list(self._lines):
            interruption.stop()
        for future in list(self._futures):
            future.cancel()

    def obey(self) -> None:
        """Let a Ctrl-C that was caught do what it would have done; to be called after the `with` block."""
        if self.owes_signal:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def beating(beat: Callable[[], None], seconds: float | None) -> Iterator[None]:
    """Call a function every so many seconds while a block runs, on a daemon thread; what it raises is logged.

    Args:
        beat: What to call.
        seconds: None calls nothing.
    """
    if seconds is None:
        yield
        return
    # A bare lock that is never given back: taking it is a wait that can be ended without taking another lock.
    ended = threading.Lock()
    ended.acquire()
    context = copy_context()

    def serve() -> None:
        while not ended.acquire(timeout=seconds):
            try:
                context.run(beat)
            except Exception as error:
                _log.warning("a heartbeat failed: %s: %s", type(error).__name__, error)

    threading.Thread(target=serve, name=thread_name("heartbeat"), daemon=True).start()
    try:
        yield
    finally:
        ended.release()
