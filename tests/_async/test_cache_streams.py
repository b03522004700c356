"""Streams: stored and replayed, shared while they run, closed when nobody reads them any more."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_client._async.shared_stream import _streams
from llm_client._seam import _async as seam
from llm_client.testing import FakeAPI, Reply
from support._async import face

MODEL = "gpt-5.6-luna"
TEXT = "one two three four five six seven eight"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def provider(api: FakeAPI, **options: Any) -> Any:
    return face.OpenAIProvider(**{"model": MODEL, "base_url": api.openai_url, "backoff": 0.0, **options})


async def read(asked: Any, question: str = "Go", **options: Any) -> list[Any]:
    async with asked.stream(question, **{"cache_response": True, **options}) as events:
        return [event async for event in events]


def text_of(events: list[Any]) -> str:
    return "".join(event.data for event in events if event.type.value == "token")


def shape(events: list[Any]) -> list[Any]:
    kept = []
    for event in events:
        data = event.data
        if event.type.value == "usage":
            data = (data.input_tokens, data.output_tokens)
        elif event.type.value == "done":
            data = (
                data.content,
                data.tool_calls,
                data.reasoning,
                data.finish_reason,
                data.model,
                data.usage.total_tokens,
            )
        kept.append((event.type, data))
    return kept


@pytest.mark.parametrize("vendor", ["openai", "responses", "anthropic"])
async def test_a_stream_is_replayed_as_the_same_events(api: FakeAPI, vendor: str) -> None:
    api.reply(Reply(TEXT, reasoning="Let me see.", tool_calls=[("look", {"place": "Rome"})]))
    if vendor == "anthropic":
        asked = face.AnthropicProvider(base_url=api.anthropic_url)
    else:
        asked = provider(api, use_responses_api=vendor == "responses")
    first = await read(asked)
    again = await read(asked)
    assert len(api.requests) == 1
    assert shape(again) == shape(first)
    done = again[-1].data
    assert (done.cached, done.coalesced, done.usage.total_cost) == (True, False, 0.0)
    assert done.provider_items == first[-1].data.provider_items
    assert [event.data.total_cost for event in again if event.type.value == "usage"] == [0.0]
    assert (asked.cache_stats.hits, asked.cache_stats.misses) == (1, 1)
    await asked.close()


async def test_whole_answers_and_streams_share_their_entries(api: FakeAPI) -> None:
    asked = provider(api)
    api.reply(TEXT)
    await read(asked, "streamed")
    assert (await asked.complete("streamed", cache_response=True)).content == TEXT
    api.reply(TEXT)
    await asked.complete("whole", cache_response=True)
    events = await read(asked, "whole")
    assert text_of(events) == TEXT
    assert events[-1].data.cached
    assert len(api.requests) == 2


@pytest.mark.parametrize("coalesce", [True, False])
async def test_interrupted_streams_are_never_stored(api: FakeAPI, coalesce: bool) -> None:
    asked = provider(api, attempts=1)
    api.fail_mid_stream(after=3, reply=TEXT)
    assert (await read(asked, coalesce=coalesce))[-1].type.value == "error"
    api.hang_up(after_events=3, reply=TEXT)
    assert (await read(asked, coalesce=coalesce))[-1].type.value == "error"
    api.fail(400, "no")
    assert (await read(asked, coalesce=coalesce))[-1].type.value == "error"
    api.reply(Reply(TEXT, endless=True))
    async with asked.stream("Go", cache_response=True, coalesce=coalesce) as events:
        async for event in events:
            if event.type.value == "token":
                break
    assert await seam.offload(api.wait_for_hang_up)
    assert os.listdir(".") == []
    await asked.close()


async def test_the_flags_hold_for_streams(api: FakeAPI) -> None:
    asked = provider(api)
    for answer, options in (("1", {}), ("2", {"rewrite_cache": True}), ("3", {"regen_cache": True})):
        api.reply(answer)
        events = await read(asked, **options)
        assert (text_of(events), events[-1].data.cached) == (answer, False)
    assert text_of(await read(asked)) == "2"


# ---------------------------------------------------------------- shared


async def test_a_late_joiner_gets_what_came_so_far_and_then_follows(api: FakeAPI) -> None:
    api.stall(after_events=4, seconds=0.3, reply=TEXT)
    asked = provider(api)
    first: list[Any] = []
    async with asked.stream("Go", cache_response=True) as events:
        async for event in events:
            first.append(event)
            if len(first) == 2:
                break
        late = await read(asked)  # it needs more than the first reader has taken, and reads it itself
        async for event in events:
            first.append(event)
    assert len(api.requests) == 1
    assert text_of(first) == text_of(late) == TEXT
    assert shape(first) == shape(late)
    assert (first[-1].data.coalesced, late[-1].data.coalesced) == (False, True)
    assert first[-1].data.usage.total_cost > 0
    assert late[-1].data.usage.total_cost == 0.0
    assert (asked.cache_stats.misses, asked.cache_stats.coalesced) == (1, 1)
    assert (await read(asked))[-1].data.cached
    await asked.close()


async def test_many_equal_streams_are_one_call(api: FakeAPI) -> None:
    api.reply(TEXT)
    asked = provider(api)
    api.hold()

    async def let_go() -> None:
        await seam.offload(api.wait_for_requests)
        api.release()

    outcomes = await seam.gather([*[partial(read, asked) for _ in range(30)], let_go])
    assert len(api.requests) == 1
    assert {text_of(events) for events in outcomes[:-1]} == {TEXT}
    paid = [events for events in outcomes[:-1] if events[-1].data.usage.total_cost]
    assert len(paid) == 1
    await asked.close()


async def test_the_stream_goes_on_when_the_one_who_opened_it_leaves(api: FakeAPI) -> None:
    api.reply(Reply(TEXT, chunk_delay=0.01))
    asked = provider(api)
    opener = asked.stream("Go", cache_response=True)
    follower = asked.stream("Go", cache_response=True)
    async for _ in opener:
        break
    events: list[Any] = []
    async for event in follower:
        events.append(event)
        if len(events) == 1:
            await opener.aclose()
    assert text_of(events) == TEXT
    assert len(api.requests) == 1
    assert (await read(asked))[-1].data.cached
    await asked.close()


async def test_the_connection_closes_when_the_last_reader_leaves(api: FakeAPI) -> None:
    api.reply(Reply(TEXT, endless=True))
    asked = provider(api)
    one, two = asked.stream("Go", cache_response=True), asked.stream("Go", cache_response=True)
    async for _ in one:
        break
    async for _ in two:
        break
    await one.aclose()
    async for event in two:
        assert event.type.value == "token"
        break
    assert api.open_connections == 1
    await two.aclose()
    assert (await seam.offload(api.wait_for_hang_up)).stream
    api.reply("anew")
    assert text_of(await read(asked)) == "anew"
    await asked.close()


async def test_a_stream_that_fails_at_once_is_tried_once_more_by_one(api: FakeAPI) -> None:
    api.fail(500, "broken")
    api.reply(TEXT)
    asked = provider(api, attempts=1)
    api.hold()

    async def let_go() -> None:
        await seam.offload(api.wait_for_requests)
        api.release()

    outcomes = await seam.gather([*[partial(read, asked) for _ in range(10)], let_go])
    last = sorted(events[-1].type.value for events in outcomes[:-1])
    assert last == ["done"] * 9 + ["error"]
    assert len(api.requests) == 2
    await asked.close()


async def test_a_stream_that_always_fails_at_once_is_tried_twice_in_all(api: FakeAPI) -> None:
    api.fail(500, "broken", times=2)
    api.by_default("one call too many")
    asked = provider(api, attempts=1)
    api.hold()

    async def let_go() -> None:
        end = time.monotonic() + 30
        while not any(len(stream._readers) == 40 for stream in _streams.get().values()):
            assert time.monotonic() < end
            await seam.sleep(0.01)
        api.release()

    outcomes = await seam.gather([*[partial(read, asked) for _ in range(40)], let_go])
    assert [[event.type.value for event in events] for events in outcomes[:-1]] == [["error"]] * 40
    assert len(api.requests) == 2
    await asked.close()


async def test_an_error_in_the_middle_reaches_every_reader(api: FakeAPI) -> None:
    api.fail_mid_stream(after=3, reply=TEXT, status=529)
    asked = provider(api)
    one, two = asked.stream("Go", cache_response=True), asked.stream("Go", cache_response=True)
    async for _ in one:
        break
    for stream in (two, one):
        events = [event async for event in stream]
        assert [event.type.value for event in events].count("error") == 1
        assert events[-1].type.value == "error"
    assert len(api.requests) == 1
    await asked.close()


async def test_an_agent_streams_from_the_cache(api: FakeAPI) -> None:
    api.reply(TEXT)
    asked = provider(api)
    for _ in range(2):
        agent = face.Agent(asked, config=face.AgentConfig(cache_response=True))
        async with agent.stream("Go") as events:
            seen = [event async for event in events]
        assert seen[-1].data.content == TEXT
    assert len(api.requests) == 1
    await asked.close()
