"""Whole answers: hits, misses, the flags, failing caches, and equal calls in flight."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_client._seam import _async as seam
from llm_client._seam import _flight
from llm_client.exceptions import ConfigurationError
from llm_client.testing import FakeAPI, Reply, TokenCounts
from support._async import face

MODEL = "gpt-5.6-luna"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def provider(api: FakeAPI, **options: Any) -> Any:
    return face.OpenAIProvider(**{"model": MODEL, "base_url": api.openai_url, "backoff": 0.0, **options})


# ---------------------------------------------------------------- hits


async def test_the_same_question_is_asked_once(api: FakeAPI) -> None:
    api.reply(Reply("Hello.", reasoning="Hm.", usage=TokenCounts(1000, 100, reasoning=7)))
    async with provider(api) as asked:
        first = await asked.complete("Hi", cache_response=True)
        again = await asked.complete("Hi", cache_response=True)
        stats = asked.cache_stats
    assert (first.cached, again.cached, again.coalesced) == (False, True, False)
    usage = dataclasses.replace(first.usage, input_cost=0.0, output_cost=0.0, total_cost=0.0)
    assert again == dataclasses.replace(first, cached=True, usage=usage)
    assert (again.raw, again.usage.reasoning_tokens, again.attempts) == (first.raw, 7, ())
    assert (stats.hits, stats.misses, stats.errors) == (1, 1, 0)
    assert stats.saved_cost == pytest.approx(first.usage.total_cost)
    assert stats.hit_rate == 0.5


async def test_tool_calls_come_back_with_a_hit(api: FakeAPI) -> None:
    @face.tool
    def look(place: str) -> str:
        """Look."""
        return place

    api.reply(Reply(tool_calls=[("look", {"place": "Zürich"}), ("look", {"place": "Rome"})]))
    asked = provider(api)
    first = await asked.complete("Look", tools=[look], cache_response=True)
    again = await asked.complete("Look", tools=[look], cache_response=True)
    assert again.cached
    assert again.tool_calls == first.tool_calls
    assert again.finish_reason == "tool_calls"
    assert again.to_message() == first.to_message()


async def test_another_provider_and_process_finds_it_too(api: FakeAPI) -> None:
    api.reply("Hello.")
    assert not (await provider(api).complete("Hi", cache_response=True)).cached
    assert (await provider(api, cache_dir="cache").complete("Hi", cache_response=True)).cached


async def test_nothing_is_cached_and_no_folder_made_unless_asked_for(api: FakeAPI) -> None:
    for _ in range(2):
        api.reply("Hello.")
        assert not (await provider(api).complete("Hi")).cached
    assert os.listdir(".") == []
    api.fail(400, "no")
    assert not (await provider(api).complete("Hi", cache_response=True)).ok
    assert os.listdir(".") == []


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5}, {"max_tokens": 7}, {"messages": "Ho"}, {"response_format": "json_object"},
        {"cache_collection": "other"}, {"extra_body": {"x": 1}}, {"extra_headers": {"x-route": "b"}},
    ],
)  # fmt: skip
async def test_another_question_is_another_entry(api: FakeAPI, change: dict[str, Any]) -> None:
    question = {"messages": "Hi in JSON", "cache_response": True}
    asked = provider(api, model="gpt-4o")
    for options in (question, {**question, **change}):
        api.reply('{"a": 1}')
        assert not (await asked.complete(**options)).cached
        assert (await asked.complete(**options)).cached


async def test_models_servers_and_dialects_have_their_own_entries(api: FakeAPI) -> None:
    others = [
        provider(api),
        provider(api, model="gpt-5.6-sol"),
        provider(api, base_url=api.openai_url.replace("127.0.0.1", "localhost")),
        provider(api, use_responses_api=True),
        face.AnthropicProvider(model=MODEL, base_url=api.anthropic_url, cache_dir="cache"),
    ]
    for number, asked in enumerate(others):
        api.reply(f"answer {number}")
        assert (await asked.complete("Hi", cache_response=True)).content == f"answer {number}"
    for number, asked in enumerate(others):
        hit = await asked.complete("Hi", cache_response=True)
        assert (hit.cached, hit.content) == (True, f"answer {number}")
        await asked.close()


# ---------------------------------------------------------------- flags


async def test_rewrite_overwrites_and_regen_leaves_what_is_stored(api: FakeAPI) -> None:
    asked = provider(api)
    for answer, options in (("1", {}), ("2", {"rewrite_cache": True}), ("3", {"regen_cache": True})):
        api.reply(answer)
        result = await asked.complete("Hi", cache_response=True, **options)
        assert (result.content, result.cached) == (answer, False)
    hit = await asked.complete("Hi", cache_response=True, rewrite_cache=False, regen_cache=False)
    assert (hit.content, hit.cached) == ("2", True)


async def test_regen_stores_nothing(api: FakeAPI) -> None:
    api.reply("1")
    await provider(api).complete("Hi", cache_response=True, regen_cache=True)
    assert os.listdir(".") == []


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"rewrite_cache": True, "regen_cache": True}, ValueError, "pass one of them"),
        ({"cache_response": "yes"}, TypeError, "cache_response is True or False"),
        ({"cache_collection": 5}, TypeError, "cache_collection is a string"),
        ({"cache_collection": ""}, ValueError, "cache_collection is empty"),
        ({"cache_respones": True}, TypeError, "did you mean 'cache_response'"),
    ],
)
async def test_mistakes_are_told_before_anything_is_sent(
    api: FakeAPI, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        await provider(api).complete("Hi", **options)
    with pytest.raises(error, match=match):
        provider(api).stream("Hi", **options)
    assert api.requests == []


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", '"; drop table x; --', "x" * 300, "\U0001f600", "..", "/tmp/x", "A", "a"]
)
async def test_any_collection_name_is_contained(api: FakeAPI, name: str, tmp_path: Path) -> None:
    api.reply("Hello.")
    asked = provider(api, cache_collection=name)
    await asked.complete("Hi", cache_response=True)
    assert (await asked.complete("Hi", cache_response=True)).cached
    files = [path for path in tmp_path.parent.rglob("*.entry") if tmp_path in path.parents]
    assert len(files) == 1
    assert tmp_path / "cache" in files[0].parents
    assert await asked.cache.purge(name) == 1


# ---------------------------------------------------------------- the form of answers


async def test_the_object_is_read_anew_from_a_hit(api: FakeAPI) -> None:
    @dataclasses.dataclass
    class Place:
        city: str

    api.reply('{"city": "Rome"}')
    asked = provider(api)
    first = await asked.complete("Where?", response_format=Place, cache_response=True)
    again = await asked.complete("Where?", response_format=Place, cache_response=True)
    assert again.cached
    assert again.parsed == first.parsed == Place("Rome")


async def test_an_answer_asked_for_again_is_stored_with_the_cost_of_both(api: FakeAPI) -> None:
    asked = provider(api)
    api.reply("no JSON")
    api.reply('{"value": [1]}')
    first = await asked.complete("List", response_format=list[int], output_retries=1, cache_response=True)
    assert first.parsed == [1]
    again = await asked.complete("List", response_format=list[int], output_retries=1, cache_response=True)
    assert (again.cached, again.parsed, again.usage.total_tokens) == (True, [1], first.usage.total_tokens)
    assert asked.cache_stats.saved_cost == pytest.approx(first.usage.total_cost)


# ---------------------------------------------------------------- caches that fail


class Broken:
    """A cache that fails as it is told to."""

    def __init__(self) -> None:
        self.broken = True
        self.looks = 0
        self.values: dict[tuple[str, str], bytes] = {}

    async def get(self, collection: str, key: str) -> bytes | None:
        self.looks += 1
        if self.broken:
            raise ConnectionError("the cache is away")
        return self.values.get((collection, key))

    async def set(self, collection: str, key: str, value: bytes) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        self.values[collection, key] = value


async def test_a_failing_cache_is_a_miss_and_one_warning(api: FakeAPI, caplog: pytest.LogCaptureFixture) -> None:
    cache = Broken()
    asked = provider(api, cache_backend=cache)
    with caplog.at_level(logging.INFO, logger="llm_client.cache"):
        for _ in range(3):
            api.reply("yes")
            assert (await asked.complete("Hi", cache_response=True)).content == "yes"
        warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert sorted(record.getMessage()[:29] for record in warnings) == [
            "the cache could not be read; ",
            "the cache could not be writte",
        ]
        assert asked.cache_stats.errors == 9  # two looks and one write for each
        cache.broken = False
        api.reply("yes")
        assert not (await asked.complete("Hi", cache_response=True)).cached
        assert (await asked.complete("Hi", cache_response=True)).cached
    assert "the cache can be read again" in caplog.text
    await asked.close()


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b'{"v": 0}', b"null"])
async def test_a_value_that_is_no_entry_is_a_miss(api: FakeAPI, value: bytes) -> None:
    cache = Broken()
    cache.broken = False
    asked = provider(api, cache_backend=cache)
    api.reply("one")
    await asked.complete("Hi", cache_response=True)
    for place in cache.values:
        cache.values[place] = value
    api.reply("two")
    assert (await asked.complete("Hi", cache_response=True)).content == "two"
    assert (await asked.complete("Hi", cache_response=True)).cached


async def test_errors_are_never_stored(api: FakeAPI) -> None:
    asked = provider(api, attempts=1)
    for failure in (400, 500):
        api.fail(failure, "no")
        assert not (await asked.complete("Hi", cache_response=True)).ok
    api.reply(Reply("...", finish_reason="content_filter"))
    await asked.complete("Hi", cache_response=True)
    api.reply("yes")
    assert (await asked.complete("Hi", cache_response=True)).content == "yes"


async def test_a_cache_passed_in_is_left_open_and_one_made_here_is_closed(api: FakeAPI) -> None:
    class Closing(Broken):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    given = Closing()
    await provider(api, cache_backend=given).close()
    assert given.closed == 0


async def test_wrong_backends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:9/v1"
    for backend, error, match in [
        ("sqlite", ValueError, "cache_backend is one of 'fs'"),
        (5, TypeError, r"an object with get\(\) and set\(\)"),
        (Broken, TypeError, r"an object with get\(\) and set\(\)"),
    ]:
        with pytest.raises(error, match=match):
            face.OpenAIProvider(base_url=url, cache_backend=backend)
    with pytest.raises(ConfigurationError, match=r"PG_DSN .* pass pg_dsn="):
        face.OpenAIProvider(base_url=url, cache_backend="pg_redis")
    monkeypatch.setenv("PG_DSN", "postgresql://127.0.0.1:9/x")
    with pytest.raises(ConfigurationError, match=r"REDIS_URL .* pass redis_url="):
        face.OpenAIProvider(base_url=url, cache_backend="pg_redis")


async def test_no_cache_at_all_still_shares_calls(api: FakeAPI) -> None:
    asked = provider(api, cache_backend=None)
    for answer in ("one", "two"):
        api.reply(answer)
        result = await asked.complete("Hi", cache_response=True)
        assert (result.content, result.cached) == (answer, False)
    assert asked.cache is None
    assert await asked.warm_cache() == 0


# ---------------------------------------------------------------- equal calls in flight


async def asked_at_once(api: FakeAPI, asked: Any, count: int, **options: Any) -> list[Any]:
    api.hold()
    work = [partial(asked.complete, "Hi", cache_response=True, **options) for _ in range(count)]

    async def let_go() -> None:
        await seam.offload(api.wait_for_requests)
        api.release()

    outcomes = await seam.gather([*work, let_go])
    return outcomes[:-1]


@pytest.mark.parametrize("backend", ["fs", None])
async def test_a_hundred_equal_calls_are_one(api: FakeAPI, backend: str | None) -> None:
    api.reply("Hello.")
    asked = provider(api, cache_backend=backend)
    results = await asked_at_once(api, asked, 100)
    assert len(api.requests) == 1
    assert {result.content for result in results} == {"Hello."}
    paid = [result for result in results if not result.coalesced and not result.cached]
    assert len(paid) == 1
    for result in results:
        if result is not paid[0]:
            assert result.usage.total_cost == 0.0
            assert result.usage.total_tokens == paid[0].usage.total_tokens
            assert result.raw is not paid[0].raw or backend is None
    stats = asked.cache_stats
    assert (stats.misses, stats.hits + stats.coalesced) == (1, 99)
    assert stats.saved_cost == pytest.approx(99 * paid[0].usage.total_cost)


async def test_calls_that_want_their_own_get_it(api: FakeAPI) -> None:
    api.reply("Hello.", times=5)
    asked = provider(api)
    api.hold()

    async def let_go() -> None:
        await seam.offload(partial(api.wait_for_requests, 5))
        api.release()

    work = [partial(asked.complete, "Hi", cache_response=True, coalesce=False) for _ in range(5)]
    outcomes = await seam.gather([*work, let_go])
    assert not any(result.coalesced for result in outcomes[:-1])
    assert len(api.requests) == 5


async def test_a_failed_call_is_tried_once_more_by_one(api: FakeAPI) -> None:
    api.fail(500, "broken")
    api.reply("Hello.")
    asked = provider(api, attempts=1)
    results = await asked_at_once(api, asked, 20)
    assert len(api.requests) == 2
    assert sorted(result.ok for result in results) == [False] + [True] * 19


async def all_joined(cache: Broken, count: int) -> None:
    """Wait until the leader has looked twice, all others once, and all others wait for it."""
    end = time.monotonic() + 30
    while cache.looks < count + 1 or max(len(flight._waiters) for flight in _flight._flights.values()) < count - 1:
        assert time.monotonic() < end
        await seam.sleep(0.01)


@pytest.mark.parametrize("answers", [0, 1])
async def test_a_failure_with_a_hundred_waiters_costs_one_more_call(api: FakeAPI, answers: int) -> None:
    cache = Broken()
    cache.broken = False
    api.fail(500, "broken", times=4 - answers)
    if answers:
        api.reply("Hello.")
    api.by_default("one call too many")
    asked = provider(api, cache_backend=cache, attempts=2)
    api.hold()

    async def let_go() -> None:
        await all_joined(cache, 100)
        api.release()

    work = [partial(asked.complete, "Hi", cache_response=True) for _ in range(100)]
    outcomes = (await seam.gather([*work, let_go]))[:-1]
    assert len(api.requests) == 4  # two tries of the first call, and two of one of those who waited
    assert sorted(result.ok for result in outcomes) == ([False] + [True] * 99 if answers else [False] * 100)
    assert sorted(result.coalesced for result in outcomes) == [False, False] + [True] * 98
    assert asked.cache_stats.misses == 2
    await asked.close()


async def test_a_call_that_fails_for_good_fails_for_all(api: FakeAPI) -> None:
    api.fail(400, "no")
    results = await asked_at_once(api, provider(api), 20)
    assert len(api.requests) == 1
    assert {(result.status, result.error) for result in results} == {(400, "no")}


async def test_providers_with_other_keys_share_nothing_in_flight(api: FakeAPI) -> None:
    api.reply("Hello.", times=2)
    one, other = provider(api, api_key="key-of-one"), provider(api, api_key="key-of-another")
    api.hold()

    async def let_go() -> None:
        await seam.offload(partial(api.wait_for_requests, 2))
        api.release()

    outcomes = await seam.gather(
        [partial(asked.complete, "Hi", cache_response=True) for asked in (one, other)] + [let_go]
    )
    assert not any(result.coalesced for result in outcomes[:2])


# ---------------------------------------------------------------- agents


async def test_an_agent_caches_where_its_config_says_so(api: FakeAPI) -> None:
    @face.tool
    def look(place: str) -> str:
        """Look."""
        return f"sun in {place}"

    api.reply(Reply(tool_calls=[("look", {"place": "Rome"}, "call-1")]))
    api.reply("It is sunny.")
    asked = provider(api)
    config = face.AgentConfig(cache_response=True)
    first = await face.Agent(asked, [look], config=config).run("Weather in Rome?")
    again = await face.Agent(asked, [look], config=config).run("Weather in Rome?")
    assert first.content == again.content == "It is sunny."
    assert len(api.requests) == 2
    assert again.usage.total_cost == 0.0
    assert again.usage.total_tokens == first.usage.total_tokens
    api.reply("Anew.")
    assert (await face.Agent(asked, config=config).run("Hi", cache_response=False)).content == "Anew."
