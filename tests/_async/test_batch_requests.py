"""Requests that go live or through the vendor's Batch API: whatever stops a run, nothing is paid twice."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from llm_client._core.batch_errors import BatchStoppedError
from llm_client._core.results import EmbeddingResult
from llm_client._core.retry import RetryPolicy
from llm_client._core.vendor_batch import BatchEmbedding, BatchRequest
from llm_client._core.wire import batch_anthropic, batch_openai
from llm_client._seam import _async as seam
from llm_client.exceptions import APIError
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.sdk import sdk_client

POLL = 0.002
DAY = 86_400
VENDORS = pytest.mark.parametrize("vendor", ["openai", "anthropic"])
TEXTS = ["one", "two", "three", "four"]


class Person(BaseModel):
    name: str


def provider(api: FakeAPI, vendor: str, **options: Any) -> Any:
    options = {"backoff": 0.0, "cache_backend": None, "api_key": "key-of-mine-123", **options}
    if vendor == "openai":
        return face.OpenAIProvider(**{"model": "gpt-5-mini", "base_url": api.openai_url, **options})
    return face.AnthropicProvider(**{"model": "claude-haiku-4-5", "base_url": api.anthropic_url, **options})


def manager(tmp_path: Path, **options: Any) -> Any:
    return face.BatchManager(**{"checkpoint_file": tmp_path / "answers.jsonl", "max_workers": 4, **options})


class Script:
    """Answers every request with its text, and does what a test wants when the server is asked for something."""

    def __init__(self, api: FakeAPI) -> None:
        self.api = api
        self.hooks: list[Any] = []
        api.on_request(self.answer)

    def answer(self, request: Any) -> Reply:
        for hook in self.hooks:
            hook(request)
        return Reply(f"You said {request.text}", usage=(100, 10))

    @property
    def paid(self) -> list[str]:
        """What was answered in batches."""
        return sorted(request.text for request in self.api.batches.answered)

    @property
    def live(self) -> list[str]:
        """What was answered live."""
        return sorted(each.text for each in self.api.requests if each.endpoint in ("chat", "messages"))


def contents(results: Any) -> list[str]:
    return [result.content for result in results]


def said(texts: Any) -> list[str]:
    return [f"You said {text}" for text in texts]


def is_look(request: Any) -> bool:
    """Whether somebody looks how far a batch is."""
    return request.method == "GET" and "batch_" in request.path.partition("?")[0].rpartition("/")[2]


def is_creation(request: Any) -> bool:
    return request.method == "POST" and request.path.endswith("/batches")


async def stopped_run(api: FakeAPI, script: Script, asked: Any, tmp_path: Path, requests: Any) -> None:
    """A run that is stopped while the vendor works."""
    api.batches.hold()
    first = manager(tmp_path)

    def stop(request: Any) -> None:
        if is_look(request):
            first.stop()

    script.hooks.append(stop)
    with pytest.raises(BatchStoppedError, match=r"1 batch\(es\) go on at the vendor"):
        await first.process_requests(requests, asked, via="vendor", poll_interval=POLL)
    script.hooks.remove(stop)
    api.batches.release()


# ------------------------------------------------------------ the ways


@VENDORS
async def test_live(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    async with provider(api, vendor) as asked:
        requests = ["one", BatchRequest("two", temperature=0.5), [{"role": "user", "content": "three"}]]
        results = await manager(tmp_path).process_requests(requests, asked)
        again = await manager(tmp_path).process_requests(requests, asked, via="live", deadline=60)
    assert contents(results) == contents(again) == said(["one", "two", "three"])
    assert script.live == ["one", "three", "two"]
    assert api.batches.ids == []


@VENDORS
async def test_through_the_vendor_at_half_the_price(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    async with provider(api, vendor) as asked:
        live = await asked.complete("one")
        run = manager(tmp_path)
        results = await run.process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
        assert contents(results) == said(TEXTS)
        assert run.summary.done == 4
        assert run.summary.dollars == pytest.approx(4 * live.usage.total_cost / 2)
        asked_until_then = len(api.requests)
        later = manager(tmp_path)
        again = await later.process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
        assert len(api.requests) == asked_until_then
        assert (later.summary.from_checkpoint, later.summary.dollars) == (4, None)
        # The same questions are the same items, whichever way they take.
        assert contents(await manager(tmp_path).process_requests(TEXTS[::-1], asked)) == said(TEXTS[::-1])
        assert len(api.requests) == asked_until_then
    assert [result.usage for result in again] == [result.usage for result in results]
    assert script.paid == sorted(TEXTS)


async def test_without_a_checkpoint(api: FakeAPI) -> None:
    script = Script(api)
    async with provider(api, "openai") as asked:
        results = await face.BatchManager().process_requests(["a", "a", "b"], asked, via="vendor", poll_interval=POLL)
    assert contents(results) == said(["a", "a", "b"])
    assert script.paid == ["a", "a", "b"]


async def test_embeddings_both_ways(tmp_path: Path) -> None:
    with FakeAPI() as api:
        async with provider(api, "openai", model="text-embedding-3-small") as asked:
            requests = ["one", BatchEmbedding(["two", "three"], dimensions=4)]
            batched = await manager(tmp_path).process_requests(requests, asked, via="vendor", poll_interval=POLL)
            live = await face.BatchManager().process_requests(requests, asked)
            stored = await manager(tmp_path).process_requests(requests, asked)
    assert [type(result) for result in batched] == [EmbeddingResult] * 2
    assert [result.embeddings for result in batched] == [result.embeddings for result in live]
    assert [result.embeddings for result in stored] == [result.embeddings for result in live]


@VENDORS
async def test_answers_in_a_wanted_form_come_back_from_the_checkpoint(
    vendor: str, api: FakeAPI, tmp_path: Path
) -> None:
    api.reply('{"name": "Ada"}')
    requests = [BatchRequest("Who?", response_format=Person)]
    async with provider(api, vendor) as asked:
        for _ in range(2):
            (result,) = await manager(tmp_path).process_requests(requests, asked, via="vendor", poll_interval=POLL)
            assert result.parsed == Person(name="Ada")


# ------------------------------------------------------------ paid once


@VENDORS
async def test_a_stopped_run_is_gone_on_with(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    async with provider(api, vendor) as asked:
        await stopped_run(api, script, asked, tmp_path, TEXTS)
        results = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
    assert contents(results) == said(TEXTS)
    assert api.batches.sizes == [4]
    assert script.paid == sorted(TEXTS)


@VENDORS
async def test_an_edited_input_after_a_stopped_run(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    async with provider(api, vendor) as asked:
        await stopped_run(api, script, asked, tmp_path, TEXTS)
        edited = ["five", "four", "one", "one"]
        results = await manager(tmp_path).process_requests(edited, asked, via="vendor", poll_interval=POLL)
    assert contents(results) == said(edited)
    assert api.batches.sizes == [4, 2]
    assert script.paid == sorted([*TEXTS, "five", "one"])


@VENDORS
async def test_a_run_that_ended_between_the_making_and_the_note_of_it(
    vendor: str, api: FakeAPI, tmp_path: Path
) -> None:
    script = Script(api)
    async with provider(api, vendor, attempts=1) as asked:
        # The batch is made, its answer is lost, and so is the way to look for it.
        api.hang_up(on=is_creation)
        api.fail(500, on=lambda request: request.method == "GET" and len(api.batches.ids) == 1)
        with pytest.raises(APIError, match="Whether the batch was made is not known"):
            await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
        assert api.batches.sizes == [4]
        results = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
    assert contents(results) == said(TEXTS)
    assert api.batches.sizes == [4]
    assert script.paid == sorted(TEXTS)


@VENDORS
async def test_a_run_that_ended_before_the_batch_was_made(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    async with provider(api, vendor, attempts=1) as asked:
        api.fail(500, on=is_creation)
        with pytest.raises(APIError, match="Whether the batch was made is not known"):
            await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
        results = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
    assert contents(results) == said(TEXTS)
    assert script.paid == sorted(TEXTS)


@VENDORS
async def test_a_batch_that_the_vendor_has_forgotten(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    async with provider(api, vendor) as asked:
        await stopped_run(api, script, asked, tmp_path, TEXTS)
    with FakeAPI() as other:
        other_script = Script(other)
        async with provider(other, vendor) as asked:
            results = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
        assert contents(results) == said(TEXTS)
        assert other_script.paid == sorted(TEXTS)


@VENDORS
async def test_what_expired_is_submitted_again(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    api.batches.expire(3)
    async with provider(api, vendor) as asked:
        run = manager(tmp_path)
        results = await run.process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
    assert contents(results) == said(TEXTS)
    assert api.batches.sizes == [4, 3]
    assert script.paid == sorted(TEXTS)


@VENDORS
async def test_failures_are_asked_again_by_the_next_run(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    api.batches.on_item(lambda custom_id, request: "expired" if request.text == "two" else None)
    async with provider(api, vendor) as asked:
        run = manager(tmp_path)
        results = await run.process_requests(TEXTS, asked, via="vendor", poll_interval=POLL, rounds=1)
        assert [result.status for result in results] == [200, 408, 200, 200]
        assert (run.summary.done, run.summary.failed) == (3, 1)
        assert (tmp_path / "failures.jsonl").read_text().count("expired") >= 1
        api.batches.on_item(None)
        again = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
    assert contents(again) == said(TEXTS)
    assert api.batches.sizes == [4, 1]
    assert script.paid == sorted(TEXTS)


@VENDORS
async def test_what_the_vendor_failed_at_is_not_tried_again_by_the_managers_policy(
    vendor: str, api: FakeAPI, tmp_path: Path
) -> None:
    script = Script(api)
    api.batches.on_item(lambda custom_id, request: "expired" if request.text == "two" else None)
    async with provider(api, vendor) as asked:
        run = manager(tmp_path, retry=RetryPolicy(3, backoff=0.0))
        results = await run.process_requests(TEXTS, asked, via="vendor", poll_interval=POLL, rounds=1)
    assert [result.status for result in results] == [200, 408, 200, 200]
    assert (run.summary.done, run.summary.failed, run.summary.retried) == (3, 1, 0)
    assert script.live == []


@VENDORS
async def test_what_goes_live_is_tried_again(vendor: str, api: FakeAPI, tmp_path: Path) -> None:
    api.fail(500)
    api.reply("fine")
    async with provider(api, vendor, attempts=1) as asked:
        run = manager(tmp_path, retry=RetryPolicy(3, backoff=0.0))
        results = await run.process_requests(["one"], asked, via="cheapest", deadline=60)
    assert contents(results) == ["fine"]
    assert (run.summary.retried, len(api.requests)) == (1, 2)


@VENDORS
async def test_a_stopped_run_without_a_checkpoint_says_where_its_batches_are(vendor: str, api: FakeAPI) -> None:
    script = Script(api)
    api.batches.hold()
    run = face.BatchManager()
    script.hooks.append(lambda request: run.stop() if is_look(request) else None)
    async with provider(api, vendor) as asked:
        with pytest.raises(BatchStoppedError, match=r"go on at the vendor.*no checkpoint") as caught:
            await run.process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
        assert api.batches.ids[0] in str(caught.value)
        assert "next run" not in str(caught.value)
        api.batches.release()
        await asked.batch.wait(caught.value.handles, poll_interval=POLL)
        assert contents(await asked.batch.collect(caught.value.handles)) == said(TEXTS)


@VENDORS
async def test_a_same_name_far_down_is_found_before_the_first_batch(
    vendor: str, api: FakeAPI, monkeypatch: Any
) -> None:
    wire: Any = {"openai": batch_openai, "anthropic": batch_anthropic}[vendor]
    monkeypatch.setattr(wire, "LIMITS", type(wire.LIMITS)(1, wire.LIMITS.size, wire.LIMITS.inputs))
    async with provider(api, vendor) as asked:
        requests = [BatchRequest(text, f"id-{text[0]}") for text in ("a", "b", "also")]
        with pytest.raises(ValueError, match="requests 0 and 2 have the same custom_id 'id-a'"):
            await face.BatchManager().process_requests(requests, asked, via="vendor", poll_interval=POLL)
    assert api.batches.ids == []


async def test_results_that_the_vendor_has_lost(api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    api.fail(404, "gone", on=lambda request: request.path.endswith("/content"))
    async with provider(api, "openai") as asked:
        ask = face.BatchManager().process_requests
        (lost,) = await ask(["a"], asked, via="vendor", poll_interval=POLL, rounds=1)
        (result,) = await ask(["b"], asked, via="vendor", poll_interval=POLL)
        assert (lost.ok, lost.status, lost.error_code) == (False, 502, "missing")
        assert "deadline" not in lost.error
    with FakeAPI() as other:
        script = Script(other)
        other.fail(404, "gone", on=lambda request: request.path.endswith("/content"))
        async with provider(other, "openai") as asked:
            (again,) = await manager(tmp_path).process_requests(["c"], asked, via="vendor", poll_interval=POLL)
        assert other.batches.sizes == [1, 1]
    assert contents([result, again]) == said(["b", "c"])
    assert script.paid == ["c", "c"]


# ------------------------------------------------------------ deadlines


@VENDORS
async def test_cheapest_is_the_vendor_where_there_is_time(vendor: str, api: FakeAPI) -> None:
    script = Script(api)
    async with provider(api, vendor) as asked:
        ask = face.BatchManager().process_requests
        await ask(["a"], asked, via="cheapest", poll_interval=POLL)
        await ask(["b"], asked, via="cheapest", poll_interval=POLL, deadline=timedelta(days=2))
        await ask(["c"], asked, via="cheapest", deadline=datetime.now(timezone.utc) + timedelta(hours=2))
        await ask(["d"], asked, via="cheapest", deadline=DAY + 60.0)
        await ask(["e"], asked, via="cheapest", poll_interval=POLL, deadline=DAY + 60.0, reserve=0.0)
    assert script.paid == ["a", "b", "e"]
    assert script.live == ["c", "d"]


class Clock:
    """The time, which a look at a batch moves forward."""

    def __init__(self, monkeypatch: Any, script: Script, seconds: float) -> None:
        self.ahead = 0.0
        self.seconds = seconds
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.ahead)
        script.hooks.append(self.move)

    def move(self, request: Any) -> None:
        if is_look(request):
            self.ahead = self.seconds


@VENDORS
async def test_what_is_left_goes_live_when_the_deadline_nears(
    vendor: str, api: FakeAPI, tmp_path: Path, monkeypatch: Any
) -> None:
    script = Script(api)

    def release(request: Any) -> None:
        if request.path.endswith("/cancel"):
            api.batches.release()

    async with provider(api, vendor) as asked:
        api.batches.hold()
        script.hooks.append(release)
        Clock(monkeypatch, script, 2.5 * DAY)
        results = await manager(tmp_path).process_requests(
            TEXTS, asked, via="cheapest", poll_interval=POLL, deadline=3 * DAY, reserve=DAY
        )
        assert contents(results) == said(TEXTS)
        again = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
    assert contents(again) == said(TEXTS)
    assert script.live == sorted(TEXTS)
    assert script.paid == []
    assert api.batches.sizes == [4]


@VENDORS
async def test_nobody_waits_for_the_vendor_beyond_the_deadline(
    vendor: str, api: FakeAPI, tmp_path: Path, monkeypatch: Any
) -> None:
    script = Script(api)
    api.batches.hold()
    async with provider(api, vendor) as asked:
        Clock(monkeypatch, script, 2 * DAY)
        results = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL, deadline=DAY)
        assert [(result.status, result.error_code) for result in results] == [(408, "deadline")] * 4
        assert "the next run with this checkpoint collects it" in results[0].error
        api.batches.release()
        again = await manager(tmp_path).process_requests(TEXTS, asked, via="vendor", poll_interval=POLL)
    assert contents(again) == said(TEXTS)
    assert api.batches.sizes == [4]
    assert script.paid == sorted(TEXTS)


async def test_without_a_checkpoint_nobody_collects_what_is_late(api: FakeAPI, monkeypatch: Any) -> None:
    script = Script(api)
    api.batches.hold()
    async with provider(api, "openai") as asked:
        Clock(monkeypatch, script, 2 * DAY)
        ask = face.BatchManager().process_requests
        (late,) = await ask(["x"], asked, via="vendor", poll_interval=POLL, deadline=DAY)
    assert late.error_code == "deadline"
    assert late.error.endswith(f"batch {api.batches.ids[0]} goes on")


# ------------------------------------------------------------ what cannot be


async def test_providers_without_batches_go_live(api: FakeAPI) -> None:
    scripted = face.testing.ScriptedProvider(["first", "second", "third"])
    ask = face.BatchManager(max_workers=1).process_requests
    results = await ask(["a", BatchRequest("b", temperature=0.5)], scripted, via="live")
    results += await ask(["c"], scripted, via="cheapest")
    assert contents(results) == ["first", "second", "third"]
    with pytest.raises(TypeError, match=r"a provider with a Batch API.*got ScriptedProvider"):
        await ask(["d"], scripted, via="vendor")


async def test_sdk_clients_go_live(api: FakeAPI) -> None:
    script = Script(api)
    client = sdk_client(seam.FACE, "OpenAI", api_key="k", base_url=api.openai_url)
    asked = face.OpenAIProvider("gpt-5-mini", client=client)
    results = await face.BatchManager().process_requests(["a"], asked, via="cheapest")
    assert contents(results) == said(["a"])
    with pytest.raises(ValueError, match="not reached through client="):
        await face.BatchManager().process_requests(["b"], asked, via="vendor")
    assert script.live == ["a"]
    await asked.close()
    await client.close()


async def test_mistakes_are_found_before_anything_is_sent(api: FakeAPI) -> None:
    async with provider(api, "openai") as asked:
        ask = face.BatchManager().process_requests
        for options, words in [
            ({"via": "pigeon"}, "via is one of 'live', 'vendor', 'cheapest', got 'pigeon'"),
            ({"deadline": -1}, "deadline is a number of seconds above 0"),
            ({"deadline": datetime(2030, 1, 1)}, "with a time zone"),
            ({"rounds": 0}, "rounds counts all submissions and is at least 1"),
            ({"poll_interval": 0}, "poll_interval is a number of seconds above 0, got 0"),
            ({"poll_interval": -1.0}, "poll_interval is a number of seconds above 0"),
            ({"reserve": -1}, "reserve is a number of seconds, at least 0, got -1"),
            ({"reserve": float("nan")}, "reserve is a number of seconds"),
        ]:
            with pytest.raises(ValueError, match=words):
                await ask(["a"], asked, **options)
        with pytest.raises(TypeError, match="deadline is seconds, a timedelta or a datetime, got str"):
            await ask(["a"], asked, deadline="tomorrow")
        for options, words in [
            ({"reserve": "an hour"}, "reserve is a number of seconds, got str"),
            ({"poll_interval": "5"}, "poll_interval is a number of seconds, got str"),
            ({"rounds": None}, "rounds is a whole number, got NoneType"),
        ]:
            with pytest.raises(TypeError, match=words):
                await ask(["a"], asked, **options)
        with pytest.raises(TypeError, match="requests is a list"):
            await ask("a", asked)
        with pytest.raises(ValueError, match="temperature"):
            await ask([BatchRequest("a", temperature=-1.0)], asked, via="vendor")
        with pytest.raises(ValueError, match="without executor="):
            await face.BatchManager(executor=Elsewhere()).process_requests(["a"], asked)
    assert api.requests == []


class Elsewhere:
    """Takes work, and does none."""

    def submit(self, *work: Any) -> None:
        raise AssertionError("nothing is to be submitted")


async def test_nothing_to_ask(api: FakeAPI, tmp_path: Path) -> None:
    async with provider(api, "openai") as asked:
        for via in ("live", "vendor", "cheapest"):
            assert await manager(tmp_path).process_requests([], asked, via=via) == []
    assert api.requests == []


async def test_a_checkpoint_of_several_machines_keeps_no_batches(api: FakeAPI, monkeypatch: Any) -> None:
    script = Script(api)

    class Shared:
        beat_seconds = 1.0

    run = face.BatchManager()
    monkeypatch.setattr(run, "_job", Shared)
    async with provider(api, "openai") as asked:
        with pytest.raises(ValueError, match="several machines share"):
            await run.process_requests(["a"], asked, via="vendor")
    assert script.live == []


async def test_a_key_of_the_callers(api: FakeAPI, tmp_path: Path) -> None:
    script = Script(api)
    async with provider(api, "openai") as asked:
        for text in ("first wording", "second wording"):
            run = manager(tmp_path, key=lambda request: request.custom_id)
            (result,) = await run.process_requests(
                [BatchRequest(text, "id-1")], asked, via="vendor", poll_interval=POLL
            )
            assert result.content == "You said first wording"
    assert script.paid == ["first wording"]
