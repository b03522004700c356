"""`embed()` of the OpenAI provider, and the choice of its API."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.results import EmbeddingResult
from llm_client.exceptions import RateLimitError
from llm_client.testing import FakeAPI, Reply
from support._async import face

MODEL = "text-embedding-3-small"


def provider(api: FakeAPI, **options: Any) -> Any:
    return face.OpenAIProvider(**{"model": MODEL, "base_url": api.openai_url, "backoff": 0.0, **options})


def numbered(count: int) -> list[str]:
    return [f"text number {number}" for number in range(count)]


def answer_with_lengths(api: FakeAPI) -> None:
    """Every vector is the length of its text and the place of the request in which it came."""

    @api.on_request
    def answer(request: Any) -> Reply:
        return Reply(embeddings=[[float(len(text)), 0.5] for text in request.body["input"]], usage=(10, 0))


async def test_one_text(api: FakeAPI) -> None:
    api.reply(Reply(embeddings=[[0.5, -0.25]], usage=(7, 0)))
    async with provider(api, api_key="key-of-mine-123") as asked:
        result = await asked.embed("Hello", dimensions=2, user="u", extra_headers={"X-Team": "t"}, timeout=30)
    assert isinstance(result, EmbeddingResult)
    assert (result.embedding, result.embeddings, result.ok) == ([0.5, -0.25], [[0.5, -0.25]], True)
    assert (result.usage.input_tokens, result.usage.total_tokens) == (7, 7)
    assert result.usage.total_cost == pytest.approx(7 * 0.02e-6)
    assert result.request_id
    assert [attempt.status for attempt in result.attempts] == [200]
    request = api.last_request
    assert request.path == "/v1/embeddings"
    assert request.headers["authorization"] == "Bearer key-of-mine-123"
    assert request.headers["x-team"] == "t"
    assert request.body == {
        "model": MODEL, "input": ["Hello"], "encoding_format": "base64", "dimensions": 2, "user": "u"
    }  # fmt: skip


async def test_both_encodings_give_the_same_vectors() -> None:
    with FakeAPI() as api:
        asked = provider(api)
        as_base64 = await asked.embed(inputs=["one", "two"])
        as_numbers = await asked.embed(inputs=["one", "two"], encoding_format="float")
        assert api.last_request.body["encoding_format"] == "float"
    assert as_base64.embeddings == as_numbers.embeddings
    assert [len(vector) for vector in as_base64.embeddings] == [1536, 1536]
    assert type(as_base64.embeddings[0][0]) is float


async def test_many_texts_go_out_in_several_requests_and_come_back_in_order() -> None:
    inputs = numbered(5000)
    with FakeAPI() as api:
        answer_with_lengths(api)
        result = await provider(api).embed(inputs)
        assert sorted(len(request.body["input"]) for request in api.requests) == [904, 2048, 2048]
    assert result.ok
    assert [vector[0] for vector in result.embeddings] == [float(len(text)) for text in inputs]
    assert result.usage.input_tokens == 30
    assert [attempt.status for attempt in result.attempts] == [200, 200, 200]


async def test_one_failed_request_fails_the_call() -> None:
    with FakeAPI() as api:

        @api.on_request
        def answer(request: Any) -> Any:
            texts = request.body["input"]
            if "text number 2048" in texts:
                from llm_client.testing import Failure

                return Failure(400, "that one is bad")
            return Reply(embeddings=[[1.0]] * len(texts), usage=(10, 0))

        result = await provider(api).embed(numbered(4096))
    assert (result.ok, result.status, result.embeddings) == (False, 400, [])
    assert result.error == "1 of 2 requests succeeded; another one failed: that one is bad"
    assert result.usage.input_tokens == 10


async def test_no_more_requests_are_sent_once_one_has_failed() -> None:
    with FakeAPI(default=None) as api:
        for _ in range(100):
            api.fail(401, "no such key")
        result = await provider(api).embed(numbered(2048 * 60))
        assert len(api.requests) <= 16
    assert (result.status, result.error) == (401, "0 of 60 requests succeeded; another one failed: no such key")


async def test_failed_tries_are_repeated(api: FakeAPI) -> None:
    api.fail(500)
    api.reply(Reply(embeddings=[[1.0]]))
    result = await provider(api).embed("x")
    assert result.ok
    assert [attempt.status for attempt in result.attempts] == [500, 200]
    api.fail(429, "slow down", times=2)
    limited = await provider(api).embed("x", attempts=2, backoff=0.0)
    assert (limited.status, limited.error) == (429, "slow down")
    with pytest.raises(RateLimitError, match="slow down"):
        limited.raise_for_error()


async def test_broken_replies_are_results(api: FakeAPI) -> None:
    api.raw(200, {"content-type": "text/html"}, "<html>Sign in to the network</html>")
    result = await provider(api).embed("x")
    assert (result.ok, result.status) == (False, 502)
    assert "<html>Sign in to the network</html>" in result.error


async def test_mistakes_are_told_before_anything_is_sent(api: FakeAPI) -> None:
    asked = provider(api)
    with pytest.raises(ValueError, match="inputs is empty"):
        await asked.embed([])
    with pytest.raises(ValueError, match="encoding_format"):
        await asked.embed("x", encoding_format="hex")
    with pytest.raises(ValueError, match="attempts"):
        await asked.embed("x", attempts=0)
    with pytest.raises(ValueError, match="timeout"):
        await asked.embed("x", timeout=0)
    with pytest.raises(ValueError, match="embed"):
        await asked.complete("x")
    with pytest.raises(ValueError, match="not an embedding model"):
        await provider(api, model="gpt-5.2").embed("x")
    assert api.requests == []


# ---------------------------------------------------------------- the Responses API


async def test_the_responses_api_is_spoken_where_it_is_asked_for(api: FakeAPI) -> None:
    asked = provider(api, model="gpt-5.2", use_responses_api=True)
    api.reply(Reply("Hello.", reasoning="Hm.", usage=(10, 5)))
    result = await asked.complete("Hi", reasoning_effort="low", max_tokens=50)
    assert (result.content, result.reasoning, result.ok) == ("Hello.", "Hm.", True)
    assert api.last_request.path == "/v1/responses"
    assert api.last_request.body["reasoning"] == {"effort": "low"}
    assert api.last_request.body["max_output_tokens"] == 50
    api.reply(Reply("Hello.", reasoning="Hm.", usage=(10, 5)))
    events = []
    async with asked.stream("Hi") as stream:
        async for event in stream:
            events.append(event)
    streamed = events[-1].data
    assert (streamed.content, streamed.reasoning, streamed.usage) == (result.content, result.reasoning, result.usage)


async def test_reasoning_survives_a_tool_turn_without_a_store(api: FakeAPI) -> None:
    @face.tool
    async def weather(city: str) -> str:
        """Tell the weather."""
        return city

    asked = provider(api, model="gpt-5.2", use_responses_api=True)
    api.reply(Reply(reasoning="Hm.", tool_calls=[("weather", {"city": "Zürich"}, "call_7")]))
    first = await asked.complete("Weather?", tools=[weather], store=False)
    assert api.last_request.body["include"] == ["reasoning.encrypted_content"]
    api.reply("Sunny.")
    history = ["Weather?", first.to_message(), face.Message.tool_result("call_7", "sunny")]
    second = await asked.complete(history, tools=[weather], store=False)
    assert second.content == "Sunny."
    items = api.last_request.body["input"]
    assert [item.get("type") for item in items] == [None, "reasoning", "function_call", "function_call_output"]
    assert items[1]["encrypted_content"] == first.raw["output"][0]["encrypted_content"]


async def test_results_for_a_conversation_that_the_server_keeps(api: FakeAPI) -> None:
    asked = provider(api, model="gpt-5.2", use_responses_api=True)
    api.reply("Sunny.")
    history = [face.Message.tool_result("call_7", "sunny"), "And tomorrow?"]
    assert (await asked.complete(history, extra_body={"previous_response_id": "resp_1"})).ok
    assert api.last_request.body["input"] == [
        {"type": "function_call_output", "call_id": "call_7", "output": "sunny"},
        {"role": "user", "content": "And tomorrow?"},
    ]


async def test_models_of_the_other_api_are_refused_on_openais_own_servers(api: FakeAPI) -> None:
    with pytest.raises(ValueError, match="pass use_responses_api=True"):
        face.OpenAIProvider("gpt-5-pro", api_key="key-of-mine-123")
    with pytest.raises(ValueError, match="leave use_responses_api out"):
        face.OpenAIProvider("o1-mini", api_key="key-of-mine-123", use_responses_api=True)
    assert face.OpenAIProvider(MODEL, api_key="key-of-mine-123").model == MODEL
    # Routers offer under their own addresses what OpenAI does not.
    assert provider(api, model="gpt-5-pro").model == "gpt-5-pro"
