"""What must not be left over: tasks of the running loop, threads of ours, open connections, invalid conversations."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from llm_client._core.validate import ANTHROPIC, CHAT, RESPONSES, repair
from llm_client._seam import _async as seam
from llm_client._seam._loops import open_loops

PATIENCE = 10.0


class Watch:
    """Remembers what runs when it is made, on either face.

    In async tests `wait` is called on another thread, so that the loop can end what it is to end meanwhile.
    """

    def __init__(self) -> None:
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._tasks = self._all_tasks()
        self._threads = set(threading.enumerate())

    def _all_tasks(self) -> set[Any]:
        return set() if self._loop is None else set(asyncio.all_tasks(self._loop))

    def _left(self) -> list[Any]:
        threads = set(threading.enumerate()) - self._threads
        # The one loop thread of the process stays; threads of asyncio.to_thread are not ours.
        ours = [thread for thread in threads if thread.name.startswith("llm-client-")]
        ours = [thread for thread in ours if not thread.name.startswith("llm-client-loop")]
        return [*(self._all_tasks() - self._tasks), *ours]

    def wait(self, api: Any = None) -> bool:
        """Wait until nothing is left over, nor any connection to a server that is given; say that it is so."""
        end = time.monotonic() + PATIENCE
        while left := self._left():
            assert time.monotonic() < end, f"left over: {left}"
            time.sleep(0.002)
        if api is not None:
            api.wait_for_connections(0)
        return True


def assert_valid(conversation: Any) -> None:
    """Every server takes these messages as they are."""
    messages = list(conversation)
    for dialect in (None, CHAT, RESPONSES, ANTHROPIC):
        assert repair(messages, dialect).notes == [], (dialect, messages)


def loops_left_by_others() -> int:
    """Loops on which other tests of this process left something open; those that are closed go with the next run."""

    async def open_something() -> None:
        seam.per_loop(_Nothing).get()

    asyncio.run(open_something())
    return open_loops()


class _Nothing:
    def close(self) -> None:
        """Nothing to close."""
