"""One library doing one thing, in a process of its own: `python -m comparing WORK SCENARIO URL`.

Reads from its input how often to do it, and writes what that cost: CPU of all threads of this process, and time. For
the scenario "first_call" it does that once, and writes the memory of the process.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from comparing import sizes

_begun = [0.0, 0.0]


def counted_until_now() -> tuple[float, float]:
    """CPU seconds and seconds since the one call that is being measured began."""
    return time.process_time() - _begun[0], time.perf_counter() - _begun[1]


class Session:
    """What a piece of work is given.

    Args:
        url: Where the fake server is; a kind of answer and `/v1` follow.
    """

    chunks = sizes.CHUNKS
    tool_calls = sizes.TOOL_CALLS
    vectors = sizes.VECTORS

    def __init__(self, url: str) -> None:
        self.url = url
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The one event loop of this process."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def run(self, work: Awaitable[Any]) -> Any:
        """Wait for something on the event loop."""
        return self.loop.run_until_complete(work)

    def calls(self, one: Callable[[], Awaitable[Any]], units: int = 1, *, own: bool = False) -> Any:
        """Do something asynchronous again and again, one after the other.

        Args:
            one: Does it.
            units: How many things one call stands for, such as the chunks of a stream.
            own: It returns itself what is to be counted, from `counted_until_now`.
        """

        async def all_of_them(count: int) -> list[Any]:
            taken = []
            for _ in range(count):
                if own:
                    _begun[:] = time.process_time(), time.perf_counter()
                taken.append(await one())
            return taken

        def run(count: int) -> list[Any] | None:
            taken = self.run(all_of_them(count))
            return taken if own else None

        return run, units

    def in_flight(self, one: Callable[[], Awaitable[Any]], at_once: int) -> Any:
        """Do something asynchronous many times at once."""

        async def all_of_them(count: int) -> None:
            for _ in range(count):
                await asyncio.gather(*(one() for _ in range(at_once)))

        return lambda count: self.run(all_of_them(count)), at_once

    def blocking(self, one: Callable[[], Any], units: int = 1) -> Any:
        """Do something blocking again and again."""

        def all_of_them(count: int) -> None:
            for _ in range(count):
                one()

        return all_of_them, units


def main() -> None:
    work, scenario, url = sys.argv[1:4]
    module = importlib.import_module(f"comparing.work_{work}")
    if scenario == "first_call":
        asyncio.run(module.first_call(Session(url)))
        print(json.dumps({"resident": _resident()}), flush=True)
        return
    run, units = getattr(module, scenario)(Session(url))
    run(1)
    run(2)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        count = int(line)
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        own = run(count)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        batch = cpu
        if own:
            cpu, wall = (sum(part) for part in zip(*own, strict=True))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = {"cpu": cpu / count / units, "wall": wall / count / units, "peak": peak, "batch": batch}
        print(json.dumps(found), flush=True)
    # Nobody needs to hear which connections are open.
    os._exit(0)


def _resident() -> float:
    """Resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
