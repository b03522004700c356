"""The OpenAI provider over Chat Completions: calls, streams, retries, errors."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from llm_client._core import jsons
from llm_client._core.log import forget_warnings
from llm_client._seam import _async as seam
from llm_client.exceptions import AuthenticationError, ConfigurationError, ContextLengthError, RateLimitError
from llm_client.testing import FakeAPI, Reply
from support._async import face

MODEL = "gpt-5.6-luna"


def provider(api: FakeAPI, **options: Any) -> Any:
    return face.OpenAIProvider(**{"model": MODEL, "base_url": api.openai_url, "backoff": 0.0, **options})


# ---------------------------------------------------------------- answers


async def test_a_question_and_its_answer(api: FakeAPI) -> None:
    api.reply(Reply("Hello there.", usage=(1000, 100)))
    async with provider(api, api_key="secret-key-of-mine", organization="org", project="proj") as asked:
        result = await asked.complete("Hello")
    assert (result.content, result.ok, result.status, result.error) == ("Hello there.", True, 200, None)
    assert (result.finish_reason, result.raw_finish_reason, result.model) == ("stop", "stop", MODEL)
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.total_tokens) == (1000, 100, 1100)
    # 0.20 and 1.20 dollars for a million tokens.
    assert result.usage.total_cost == pytest.approx(1000 * 0.20e-6 + 100 * 1.20e-6, abs=1e-12)
    assert result.raw["choices"][0]["message"]["content"] == "Hello there."
    assert result.provider == "openai"
    assert result.request_id
    assert [attempt.status for attempt in result.attempts] == [200]
    request = api.last_request
    assert request.body == {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    assert request.headers["authorization"] == "Bearer secret-key-of-mine"
    assert request.headers["openai-organization"] == "org"
    assert request.headers["openai-project"] == "proj"
    assert request.headers["content-type"] == "application/json"


async def test_all_forms_of_messages(api: FakeAPI) -> None:
    asked = provider(api)
    expected = [{"role": "user", "content": "Hi"}]
    for messages in ("Hi", face.Message.user("Hi"), {"role": "user", "content": "Hi"}, ["Hi"], expected):
        api.reply("yes")
        assert (await asked.complete(messages)).content == "yes"
        assert api.last_request.body["messages"] == expected


async def test_tools_go_out_and_calls_come_back(api: FakeAPI) -> None:
    @face.tool
    async def get_weather(city: str) -> str:
        """Get the weather of a city."""
        return city

    api.reply(Reply(tool_calls=[("get_weather", {"city": "Zürich"}), ("get_weather", {"city": "Tokyo"})]))
    result = await provider(api).complete("Weather?", tools=[get_weather], tool_choice="get_weather")
    assert result.has_tool_calls
    assert result.finish_reason == "tool_calls"
    assert [(call.name, call.parse_arguments()) for call in result.tool_calls] == [
        ("get_weather", {"city": "Zürich"}),
        ("get_weather", {"city": "Tokyo"}),
    ]
    assert result.to_message().content is None
    body = api.last_request.body
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Get the weather of a city.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            },
        }
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}


async def test_arguments_go_out_under_the_names_that_the_endpoint_wants(api: FakeAPI) -> None:
    api.reply("yes")
    await provider(api, model="gpt-4o").complete("Hi", temperature=0.5, top_p=0.9, max_tokens=10, stop="END", seed=1)
    body = api.last_request.body
    assert (body["temperature"], body["top_p"], body["stop"], body["seed"]) == (0.5, 0.9, ["END"], 1)
    assert body.get("max_tokens", body.get("max_completion_tokens")) == 10
    api.reply("yes")
    await provider(api).complete(
        "Hi", max_tokens=10, extra_body={"verbosity": "low"}, extra_headers={"X-Test": "1"}, user="u"
    )
    body = api.last_request.body
    assert (body["max_completion_tokens"], body["verbosity"], body["user"]) == (10, "low", "u")
    assert api.last_request.headers["x-test"] == "1"


async def test_what_a_model_does_not_take_is_left_out_with_one_warning(
    api: FakeAPI, caplog: pytest.LogCaptureFixture
) -> None:
    forget_warnings()
    asked = provider(api, model="gpt-5")
    with caplog.at_level(logging.WARNING, logger="llm_client"):
        for _ in range(2):
            api.reply("yes")
            assert (await asked.complete("Hi", temperature=0.7, max_tokens=1000, reasoning_effort="medium")).ok
    body = api.last_request.body
    assert "temperature" not in body
    assert (body["reasoning_effort"], body["max_completion_tokens"]) == ("medium", 1000)
    assert [record for record in caplog.records if "temperature" in record.getMessage()].__len__() == 1
    with pytest.raises(ValueError, match="temperature"):
        await asked.complete("Hi", temperature=0.7, unsupported="raise")
    api.reply("yes")
    await asked.complete("Hi", temperature=0.7, unsupported="send")
    assert api.last_request.body["temperature"] == 0.7


# ---------------------------------------------------------------- streams


async def test_a_stream(api: FakeAPI) -> None:
    api.reply(Reply("one two three", reasoning=None, usage=(7, 3)))
    events = [event async for event in provider(api).stream("Count")]
    kinds = [event.type.value for event in events]
    assert kinds[-2:] == ["usage", "done"]
    assert set(kinds[:-2]) == {"token"}
    assert "".join(event.data for event in events if event.type.value == "token") == "one two three"
    result = events[-1].data
    assert (result.content, result.ok, result.finish_reason) == ("one two three", True, "stop")
    assert result.usage.total_tokens == 10
    assert result.usage.total_cost is not None
    assert api.last_request.body["stream_options"] == {"include_usage": True}


async def test_a_stream_equals_the_whole_answer(api: FakeAPI) -> None:
    reply = Reply("Text with ünïcode\n\nand lines", tool_calls=[("a", {"x": [1, {"y": "é"}]}), ("b", {})])
    asked = provider(api)
    api.reply(reply, times=2)
    whole = await asked.complete("Go")
    async for event in asked.stream("Go"):
        last = event
    streamed = last.data
    assert streamed.content == whole.content
    assert [(c.name, c.parse_arguments()) for c in streamed.tool_calls] == [
        (c.name, c.parse_arguments()) for c in whole.tool_calls
    ]
    assert (streamed.finish_reason, streamed.usage) == (whole.finish_reason, whole.usage)


async def test_tool_calls_in_a_stream(api: FakeAPI) -> None:
    api.reply(Reply(tool_calls=[("a", {"x": 1}), ("b", {"y": 2})]))
    events = [event async for event in provider(api).stream("Go")]
    starts = [event.data for event in events if event.type.value == "tool_call_start"]
    deltas = [event.data for event in events if event.type.value == "tool_call_delta"]
    ends = [event.data for event in events if event.type.value == "tool_call_end"]
    assert [(start.index, start.name) for start in starts] == [(0, "a"), (1, "b")]
    assert all(start.id for start in starts)
    for start, end in zip(starts, ends, strict=True):
        assert "".join(delta.arguments_delta for delta in deltas if delta.index == start.index) == end.arguments
        assert start.id == end.id
    assert [end.parse_arguments() for end in ends] == [{"x": 1}, {"y": 2}]


async def test_leaving_a_stream_as_a_context_manager_hangs_up(api: FakeAPI) -> None:
    api.reply(Reply("word " * 50, endless=True))
    asked = provider(api)
    async with asked.stream("Go") as events:
        async for event in events:
            assert event.type.value == "token"
            break
    assert await seam.offload(api.wait_for_hang_up)


async def test_closing_a_named_stream_hangs_up(api: FakeAPI) -> None:
    api.reply(Reply("word " * 50, endless=True))
    stream = provider(api).stream("Go")
    async for _ in stream:
        break
    await stream.aclose()
    assert await seam.offload(api.wait_for_hang_up)


async def test_streams_share_a_connection(api: FakeAPI) -> None:
    asked = provider(api)
    for _ in range(3):
        api.reply("one two three")
        async for _ in asked.stream("Go"):
            pass
    assert len({request.connection for request in api.requests}) == 1
    assert not any(request.client_hung_up for request in api.requests)


async def test_an_error_in_the_middle_of_a_stream(api: FakeAPI) -> None:
    api.fail_mid_stream(after=2, message="the model broke")
    events = [event async for event in provider(api).stream("Go")]
    assert [event.type.value for event in events].count("error") == 1
    assert events[-1].type.value == "error"
    assert events[-1].data == {"status": 500, "error": "the model broke"}
    assert len(api.requests) == 1


async def test_a_stream_that_breaks_off(api: FakeAPI) -> None:
    api.hang_up(after_events=2)
    events = [event async for event in provider(api).stream("Go")]
    assert events[-1].type.value == "error"
    assert events[-1].data["status"] == 503
    assert len(api.requests) == 1  # never again after the first event


async def test_a_stream_is_tried_again_before_its_first_piece(api: FakeAPI) -> None:
    api.hang_up()
    api.fail(503)
    api.reply("at last")
    events = [event async for event in provider(api).stream("Go")]
    assert events[-1].data.content == "at last"
    assert [attempt.status for attempt in events[-1].data.attempts] == [503, 503, 200]


# ---------------------------------------------------------------- retries and errors


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
async def test_passing_failures_are_tried_again(api: FakeAPI, status: int) -> None:
    api.fail(status, "busy")
    api.reply("yes")
    result = await provider(api).complete("Hi")
    assert result.content == "yes"
    assert [attempt.status for attempt in result.attempts] == [status, 200]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_lasting_failures_are_not(api: FakeAPI, status: int) -> None:
    api.fail(status, "no")
    result = await provider(api).complete("Hi")
    assert (result.ok, result.status, result.error, result.content) == (False, status, "no", "")
    assert len(api.requests) == 1


async def test_attempts_count_all_tries(api: FakeAPI) -> None:
    asked = provider(api)
    api.fail(500, "broken", times=3)
    assert (await asked.complete("Hi")).status == 500
    assert len(api.requests) == 3
    api.fail(500, "broken")
    result = await asked.complete("Hi", attempts=1)
    assert [attempt.delay for attempt in result.attempts] == [None]
    assert len(api.requests) == 4


async def test_a_retry_after_beyond_the_limit_is_not_waited_for(api: FakeAPI) -> None:
    api.fail(429, "slow down", headers={"retry-after": "61"})
    result = await provider(api).complete("Hi")
    assert (result.status, result.error) == (429, "slow down")
    with pytest.raises(RateLimitError, match="slow down") as caught:
        result.raise_for_error()
    assert caught.value.result is result


async def test_a_retry_after_binds(api: FakeAPI) -> None:
    api.fail(429, "slow down", headers={"retry-after-ms": "120"})
    api.reply("yes")
    result = await provider(api).complete("Hi")
    assert result.attempts[0].delay >= 0.12
    first, second = api.requests
    assert second.started - first.started >= 0.12


async def test_errors_become_exceptions_on_demand(api: FakeAPI) -> None:
    api.fail(401, "wrong key: secret-key-of-mine")
    result = await provider(api, api_key="secret-key-of-mine").complete("Hi")
    assert "secret" not in repr(result)
    with pytest.raises(AuthenticationError):
        result.raise_for_error()
    api.fail(400, "This model's maximum context length is 10 tokens.", code="context_length_exceeded")
    with pytest.raises(ContextLengthError):
        (await provider(api).complete("Hi")).raise_for_error()


async def test_html_with_status_200_is_an_error_result(api: FakeAPI) -> None:
    api.raw(200, {"content-type": "text/html"}, b"<html><body>Log in to the hotel's network</body></html>")
    result = await provider(api).complete("Hi")
    assert not result.ok
    assert "Log in to the hotel's network" in result.error
    api.raw(200, {"content-type": "text/html"}, b"<html>Log in</html>")
    events = [event async for event in provider(api).stream("Hi")]
    assert [event.type.value for event in events] == ["error"]


async def test_an_unreachable_server_is_an_error_result() -> None:
    asked = face.OpenAIProvider(model=MODEL, base_url="http://127.0.0.1:9/v1", attempts=1)
    result = await asked.complete("Hi")
    assert (result.ok, result.status, result.error_code) == (False, 503, "connection")
    assert "127.0.0.1:9" in result.error
    events = [event async for event in asked.stream("Hi")]
    assert [event.data["status"] for event in events] == [503]


async def test_a_silent_server_is_a_time_out(api: FakeAPI) -> None:
    api.stall()
    result = await provider(api).complete("Hi", timeout=0.2, attempts=1)
    assert (result.status, result.error_code) == (408, "timeout")
    with pytest.raises(TimeoutError if face.ResponseTimeoutError.__mro__.count(TimeoutError) else Exception):
        result.raise_for_error()


async def test_a_closed_provider_opens_anew(api: FakeAPI) -> None:
    asked = provider(api)
    for _ in range(2):
        api.reply("yes")
        assert (await asked.complete("Hi")).ok
        await asked.close()


# ---------------------------------------------------------------- mistakes of the caller


def test_a_missing_key_names_variable_and_argument() -> None:
    with pytest.raises(ConfigurationError, match=r"OPENAI_API_KEY.*api_key"):
        face.OpenAIProvider(model=MODEL)


def test_the_environment_names_key_and_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    made = face.OpenAIProvider(model=MODEL)
    assert repr(made) == f"OpenAIProvider(model='{MODEL}', base_url='http://127.0.0.1:9/v1')"


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"messages": 7}, TypeError, "messages is a string"),
        ({"messages": []}, ValueError, "empty"),
        ({"messages": [{"content": "x"}]}, ValueError, "message 0.*role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, ValueError, "message 0: unknown role 'robot'"),
        ({"messages": [face.Message.user("x"), 3]}, TypeError, "message 1"),
        ({"messages": "x", "tools": [5]}, TypeError, "5"),
        ({"messages": "x", "tool_choice": "nothing"}, ValueError, "nothing"),
        ({"messages": "x", "temperature": "hot"}, TypeError, "temperature"),
        ({"messages": "x", "max_tokens": 0}, ValueError, "max_tokens"),
        ({"messages": "x", "attempts": 0}, ValueError, "attempts"),
        ({"messages": "x", "temprature": 1}, TypeError, "did you mean 'temperature'"),
        ({"messages": "x", "response_format": "xml"}, ValueError, "xml"),
        ({"messages": "x", "timeout": 0}, ValueError, "timeout"),
    ],
)
async def test_mistakes_raise_before_anything_is_sent(
    api: FakeAPI, arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    asked = provider(api)
    with pytest.raises(kind, match=words):
        await asked.complete(**arguments)
    with pytest.raises(kind, match=words):
        asked.stream(**arguments)
    assert not api.requests


async def test_an_embedding_model_does_not_chat(api: FakeAPI) -> None:
    with pytest.raises(ValueError, match="embed"):
        await provider(api, model="text-embedding-3-small").complete("Hi")


# ---------------------------------------------------------------- servers that are only nearly compatible


def _chunks(*deltas: dict[str, Any]) -> bytes:
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return b"".join(b"data: " + jsons.dumps(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _call(id: str, name: str, arguments: Any, **index: int) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **index}


@pytest.mark.parametrize(
    "deltas",
    [
        [{"content": "Both.", "tool_calls": [_call("1", "f", '{"x":1}', index=0), _call("2", "g", "{}", index=1)]}],
        [
            {"content": "Both.", "reasoning_content": "Hm."},
            {"tool_calls": [_call("1", "f", '{"x":1}', index=0)]},
            {"tool_calls": [_call("2", "g", "{}", index=0)]},
        ],
        [{"content": "Both."}, {"tool_calls": [_call("1", "f", {"x": 1})]}, {"tool_calls": [_call("2", "g", {})]}],
    ],
    ids=["calls beside text", "all calls numbered 0", "no numbers, arguments as objects"],
)
async def test_no_call_of_a_nearly_compatible_server_is_lost(api: FakeAPI, deltas: list[dict[str, Any]]) -> None:
    api.raw(200, {"content-type": "text/event-stream"}, _chunks(*deltas))
    async for event in provider(api).stream("Go"):
        last = event
    assert last.data.content == "Both."
    assert [(call.id, call.name, call.parse_arguments()) for call in last.data.tool_calls] == [
        ("1", "f", {"x": 1}),
        ("2", "g", {}),
    ]


async def test_what_was_spent_until_a_stream_broke_off_is_told(api: FakeAPI) -> None:
    asked = face.AnthropicProvider(model="claude-haiku-4-5", base_url=api.anthropic_url, backoff=0.0)
    api.hang_up(after_events=3, reply=Reply("word " * 20, usage=(5000, 100)))
    events = [event async for event in asked.stream("Go")]
    assert [event.type.value for event in events][-2:] == ["usage", "error"]
    assert events[-2].data.input_tokens == 5000
    api.hang_up(after_events=3, reply=Reply("word " * 20, usage=(5000, 100)))
    agent = face.Agent(asked)
    async for _ in agent.stream("Go"):
        pass
    api.hang_up(after_events=3, reply=Reply("word " * 20, usage=(5000, 100)))
    result = await agent.run("Again", attempts=1)
    assert result.status == "error"


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "Incorrect API key: sk-very-secret-key", "code": "invalid_api_key"}}',
        b"sk-very-secret-key",
    ],
)
async def test_errors_under_status_200_hide_the_key(api: FakeAPI, body: bytes) -> None:
    api.raw(200, {"content-type": "application/json"}, body)
    result = await provider(api, api_key="sk-very-secret-key").complete("Hi")
    assert not result.ok
    assert "secret" not in repr(result)


async def test_a_retry_after_that_is_no_date_does_no_harm(api: FakeAPI) -> None:
    api.fail(429, "slow down", headers={"retry-after": "Thu, 1 Jan 99999999999 00:00:00 GMT"})
    api.reply("yes", times=2)
    asked = provider(api)
    assert (await asked.complete("Hi")).content == "yes"
    assert (await asked.complete("Hi")).content == "yes"


def test_credentials_in_the_address_are_not_shown() -> None:
    made = face.OpenAIProvider(model=MODEL, base_url="http://user:pa55w0rd@127.0.0.1:9/v1")
    assert repr(made) == f"OpenAIProvider(model='{MODEL}', base_url='http://127.0.0.1:9/v1')"
