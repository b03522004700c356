"""Stopping a batch, and calling its processor, on threads. Never imports asyncio."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any, TypeVar

from . import _crew, _interrupt
from ._brake import SLICE_SECONDS, BrakeBase, WrongColour, nothing
from ._colour import describe
from ._threads import name_of, now

T = TypeVar("T")
E = TypeVar("E")


class Brake(BrakeBase):
    """The blocking face's `Brake`."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: set[_interrupt.Interruption] = set()
        self._futures: set[Future[Any]] = set()

    def source(
        self, items: Iterable[T], make: Callable[[T], E], again: Callable[[], E | None] = nothing
    ) -> Iterable[E]:
        """Pass items on, each as what `make` makes of it, until the brake is pulled; the source's errors pull it.

        Args:
            items: The source.
            make: Makes what is passed on.
            again: Asked before each item is taken: what is to be passed on instead; None for nothing.
        """
        if hasattr(type(items), "__aiter__"):
            raise TypeError(
                f"the items are {describe(items)}; the blocking face, llm_client.sync, takes plain iterables only."
                " Use the asynchronous face, llm_client, with it."
            )
        self.exhausted = False
        return self._items(items, make, again)

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
        """Call a processor in an executor, and wait for it.

        Raises:
            CancelledError: The executor dropped the call, or the batch is being left.
        """
        if self.left:
            raise CancelledError
        future = executor.submit(processor, item)
        self._futures.add(future)
        if self.left:  # by another thread, which may have looked for calls to cancel just before
            future.cancel()
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
