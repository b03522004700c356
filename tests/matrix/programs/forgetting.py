"""Programs that close nothing; run by test_at_exit.py in development mode with warnings as errors."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

from llm_client import AgentConfig
from support.calls import Asynchronous, Blocking, double

KEPT: list[Any] = []
"""What is alive when the interpreter shuts down."""


async def patient() -> None:
    # Development mode also reports slow callbacks, which only says that the machine is busy.
    asyncio.get_running_loop().slow_callback_duration = 60.0


def blocking(url: str, vendor: str) -> None:
    """Calls of each kind; streams left as temporaries, by name, and still open at the end."""
    calls = Blocking(url, vendor)
    KEPT.append(calls)
    calls.all(2)
    calls.all(3)
    for _ in calls.provider.stream("one two three"):
        break
    for _ in calls.agent.fork().stream("the number 4"):
        break
    for stream in (calls.provider.stream("one two three"), calls.agent.fork().stream("the number 4")):
        KEPT.append(stream)
        next(iter(stream))
    KEPT.append(calls.provider.stream("never begun"))
    Blocking(url, vendor).all(2)  # collected at once
    gc.collect()


async def _asynchronous(calls: Asynchronous) -> None:
    await patient()
    await calls.all(2)
    await calls.all(3)
    async for _ in calls.provider.stream("one two three"):
        break
    async for _ in calls.agent.fork().stream("the number 4"):
        break
    for stream in (calls.provider.stream("one two three"), calls.agent.fork().stream("the number 4")):
        KEPT.append(stream)
        await stream.__anext__()
    KEPT.append(calls.provider.stream("never begun"))


def asynchronous(url: str, vendor: str) -> None:
    """The same of the async face, in two loops, and one provider that nobody keeps."""
    calls = Asynchronous(url, vendor)
    KEPT.append(calls)
    for _ in range(2):
        asyncio.run(_asynchronous(calls))
    asyncio.run(_asynchronous(Asynchronous(url, vendor)))
    gc.collect()


def threads(url: str, vendor: str) -> None:
    """Both faces in threads that have ended."""
    together: list[tuple[Callable[..., None], str, str]] = [(blocking, url, vendor), (asynchronous, url, vendor)]
    started = [threading.Thread(target=work, args=arguments) for work, *arguments in together * 3]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def threads_at_work(url: str, vendor: str) -> None:
    """Blocking calls in daemon threads that are in the middle of them when the program ends."""
    # No limit, so that tools need no threads: CPython 3.10 itself can crash when a thread is started while it ends.
    calls = Blocking(url, vendor, tools=(double,), config=AgentConfig(tool_timeout=None))
    made = [0] * 4

    def work(number: int) -> None:
        while True:
            calls.all(2)
            made[number] += 1

    for number in range(len(made)):
        threading.Thread(target=work, args=(number,), daemon=True).start()
    while min(made) < 1:
        calls.call("complete", 2)


def mixed(url: str, vendor: str) -> None:
    """Both faces on one loop, and a blocking agent's async tools on theirs."""
    both = Blocking(url, vendor), Asynchronous(url, vendor)
    KEPT.append(both)

    async def main() -> None:
        await patient()
        both[0].all(2)
        await both[1].all(3)
        await asyncio.gather(asyncio.to_thread(both[0].all, 3), both[1].all(2))

    asyncio.run(main())
    blocking(url, vendor)


def hard_way(url: str, vendor: str) -> None:
    """Loops that are closed without ending their generators, and one that is not closed at all but kept."""
    calls = Asynchronous(url, vendor)
    for _ in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(patient())
        loop.run_until_complete(calls.all(2))
        loop.close()


def cancelled(url: str, vendor: str) -> None:
    """Tasks that are in the middle of calls when their loop ends."""
    calls = Asynchronous(url, vendor)

    async def repeat(number: int) -> None:
        while True:
            await calls.all(number)

    async def main() -> None:
        await patient()
        for number in range(4):
            KEPT.append(asyncio.get_running_loop().create_task(repeat(number)))
        await calls.all(4)

    asyncio.run(main())


def exits(url: str, vendor: str) -> None:
    """The end of the program comes from within streams."""
    calls, asked = Asynchronous(url, vendor), Blocking(url, vendor)

    async def main() -> None:
        await patient()
        async for _ in calls.agent.fork().stream("the number 4"):
            for _ in asked.agent.fork().stream("the number 4"):
                sys.exit(0)

    asyncio.run(main())
