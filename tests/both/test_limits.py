"""Limits under both faces at once: pauses that a server asks for, order, and waiters who go away."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client._core.limit_learning import Limits, limits_for
from llm_client._seam._fork import ForkLock
from llm_client.testing import FakeAPI

MODEL = "gpt-5.6-luna"
SECONDS = 60.0


def provider(face: Any, url: str, **options: Any) -> Any:
    return face.OpenAIProvider(MODEL, base_url=url, api_key="a-key", attempts=1, cache_backend=None, **options)


# ---------------------------------------------------------------- pauses


def test_a_retry_after_stops_all_who_wait_in_either_face() -> None:
    window, pause = 3.0, 4.0
    with FakeAPI(default="yes") as api:
        api.reply("yes", times=19)
        api.fail(429, "slow down", headers={"retry-after-ms": f"{pause * 1000:.0f}"})
        key = (api.openai_url, "a-key", MODEL)
        limits = limits_for(key, lambda: Limits(ForkLock(), {"requests": 20}, window))
        blocking = provider(llm_client.sync, api.openai_url)
        assert blocking._exchange.limiter._limits is limits
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda number=number: statuses.append(blocking.complete(f"Q{number}").status))
            for number in range(15)
        ]

        async def ask() -> None:
            first, second = provider(llm_client, api.openai_url), provider(llm_client, api.openai_url)
            assert first._exchange.limiter._limits is limits
            calls = [asked.complete(f"A{number}") for number in range(10) for asked in (first, second)]
            for result in await asyncio.gather(*calls):
                statuses.append(result.status)
            await first.close()
            await second.close()

        for thread in threads:
            thread.start()
        asyncio.run(ask())
        for thread in threads:
            thread.join(SECONDS)
        requests = api.requests
    refused = requests[19]
    assert sorted(statuses) == [200] * 34 + [429]
    assert refused.status == 429
    assert refused.finished is not None
    assert len(requests) == 35
    assert min(request.started for request in requests[20:]) >= refused.finished + pause - 0.01


def test_nobody_new_goes_before_the_pause_is_over_in_either_face() -> None:
    pause = 1.0
    with FakeAPI(default="yes") as api:
        api.fail(429, "slow down", headers={"retry-after-ms": f"{pause * 1000:.0f}"})
        blocking = provider(llm_client.sync, api.openai_url)
        assert blocking.complete("Hi").status == 429

        async def ask() -> None:
            async with provider(llm_client, api.openai_url) as one, provider(llm_client, api.openai_url) as other:
                results = await asyncio.gather(*[asked.complete(f"Q{n}") for n in range(25) for asked in (one, other)])
            assert all(result.ok for result in results)

        threads = [threading.Thread(target=blocking.complete, args=(f"T{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        asyncio.run(ask())
        for thread in threads:
            thread.join(SECONDS)
        first, *later = api.requests
    assert len(later) == 58
    assert first.finished is not None
    assert min(request.started for request in later) >= first.finished + pause - 0.01


# ---------------------------------------------------------------- order


def test_the_largest_request_is_not_overtaken_by_a_crowd() -> None:
    async def run() -> tuple[int, float]:
        limiter = llm_client.Limiter(tpm=1000, window=0.5)
        entered: list[str] = []
        passed: list[str] = []
        done = False

        async def take(name: str, tokens: float) -> None:
            entered.append(name)
            (await limiter.enter(tokens)).abandoned()
            passed.append(name)

        async def crowd(number: int) -> None:
            turn = 0
            while not done:
                turn += 1
                await take(f"{number}.{turn}", 50)

        small = [asyncio.ensure_future(crowd(number)) for number in range(20)]
        while len(passed) < 30:
            await asyncio.sleep(0.01)
        started = time.monotonic()
        await take("large", 1000)
        waited = time.monotonic() - started
        done = True
        later = entered[entered.index("large") + 1 :]
        overtook = [name for name in passed[: passed.index("large")] if name in later]
        for task in small:
            task.cancel()
        await asyncio.gather(*small, return_exceptions=True)
        return len(overtook), waited

    overtook, waited = asyncio.run(run())
    assert overtook == 0
    assert waited < 15.0  # its fair time is one second: all who were there before it, and an empty window


# ---------------------------------------------------------------- waiters who go away


def test_a_cancelled_call_gives_its_place_back() -> None:
    with FakeAPI(default="yes") as api:

        async def run() -> None:
            limiter = llm_client.Limiter(rpm=1)
            limits = limiter._limits
            async with provider(llm_client, api.openai_url, limiter=limiter) as asked:
                assert (await asked.complete("first")).ok
                waiting = [asyncio.ensure_future(asked.complete(f"Q{number}")) for number in range(3)]
                while limits.waiting(time.monotonic()) < 3:
                    await asyncio.sleep(0)
                last = limits.pending[-1]
                turn_of_the_second = limits.pending[1].at
                waiting[0].cancel()
                waiting[1].cancel()
                await asyncio.wait(waiting[:2])
                assert limits.waiting(time.monotonic()) == 1
                assert last.at <= turn_of_the_second
                waiting[2].cancel()
                await asyncio.wait(waiting)
                assert all(task.cancelled() for task in waiting)
                assert limits.waiting(time.monotonic()) == 0
                assert limits._in_flight[0] == 0

        asyncio.run(run())
        assert len(api.requests) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_call_gives_its_place_back(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = llm_client.sync.Limiter(rpm=1)
    limits = limiter._limits
    seen: list[int] = []

    def interrupt(seconds: float) -> None:
        seen.append(limits.waiting(time.monotonic()))
        raise error

    with FakeAPI(default="yes") as api, provider(llm_client.sync, api.openai_url, limiter=limiter) as asked:
        assert asked.complete("first").ok
        with monkeypatch.context() as patched:
            patched.setattr("llm_client._seam._sync.time.sleep", interrupt)
            with pytest.raises(error):
                asked.complete("second")
            with pytest.raises(error), limiter.limit(tokens=10):
                pytest.fail("there was no room")
        assert seen == [1, 1]
        assert limits.waiting(time.monotonic()) == 0
        assert limits._in_flight[0] == 0
        assert len(api.requests) == 1


def test_a_bucket_gets_back_what_a_cancelled_waiter_wanted() -> None:
    async def run() -> None:
        bucket = llm_client.TokenBucket(capacity=10, refill_rate=0.001)
        await bucket.acquire(10)
        large = asyncio.ensure_future(bucket.acquire(10))
        small = asyncio.ensure_future(bucket.acquire(1))
        turns = bucket._turns
        while turns.waiting(time.monotonic()) < 2:
            await asyncio.sleep(0)
        before = turns.pending[1].at
        large.cancel()
        await asyncio.wait([large])
        assert turns.waiting(time.monotonic()) == 1
        assert turns.pending[0].at < before - 5000
        small.cancel()
        await asyncio.wait([small])
        assert turns.waiting(time.monotonic()) == 0

    asyncio.run(run())
