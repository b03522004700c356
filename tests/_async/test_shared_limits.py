"""Limits that several limiters share through a real Redis or Valkey: in order, learned once, given back, never lost."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from llm_client._seam import _async as seam
from llm_client.testing import Failure, FakeAPI
from support._async import face
from support.servers import free_port, start_redis

MODEL = "gpt-5.6-luna"
PATIENCE = 30.0


def limiter_of(redis_url: str, name: str, **options: Any) -> Any:
    return face.Limiter(redis_url=redis_url, name=name, **{"redis_timeout": 15.0, **options})


def unique(name: str) -> str:
    return f"{name}-{face.__name__}-{time.monotonic_ns()}"


async def close(*limiters: Any) -> None:
    for limiter in limiters:
        await limiter.close()


async def until(state: Any) -> None:
    end = seam.now() + PATIENCE
    while not state():
        assert seam.now() < end, "it did not come about"
        await seam.sleep(0.02)


async def delay_of(limiter: Any, tokens: float) -> float:
    """Seconds that a request would wait, which keeps its place."""
    shared = limiter._shared
    delay: float = await shared._ask(_kept(shared._reserve(tokens, 1)))
    return delay


_reservations: list[Any] = []


def _kept(reservation: Any) -> Any:
    _reservations.append(reservation)
    return reservation


async def keys_of(redis_url: str) -> list[bytes]:
    client: Any = seam.redis_from_url(redis_url)
    try:
        found: list[bytes] = await client.keys("llm_limits:*")
    finally:
        await client.aclose()
    return found


async def test_two_limiters_take_from_one_window(redis_url: str) -> None:
    name = unique("window")
    first, second = (limiter_of(redis_url, name, rpm=10, window=1.0) for _ in range(2))
    started = seam.now()
    taken: list[float] = []

    async def ask(number: int) -> None:
        async with (first if number % 2 else second).limit(tokens=1):
            taken.append(seam.now() - started)

    await seam.gather([partial(ask, number) for number in range(25)])
    # In any second 10 begin: the 11th not before 1 s, the 21st not before 2 s.
    taken.sort()
    assert len(taken) == 25
    assert taken[10] > 0.95
    assert taken[20] > 1.9
    assert first.limits == second.limits == {"requests": 10}
    await close(first, second)


async def test_a_call_alone_takes_one_round_trip_and_is_told_later(redis_url: str) -> None:
    limiter = limiter_of(redis_url, unique("trips"), tpm=1000)
    client: Any = seam.redis_from_url(redis_url)
    async with limiter.limit(tokens=10):
        pass  # the connection is made, the script is there
    await client.config_resetstat()
    started = seam.now()
    for _ in range(5):
        async with limiter.limit(tokens=10) as room:
            room.output_tokens = 5
    calls = (await client.info("commandstats")).get("cmdstat_evalsha", {}).get("calls")
    assert 5 <= calls <= 6 + (seam.now() - started)  # what became of the last one is told at most a second later
    await until(lambda: not limiter._shared.ledger.untold)
    await client.aclose()
    await limiter.close()


async def test_what_an_answer_used_is_settled_for_all(redis_url: str) -> None:
    name = unique("settled")
    first, second = (limiter_of(redis_url, name, tpm=1000, window=600.0) for _ in range(2))
    async with first.limit(tokens=900) as room:
        room.input_tokens, room.output_tokens = 100, 50
    await first.tell()
    assert await delay_of(second, 800) == 0  # 150 are gone, and a little is set aside for the answer
    assert await delay_of(second, 100) > 100
    await close(first, second)


async def test_a_cancelled_waiter_gives_its_place_back(redis_url: str) -> None:
    name = unique("back")
    first, second = (limiter_of(redis_url, name, tpm=100, window=600.0) for _ in range(2))
    leave = await first.enter(90)
    leave.give_back()
    await first.tell()
    assert await delay_of(second, 90) == 0
    assert await delay_of(first, 90) > 100
    await close(first, second)


async def test_a_pause_beyond_patience_ends_the_wait(redis_url: str) -> None:
    name = unique("patience")
    first, second = (limiter_of(redis_url, name, tpm=1000) for _ in range(2))
    (await first.enter(10)).answered(429, {"retry-after": "3600"})
    await first.tell()
    leave = await second.enter(10, patience=60.0)
    assert second.held() > 3000
    leave.give_back()
    await close(first, second)


async def test_more_than_the_limit_goes_into_debt(redis_url: str) -> None:
    limiter = limiter_of(redis_url, unique("debt"), tpm=100, window=0.3)
    started = seam.now()
    await limiter.enter(250)  # two windows and a half
    await limiter.enter(100)
    assert seam.now() - started > 0.85
    await limiter.close()


async def test_a_limit_that_one_learned_holds_for_all(redis_url: str) -> None:
    name = unique("learned")
    with FakeAPI(default="Yes.", requests_per_minute=7) as api:
        first, second = (limiter_of(redis_url, name) for _ in range(2))
        async with (
            face.OpenAIProvider(MODEL, base_url=api.openai_url, limiter=first, cache_backend=None) as one,
            face.OpenAIProvider(MODEL, base_url=api.openai_url, limiter=second, cache_backend=None) as other,
        ):
            assert (await one.complete("Hi")).ok
            for part in first._parts.values():
                await part.tell()
            assert (await other.complete("Hi")).ok
            assert second.limits["requests"] == 7
        await close(first, second)


async def test_a_retry_after_stops_all(redis_url: str) -> None:
    name = unique("pause")
    with FakeAPI(default="Yes.") as api:
        first, second = (limiter_of(redis_url, name) for _ in range(2))
        settings = {"base_url": api.openai_url, "cache_backend": None, "attempts": 1}
        async with (
            face.OpenAIProvider(MODEL, limiter=first, **settings) as one,
            face.OpenAIProvider(MODEL, limiter=second, **settings) as other,
        ):
            assert (await other.complete("Hi")).ok
            api.reply(Failure(429, "Slow down.", headers={"retry-after": "2"}))
            asked = seam.now()
            assert (await one.complete("Hi")).status == 429
            assert (await other.complete("Hi")).ok
            assert seam.now() - asked > 1.9
        await close(first, second)


async def test_endpoints_keys_and_models_have_limits_of_their_own(redis_url: str) -> None:
    limiter = limiter_of(redis_url, unique("own"), rpm=1, window=600.0)
    before = set(await keys_of(redis_url))
    started = seam.now()
    with FakeAPI(default="Yes.") as api:
        for key in ("sk-first-secret", "sk-second-secret"):
            for model in (MODEL, "gpt-5.6-terra"):
                settings = {"api_key": key, "base_url": api.openai_url, "limiter": limiter, "cache_backend": None}
                async with face.OpenAIProvider(model, **settings) as provider:
                    assert (await provider.complete("Hi")).ok
    assert seam.now() - started < PATIENCE * 4
    older = {key.split(b"}")[0] for key in before}
    stored = [key for key in await keys_of(redis_url) if key.split(b"}")[0] not in older]
    assert len({key.split(b"}")[0] for key in stored}) == 4
    assert not any(b"secret" in key or b"gpt" in key for key in stored)
    client: Any = seam.redis_from_url(redis_url)
    for name in stored:
        assert await client.pttl(name) != -1  # nothing stays for ever
    await client.aclose()
    await limiter.close()


async def test_an_address_in_the_environment_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    limiter = face.Limiter(rpm=10)
    async with limiter.limit():
        assert limiter.limits == {"requests": 10}
    await limiter.close()
    with pytest.raises(ValueError, match="redis_timeout"):
        face.Limiter(redis_url="redis://127.0.0.1:1/0", redis_timeout=0)
    with pytest.raises(ValueError, match="lease"):
        face.Limiter(redis_url="redis://127.0.0.1:1/0", lease=-1)


async def test_a_script_that_redis_has_forgotten_is_sent_again(redis_url: str) -> None:
    limiter = limiter_of(redis_url, unique("script"), rpm=100)
    client: Any = seam.redis_from_url(redis_url)
    for _ in range(2):
        await client.script_flush()
        async with limiter.limit():
            pass
    assert limiter.limits == {"requests": 100}
    await client.aclose()
    await limiter.close()


# ---------------------------------------------------------------- without Redis


@contextmanager
def stoppable() -> Iterator[tuple[str, int]]:
    """A server of this test's own, and its process."""
    port = free_port()
    with start_redis(port) as url:
        import psutil

        [process] = [
            process
            for process in psutil.Process().children(recursive=True)
            if any(str(port) in argument for argument in process.cmdline())
        ]
        yield url, process.pid


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "llm_client.limiter"]


