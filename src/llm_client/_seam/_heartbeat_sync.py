"""Signs of life in a blocking stream: one thread reads it, so that the caller's can speak while nothing comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

from . import _interrupt
from ._threads import DAY_SECONDS, Outcome, is_cancellation, thread_name

AHEAD = 8
"""So many events are read beyond what the caller has taken."""

FIRST_HALF, SECOND_HALF = ": ping\n", "\n"
HALF_SECONDS = 0.5
"""A peer that has gone away shows only at the second write. So a comment is sent in two, this far apart."""

_GO: Any = object()
_STOP: Any = object()


def with_heartbeat(stream: Any, seconds: float) -> Iterator[Any]:
    """The blocking face's `with_heartbeat`; see `_sync.with_heartbeat`."""
    reader = _Reader(stream)
    try:
        patience = seconds
        while True:
            found = reader.next(patience)
            if found is None:
                yield FIRST_HALF
                found = reader.next(min(HALF_SECONDS, seconds))
                if found is None:
                    yield SECOND_HALF
                    patience = max(0.0, seconds - HALF_SECONDS)
                    continue
            if isinstance(found, Outcome):
                try:
                    return found.get()
                finally:
                    del found  # its error's traceback leads here: leave no cycle
            patience = seconds
            yield found[0]
    finally:
        reader.stop()


class _Reader:
    """One daemon thread that reads a stream. Queues of this kind neither wait nor lock where they are filled."""

    __slots__ = ("_found", "_interruption", "_room", "_stream")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._found: queue.SimpleQueue[tuple[Any] | Outcome[None]] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._interruption = _interrupt.Interruption()
        for _ in range(AHEAD):
            self._room.put(_GO)
        context = copy_context()
        context.run(_interrupt.current.set, self._interruption)
        threading.Thread(target=context.run, args=(self._run,), name=thread_name("stream"), daemon=True).start()

    def next(self, seconds: float) -> tuple[Any] | Outcome[None] | None:
        """The next event in a tuple, or how the stream ended; None where nothing came in time."""
        try:
            found = self._found.get(timeout=seconds)
        except queue.Empty:
            return None
        self._room.put(_GO)
        return found

    def stop(self) -> None:
        """Hang up and let the thread end; does not wait for it, and may be called in a finalizer."""
        self._interruption.stopped = True
        self._room.put(_STOP)
        self._interruption.stop()

    def _run(self) -> None:
        try:
            outcome: Outcome[None] = self._read()
        except _interrupt.Interrupted:
            outcome = Outcome()
        except BaseException as error:
            # A thread's SystemExit or KeyboardInterrupt is the caller's too.
            outcome = Outcome(error=RuntimeError("the stream was cancelled") if is_cancellation(error) else error)
        self._found.put(outcome)

    def _read(self) -> Outcome[None]:
        stream, self._stream = self._stream, None
        try:
            for event in stream:
                if self._interruption.stopped:
                    break
                self._found.put((event,))
                while (ticket := self._wait_for_room()) is None:
                    continue
                if ticket is _STOP:
                    break
        finally:
            close = getattr(stream, "close", None)
            if callable(close):
                close()
        return Outcome()

    def _wait_for_room(self) -> Any:
        try:
            return self._room.get(timeout=DAY_SECONDS)
        except queue.Empty:
            return None
