"""Buckets and limiters as users see them, and what providers do with limits, retries and broken servers."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import pytest

from llm_client._core.breaker import breaker_for
from llm_client._seam import _async as seam
from llm_client.testing import Failure, FakeAPI, Reply
from support._async import face
from support.hidden_limits import HiddenLimits

MODEL = "gpt-5.6-luna"


def provider(api: FakeAPI, **options: Any) -> Any:
    return face.OpenAIProvider(
        **{"model": MODEL, "base_url": api.openai_url, "backoff": 0.0, "cache_backend": None, **options}
    )


# ---------------------------------------------------------------- buckets


async def test_a_bucket_gives_what_it_has_and_makes_the_rest_wait() -> None:
    bucket = face.TokenBucket(capacity=10, refill_rate=100)
    started = seam.now()
    await bucket.acquire(10)
    assert seam.now() - started < 0.05
    assert not bucket.try_acquire(5)
    await bucket.acquire(5)
    assert 0.045 <= seam.now() - started < 1.0
    await bucket.consume(0.5)
    assert bucket.tokens < 5
    assert bucket.try_acquire(0)


async def test_more_than_the_capacity_goes_into_debt() -> None:
    bucket = face.TokenBucket(10, 1000)
    await bucket.acquire(60)
    assert bucket.tokens < -10
    assert not bucket.try_acquire(1)
    started = seam.now()
    await bucket.acquire(1)
    assert seam.now() - started > 0.02


async def test_waiters_are_served_in_order() -> None:
    bucket = face.TokenBucket(1, 200)
    order: list[int] = []

    async def wait(number: int) -> None:
        await bucket.acquire(1)
        order.append(number)

    turns = [bucket._turns.enter((1,), seam.now()) for _ in range(5)]
    assert [turn.at for turn in turns] == sorted(turn.at for turn in turns)
    await seam.gather([partial(wait, number) for number in range(10)])
    assert sorted(order) == list(range(10))
    assert all(turn.delay(seam.now()) <= 0 for turn in turns)


@pytest.mark.parametrize("arguments", [{"capacity": 0}, {"capacity": 1, "refill_rate": -1}])
async def test_numbers_of_a_bucket_are_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        face.TokenBucket(**arguments)


async def test_amounts_are_checked() -> None:
    bucket = face.TokenBucket()
    with pytest.raises(ValueError, match="at least 0"):
        await bucket.acquire(-1)
    with pytest.raises(TypeError, match="number"):
        bucket.try_acquire("1")
    with pytest.raises(TypeError, match="number"):
        face.Limiter(rpm="many")
    with pytest.raises(ValueError, match="at least 0"):
        face.Limiter().limit(tokens=-1)


async def test_neither_can_be_pickled() -> None:
    for thing in (face.TokenBucket(), face.Limiter()):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(thing)


# ---------------------------------------------------------------- limiters


async def test_a_limiter_keeps_to_its_numbers() -> None:
    limiter = face.Limiter(rpm=5, window=0.3)
    started = seam.now()
    for _ in range(11):
        async with limiter.limit(tokens=10):
            pass
    assert seam.now() - started >= 0.6
    assert limiter.limits == {"requests": 5}
    assert repr(limiter) == "Limiter(requests=5)"


async def test_what_an_answer_used_delays_the_next_call_and_not_its_own() -> None:
    limiter = face.Limiter(tpm=1000, window=0.4)
    started = seam.now()
    async with limiter.limit(tokens=100) as context:
        context.output_tokens = 5000
    assert seam.now() - started < 0.2
    async with limiter.limit(tokens=1):
        pass
    assert seam.now() - started >= 0.4


async def test_a_profile_without_numbers_brings_none() -> None:
    assert face.Limiter(model_profile=face.GPT5).limits == {}

    class Own(face.GPT5):
        rpm = 7

    assert face.Limiter(model_profile=Own).limits == {"requests": 7}
    assert face.Limiter(model_profile=Own, rpm=3).limits == {"requests": 3}


# ---------------------------------------------------------------- providers


async def test_providers_of_one_key_and_model_share_a_limiter(api: FakeAPI) -> None:
    first, second = provider(api), provider(api)
    other = provider(api, model="gpt-5.6-sol")
    api.reply("yes", times=2)
    await first.complete("Hi")
    assert second._exchange.limiter.limits["requests"] > 1000
    assert other._exchange.limiter.limits == {}
    await other.complete("Hi")
    assert other._exchange.limiter.limits != {}


async def test_a_limiter_of_its_own_or_none(api: FakeAPI) -> None:
    own = face.Limiter(rpm=100)
    api.reply("yes", times=2)
    await provider(api, limiter=own).complete("Hi")
    assert own.limits["requests"] == 100
    assert own.limits["tokens"] > 1000
    assert (await provider(api, limiter=False).complete("Hi")).ok
    with pytest.raises(TypeError, match=r"Limiter, None .* or False"):
        provider(api, limiter=True)


async def test_a_retry_after_stops_others_too(api: FakeAPI) -> None:
    api.fail(429, "slow down", headers={"retry-after-ms": "300"})
    api.reply("yes")
    assert (await provider(api).complete("Hi", attempts=1)).status == 429
    started = seam.now()
    assert (await provider(api).complete("Hi")).ok
    assert seam.now() - started >= 0.25


async def test_a_long_retry_after_is_an_answer_at_once(api: FakeAPI) -> None:
    api.fail(429, "slow down", headers={"retry-after": "3600"})
    asked = provider(api)
    assert (await asked.complete("Hi")).status == 429
    result = await asked.complete("Hi")
    assert (result.status, result.error_code) == (429, "rate_limit")
    assert "nothing was sent" in result.error
    assert len(api.requests) == 1


async def test_a_long_retry_after_ends_the_wait_of_all(api: FakeAPI) -> None:
    api.fail(429, "slow down", headers={"retry-after": "3600"})
    asked = provider(api, limiter=face.Limiter(rpm=1, window=1.0))
    results = await seam.gather([partial(asked.complete, f"Question {number}") for number in range(4)])
    assert [result.status for result in results] == [429] * 4
    assert sorted("nothing was sent" in result.error for result in results) == [False, True, True, True]
    assert len(api.requests) == 1
    assert asked._exchange.limiter._limits.waiting(seam.now()) == 0


async def test_embeddings_are_settled(api: FakeAPI) -> None:
    api.reply(Reply(embeddings=[[0.5, 0.5]] * 5, usage=(70, 0)))
    limiter = face.Limiter(tpm=100_000)
    asked = provider(api, limiter=limiter, model="text-embedding-3-small")
    result = await asked.embed([f"some words {number}" for number in range(5)])
    assert result.ok
    assert limiter.limits["tokens"] <= 100_000
    tokens = limiter._limits.windows[1]
    assert tokens.total == result.usage.total_tokens == 70
    assert limiter._limits._in_flight == [0.0] * 4


async def test_a_stream_is_settled(api: FakeAPI) -> None:
    limiter = face.Limiter(tpm=100_000)
    api.reply("one two three", times=2)
    asked = provider(api, limiter=limiter)
    async with asked.stream("Hi") as events:
        assert [event async for event in events][-1].type.value == "done"
    async with asked.stream("Hi") as events:
        await events.__anext__()
    assert limiter._limits.waiting(seam.now()) == 0
    assert limiter._limits._in_flight == [0.0] * 4
    assert limiter._limits.expected_output > 0


async def test_hidden_limits_are_kept() -> None:
    with FakeAPI(default="yes") as api:
        hidden = HiddenLimits("sliding", 30, None, 1.0, headers=True, retry_after=True)
        hidden.install(api)
        limiter = face.Limiter(window=1.0)
        asked = provider(api, limiter=limiter)
        outcomes = await seam.gather([partial(asked.complete, f"Question {number}") for number in range(75)], 10)
    assert all(result.ok for result in outcomes)
    assert sum(not passed for _, passed in hidden.log) <= 2
    assert hidden.log[-1][0] - hidden.log[0][0] >= 1.9


# ---------------------------------------------------------------- attempts


async def test_every_attempt_is_told(api: FakeAPI) -> None:
    told: list[Any] = []
    api.fail(503, "busy", headers={"retry-after-ms": "1"})
    api.reply("yes")
    result = await provider(api, on_attempt=told.append).complete("Hi")
    assert [attempt.status for attempt in told] == [503, 200]
    assert tuple(told) == result.attempts


async def test_every_attempt_is_in_the_log(api: FakeAPI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="llm_client.retry")
    asked = provider(api, attempts=2)
    api.fail(503, "busy", times=2)
    assert not (await asked.complete("Hi")).ok
    api.fail(503, "busy")
    api.reply("yes")
    assert (await asked.complete("Hi")).ok
    lines = [record.getMessage() for record in caplog.records if record.name == "llm_client.retry"]
    assert [line.partition(";")[0] for line in lines] == [
        "try 1 of 2 failed (status 503)",
        "try 2 of 2 failed (status 503)",
        "try 1 of 2 failed (status 503)",
        "try 2 of 2 succeeded",
    ]


async def test_attempts_of_a_stream_are_told_too(api: FakeAPI) -> None:
    told: list[Any] = []
    api.fail(503, "busy")
    api.reply("yes")
    async with provider(api, on_attempt=told.append).stream("Hi") as events:
        result = [event async for event in events][-1].data
    assert [attempt.status for attempt in result.attempts] == [503, 200]
    assert tuple(told) == result.attempts


async def test_a_failing_hook_costs_no_answer(api: FakeAPI, caplog: pytest.LogCaptureFixture) -> None:
    def fail(attempt: Any) -> None:
        raise RuntimeError("broken hook")

    api.reply("yes")
    assert (await provider(api, on_attempt=fail).complete("Hi")).ok
    assert "on_attempt" in caplog.text


async def test_a_policy_takes_the_place_of_attempts(api: FakeAPI) -> None:
    from llm_client._core.retry import RetryPolicy

    api.fail(503, "busy", times=2)
    policy = RetryPolicy(attempts=2, backoff=0.0)
    assert len((await provider(api, attempts=7, retry_policy=policy).complete("Hi")).attempts) == 2


async def test_an_open_circuit_says_so_and_closes_again(api: FakeAPI) -> None:
    asked = provider(api, attempts=1)
    breaker = breaker_for(api.openai_url)
    breaker.failures, breaker.seconds, breaker.pause = 2, 0.0, 0.1
    breaker._pause = 0.1
    api.fail(500, "broken", times=2)
    for _ in range(2):
        assert (await asked.complete("Hi")).status == 500
    result = await asked.complete("Hi")
    assert (result.status, result.error_code) == (503, "circuit_open")
    assert "circuit open" in result.error
    assert len(api.requests) == 2
    api.by_default(Failure(500, "still broken"))
    await seam.sleep(breaker.wait(seam.now()))
    assert (await asked.complete("Hi")).status == 500
    api.by_default("well again")
    await seam.sleep(breaker.wait(seam.now()))
    assert (await asked.complete("Hi")).ok
    assert breaker.state(seam.now()) == "closed"


async def test_one_request_probes_for_all(api: FakeAPI) -> None:
    asked = provider(api, attempts=1)
    breaker = breaker_for(api.openai_url)
    breaker.failures, breaker.seconds, breaker.pause = 2, 0.0, 0.05
    breaker._pause = 0.05
    api.fail(500, "broken", times=2)
    for _ in range(2):
        assert (await asked.complete("Hi")).status == 500
    api.by_default("well again")
    api.hold()
    done: list[Any] = []

    async def ask(number: int) -> None:
        done.append(await asked.complete(f"Question {number}"))
        if len(done) == 11:
            api.release()

    await seam.sleep(breaker.wait(seam.now()))
    await seam.gather([partial(ask, number) for number in range(12)])
    assert [result.error_code for result in done] == ["circuit_open"] * 11 + [None]
    assert len(api.requests) == 3
    assert (await asked.complete("Hi")).ok
