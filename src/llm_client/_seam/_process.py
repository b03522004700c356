"""One thing per process, for all its threads: sessions, pools and clients of the blocking face."""

from __future__ import annotations

import atexit
import logging
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._fork import ForkLock, keep_forever, on_fork

T = TypeVar("T")

_NOTHING: Any = object()
_log = logging.getLogger("llm_client.seam")

_owners: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()
_unowned: deque[tuple[Any, Callable[[Any], object] | None]] = deque()


class PerProcess(Generic[T]):
    """One thing per process, made at first use; a forked child makes its own and leaves the parent's alone.

    What is left when the owner is collected is closed by the next `get` or `close` of any owner, and what is left at
    the end of the process is closed there: a finalizer may not wait for the locks that closing takes.

    Args:
        factory: Makes the thing; called once, whichever thread is first.
        close: Closes it. Default: its `close()`.
        drop: Accepted for the sake of the other face, which needs it where an event loop was closed too early.
    """

    __slots__ = ("__weakref__", "_close", "_factory", "_lock", "_thing")

    def __init__(
        self,
        factory: Callable[[], T],
        close: Callable[[T], object] | None = None,
        drop: Callable[[T], object] | None = None,
    ) -> None:
        self._factory = factory
        self._close = close
        self._thing: T = _NOTHING
        self._lock = ForkLock()
        _owners.add(self)

    def get(self) -> T:
        """Return the process's own, made now if it has none."""
        if _unowned:
            _sweep()
        thing = self._thing
        return self._open() if thing is _NOTHING else thing

    def peek(self) -> T | None:
        """Return the process's own if it has one."""
        thing = self._thing
        return None if thing is _NOTHING else thing

    def _open(self) -> T:
        with self._lock:
            if self._thing is _NOTHING:
                self._thing = self._factory()
            return self._thing

    def close(self) -> None:
        """Close what belongs to this process; a later `get` makes anew."""
        _sweep()
        with self._lock:
            thing, self._thing = self._thing, _NOTHING
        if thing is not _NOTHING:
            _end(thing, self._close)

    def _forget_all(self) -> None:
        """Start with nothing, in a forked child."""
        if self._thing is not _NOTHING:
            keep_forever(self._thing)
            self._thing = _NOTHING

    def __del__(self, nothing: Any = _NOTHING, unowned: deque[Any] = _unowned) -> None:
        # Runs wherever the collector happens to run, perhaps inside a lock that closing would take.
        thing = getattr(self, "_thing", nothing)
        if thing is not nothing:
            unowned.append((thing, self._close))


def _end(thing: Any, close: Callable[[Any], object] | None) -> None:
    if close is None:
        thing.close()
    else:
        close(thing)


def _sweep() -> None:
    while True:
        try:
            thing, close = _unowned.popleft()
        except IndexError:
            return
        try:
            _end(thing, close)
        except Exception as error:
            _log.warning("closing %s failed: %r", type(thing).__name__, error)


def _at_exit() -> None:
    for owner in list(_owners):
        try:
            owner.close()
        except Exception:
            _log.debug("closing at the end of the process failed", exc_info=True)
    _sweep()


def _drop_all() -> None:
    if _unowned:
        keep_forever(list(_unowned))
        _unowned.clear()
    for owner in list(_owners):
        owner._forget_all()


on_fork(_drop_all)
atexit.register(_at_exit)
