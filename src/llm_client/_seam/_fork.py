"""What must not cross `os.fork`: locks that another thread holds, sockets, running calls, the loop thread.

The child gets a copy of every lock in the state it had, but only the thread that forked: a lock held by any other
thread stays locked for ever. It also gets the parent's sockets, and would tear the parent's connections apart by using
them. So locks are renewed, everything open is forgotten, and what was forgotten is kept alive: collecting it would
close or flush it, or warn about it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from weakref import WeakSet

_locks: WeakSet[ForkLock] = WeakSet()
_resets: list[Callable[[], None]] = []
_kept: list[object] = []


class ForkLock:
    """A lock between threads that is free again in a forked child."""

    __slots__ = ("__weakref__", "inner")

    def __init__(self) -> None:
        self.inner = threading.Lock()
        _locks.add(self)

    def acquire(self, timeout: float | None = None) -> bool:
        """Take the lock.

        Args:
            timeout: Longest wait in seconds; None waits for ever.

        Returns:
            Whether it was taken.
        """
        return self.inner.acquire(timeout=clamp(timeout))

    def release(self) -> None:
        """Give the lock back; never waits."""
        self.inner.release()

    def __enter__(self) -> None:
        self.inner.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.inner.release()

    def renew(self) -> None:
        """Replace the inner lock; only for a child that has just been forked."""
        self.inner = threading.Lock()


def clamp(timeout: float | None) -> float:
    """The seconds as `Lock.acquire` takes them: -1 for no limit, and nothing that overflows."""
    if timeout is None:
        return -1
    return min(max(timeout, 0.0), threading.TIMEOUT_MAX)


def on_fork(reset: Callable[[], None]) -> None:
    """Run a function in every forked child, after all locks were renewed."""
    _resets.append(reset)


def keep_forever(thing: object) -> None:
    """Never let an object be collected in this process, not even while the interpreter shuts down.

    A reference in a module would do until shutdown, which clears modules: then event loops and sessions of the parent
    would be finalized here, with warnings and with writes to descriptors that both processes share.
    """
    _kept.append(thing)
    try:
        import ctypes
    except ImportError:  # a build without ctypes: the reference above is the best there is
        return
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _in_child() -> None:
    for lock in list(_locks):
        lock.renew()
    for reset in _resets:
        reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
