"""Real threads, locks and sockets, also in a process that gevent has patched.

The server must answer while every greenlet waits, and must not care whether it was started before or after
`monkey.patch_all()`. So it takes the originals from below gevent, once, and never goes through patched names again.
"""

from __future__ import annotations

import _thread
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any


def _original(module: Any, name: str) -> Any:
    monkey = sys.modules.get("gevent.monkey")
    return getattr(module, name) if monkey is None else monkey.get_original(module.__name__, name)


allocate_lock = _original(_thread, "allocate_lock")
Socket: type[socket.socket] = _original(socket, "socket")
_start_new_thread = _original(_thread, "start_new_thread")


def spawn(function: Callable[[], None]) -> None:
    """Run a function on a thread of the operating system that ends with the process.

    Not a `threading.Thread`: one that is running when gevent patches the process cannot end cleanly.

    Raises:
        RuntimeError: The process cannot have more threads.
    """

    def run() -> None:
        trace = threading.gettrace()
        if trace is not None:  # debuggers and coverage follow new threads this way
            sys.settrace(trace)
        function()

    _start_new_thread(run, ())


def accept(listener: socket.socket) -> socket.socket:
    """Accept one connection as an original socket (`socket.accept` would make a patched one)."""
    descriptor, _ = listener._accept()  # type: ignore[attr-defined]
    return Socket(fileno=descriptor)
