"""OpenAI's Chat Completions: requests, whole answers and streams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import Message, ProviderItems, ToolCall
from llm_client._core.parts import FilePart, ImagePart, TextPart
from llm_client._core.results import CompletionResult
from llm_client._core.tools import Tool
from llm_client._core.usage import NO_USAGE
from llm_client._core.wire.openai_chat import NAME, PATH, StreamParser, build_request, parse_error, parse_response
from llm_client._core.wire.request import ResponseFormat
from support.openai_wire import (
    PLAIN_MODEL,
    chat_stream,
    check_body,
    completion,
    data,
    done,
    error,
    kinds,
    request,
    run_stream,
    sse,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def body_of(messages: Any = "Hello", **given: Any) -> dict[str, Any]:
    return check_body("chat", build_request(request(messages, **given)))


def weather(**given: Any) -> Tool:
    return Tool("weather", "Tells the weather.", SCHEMA, lambda city: city, **given)


def read(value: Any) -> CompletionResult:
    return parse_response(json.dumps(value).encode(), request())


def stream(events: list[Any], *, cut: int | None = None) -> list[StreamEvent]:
    return run_stream(StreamParser, request(stream=True), sse(events), cut=cut)


def text_of(events: list[StreamEvent], kind: StreamEventType = StreamEventType.TOKEN) -> str:
    return "".join(data(events, kind))


# --- requests


def test_a_plain_question() -> None:
    assert (NAME, PATH) == ("openai-chat", "/chat/completions")
    assert body_of() == {"model": "gpt-5.2", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_stream_asks_for_its_usage() -> None:
    body = body_of(stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def test_parameters() -> None:
    body = body_of(
        model=PLAIN_MODEL,
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        stop=["END"],
        seed=7,
        reasoning_effort="low",
        store=False,
        prompt_cache_key="k",
        user="u",
        extra_body={"n": 2, "seed": 8},
    )
    assert body["max_completion_tokens"] == 100
    assert (body["temperature"], body["top_p"], body["stop"], body["seed"], body["n"]) == (0.5, 0.9, ["END"], 8, 2)
    assert (body["reasoning_effort"], body["store"], body["prompt_cache_key"], body["user"]) == ("low", False, "k", "u")
    # Servers that nobody knows have the older name.
    assert build_request(request(model="llama-3", max_tokens=100))["max_tokens"] == 100


def test_tools_and_their_choice() -> None:
    body = body_of(tools=[weather(), weather(strict=True).replace(name="exact")], tool_choice="weather")
    assert body["tools"][0] == {
        "type": "function",
        "function": {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA},
    }
    assert body["tools"][1]["function"]["strict"] is True
    assert body["tools"][1]["function"]["parameters"]["additionalProperties"] is False
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    for choice, sent in {"auto": "auto", "none": "none", "required": "required", "any": "required"}.items():
        assert body_of(tools=[weather()], tool_choice=choice)["tool_choice"] == sent
    assert body_of(tools=[weather()], parallel_tool_calls=False)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in body_of(parallel_tool_calls=False)


def test_response_formats() -> None:
    assert body_of(response_format=ResponseFormat("json_object"))["response_format"] == {"type": "json_object"}
    wanted = ResponseFormat("json_schema", schema=SCHEMA, name="place", description="Where.", strict=True)
    assert body_of(response_format=wanted)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "place", "schema": SCHEMA, "description": "Where.", "strict": True},
    }


def test_messages() -> None:
    foreign = ProviderItems("anthropic-messages", ({"type": "thinking"},))
    history = [
        Message.system("Be brief."),
        Message.user("Weather?", name="anna"),
        Message(
            role="assistant",  # type: ignore[arg-type]  # normalised
            tool_calls=[ToolCall("call_1", "weather", "{}")],
            provider_items=foreign,
        ),
        Message.tool_result("call_1", "sunny", "weather", is_error=True),
        Message.assistant("Sunny."),
    ]
    assert body_of(history)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?", "name": "anna"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": "Sunny."},
    ]


def test_parts() -> None:
    parts = [
        TextPart("Look:", cache_control={"type": "ephemeral"}),
        ImagePart(data="aGk=", media_type="image/png", detail="low"),
        FilePart(file_id="file-1"),
    ]
    assert body_of([Message.user(parts)])["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    with pytest.raises(ValueError, match="use_responses_api"):
        build_request(request([Message.user([FilePart(url="https://example.org/a.pdf")])]))


# --- whole answers


def test_a_plain_answer() -> None:
    whole = completion("Hello, wörld")
    result = read(whole)
    assert (result.content, result.ok, result.finish_reason, result.raw_finish_reason) == (
        "Hello, wörld", True, "stop", "stop"
    )  # fmt: skip
    assert (result.model, result.raw, result.tool_calls) == ("gpt-5.2-2025-12-11", whole, None)
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.total_tokens) == (10, 7, 17)


def test_calls_reasoning_and_refusals() -> None:
    result = read(completion(None, tool_calls=CALLS, reasoning_content="Hm.", finish_reason="tool_calls"))
    assert result.tool_calls == [ToolCall("call_1", "weather", '{"city": "Zürich"}'), ToolCall("call_2", "now", "")]
    assert (result.reasoning, result.finish_reason, result.content) == ("Hm.", "tool_calls", "")
    assert read(completion("x", reasoning="Of a router.")).reasoning == "Of a router."
    refused = read(completion(None, refusal="I will not."))
    assert (refused.content, refused.refusal) == ("I will not.", "I will not.")
    assert read(completion([{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}])).content == "in parts"


def test_older_and_custom_calls() -> None:
    legacy = read(completion(None, function_call={"name": "now", "arguments": "{}"}, finish_reason="function_call"))
    assert legacy.tool_calls == [ToolCall("call_0", "now", "{}")]
    assert legacy.finish_reason == "tool_calls"
    custom = read(completion(None, tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "m", "input": "1"}}]))
    assert custom.tool_calls == [ToolCall("c", "m", '{"input":"1"}')]


@pytest.mark.parametrize(
    ("word", "finish"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("eos", "stop"), (None, None)],
)
def test_how_an_answer_ended(word: str | None, finish: str | None) -> None:
    result = read(completion(finish_reason=word))
    assert (result.finish_reason, result.raw_finish_reason) == (finish, word)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"<html><body>Sign in</body></html>", "<html><body>Sign in"),
        (b'{"choices": [', "it begins"),
        (b"[]", "a chat completion"),
        (b'{"choices": []}', "a chat completion"),
        (b'{"choices": {"0": 1}}', "a chat completion"),
        (b'{"choices": [5]}', "a chat completion"),
    ],
)
def test_broken_replies(body: bytes, words: str) -> None:
    result = parse_response(body, request())
    assert (result.ok, result.status) == (False, 502)
    assert result.error is not None
    assert words in result.error


def test_an_error_under_status_200() -> None:
    result = read({"error": {"message": "No more.", "code": 429}})
    assert (result.status, result.error) == (429, "No more.")


@given(JSON)
def test_whatever_comes_is_a_result(value: Any) -> None:
    for body in (value, {"choices": value}, {"choices": [value]}, {"choices": [{"message": value}]}):
        assert isinstance(read(body), CompletionResult)


@given(
    JSON,
    st.sampled_from(["content", "tool_calls", "function_call", "refusal", "reasoning", "reasoning_content"]),
    st.sampled_from(["usage", "model", "service_tier", "finish_reason", "tool_calls"]),
)
def test_members_of_another_form_are_no_exception(value: Any, member: str, head: str) -> None:
    assert isinstance(read(completion(**{member: value})), CompletionResult)
    if head == "finish_reason":
        assert isinstance(read(completion(finish_reason=value)), CompletionResult)
    elif head == "tool_calls":
        assert isinstance(read(completion(tool_calls=[value, {"function": value}])), CompletionResult)
    else:
        assert isinstance(read({**completion(), head: value}), CompletionResult)


def test_error_answers() -> None:
    body = b'{"error": {"message": "Too long: maximum context length is 8", "code": "context_length_exceeded"}}'
    failure = parse_error(400, {"x-request-id": "req_1"}, body)
    assert (failure.code, failure.request_id, failure.status) == ("context_length", "req_1", 400)
    assert parse_error(400, {}, b'{"detail": "maximum context length exceeded"}').code == "context_length"
    assert parse_error(500, {}, b'{"error": "just words"}').message == "just words"
    assert parse_error(500, {}, b'{"error": {"message": {"nested": 1}}}').message == '{"nested":1}'
    assert parse_error(503, {}, b"<html>busy</html>").message == "<html>busy</html>"
    assert parse_error(500, {}, '{"error": {"message": "x", "code": "²²²"}}'.encode()).status is None


# --- streams


def test_events_of_a_full_answer() -> None:
    whole = completion("Hello", reasoning_content="Hm.", tool_calls=CALLS, finish_reason="tool_calls")
    events = stream(chat_stream(whole, piece=1000))
    assert kinds(events) == [
        "reasoning",
        "token",
        "tool_call_start",
        "tool_call_delta",
        "tool_call_start",
        "tool_call_end",
        "tool_call_end",
        "usage",
        "done",
    ]
    assert done(events) == read(whole)
    assert data(events, StreamEventType.USAGE) == [read(whole).usage]
    raw = done(events).raw
    assert (raw["object"], raw["choices"][0]["message"]["content"]) == ("chat.completion", "Hello")


@settings(deadline=None)
@given(
    text=st.text(min_size=1),
    reasoning=st.text(),
    arguments=st.dictionaries(st.text(), JSON, max_size=3),
    cut=st.integers(1, 50),
    piece=st.integers(1, 9),
)
def test_a_stream_and_a_whole_answer_are_equal(
    text: str, reasoning: str, arguments: dict[str, Any], cut: int, piece: int
) -> None:
    function = {"name": "weather", "arguments": json.dumps(arguments, ensure_ascii=False)}
    whole = completion(
        text, reasoning_content=reasoning, finish_reason="tool_calls",
        tool_calls=[{"id": f"call_{number}", "type": "function", "function": function} for number in (1, 2)],
    )  # fmt: skip
    events = stream(chat_stream(whole, piece=piece), cut=cut)
    result = done(events)
    assert result == read(whole)
    assert text_of(events) == result.content == text
    assert text_of(events, StreamEventType.REASONING) == reasoning
    assert [call.parse_arguments() for call in result.tool_calls or ()] == [arguments, arguments]


def test_refusals_are_tokens() -> None:
    whole = completion(None, refusal="I will not.")
    events = stream(chat_stream(whole))
    assert text_of(events) == "I will not."
    assert done(events) == read(whole)


def test_text_and_refusal_read_the_same_both_ways() -> None:
    whole = completion("Hello", refusal="I will not.")
    events = stream(chat_stream(whole))
    assert done(events) == read(whole)
    assert text_of(events) == done(events).content


def test_ids_and_names_that_are_repeated_in_every_piece() -> None:
    def piece(arguments: str) -> dict[str, Any]:
        call = {"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": arguments}}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}

    events = stream(
        [piece('{"a"'), piece(":1}"), {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]
    )
    assert done(events).tool_calls == [ToolCall("call_1", "weather", '{"a":1}')]


def test_calls_that_come_mixed_up() -> None:
    def piece(index: int, arguments: str, **head: Any) -> dict[str, Any]:
        name = head.pop("name", None)
        call = {"index": index, "function": {"name": name, "arguments": arguments}, **head}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}

    events = stream(
        [
            piece(1, "", id="b", name="two"),
            piece(0, "", id="a", name="one"),
            piece(1, "[2"),
            piece(0, "[1"),
            piece(1, "]"),
            piece(0, "]"),
            "[DONE]",
        ]
    )
    assert done(events).tool_calls == [ToolCall("b", "two", "[2]"), ToolCall("a", "one", "[1]")]


def test_other_choices_and_logprobs() -> None:
    head = {"model": "m"}
    events = stream(
        [
            {**head, "choices": [{"index": 1, "delta": {"content": "other"}}]},
            {
                **head,
                "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [1], "refusal": None}}],
            },
            {**head, "choices": [{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [2]}}]},
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            "[DONE]",
        ]
    )
    result = done(events)
    assert (result.content, result.usage) == ("ab", NO_USAGE)
    assert result.raw["choices"][0]["logprobs"] == {"content": [1, 2]}
    assert "usage" not in kinds(events)


def test_ends() -> None:
    events = chat_stream(completion())
    assert done(stream(events[:-1])).content == "Hello"  # without [DONE]
    cut = stream(events[:-3])
    assert error(cut) == {"status": 503, "error": "the stream ended before the answer was complete"}
    assert error(stream(["[DONE]"]))["status"] == 502


def test_errors_in_the_middle() -> None:
    events = chat_stream(completion())
    failed = [*events[:2], {"error": {"message": "It broke.", "type": "server_error"}}, *events[2:]]
    assert error(stream(failed)) == {"status": 500, "error": "It broke."}
    assert error(stream([*events[:2], {"error": {"odd": 1}}]))["status"] == 500
    broken = run_stream(StreamParser, request(), sse(events[:2]) + b"data: <html>\n\n")
    assert "<html>" in error(broken)["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "empty"), (b"<html>Sign in</html>", "<html>Sign in"), (b'{"error": "No more."}', "No more.")],
)
def test_what_is_no_stream(body: bytes, words: str) -> None:
    assert words in error(run_stream(StreamParser, request(stream=True), body))["error"]


def test_an_answer_that_came_as_a_whole() -> None:
    whole = completion("Hello", tool_calls=CALLS, finish_reason="tool_calls")
    events = run_stream(StreamParser, request(stream=True), json.dumps(whole).encode(), cut=9)
    assert done(events) == read(whole)
    assert text_of(events) == "Hello"


def test_what_had_come_when_a_stream_broke_off() -> None:
    parser = StreamParser(request(stream=True))
    parser.feed(sse(chat_stream(completion("Hello, wörld", tool_calls=CALLS), piece=3)[:4]))
    assert parser.partial().content == "Hello, wö"
    assert parser.partial().finish_reason is None


@settings(deadline=None)
@given(st.lists(JSON | st.builds(lambda v, w: {"choices": [{"index": 0, "delta": v, "finish_reason": w}]}, JSON, JSON)))
def test_whatever_comes_is_no_exception(events: list[Any]) -> None:
    made = run_stream(StreamParser, request(stream=True), b"".join(sse([json.dumps(event)]) for event in events))
    assert made[-1].type in (StreamEventType.DONE, StreamEventType.ERROR)


@settings(deadline=None)
@given(
    JSON,
    st.sampled_from(["content", "tool_calls", "function_call", "refusal", "reasoning_content"]),
    st.sampled_from(["usage", "model", "choices", "error", "service_tier"]),
)
def test_pieces_of_another_form_are_no_exception(value: Any, member: str, head: str) -> None:
    odd = [
        {"choices": [{"index": 0, "delta": {member: value, "x": 1}, "logprobs": value}]},
        {"choices": [{"index": 0, "delta": {"x": 1, "tool_calls": [value, {"index": value, "function": value}]}}]},
        {"choices": [], head: value},
    ]
    for event in odd:
        assert stream([event, *chat_stream(completion())])
