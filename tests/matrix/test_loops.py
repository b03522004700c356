"""Both faces in and beside event loops: one object everywhere, whatever runs around it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_client._seam._loops import open_loops
from support.calls import KINDS, VENDORS, Asynchronous, Blocking, Kind, double
from support.leaks import loops_left_by_others

pytestmark = [pytest.mark.parametrize("kind", KINDS), pytest.mark.parametrize("vendor", VENDORS)]


def in_threads(count: int, work: Callable[[int], Any]) -> None:
    """Run something in many threads that begin together."""
    together = threading.Barrier(count)

    def one(number: int) -> None:
        together.wait(30)
        work(number)

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(one, number) for number in range(count)]:
            done.result(60)


# ---------------------------------------------------------------- one loop, or none


def test_the_blocking_face_without_a_loop(url: str, vendor: str, kind: Kind) -> None:
    calls = Blocking(url, vendor)
    for number in range(4):
        calls.call(kind, number)
    calls.provider.close()
    calls.call(kind, 4)  # opens anew
    calls.provider.close()


def test_the_async_face_in_a_loop(url: str, vendor: str, kind: Kind) -> None:
    before = loops_left_by_others()
    calls = Asynchronous(url, vendor)

    async def main() -> None:
        for number in range(4):
            await calls.call(kind, number)
        await calls.provider.close()
        await calls.call(kind, 4)

    asyncio.run(main())
    assert open_loops() == before


def test_the_blocking_face_inside_a_running_loop(url: str, vendor: str, kind: Kind) -> None:
    calls = Blocking(url, vendor)

    async def main() -> None:
        for number in range(4):
            calls.call(kind, number)

    asyncio.run(main())
    calls.call(kind, 4)
    calls.provider.close()


def test_both_faces_mixed_on_one_loop(url: str, vendor: str, kind: Kind) -> None:
    blocking, asynchronous = Blocking(url, vendor), Asynchronous(url, vendor)

    async def both(number: int) -> None:
        await asynchronous.call(kind, number)
        blocking.call(kind, number)
        await asynchronous.call(kind, number + 1)

    async def main() -> None:
        await asyncio.gather(*(both(number) for number in range(4)))
        await asyncio.gather(*(asyncio.to_thread(blocking.call, kind, number) for number in range(4)), both(4))

    asyncio.run(main())
    blocking.provider.close()


# ---------------------------------------------------------------- several loops


def test_one_object_in_two_loops_one_after_the_other(url: str, vendor: str, kind: Kind) -> None:
    before = loops_left_by_others()
    calls = Asynchronous(url, vendor)
    for number in range(2):
        asyncio.run(calls.call(kind, number))
    assert open_loops() == before


def test_five_at_once_in_two_loops(url: str, vendor: str, kind: Kind) -> None:
    before = loops_left_by_others()
    calls = Asynchronous(url, vendor)

    async def main() -> None:
        await asyncio.gather(*(calls.call(kind, number) for number in range(5)))
        assert len(asyncio.all_tasks()) == 1

    for _ in range(2):
        asyncio.run(main())
    assert open_loops() == before


def test_a_loop_that_was_closed_the_hard_way_does_not_spoil_the_next(url: str, vendor: str, kind: Kind) -> None:
    before = loops_left_by_others()
    calls = Asynchronous(url, vendor)
    for number in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(calls.call(kind, number))
        loop.close()  # without ending its generators: what was open is let go of by the next loop
    asyncio.run(calls.call(kind, 2))
    gc.collect()
    assert open_loops() == before


def test_eight_threads_each_with_a_loop_of_its_own(url: str, vendor: str, kind: Kind) -> None:
    before = loops_left_by_others()
    calls = Asynchronous(url, vendor)

    async def main(number: int) -> None:
        await calls.call(kind, number)
        await asyncio.gather(*(calls.call(kind, 10 * number + turn) for turn in range(3)))

    in_threads(8, lambda number: asyncio.run(main(number)))
    assert open_loops() == before


# ---------------------------------------------------------------- many threads


def test_64_threads_of_10_calls_each(url: str, vendor: str, kind: Kind) -> None:
    calls = Blocking(url, vendor, tools=(double,))

    def ten(number: int) -> None:
        for turn in range(10):
            calls.call(kind, 10 * number + turn)

    in_threads(64, ten)
    calls.provider.close()