async def test_calls_go_on_while_redis_stands_still(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "llm_client.limiter")
    monkeypatch.delenv("LLM_CLIENT_TEST_REDIS_URL", raising=False)
    with stoppable() as (url, pid):
        limiter = face.Limiter(redis_url=url, redis_timeout=0.5, rpm=100_000, name=unique("still"))
        async with limiter.limit():
            pass
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                async with limiter.limit(tokens=10) as room:
                    room.output_tokens = 5
            await until(lambda: len(said(caplog)) > 0)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert len(said(caplog)) == 1, said(caplog)
        assert "the limiter goes on without Redis" in said(caplog)[0]
        end = seam.now() + PATIENCE
        while len(said(caplog)) < 2:
            assert seam.now() < end, "it did not come back"
            async with limiter.limit():
                pass
            await seam.sleep(0.05)
        assert said(caplog)[1] == "the limiter uses Redis again"
        await limiter.close()


async def test_a_server_that_is_not_there_costs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "llm_client.limiter")
    limiter = face.Limiter(redis_url=f"redis://127.0.0.1:{free_port()}/0", rpm=3, window=0.5)
    started = seam.now()
    for _ in range(4):
        async with limiter.limit():
            pass
    assert seam.now() - started > 0.45  # limits of its own hold
    assert len(said(caplog)) == 1
    await limiter.close()
