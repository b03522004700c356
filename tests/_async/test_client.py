"""OpenAIClient: what version 1 promised, kept."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from llm_client.exceptions import ConfigurationError, ResponseTimeoutError
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.pusher_server import PusherServer, pusher_server

MODEL = "gpt-5.6-luna"
EMBEDDER = "text-embedding-3-small"
KEY = "sk-a-key-that-nobody-shall-see"
QUESTION = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(BaseModel):
    name: str
    founded: date


def client(api: FakeAPI, model: Any = MODEL, **options: Any) -> Any:
    return face.OpenAIClient(model, **{"base_url": api.openai_url, "api_key": KEY, **options})


async def test_an_answer(api: FakeAPI) -> None:
    api.reply(Reply("Hello to you.", usage=(1000, 100)))
    async with client(api) as asked:
        result = await asked.get_response(messages=QUESTION, max_completion_tokens=50, metadata={"team": "t"})
    usage = result.pop("usage")
    identifier = result.pop("identifier")
    assert result == {
        "output": "Hello to you.",
        "status": 200,
        "error": "OK",
        "body": None,
        "tool_calls": None,
        "params": {
            "model": MODEL, "messages": QUESTION, "response_format": {"type": "text"},
            "max_completion_tokens": 50, "metadata": {"team": "t"},
        },
    }  # fmt: skip
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (1000, 100, 1100)
    assert usage["total_cost"] > 0
    assert len(identifier) == 64
    assert api.last_request.body == {
        "model": MODEL, "messages": QUESTION, "max_completion_tokens": 50, "metadata": {"team": "t"},
    }  # fmt: skip


@pytest.mark.parametrize("question", [{"messages": "Hello"}, {"prompt": "Hello"}, {"input": "Hello"}])
async def test_a_text_is_a_question(api: FakeAPI, question: dict[str, str]) -> None:
    api.reply("Hi.")
    result = await client(api).get_response(**question)
    assert result["params"]["messages"] == QUESTION
    assert api.last_request.body["messages"] == QUESTION


@pytest.mark.parametrize("question", [{}, {"messages": "a", "prompt": "b"}])
async def test_there_must_be_one_question(api: FakeAPI, question: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="one of messages=, input= and prompt="):
        await client(api).get_response(**question)


async def test_a_client_asks_its_own_model(api: FakeAPI) -> None:
    api.reply("Hi.")
    asked = client(api, face.GPT5)
    assert asked.model is face.GPT5
    assert (await asked.get_response(messages="Hello", model="gpt-5"))["output"] == "Hi."
    with pytest.raises(ValueError, match="this client asks gpt-5; make another one for gpt-4"):
        await asked.get_response(messages="Hello", model="gpt-4")


@pytest.mark.parametrize(
    "wanted",
    [
        "json_object",
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object", "properties": {}}}},
    ],
)
async def test_json_formats_give_parsed_json(api: FakeAPI, wanted: Any) -> None:
    api.reply('{"name": "Rome", "hills": [1, 7]}')
    result = await client(api).get_response(messages="A city as JSON", response_format=wanted)
    assert (result["output"], result["error"]) == ({"name": "Rome", "hills": [1, 7]}, "OK")
    assert result["params"]["response_format"] == ({"type": wanted} if isinstance(wanted, str) else wanted)


async def test_a_type_gives_its_object_as_json(api: FakeAPI) -> None:
    api.reply('{"name": "Rome", "founded": "0753-04-21"}')
    result = await client(api).get_response(messages="A city", response_format=City)
    assert result["output"] == {"name": "Rome", "founded": "0753-04-21"}
    assert result["params"]["response_format"] == {"type": "json_schema", "schema_name": "City"}
    json.dumps(result)


async def test_an_answer_that_is_no_json_is_kept_and_no_success(api: FakeAPI) -> None:
    api.reply("Rome, I think.")
    result = await client(api).get_response(messages="A city as JSON", response_format="json_object")
    assert (result["output"], result["status"]) == ("Rome, I think.", 200)
    assert "does not have the wanted form" in result["error"]
    assert len(api.requests) == 1


async def test_a_refusal_is_no_output(api: FakeAPI) -> None:
    api.reply(Reply(refusal="I would rather not."))
    result = await client(api).get_response(messages="A city as JSON", response_format="json_object")
    assert (result["output"], result["error"]) == (None, "the model refused: I would rather not.")


async def test_tool_calls_are_in_the_dict(api: FakeAPI) -> None:
    api.reply(Reply(tool_calls=[("get_weather", {"city": "Rome"}, "call_1")]))
    choice = {"type": "function", "function": {"name": "get_weather"}}
    result = await client(api).get_response(messages="Weather?", tools=[WEATHER], tool_choice=choice)
    assert (result["output"], result["error"]) == (None, "OK")
    assert result["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}
    ]
    sent = api.last_request.body
    assert sent["tools"] == [WEATHER]
    assert sent["tool_choice"] == choice
    assert result["params"]["tools"] == [WEATHER]
    # And on: version 1's callers ran the tool themselves.
    api.reply("Sunny.")
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": result["tool_calls"]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    assert (await client(api).get_response(messages=messages, tools=[WEATHER]))["output"] == "Sunny."
    assert api.last_request.body["messages"] == messages


async def test_tools_may_be_functions(api: FakeAPI) -> None:
    def get_weather(city: str) -> str:
        """The weather."""
        return city

    api.reply("No need.")
    result = await client(api).get_response(messages="Weather?", tools=[get_weather], tool_choice="auto")
    assert [tool["function"]["name"] for tool in api.last_request.body["tools"]] == ["get_weather"]
    assert result["params"]["tools"][0]["function"]["description"] == "The weather."
    json.dumps(result)


async def test_a_tool_without_a_name_is_refused(api: FakeAPI) -> None:
    with pytest.raises(ValueError, match=r"tools\[0\] has no name"):
        await client(api).get_response(messages="Weather?", tools=[{"type": "function", "function": {}}])


async def test_one_input_gives_one_vector_and_many_a_list(api: FakeAPI) -> None:
    asked = client(api, EMBEDDER)
    api.reply(Reply(embeddings=[[0.5, -0.25]], usage=(7, 0)))
    result = await asked.get_response(input="Hello", dimensions=2)
    assert (result["output"], result["status"], result["error"]) == ([0.5, -0.25], 200, "OK")
    assert (result["usage"]["input_tokens"], result["usage"]["total_tokens"]) == (7, 7)
    assert result["params"] == {"model": EMBEDDER, "encoding_format": "base64", "input": "Hello", "dimensions": 2}
    assert "tool_calls" not in result
    api.reply(Reply(embeddings=[[0.5], [0.25]]))
    assert (await asked.get_response(input=["one", "two"]))["output"] == [[0.5], [0.25]]
    api.reply(Reply(embeddings=[[1.0]]))
    result = await asked.get_response(input=["one"], encoding_format="float")
    assert result["output"] == [1.0]
    assert api.last_request.body["encoding_format"] == "float"


async def test_embedding_models_take_input(api: FakeAPI) -> None:
    with pytest.raises(ValueError, match="pass input="):
        await client(api, EMBEDDER).get_response(messages="Hello")


async def test_an_embedding_that_fails(api: FakeAPI) -> None:
    api.fail(400, "not like this")
    result = await client(api, EMBEDDER).get_response(input="Hello", body={"id": 1})
    assert (result["output"], result["status"], result["error"]) == (None, 400, "not like this")
    assert (result["usage"]["total_tokens"], result["usage"]["total_cost"]) == (0, None)
    assert result["body"] == {"id": 1, "completion": None}


async def test_identifiers(api: FakeAPI) -> None:
    api.reply("Hi.", times=6)
    asked = client(api)
    assert (await asked.get_response("mine", messages="Hello"))["identifier"] == "mine"
    hashed = (await asked.get_response(messages="Hello"))["identifier"]
    assert hashed == (await asked.get_response(messages=QUESTION))["identifier"]
    assert hashed != (await asked.get_response(messages="Hello?"))["identifier"]
    chance = [
        (await asked.get_response(messages="Hello", hash_as_identifier=False))["identifier"] for _ in range(2)
    ]  # fmt: skip
    assert len({hashed, *chance}) == 3


async def test_a_body_comes_back_with_the_output(api: FakeAPI) -> None:
    api.reply("Hi.")
    body = {"row": 7, "nested": {"a": [1]}}
    result = await client(api).get_response(messages="Hello", body=body)
    assert result["body"] == {"row": 7, "nested": {"a": [1]}, "completion": "Hi."}
    assert body == {"row": 7, "nested": {"a": [1]}}


async def test_the_response_itself(api: FakeAPI) -> None:
    api.reply("Hi.")
    api.reply(Reply(embeddings=[[1.0]]))
    result = await client(api).get_response(messages="Hello", return_response=True)
    assert isinstance(result["response"], face.CompletionResult)
    assert result["response"].raw["choices"][0]["message"]["content"] == "Hi."
    result = await client(api, EMBEDDER).get_response(input="Hello", return_response=True)
    assert isinstance(result["response"], face.EmbeddingResult)


@pytest.mark.parametrize("log_errors", [True, False])
async def test_failures_are_logged_unless_told_otherwise(
    api: FakeAPI, log_errors: bool, caplog: pytest.LogCaptureFixture
) -> None:
    api.fail(401, f"no such key: {KEY}")
    with caplog.at_level(logging.WARNING, "llm_client.client"):
        result = await client(api).get_response("mine", messages="Hello", log_errors=log_errors)
    assert (result["output"], result["usage"]["total_tokens"], result["status"]) == (None, 0, 401)
    assert result["error"] == "no such key: [key hidden]"
    said = [record.getMessage() for record in caplog.records if record.name == "llm_client.client"]
    expected = ["get_response mine failed with status 401: no such key: [key hidden]"]
    assert said == (expected if log_errors else [])


async def test_failures_are_tried_again(api: FakeAPI) -> None:
    api.fail(500, times=2)
    api.reply("Hi.")
    result = await client(api).get_response(messages="Hello", attempts=3, backoff=0)
    assert (result["output"], len(api.requests)) == ("Hi.", 3)
    api.fail(500, "broken", times=2)
    result = await client(api).get_response(messages="Hello", attempts=2, backoff=0)
    assert (result["status"], result["error"]) == (500, "broken")


async def test_a_time_out_raises(api: FakeAPI) -> None:
    api.reply(Reply("Too late.", delay=60))
    with pytest.raises(ResponseTimeoutError) as caught:
        await client(api).get_response(messages="Hello", timeout=0.05, attempts=1)
    assert caught.value.status == 408


async def test_the_api_s_own_408_is_a_dict(api: FakeAPI) -> None:
    api.fail(408, "slow")
    result = await client(api).get_response(messages="Hello", timeout=60, attempts=1)
    assert (result["status"], result["error"]) == (408, "slow")


async def test_the_responses_api(api: FakeAPI) -> None:
    api.reply("Hi.")
    asked = client(api, responses_api_toggle=True)
    result = await asked.get_response(input="Hello", reasoning={"effort": "low"}, instructions="Be brief.")
    assert (result["output"], result["error"]) == ("Hi.", "OK")
    assert result["params"] == {
        "model": MODEL, "input": "Hello", "reasoning": {"effort": "low"}, "instructions": "Be brief.",
    }  # fmt: skip
    request = api.last_request
    assert request.path == "/v1/responses"
    assert (request.body["reasoning"]["effort"], request.body["instructions"]) == ("low", "Be brief.")
    api.reply(Reply(tool_calls=[("get_weather", {"city": "Rome"}, "call_1")]))
    result = await asked.get_response(
        messages=QUESTION, tools=[WEATHER], reasoning={"effort": "low", "summary": "auto"}
    )
    assert result["tool_calls"][0]["function"]["name"] == "get_weather"
    sent = api.last_request.body
    assert (sent["tools"][0]["name"], sent["reasoning"]) == ("get_weather", {"effort": "low", "summary": "auto"})


async def test_items_and_tools_of_the_api_s_own_go_out_as_they_are(api: FakeAPI) -> None:
    api.reply("Sunny.")
    items = [
        {"role": "user", "content": "Weather?"},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ]
    search = {"type": "web_search"}
    result = await client(api, responses_api_toggle=True).get_response(
        input=items, tools=[search], tool_choice="required"
    )
    assert (result["output"], result["params"]["input"]) == ("Sunny.", items)
    sent = api.last_request.body
    assert (sent["input"], sent["tools"], sent["tool_choice"]) == (items, [search], "required")


async def test_tools_of_the_api_s_own_beside_functions(api: FakeAPI) -> None:
    def look(where: str) -> str:
        """Look there."""
        return where

    api.reply("Nothing.")
    result = await client(api, responses_api_toggle=True).get_response(
        messages="Look", tools=[{"type": "web_search"}, look]
    )
    first, second = api.last_request.body["tools"]
    assert (first, second["name"], second["description"]) == ({"type": "web_search"}, "look", "Look there.")
    assert result["params"]["tools"] == [first, second]


async def test_what_can_be_gone_through_once(api: FakeAPI) -> None:
    api.reply("Hi.")
    result = await client(api).get_response(messages=iter(QUESTION), tools=iter([WEATHER]))
    assert (result["params"]["messages"], result["params"]["tools"]) == (QUESTION, [WEATHER])
    assert (api.last_request.body["messages"], api.last_request.body["tools"]) == (QUESTION, [WEATHER])
    api.reply(Reply(embeddings=[[1.0], [2.0]]))
    result = await client(api, EMBEDDER).get_response(input=iter(["one", "two"]))
    assert (result["params"]["input"], result["output"]) == (["one", "two"], [[1.0], [2.0]])


async def test_stored_json_is_parsed_and_what_is_none_is_told(api: FakeAPI, tmp_path: Any) -> None:
    asked = client(api, cache_backend="fs", cache_dir=tmp_path)
    api.reply('{"a": 1}')
    wanted: dict[str, Any] = {"messages": "As JSON", "response_format": "json_object"}
    outputs = [(await asked.get_response(cache_response=True, **wanted))["output"] for _ in range(2)]
    assert outputs == [{"a": 1}, {"a": 1}]
    # Stored by a caller who took the text as it came.
    api.reply("no JSON")
    question = {"messages": "Again, as JSON", "response_format": "json_object", "cache_response": True}
    assert (await asked.provider.complete(**question)).ok
    result = await asked.get_response(**question)
    assert result["output"] == "no JSON"
    assert "it is no JSON" in result["error"]
    api.reply("null")
    result = await asked.get_response(**wanted)
    assert (result["output"], result["error"]) == (None, "OK")


async def test_the_cache(api: FakeAPI, tmp_path: Any) -> None:
    asked = client(api, cache_backend="fs", cache_dir=tmp_path)
    api.reply("one")
    api.reply("two")
    api.reply("three")

    async def output(**options: Any) -> Any:
        result = await asked.get_response(messages="Hello", **options)
        assert result["error"] == "OK"
        return result["output"]

    assert await output(cache_response=True) == "one"
    assert await output(cache_response=True) == "one"
    assert await output(cache_response=True, regen_cache=True) == "two"
    assert await output(cache_response=True) == "one"
    assert await output(cache_response=True, rewrite_cache=True) == "three"
    assert await output(cache_response=True) == "three"
    api.reply("four")
    api.reply("five")
    assert await output() == "four"
    assert await output(cache_response=True, cache_collection="other") == "five"
    assert asked.cache is asked.provider.cache
    assert await asked.warm_cache() == 0  # files have nothing to warm
    await asked.close()


async def test_cached_vectors_and_failures(api: FakeAPI, tmp_path: Any) -> None:
    api.reply(Reply(embeddings=[[1.0]]))
    asked = client(api, EMBEDDER, cache_backend="fs", cache_dir=tmp_path)
    for _ in range(2):
        assert (await asked.get_response(input="one", cache_response=True))["output"] == [1.0]
    asked = client(api, cache_backend="fs", cache_dir=tmp_path)
    api.fail(400, "no")
    api.reply("yes")
    outputs = [(await asked.get_response(messages="Hello", cache_response=True))["output"] for _ in range(3)]
    assert outputs == [None, "yes", "yes"]


async def test_no_cache_without_a_backend(api: FakeAPI, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    api.reply("one")
    api.reply("two")
    asked = client(api)
    outputs = [(await asked.get_response(messages="Hello", cache_response=True))["output"] for _ in range(2)]
    assert outputs == ["one", "two"]
    assert list(tmp_path.iterdir()) == []


async def test_no_secret_is_shown(api: FakeAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    api.reply("Hi.")
    asked = face.OpenAIClient(MODEL, base_url=api.openai_url)
    result = await asked.get_response(
        messages=f"My key is {KEY}",
        extra_headers={"X-Gateway-Key": "another secret"},
        extra_body={"metadata": {"note": KEY}},
        body={"note": [f"key {KEY}"]},
    )
    shown = repr(result) + repr(asked)
    assert KEY not in shown
    assert "another secret" not in shown
    assert result["params"]["extra_headers"] == {"X-Gateway-Key": "[hidden]"}
    assert result["body"]["note"] == ["key [key hidden]"]
    assert api.last_request.headers["x-gateway-key"] == "another secret"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(asked)


async def test_params_hold_what_json_can(api: FakeAPI) -> None:
    api.reply("Hi.")
    result = await client(api).get_response(
        messages=[face.Message.system("Be brief."), face.Message.user("Hello")], timeout=60, stop=("a", "b")
    )
    assert [message["role"] for message in result["params"]["messages"]] == ["system", "user"]
    assert result["params"]["stop"] == ["a", "b"]
    json.dumps(result)


async def test_a_missing_key_is_told() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        face.OpenAIClient(MODEL)


# ---------------------------------------------------------------- streams


def read(text: str) -> tuple[str, Any]:
    name, _, data = text.removesuffix("\n\n").removeprefix("event: ").partition("\ndata: ")
    return name, data if name == "token" else json.loads(data)


async def test_a_stream_of_server_sent_events(api: FakeAPI) -> None:
    api.reply(Reply(chunks=["Hello", " you"], usage=(5, 3)))
    lines = await client(api).get_response(messages="Hello", stream=True, stream_mode="sse")
    events = [read(line) async for line in lines]
    assert events[:3] == [("meta", {"model": MODEL, "stream_mode": "sse"}), ("token", "Hello"), ("token", " you")]
    name, done = events[3]
    assert (name, done["output"], done["status"], done["usage"]["total_tokens"]) == ("done", "Hello you", 200, 8)
    assert len(events) == 4
    api.fail(400, "no")
    lines = await client(api).get_response(messages="Hello", stream=True, stream_mode="sse")
    assert [read(line) async for line in lines][1:] == [("error", {"status": 400, "error": "no"})]


@pytest.fixture
def pusher() -> Iterator[PusherServer]:
    with pusher_server() as server:
        yield server


async def test_a_stream_to_pusher(api: FakeAPI, pusher: PusherServer) -> None:
    api.reply(Reply(chunks=["Hello", " you"], usage=(5, 3)))
    channel = face.PusherStreamer("chat", **pusher.arguments)
    result = await client(api).get_response(messages="Hello", stream=True, channel=channel)
    assert (result["output"], result["error"], result["usage"]["total_tokens"]) == ("Hello you", "OK", 8)
    names = [name for name, _ in pusher.messages]
    assert (names[0], names[-1], set(names[1:-1])) == ("new-response", "response-finished", {"new-token"})
    assert pusher.text_of("new-token") == "Hello you"
    assert pusher.messages[-1] == ("response-finished", "OK")
    api.fail(400, "no")
    result = await client(api).get_response(messages="Hello", stream=True, channel=channel)
    assert (result["status"], result["error"], result["output"]) == (400, "no", None)
    assert pusher.messages[-1] == ("response-finished", "no")


async def test_long_text_goes_to_pusher_in_several_messages(api: FakeAPI, pusher: PusherServer) -> None:
    text = "".join(f"word {number} " for number in range(1500))
    api.reply(Reply(text, chunk_size=700))
    channel = face.PusherStreamer("chat", **pusher.arguments)
    result = await client(api).get_response(messages="Hello", stream=True, channel=channel)
    assert result["output"] == pusher.text_of("new-token") == text
    assert [name for name, _ in pusher.messages].count("new-token") >= 3


@pytest.mark.parametrize(("model", "mode"), [(MODEL, "websocket"), (EMBEDDER, "sse")])
async def test_streams_there_are_not(api: FakeAPI, model: str, mode: str) -> None:
    with pytest.raises(ValueError, match="stream_mode"):
        await client(api, model).get_response(input="Hello", stream=True, stream_mode=mode)


async def test_pusher_s_settings_are_missing(api: FakeAPI) -> None:
    with pytest.raises(ConfigurationError, match="PUSHER_APP_ID"):
        await client(api).get_response(messages="Hello", stream=True)
    assert not api.requests


async def test_the_clients_own_tries_hold_where_a_call_does_not_say(api: FakeAPI) -> None:
    async with face.OpenAIClient("gpt-5.6-luna", base_url=api.openai_url, attempts=1, backoff=0.0) as client:
        api.fail(500, times=1)
        assert (await client.get_response(messages="Hello"))["status"] == 500
        api.fail(500, times=1)
        api.reply("Hi")
        assert (await client.get_response(messages="Hello", attempts=2))["error"] == "OK"
    assert len(api.requests) == 3


async def test_a_question_without_its_name_is_a_clear_error(api: FakeAPI) -> None:
    async with face.OpenAIClient("gpt-5.6-luna", base_url=api.openai_url) as client:
        with pytest.raises(TypeError, match="pass the question by its name"):
            await client.get_response([{"role": "user", "content": "Hello"}])
    assert not api.requests
