"""The vendors' Batch APIs: the answers of live calls, each request paid once, whatever gets lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from llm_client._core.results import CompletionResult, EmbeddingResult
from llm_client._core.vendor_batch import BatchEmbedding, BatchHandle, BatchRequest
from llm_client._core.wire import batch_anthropic, batch_openai
from llm_client._seam import _async as seam
from llm_client.exceptions import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    ServerError,
)
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.sdk import httpx_client, sdk_client

POLL = 0.002
VENDORS = pytest.mark.parametrize("vendor", ["openai", "anthropic"])
ENDPOINT = {"openai": "batches", "anthropic": "message_batches"}
WIRE: dict[str, Any] = {"openai": batch_openai, "anthropic": batch_anthropic}


class Person(BaseModel):
    name: str
    age: int


def provider(api: FakeAPI, vendor: str, **options: Any) -> Any:
    options = {"backoff": 0.0, "cache_backend": None, "api_key": "key-of-mine-123", **options}
    if vendor == "openai":
        return face.OpenAIProvider(**{"model": "gpt-5-mini", "base_url": api.openai_url, **options})
    return face.AnthropicProvider(**{"model": "claude-haiku-4-5", "base_url": api.anthropic_url, **options})


def echo(api: FakeAPI) -> None:
    @api.on_request
    def answer(request: Any) -> Reply:
        return Reply(f"You said {request.text}", usage=(100, 10))


def paid(api: FakeAPI) -> list[str]:
    return [request.text for request in api.batches.answered]


# ------------------------------------------------------------ the same as live


@VENDORS
async def test_the_results_are_those_of_live_calls_at_half_the_price(vendor: str, api: FakeAPI) -> None:
    echo(api)
    requests = [
        "one",
        BatchRequest("two", "my-id", temperature=0.5, max_tokens=50),
        BatchRequest([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "three"}]),
    ]
    async with provider(api, vendor) as asked:
        results = await asked.batch.run(requests, poll_interval=POLL)
        live = [
            await asked.complete("one"),
            await asked.complete("two", temperature=0.5, max_tokens=50),
            await asked.complete(requests[2].messages),
        ]
    assert [type(result) for result in results] == [CompletionResult] * 3
    assert [result.content for result in results] == ["You said one", "You said two", "You said three"]
    for result, other in zip(results, live, strict=True):
        assert (result.ok, result.model, result.provider) == (True, other.model, other.provider)
        assert (result.finish_reason, result.usage.total_tokens) == (other.finish_reason, other.usage.total_tokens)
        assert result.usage.total_cost == pytest.approx(other.usage.total_cost / 2)
        assert result.usage.input_cost == pytest.approx(other.usage.input_cost / 2)
    sent = [request.body for request in api.batches.answered]
    assert sent == [request.body for request in api.requests[-3:]]


async def test_the_responses_api_has_batches_too(api: FakeAPI) -> None:
    api.reply("Hello")
    async with provider(api, "openai", use_responses_api=True) as asked:
        (result,) = await asked.batch.run(["Hi"], poll_interval=POLL)
    assert (result.content, api.batches.answered[0].endpoint) == ("Hello", "responses")


async def test_embeddings() -> None:
    with FakeAPI() as api:
        await embed_in_a_batch(api)


async def embed_in_a_batch(api: FakeAPI) -> None:
    async with provider(api, "openai", model="text-embedding-3-small") as asked:
        results = await asked.batch.run(
            ["one", BatchEmbedding(["two", "three"], dimensions=8), BatchEmbedding("one", encoding_format="float")],
            poll_interval=POLL,
        )
        live = await asked.embed(["two", "three"], dimensions=8)
    assert [type(result) for result in results] == [EmbeddingResult] * 3
    assert results[1].embeddings == live.embeddings
    assert results[1].usage.total_cost == pytest.approx(live.usage.total_cost / 2)
    assert results[0].embedding == results[2].embedding


async def test_embeddings_are_openais(api: FakeAPI) -> None:
    async with provider(api, "anthropic") as asked:
        with pytest.raises(NotImplementedError, match="no embeddings"):
            await asked.batch.submit([BatchEmbedding("one")])
    async with provider(api, "openai", model="text-embedding-3-small") as asked:
        with pytest.raises(ValueError, match=r"at most 2,048 texts.* got 2,049 texts"):
            await asked.batch.submit([BatchEmbedding(["x"] * 2049)])
    assert api.requests == []


@VENDORS
async def test_answers_in_a_wanted_form(vendor: str, api: FakeAPI) -> None:
    api.reply('{"name": "Ada", "age": 36}', times=2)
    requests = [BatchRequest("Who?", response_format=Person), BatchRequest("Who else?")]
    async with provider(api, vendor) as asked:
        handles = await asked.batch.submit(requests)
        await asked.batch.wait(handles, poll_interval=POLL)
        first, second = await asked.batch.collect(handles, requests)
        without = await asked.batch.collect(handles)
    assert first.parsed == Person(name="Ada", age=36)
    assert second.parsed is None
    assert [result.parsed for result in without] == [None, None]
    assert [result.content for result in without] == [first.content, second.content]


@VENDORS
async def test_a_failed_request_is_a_failed_result(vendor: str, api: FakeAPI) -> None:
    api.reply("fine")
    api.fail(400, "no such thing as key-of-mine-123")
    async with provider(api, vendor) as asked:
        good, bad = await asked.batch.run(["a", "b"], poll_interval=POLL)
    assert (good.ok, good.content) == (True, "fine")
    assert (bad.ok, bad.status) == (False, 400)
    assert "no such thing" in bad.error
    assert "key-of-mine" not in bad.error
    assert [attempt.status for attempt in bad.attempts] == [400]
    assert len(api.batches.ids) == 1
    with pytest.raises(BadRequestError):
        bad.raise_for_error()


@VENDORS
async def test_the_cache_is_asked_first_and_kept(vendor: str, api: FakeAPI, tmp_path: Any) -> None:
    echo(api)
    requests = [BatchRequest(text, cache_response=True) for text in ("one", "two")]
    async with provider(api, vendor, cache_backend="fs", cache_dir=tmp_path) as asked:
        stored = await asked.complete("one", cache_response=True)
        results = await asked.batch.run(requests, poll_interval=POLL)
        assert paid(api) == ["two"]
        assert [result.cached for result in results] == [True, False]
        assert results[0].content == stored.content
        again = await asked.batch.run(requests, poll_interval=POLL)
        assert [(result.cached, result.usage.total_cost) for result in again] == [(True, 0.0)] * 2
        live = await asked.complete("two", cache_response=True)
    assert live.cached
    assert len(api.batches.ids) == 1


# ------------------------------------------------------------ handles


@VENDORS
async def test_a_saved_handle_is_collected_by_another_provider(vendor: str, api: FakeAPI) -> None:
    echo(api)
    saved: list[str] = []
    async with provider(api, vendor) as asked:
        handles = await asked.batch.submit(
            ["a", "b"], on_handle=lambda handle: saved.append(json.dumps(handle.to_dict()))
        )
    assert [BatchHandle.from_dict(json.loads(text)) for text in saved] == handles
    assert "key-of-mine-123" not in saved[0]
    async with provider(api, vendor) as later:
        (handle,) = [BatchHandle.from_dict(json.loads(text)) for text in saved]
        (status,) = await later.batch.wait(handle, poll_interval=POLL)
        results = await later.batch.collect(handle)
    assert (status.done, status.total, status.succeeded, status.failed) == (True, 2, 2, 0)
    assert [result.content for result in results] == ["You said a", "You said b"]
    assert all(result.usage.total_cost for result in results)
    assert paid(api) == ["a", "b"]


@VENDORS
async def test_a_handle_is_for_its_own_server(vendor: str, api: FakeAPI) -> None:
    echo(api)
    async with provider(api, vendor) as asked:
        (handle,) = await asked.batch.submit(["a"])
    with FakeAPI() as other:
        async with provider(other, vendor) as wrong:
            with pytest.raises(ValueError, match=f"is {vendor}'s at {handle.base_url}"):
                await wrong.batch.status(handle)
        assert other.requests == []


@VENDORS
async def test_a_batch_that_runs_cannot_be_collected(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.batches.hold()
    async with provider(api, vendor) as asked:
        (handle,) = await asked.batch.submit(["a"])
        assert not (await asked.batch.status(handle)).done
        with pytest.raises(ValueError, match="has not ended"):
            await asked.batch.collect(handle)
        api.batches.release()
        with pytest.raises(ValueError, match="stand for 1 requests, and 2 were passed"):
            await asked.batch.collect(handle, ["a", "b"])


@VENDORS
async def test_canceling(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.batches.hold()
    async with provider(api, vendor) as asked:
        (handle,) = await asked.batch.submit(["a", "b"])
        status = await asked.batch.cancel(handle)
        assert status.state == "canceling"
        api.batches.release()
        (status,) = await asked.batch.wait(handle, poll_interval=POLL)
        results = await asked.batch.collect(handle)
        with pytest.raises(NotFoundError, match="No batch found"):
            await asked.batch.status("batch_of_nobody")
    assert status.done
    assert [(result.ok, result.status, result.error_code) for result in results] == [(False, 499, "canceled")] * 2
    assert paid(api) == []


@VENDORS
async def test_the_list_goes_over_pages(vendor: str, api: FakeAPI, monkeypatch: Any) -> None:
    echo(api)
    async with provider(api, vendor) as asked:
        made = [(await asked.batch.submit([text]))[0].id for text in "abcde"]
        assert [status.id for status in await asked.batch.list()] == made[::-1]
        assert [status.id for status in await asked.batch.list(limit=2)] == made[:2:-1]
        assert await asked.batch.list(limit=0) == []
    assert api.last_request.path.endswith("limit=2")


# ------------------------------------------------------------ several batches, several rounds


@VENDORS
async def test_too_many_requests_become_several_batches(vendor: str, api: FakeAPI, monkeypatch: Any) -> None:
    echo(api)
    limits = WIRE[vendor].LIMITS
    monkeypatch.setattr(WIRE[vendor], "LIMITS", type(limits)(3, limits.size, limits.inputs))
    texts = [f"text {number}" for number in range(8)]
    async with provider(api, vendor) as asked:
        handles = await asked.batch.submit(iter(texts))
        await asked.batch.wait(handles, poll_interval=POLL)
        results = await asked.batch.collect(handles)
    assert api.batches.sizes == [3, 3, 2]
    assert [result.content for result in results] == [f"You said {text}" for text in texts]


@VENDORS
async def test_a_size_limit_splits_too(vendor: str, api: FakeAPI, monkeypatch: Any) -> None:
    echo(api)
    limits = WIRE[vendor].LIMITS
    monkeypatch.setattr(WIRE[vendor], "LIMITS", type(limits)(limits.requests, 2500, limits.inputs))
    async with provider(api, vendor) as asked:
        results = await asked.batch.run(["x" * 1000, "y" * 1000, "z" * 1000], poll_interval=POLL)
        with pytest.raises(ValueError, match="request 0 alone"):
            await asked.batch.submit(["x" * 3000])
    assert [len(result.content) for result in results] == [1009] * 3
    assert len(api.batches.ids) >= 2


@VENDORS
async def test_what_expired_or_got_lost_is_submitted_again(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.batches.expire(2)
    api.batches.lose(1)
    texts = ["a", "b", "c", "d", "e"]
    async with provider(api, vendor) as asked:
        results = await asked.batch.run(texts, poll_interval=POLL)
    assert [result.content for result in results] == [f"You said {text}" for text in texts]
    assert api.batches.sizes == [5, 3]
    assert sorted(paid(api)) == ["a", "b", "c", "c", "d", "e"]  # the lost one was answered, but nobody was told


@VENDORS
async def test_resubmission_has_an_end(vendor: str, api: FakeAPI) -> None:
    api.batches.on_item(lambda custom_id, request: "expired" if request.text == "b" else "answered")
    echo(api)
    async with provider(api, vendor) as asked:
        good, bad = await asked.batch.run(["a", "b"], poll_interval=POLL, rounds=2)
        with pytest.raises(ValueError, match="rounds counts all"):
            await asked.batch.run(["a"], rounds=0)
    assert (good.ok, bad.ok, bad.status, bad.error_code) == (True, False, 408, "expired")
    assert api.batches.sizes == [2, 1]


async def test_a_batch_that_openai_refuses_is_cured_of_the_bad_line(api: FakeAPI) -> None:
    echo(api)
    api.batches.refuse("This line is bad.", code="invalid_request", line=2)
    async with provider(api, "openai") as asked:
        good, bad, other = await asked.batch.run(["a", "b", "c"], poll_interval=POLL)
    assert (good.ok, other.ok) == (True, True)
    assert (bad.status, bad.error_code) == (400, "invalid_request")
    assert "This line is bad" in bad.error
    assert paid(api) == ["a", "c"]


# ------------------------------------------------------------ paid once


@VENDORS
async def test_a_lost_answer_on_the_making_of_a_batch(vendor: str, api: FakeAPI) -> None:
    echo(api)
    async with provider(api, vendor) as asked:
        await asked.batch.submit(["earlier"])
        api.hang_up(on=is_creation)
        results = await asked.batch.run(["a", "b"], poll_interval=POLL)
    assert [result.content for result in results] == ["You said a", "You said b"]
    assert api.batches.sizes == [1, 2]
    assert paid(api) == ["a", "b"]


def is_creation(request: Any) -> bool:
    return request.method == "POST" and request.endpoint in ("batches", "message_batches")


@VENDORS
@pytest.mark.parametrize("status", [500, 503, 409])
async def test_a_batch_that_was_not_made_is_made_later(vendor: str, status: int, api: FakeAPI) -> None:
    echo(api)
    api.fail(status, on=is_creation)
    async with provider(api, vendor) as asked:
        (result,) = await asked.batch.run(["a"], poll_interval=POLL)
    assert result.ok
    assert api.batches.sizes == [1]


@VENDORS
async def test_a_full_vendor_is_asked_later_without_a_search(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.fail(429, headers={"retry-after": "0"}, on=is_creation)
    async with provider(api, vendor) as asked:
        (handle,) = await asked.batch.submit(["a"])
    made = [(request.method, request.endpoint) for request in api.requests]
    assert made[-2:] == [("POST", ENDPOINT[vendor])] * 2
    assert api.batches.ids == [handle.id]


@VENDORS
async def test_a_making_that_stays_unclear_says_so(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.fail(500, "went wrong", on=is_creation, times=2)
    async with provider(api, vendor, attempts=2) as asked:
        with pytest.raises(ServerError, match=r"went wrong.*Whether the batch was made is not known"):
            await asked.batch.submit(["a"])
    assert api.batches.ids == []


async def test_the_same_key_finds_the_batch_that_is_there(api: FakeAPI) -> None:
    echo(api)
    async with provider(api, "openai") as asked:
        first = await asked.batch.submit(["a", "b"], key="night-1")
        second = await asked.batch.submit(["a", "b"], key="night-1")
        with pytest.raises(ValueError, match=r"key='night-1' was used before, for other requests"):
            await asked.batch.submit(["a", "c"], key="night-1")
        with pytest.raises(ValueError, match="1 to 48 letters"):
            await asked.batch.submit(["a"], key="no spaces please")
    assert first == second
    assert len(api.batches.ids) == 1


async def test_two_batches_that_could_be_the_one(api: FakeAPI) -> None:
    echo(api)
    async with provider(api, "anthropic") as asked:
        other = provider(api, "anthropic")
        intent = await asked.batch.intend(pack_of(asked, ["a"]), "k")
        made = [(await other.batch.submit(["x"]))[0].id for _ in range(2)]
        with pytest.raises(ValueError, match=r"several batches could be it") as caught:
            await asked.batch.find(intent, set())
        assert await asked.batch.find(intent, {made[0]}) == made[1]
        await other.batch.cancel(made[1])
        assert await asked.batch.find(intent, set()) == made[0]
        assert (await other.batch.status(made[1])).done
        assert await asked.batch.find(intent, set()) == made[0]
        await other.close()
    assert all(name in str(caught.value) for name in made)


def pack_of(asked: Any, texts: list[str]) -> Any:
    packer = asked.batch.packer("k")
    for text in texts:
        packer.add(None, asked.batch.question(BatchRequest(text)))
    return packer.rest()


@VENDORS
async def test_a_refusal_names_the_batches_made_before_it(vendor: str, api: FakeAPI, monkeypatch: Any) -> None:
    echo(api)
    limits = WIRE[vendor].LIMITS
    monkeypatch.setattr(WIRE[vendor], "LIMITS", type(limits)(1, limits.size, limits.inputs))
    seen: list[BatchHandle] = []

    def second(request: Any) -> bool:
        return is_creation(request) and len(api.batches.ids) == 1

    api.fail(400, "not this one", on=second)
    async with provider(api, vendor) as asked:
        with pytest.raises(BadRequestError, match=r"not this one.*made before") as caught:
            await asked.batch.submit(["a", "b"], on_handle=seen.append)
    assert [handle.id for handle in seen] == api.batches.ids
    assert api.batches.ids[0] in str(caught.value)


@VENDORS
async def test_waiting_goes_on_through_bad_minutes(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.batches.polls = 3
    seen: list[str] = []
    async with provider(api, vendor, attempts=1) as asked:
        (handle,) = await asked.batch.submit(["a"])
        api.fail(500, on=ENDPOINT[vendor], times=2)
        (status,) = await asked.batch.wait(
            [handle], poll_interval=POLL, on_status=lambda status: seen.append(status.state)
        )
        assert status.done
        assert seen == ["running", "running"]
        api.fail(401, on=ENDPOINT[vendor])
        with pytest.raises(AuthenticationError):
            await asked.batch.wait(handle, poll_interval=POLL)
        with pytest.raises(ValueError, match="poll_interval"):
            await asked.batch.wait(handle, poll_interval=0)


# ------------------------------------------------------------ what cannot be


@VENDORS
async def test_a_server_without_batches(vendor: str) -> None:
    with FakeAPI() as api:
        api.fail(404, "Not Found", on="files")
        api.fail(404, "Not Found", on="message_batches")
        async with provider(api, vendor) as asked:
            with pytest.raises(NotFoundError, match=r"has no Batch API, send the requests live"):
                await asked.batch.submit(["a"])


@VENDORS
async def test_nobody_there(vendor: str) -> None:
    with FakeAPI() as api:
        asked = provider(api, vendor, attempts=1)
    with pytest.raises(APIConnectionError, match="could not connect"):
        await asked.batch.submit(["a"])
    await asked.close()


@VENDORS
async def test_mistakes_are_found_before_anything_is_sent(vendor: str, api: FakeAPI) -> None:
    async with provider(api, vendor) as asked:
        with pytest.raises(ValueError, match="there are no requests"):
            await asked.batch.submit([])
        for single in ("Hello", BatchRequest("Hello"), {"role": "user", "content": "Hello"}, 7):
            for ask in (asked.batch.submit, asked.batch.run):
                with pytest.raises(TypeError, match="requests is a list"):
                    await ask(single)
        with pytest.raises(ValueError, match=r"requests 0 and 1 have the same custom_id 'a'"):
            await asked.batch.submit([BatchRequest("x", "a"), BatchRequest("y", "a")])
        with pytest.raises(ValueError, match="extra_headers has no meaning in a batch"):
            await asked.batch.submit([BatchRequest("x", extra_headers={"a": "b"})])
        with pytest.raises(ValueError, match="temperature"):
            await asked.batch.submit([BatchRequest("x", temperature=-1.0)])
        if vendor == "anthropic":
            with pytest.raises(ValueError, match=r"custom_id of request 0 is 'no spaces'"):
                await asked.batch.submit([BatchRequest("x", "no spaces")])
    assert api.requests == []


async def test_an_http_client_of_the_callers_will_do(api: FakeAPI) -> None:
    echo(api)
    async with httpx_client(seam.FACE) as client:
        for vendor in ("openai", "anthropic"):
            async with provider(api, vendor, http_client=client) as asked:
                api.hang_up(on=is_creation)
                results = await asked.batch.run(["a", "b"], poll_interval=POLL)
            assert [result.content for result in results] == ["You said a", "You said b"]
    assert api.batches.sizes == [2, 2]


@VENDORS
async def test_an_sdk_client_has_no_batches(vendor: str, api: FakeAPI) -> None:
    url = api.openai_url if vendor == "openai" else api.anthropic_url
    kind = {"openai": "OpenAI", "anthropic": "Anthropic"}[vendor]
    client = sdk_client(seam.FACE, kind, api_key="k", base_url=url)
    asked = provider(api, vendor, client=client, api_key=None, base_url=None)
    assert not asked.batch.available
    with pytest.raises(ConfigurationError, match=r"not reached through client=.*api_key="):
        await asked.batch.submit(["a"])
    await asked.close()
    assert api.requests == []
