"""Stopping a batch, and calling its processor, on an event loop."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

from . import _tasks
from ._brake import SLICE_SECONDS, BrakeBase, nothing
from ._colour import is_async_callable
from ._threads import DRAIN_SECONDS, CallCancelled

T = TypeVar("T")
E = TypeVar("E")

_log = logging.getLogger("llm_client.batch")
_END: Any = object()


class Brake(BrakeBase):
    """The asynchronous face's `Brake`."""

    def __init__(self) -> None:
        super().__init__()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: asyncio.Future[None] | None = None

    def pull(self) -> None:
        super().pull()
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            pass  # its loop is closed: nobody waits there any more

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def source(
        self,
        items: Iterable[T] | AsyncIterable[T],
        make: Callable[[T], E],
        again: Callable[[], E | None] = nothing,
    ) -> Iterable[E] | AsyncIterable[E]:
        """Pass items on, each as what `make` makes of it, until the brake is pulled; the source's errors pull it.

        An asynchronous generator is closed at the end, wherever that is.

        Args:
            items: The source.
            make: Makes what is passed on.
            again: Asked before each item is taken: what is to be passed on instead; None for nothing.
        """
        self.exhausted = False
        if isinstance(items, AsyncIterable):
            return self._async_items(items, make, again)
        return self._items(items, make, again)

    async def _async_items(
        self, items: AsyncIterable[T], make: Callable[[T], E], again: Callable[[], E | None]
    ) -> AsyncIterator[E]:
        self._loop = asyncio.get_running_loop()
        self._waiting = self._loop.create_future()
        source: AsyncIterator[T] | None = None
        try:
            source = aiter(items)
            while not self.pulled:
                if (earlier := again()) is not None:
                    yield earlier
                    continue
                item = await self._next(source)
                if item is _END:
                    self.exhausted = not self.pulled
                    return
                yield make(item)
        except Exception as error:
            self.error = error
            self.pull()
        finally:
            await _close(source)

    async def _next(self, source: AsyncIterator[T]) -> T:
        assert self._waiting is not None
        task = asyncio.ensure_future(_after(source))
        try:
            await asyncio.wait((task, self._waiting), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,), timeout=DRAIN_SECONDS)
            raise
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait((task,), timeout=DRAIN_SECONDS)
        return task.result() if task.done() and not task.cancelled() and task.exception() is None else _END

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds, or until the brake is pulled."""
        until = asyncio.get_running_loop().time() + seconds
        while not self.pulled and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, SLICE_SECONDS))

    async def call(self, processor: Callable[[Any], Any], item: Any) -> Any:
        """Call a processor: a coroutine function here, a plain function on a thread of its own.

        Raises:
            CallCancelled: It was cancelled from within.
        """
        try:
            if is_async_callable(processor):
                return await processor(item)
            return await _tasks.call(functools.partial(processor, item), {}, None)
        except asyncio.CancelledError:
            if self.left or _is_being_cancelled():
                raise
            raise CallCancelled("the processor was cancelled from within") from None

    async def submit(self, executor: Executor, processor: Callable[[Any], Any], item: Any) -> Any:
        """Call a processor in an executor.

        Raises:
            CallCancelled: The executor dropped the call.
        """
        try:
            return await asyncio.wrap_future(executor.submit(processor, item))
        except asyncio.CancelledError:
            if self.left or _is_being_cancelled():
                raise
            raise CallCancelled("the executor dropped the call") from None

    def leave(self) -> None:
        """The batch is being left at once: what is cancelled from now on is cancelled by us. Never waits."""
        self.left = True
        self.pull()

    async def obey(self) -> None:
        """Let a Ctrl-C that was caught do what it would have done; to be called after the `with` block."""
        if not self.owes_signal:
            return
        signal.raise_signal(signal.SIGINT)
        for _ in range(3):  # a handler of asyncio's cancels the program's main task, which may take a turn or two
            await asyncio.sleep(0)


async def _close(source: object) -> None:
    if not isinstance(source, AsyncGenerator):
        return
    try:
        await source.aclose()
    except Exception as error:
        _log.warning("the source of the items could not be closed: %s: %s", type(error).__name__, error)


async def _after(source: AsyncIterator[T]) -> T:
    return await anext(source, _END)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    if task in _tasks.dismissed:
        return True
    cancelling = getattr(task, "cancelling", None)  # since Python 3.11
    return cancelling is not None and cancelling() > 0
