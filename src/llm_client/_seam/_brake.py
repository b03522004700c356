"""Stopping a batch: the flag, and Ctrl-C. What both faces share; `_brake_async` and `_brake_sync` have the rest."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

from ._colour import describe, is_async_callable, makes_async
from ._fork import on_fork
from ._threads import name_of

T = TypeVar("T")
E = TypeVar("E")

SLICE_SECONDS = 0.2
"""How often a wait looks whether the brake was pulled."""


def nothing() -> None:
    """No item to be asked for again."""
    return None


class WrongColour(TypeError):
    """A processor of the other face: no failure of an item, but a mistake of the caller."""


class BrakeBase:
    """Stops the taking of items. As a context manager it also catches Ctrl-C, where signals can be caught.

    The first Ctrl-C pulls the brakes of all batches of the main thread: what is in flight goes on. The second one does
    what it would have done without us, at once.
    """

    def __init__(self) -> None:
        self.pulled = False
        self.left = False
        """Whether the batch is being left at once."""
        self.by_signal = False
        self.was_told = False
        """Whether the program's own handler was called for that signal already."""
        self.exhausted = False
        """Whether the source came to its own end."""
        self.error: Exception | None = None
        """What the source of items raised."""
        self.taking: int | None = None
        """The thread that waits for the source's next item."""

    def pull(self) -> None:
        """Take no further items. From any thread; never waits."""
        self.pulled = True

    def __enter__(self) -> None:
        _ctrl_c.add(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _ctrl_c.remove(self)

    @property
    def owes_signal(self) -> bool:
        """Whether a Ctrl-C was caught that has to be delivered now: the last batch that it stopped has ended."""
        return self.by_signal and not self.was_told and not _ctrl_c.brakes

    def _items(self, items: Iterable[T], make: Callable[[T], E], again: Callable[[], E | None]) -> Iterator[E]:
        try:
            source = iter(items)
            while not self.pulled:
                if (earlier := again()) is not None:
                    yield earlier
                    continue
                self.taking = threading.get_ident()
                try:
                    item = next(source)
                except StopIteration:
                    self.exhausted = True
                    return
                finally:
                    self.taking = None
                yield make(item)
        except KeyboardInterrupt:
            if not self.by_signal:
                raise
        except Exception as error:
            self.error = error
            self.pull()


class _CtrlC:
    """The handler of Ctrl-C while batches run in the main thread."""

    def __init__(self) -> None:
        self.brakes: list[BrakeBase] = []
        self._previous: Any = None

    def add(self, brake: BrakeBase) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if not self.brakes:
            previous = signal.getsignal(signal.SIGINT)
            if not callable(previous):
                return  # ignored, or not Python's: leave it so
            try:
                signal.signal(signal.SIGINT, self._caught)
            except ValueError:
                return  # an interpreter that is not the main one
            self._previous = previous
        self.brakes.append(brake)

    def remove(self, brake: BrakeBase) -> None:
        if brake in self.brakes:
            self.brakes.remove(brake)
            if not self.brakes:
                self.restore()

    def restore(self) -> None:
        previous, self._previous = self._previous, None
        self.brakes.clear()
        if previous is None or signal.getsignal(signal.SIGINT) != self._caught:
            return  # somebody put another one in its place
        try:
            signal.signal(signal.SIGINT, previous)
        except ValueError:
            # A batch that was dropped, collected on another thread: the next Ctrl-C finds no batch, and restores.
            self._previous = previous

    def _caught(self, number: int, frame: FrameType | None) -> None:
        told = _is_a_loops(self._previous)
        if all(brake.by_signal for brake in self.brakes):
            self.restore()
            if not told:
                signal.raise_signal(number)
            return
        for brake in self.brakes:
            brake.by_signal = True
            brake.was_told = told
            brake.pull()
        if sys.stderr is not None and sys.stderr.isatty():
            # Not print: a handler may have interrupted somebody who writes.
            os.write(2, b"\nstopping: what is in flight ends and is recorded; press Ctrl-C again to leave at once\n")
        if any(brake.taking == threading.get_ident() for brake in self.brakes):
            raise KeyboardInterrupt  # the source may never give another item: leave it; see `_items`


def _is_a_loops(handler: Any) -> bool:
    """Whether it is what `loop.add_signal_handler` of asyncio puts in: it does nothing.

    The loop hears of a signal by the interpreter's wakeup file, whoever handles it; so the program's handler is called.
    """
    module, name = getattr(handler, "__module__", ""), getattr(handler, "__name__", "")
    return (module, name) == ("asyncio.unix_events", "_sighandler_noop")


_ctrl_c = _CtrlC()
on_fork(_ctrl_c.restore)


def check_items(items: object) -> None:
    """Refuse what is no collection of items, before anything is begun.

    Raises:
        TypeError: Says what it is.
    """
    if isinstance(items, (str, bytes, bytearray)) or not (
        hasattr(type(items), "__iter__") or hasattr(type(items), "__aiter__") or hasattr(type(items), "__getitem__")
    ):
        raise TypeError(f"the items of a batch are a list or another iterable of items, got {describe(items)}")


def check_processor(processor: Callable[..., Any], executor: Any) -> None:
    """Refuse a processor that cannot be called, or not in an executor.

    Raises:
        TypeError: Says why.
    """
    if not callable(processor):
        raise TypeError(f"the processor is a function that takes one item, got {describe(processor)}")
    if executor is None:
        return
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(f"executor is a concurrent.futures.Executor, got {describe(executor)}")
    if makes_async(processor) or is_async_callable(processor):
        raise TypeError(
            f"an executor calls plain functions, and {name_of(processor)} was written with `async def`: write it with"
            " `def`, with a provider of llm_client.sync"
        )
