"""The heartbeat of a batch that several processes share, on a thread. Never imports asyncio."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from ._threads import thread_name

_log = logging.getLogger("llm_client.batch")


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
