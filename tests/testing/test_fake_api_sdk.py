"""The fake API seen by the vendors' own SDKs: what their parsers and types accept is what the vendors send."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import Message, ModelInfo, RawMessageStreamEvent
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from llm_client.testing import FakeAPI, Reply, TokenCounts

# Compatible servers send reasoning_content, the real Responses API sends store; OpenAI's types have neither.
BEYOND_THE_TYPES = {"reasoning_content", "store"}

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
}
CHAT_TOOLS: Any = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}},
]
RESPONSES_TOOLS: Any = [
    {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False},
    {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}, "strict": False},
]
MESSAGES_TOOLS: Any = [
    {"name": "get_weather", "input_schema": WEATHER},
    {"name": "get_time", "input_schema": {"type": "object", "properties": {}}},
]
FULL = Reply(
    "It is sunny in 東京 🙂.",
    reasoning="They ask about the weather.",
    tool_calls=[("get_weather", {"city": "Zürich", "days": 3}), ("get_time", {}, "my-id")],
    usage=TokenCounts(input=100, output=20, cached=30, cache_write=10, reasoning=5),
)
ARGUMENTS = '{"city":"Zürich","days":3}'


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    with FakeAPI() as api:
        yield api


@pytest.fixture
def chat(api: FakeAPI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=api.openai_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(api: FakeAPI) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=api.anthropic_url, api_key="k", max_retries=0) as client:
        yield client


def strict(kind: Any, value: BaseModel | dict[str, Any]) -> Any:
    """Validate against the SDK's type, and refuse fields that the type does not know."""
    raw = value.to_dict(mode="json") if isinstance(value, BaseModel) else value  # type: ignore[attr-defined]
    model = TypeAdapter(kind).validate_python(raw)
    assert set(unknown_fields(model)) <= BEYOND_THE_TYPES
    return model


def unknown_fields(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from value.model_extra or {}
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from unknown_fields(item)


def ask(content: str = "What is the weather in Tokyo?") -> Any:
    return [{"role": "user", "content": content}]


# -- Chat Completions ---------------------------------------------------------------------------------------------


def test_chat_answer_in_full(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(FULL)
    answer = strict(ChatCompletion, chat.chat.completions.create(model="gpt-5", messages=ask()))
    message = answer.choices[0].message
    assert message.content == FULL.text
    assert message.model_extra == {"reasoning_content": FULL.reasoning}
    assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("call_0000000100", "get_weather", ARGUMENTS),
        ("my-id", "get_time", "{}"),
    ]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (answer.id, answer.model) == ("chatcmpl-00000001", "gpt-5")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (100, 20, 120)
    assert answer.usage.prompt_tokens_details.cached_tokens == 30
    assert answer.usage.prompt_tokens_details.cache_write_tokens == 10
    assert answer.usage.completion_tokens_details.reasoning_tokens == 5


def test_chat_stream_adds_up_to_the_plain_answer(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(FULL)
    with chat.chat.completions.create(
        model="gpt-5", messages=ask(), stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = [strict(ChatCompletionChunk, chunk) for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == FULL.text
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            call = calls.setdefault(delta.index, {"id": delta.id, "name": delta.function.name, "arguments": ""})
            call["arguments"] += delta.function.arguments
    assert calls == {
        0: {"id": "call_0000000100", "name": "get_weather", "arguments": ARGUMENTS},
        1: {"id": "my-id", "name": "get_time", "arguments": "{}"},
    }
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "tool_calls"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 120
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert api.last_request.events_sent == len(chunks) + 1  # and [DONE]


def test_chat_stream_without_asking_for_usage_has_none(api: FakeAPI, chat: openai.OpenAI) -> None:
    with chat.chat.completions.create(model="gpt-5", messages=ask("Hi"), stream=True) as stream:
        chunks = list(stream)
    assert all("usage" not in chunk.to_dict() for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_chat_stream_helper_of_the_sdk(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(FULL)
    with chat.chat.completions.stream(model="gpt-5", messages=ask()) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == FULL.text
    assert final.choices[0].message.tool_calls[0].function.arguments == ARGUMENTS  # type: ignore[index]


def test_chat_several_choices(api: FakeAPI, chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(model="gpt-5", messages=ask("Hi"), n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    with chat.chat.completions.create(model="gpt-5", messages=ask("Hi"), n=2, stream=True) as stream:
        assert {chunk.choices[0].index for chunk in stream} == {0, 1}


def test_chat_refusal_and_finish_reasons(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(refusal="I cannot help with that.")
    message = chat.chat.completions.create(model="gpt-5", messages=ask()).choices[0].message
    assert (message.content, message.refusal) == (None, "I cannot help with that.")
    for reason in ("length", "content_filter"):
        api.reply("Half", finish_reason=reason)
        assert chat.chat.completions.create(model="gpt-5", messages=ask()).choices[0].finish_reason == reason


def test_chat_without_usage(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply("Hi", send_usage=False)
    assert chat.chat.completions.create(model="m", messages=ask()).usage is None


# -- Responses ----------------------------------------------------------------------------------------------------


def test_responses_answer_in_full(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(FULL)
    answer = strict(
        Response,
        chat.responses.create(
            model="gpt-5",
            input="Weather?",
            tools=RESPONSES_TOOLS,
            instructions="Be brief.",
            include=["reasoning.encrypted_content"],
            store=False,
        ),
    )
    reasoning, message, weather, clock = answer.output
    assert reasoning.summary[0].text == FULL.reasoning
    assert reasoning.encrypted_content
    assert message.content[0].text == FULL.text
    assert (weather.call_id, weather.name, weather.arguments) == ("call_0000000100", "get_weather", ARGUMENTS)
    assert clock.call_id == "my-id"
    assert (answer.status, answer.instructions, answer.model_extra) == ("completed", "Be brief.", {"store": False})
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (100, 20, 120)
    assert answer.usage.input_tokens_details.cached_tokens == 30
    assert answer.usage.output_tokens_details.reasoning_tokens == 5


def test_responses_stream_adds_up_to_the_plain_answer(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(FULL)
    with chat.responses.create(model="gpt-5", input="Weather?", stream=True) as stream:
        events = [strict(ResponseStreamEvent, event) for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.completed",
    ]
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == FULL.text
    deltas = [e.delta for e in events if e.type == "response.function_call_arguments.delta" and e.output_index == 2]
    assert "".join(deltas) == ARGUMENTS
    assert events[-1].response.usage.total_tokens == 120
    assert len(events[-1].response.output) == 4


def test_responses_stream_helper_of_the_sdk(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(FULL)
    with chat.responses.stream(model="gpt-5", input="Weather?") as stream:
        final = stream.get_final_response()
    assert final.output_text == FULL.text


def test_responses_incomplete_and_refused(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply("Half", finish_reason="length", times=2)
    answer = strict(Response, chat.responses.create(model="gpt-5", input="Hi"))
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    with chat.responses.create(model="gpt-5", input="Hi", stream=True) as stream:
        assert list(stream)[-1].type == "response.incomplete"
    api.reply(refusal="No.", times=2)
    assert strict(Response, chat.responses.create(model="gpt-5", input="Hi")).output[0].content[0].refusal == "No."
    with chat.responses.create(model="gpt-5", input="Hi", stream=True) as stream:
        kinds = [strict(ResponseStreamEvent, event).type for event in stream]
    assert {"response.refusal.delta", "response.refusal.done"} <= set(kinds)


def test_responses_reasoning_without_a_summary(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply("Hi", reasoning="")
    answer = strict(Response, chat.responses.create(model="gpt-5", input="Hi"))
    assert (answer.output[0].type, answer.output[0].summary) == ("reasoning", [])


# -- Messages -----------------------------------------------------------------------------------------------------


def test_messages_answer_in_full(api: FakeAPI, claude: anthropic.Anthropic) -> None:
    api.reply(FULL)
    raw = claude.messages.with_raw_response.create(model="claude-opus-5-5", max_tokens=100, messages=ask())
    answer = strict(Message, raw.parse())
    thinking, text, weather, clock = answer.content
    assert thinking.thinking == FULL.reasoning
    assert thinking.signature
    assert text.text == FULL.text
    assert (weather.id, weather.name, weather.input) == (
        "toolu_0000000100",
        "get_weather",
        {"city": "Zürich", "days": 3},
    )
    assert (clock.id, clock.input) == ("my-id", {})
    assert answer.stop_reason == "tool_use"
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (60, 30, 10)
    assert (usage.output_tokens, usage.output_tokens_details.thinking_tokens) == (20, 5)
    assert raw.headers["request-id"] == "req_00000001"


def test_messages_stream_adds_up_to_the_plain_answer(api: FakeAPI, claude: anthropic.Anthropic) -> None:
    api.reply(FULL, times=2)
    plain = claude.messages.create(model="claude-opus-5-5", max_tokens=100, messages=ask())
    with claude.messages.stream(model="claude-opus-5-5", max_tokens=100, messages=ask()) as stream:
        final = stream.get_final_message()
    expected = [{key: value for key, value in block.to_dict().items() if key != "id"} for block in plain.content]
    seen = [{key: value for key, value in block.to_dict().items() if key != "id"} for block in final.content]
    assert seen == expected
    assert final.usage.output_tokens == 20
    assert final.stop_reason == "tool_use"


def test_messages_events(api: FakeAPI, claude: anthropic.Anthropic) -> None:
    api.reply(FULL)
    with claude.messages.create(model="claude-opus-5-5", max_tokens=100, messages=ask(), stream=True) as stream:
        events = [strict(RawMessageStreamEvent, event) for event in stream]
    deltas = [(event.index, event.delta.type) for event in events if event.type == "content_block_delta"]
    assert list(dict.fromkeys(deltas)) == [
        (0, "thinking_delta"),
        (0, "signature_delta"),
        (1, "text_delta"),
        (2, "input_json_delta"),
        (3, "input_json_delta"),
    ]
    assert events[0].message.content == []
    assert [event.type for event in events[-2:]] == ["message_delta", "message_stop"]
    assert events[-2].usage.cache_read_input_tokens == 30


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("pause_turn", "pause_turn"), ("stop_sequence", "stop_sequence")],
)
def test_messages_stop_reasons(api: FakeAPI, claude: anthropic.Anthropic, reason: str, expected: str) -> None:
    api.reply("Hi", finish_reason=reason)
    answer = claude.messages.create(model="c", max_tokens=9, messages=ask(), stop_sequences=["END"])
    assert answer.stop_reason == expected
    assert answer.stop_sequence == ("END" if expected == "stop_sequence" else None)


def test_messages_refusal(api: FakeAPI, claude: anthropic.Anthropic) -> None:
    api.reply(refusal="I cannot help with that.")
    answer = strict(Message, claude.messages.create(model="c", max_tokens=9, messages=ask()))
    assert (answer.stop_reason, answer.content[0].text) == ("refusal", "I cannot help with that.")
    assert answer.stop_details.explanation == "I cannot help with that."


def test_count_tokens_agrees_with_the_usage(api: FakeAPI, claude: anthropic.Anthropic) -> None:
    request: Any = {"model": "c", "messages": ask("A question of some length, with words."), "system": "Be brief."}
    counted = claude.messages.count_tokens(**request).input_tokens
    assert counted == claude.messages.create(max_tokens=9, **request).usage.input_tokens > 10


# -- the built-in agent -------------------------------------------------------------------------------------------


def test_built_in_agent_over_chat(api: FakeAPI, chat: openai.OpenAI) -> None:
    messages = ask()
    message = chat.chat.completions.create(model="gpt-5", messages=messages, tools=CHAT_TOOLS).choices[0].message
    assert [call.function.name for call in message.tool_calls or []] == ["get_weather", "get_time"]  # type: ignore[union-attr]
    assert message.tool_calls[0].function.arguments == '{"city":"Tokyo","days":2}'  # type: ignore[index,union-attr]
    messages.append(message.to_dict())
    for call, result in zip(message.tool_calls or [], ["21 degrees", "noon"], strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    final = chat.chat.completions.create(model="gpt-5", messages=messages, tools=CHAT_TOOLS).choices[0].message
    assert final.content == "Here is what I found: get_weather says 21 degrees; get_time says noon."


def test_built_in_agent_over_responses(api: FakeAPI, chat: openai.OpenAI) -> None:
    items: list[Any] = ask()
    answer = chat.responses.create(model="gpt-5", input=items, tools=RESPONSES_TOOLS)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    items += [item.to_dict() for item in answer.output]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": "fine"} for call in calls]
    final = chat.responses.create(model="gpt-5", input=items, tools=RESPONSES_TOOLS)
    assert final.output_text == "Here is what I found: get_weather says fine; get_time says fine."


def test_built_in_agent_over_messages(api: FakeAPI, claude: anthropic.Anthropic) -> None:
    messages = ask()
    answer = claude.messages.create(model="c", max_tokens=9, messages=messages, tools=MESSAGES_TOOLS)
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [
        ("get_weather", {"city": "Tokyo", "days": 2}),
        ("get_time", {}),
    ]
    messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "fine"} for call in calls]
    messages.append({"role": "user", "content": results})
    final = claude.messages.create(model="c", max_tokens=9, messages=messages, tools=MESSAGES_TOOLS)
    assert final.content[0].text == "Here is what I found: get_weather says fine; get_time says fine."  # type: ignore[union-attr]


def test_built_in_agent_obeys_tool_choice(api: FakeAPI, chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    def called(**settings: Any) -> list[str]:
        answer = chat.chat.completions.create(model="gpt-5", messages=ask(), tools=CHAT_TOOLS, **settings)
        return [call.function.name for call in answer.choices[0].message.tool_calls or []]  # type: ignore[union-attr]

    assert called(tool_choice="none") == []
    assert called(parallel_tool_calls=False) == ["get_weather"]
    assert called(tool_choice={"type": "function", "function": {"name": "get_time"}}) == ["get_time"]
    answer = claude.messages.create(
        model="c", max_tokens=9, messages=ask(), tools=MESSAGES_TOOLS,
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )  # fmt: skip
    assert [block.name for block in answer.content if block.type == "tool_use"] == ["get_weather"]


def test_built_in_answer_fits_a_json_schema(api: FakeAPI, chat: openai.OpenAI) -> None:
    class City(BaseModel):
        name: str
        population: int
        tags: list[str]
        capital: bool | None

    parsed = chat.chat.completions.parse(model="gpt-5", messages=ask("Tell me of Oslo"), response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Oslo", population=1, tags=["tags"], capital=True)
    answer = chat.responses.parse(model="gpt-5", input="Tell me of Oslo", text_format=City)
    assert answer.output_parsed is not None
    assert answer.output_parsed.name == "Oslo"


# -- embeddings and models ----------------------------------------------------------------------------------------


def test_embeddings_as_numbers_and_in_base64(api: FakeAPI, chat: openai.OpenAI) -> None:
    texts = ["the cat sat on the mat", "a cat on a mat", "stock prices fell sharply"]
    as_numbers = chat.embeddings.create(model="text-embedding-3-small", input=texts, encoding_format="float")
    strict(CreateEmbeddingResponse, as_numbers)
    by_default = chat.embeddings.create(model="text-embedding-3-small", input=texts)  # the SDK asks for base64
    assert api.last_request.body["encoding_format"] == "base64"
    assert [item.embedding for item in by_default.data] == [item.embedding for item in as_numbers.data]
    cat, mat, stock = (item.embedding for item in as_numbers.data)
    assert len(cat) == 1536
    assert abs(sum(value * value for value in cat) - 1) < 1e-5

    def likeness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert likeness(cat, mat) > 0.3 > 0.1 > abs(likeness(cat, stock))


def test_embeddings_dimensions_and_scripted_vectors(api: FakeAPI, chat: openai.OpenAI) -> None:
    assert len(chat.embeddings.create(model="text-embedding-3-large", input="x").data[0].embedding) == 3072
    assert len(chat.embeddings.create(model="text-embedding-3-large", input="x", dimensions=8).data[0].embedding) == 8
    api.reply("for a model")  # stays in the queue: it says nothing about embeddings
    api.reply(embeddings=[[1.0, 0.5], [0.0, 0.25]])
    data = chat.embeddings.create(model="m", input=["a", "b"]).data
    assert [item.embedding for item in data] == [[1.0, 0.5], [0.0, 0.25]]
    assert api.pending == 1


def test_base64_vectors_are_little_endian_floats(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.reply(embeddings=[[1.0, -2.5]])
    raw = chat.embeddings.with_raw_response.create(model="m", input="a", encoding_format="base64")
    coded = raw.http_response.json()["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(coded)) == (1.0, -2.5)


def test_models_of_both_vendors(api: FakeAPI, chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    assert "gpt-5" in [strict(Model, model).id for model in chat.models.list()]
    assert chat.models.retrieve("my-own").id == "my-own"
    names = [model.id for model in claude.models.list()]
    assert "claude-opus-5-5" in names
    strict(ModelInfo, claude.models.retrieve("claude-opus-5-5"))


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, openai.BadRequestError, None),
        (401, openai.AuthenticationError, "invalid_api_key"),
        (404, openai.NotFoundError, "model_not_found"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
        (503, openai.InternalServerError, None),
    ],
)
def test_openai_errors(
    api: FakeAPI, chat: openai.OpenAI, status: int, kind: type[openai.APIStatusError], code: str | None
) -> None:
    api.fail(status, "what went wrong", param="model", headers={"retry-after": "7"})
    with pytest.raises(kind) as caught:
        chat.chat.completions.create(model="gpt-5", messages=ask())
    error = caught.value
    assert (error.status_code, error.code, error.param) == (status, code, "model")
    assert error.body["message"] == "what went wrong"  # type: ignore[index]
    assert error.response.headers["retry-after"] == "7"
    assert error.request_id == "req_00000001"


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (413, anthropic.RequestTooLargeError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_anthropic_errors(
    api: FakeAPI, claude: anthropic.Anthropic, status: int, kind: type[anthropic.APIStatusError], name: str
) -> None:
    api.fail(status, "what went wrong")
    with pytest.raises(kind) as caught:
        claude.messages.create(model="c", max_tokens=9, messages=ask())
    assert caught.value.status_code == status
    assert caught.value.body == {
        "type": "error",
        "error": {"type": name, "message": "what went wrong"},
        "request_id": "req_00000001",
    }


def test_errors_in_the_middle_of_a_stream(api: FakeAPI, chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    api.fail_mid_stream(2, "boom", reply="one two three four")
    stream = chat.chat.completions.create(model="gpt-5", messages=ask(), stream=True)
    seen = [next(stream), next(stream)]
    assert seen[1].choices[0].delta.content == "one"
    with stream, pytest.raises(openai.APIError, match="boom"):
        next(stream)

    api.fail_mid_stream(3, "boom", status=529, reply="one two three four")
    with (
        claude.messages.create(model="c", max_tokens=9, messages=ask(), stream=True) as events,
        pytest.raises(anthropic.APIStatusError, match="boom") as caught,
    ):
        list(events)
    assert caught.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]


@pytest.mark.parametrize("event", ["error", "response.failed"])
def test_errors_in_the_middle_of_a_responses_stream(api: FakeAPI, chat: openai.OpenAI, event: Any) -> None:
    api.fail_mid_stream(4, "boom", event=event, code="server_error")
    with chat.responses.create(model="gpt-5", input="Hi", stream=True) as stream:
        *before, last = (strict(ResponseStreamEvent, each) for each in stream)
    assert (len(before), last.type, last.sequence_number) == (4, event, 4)
    assert "boom" in last.to_json()


def test_mid_stream_failure_answers_a_plain_request_with_its_status(api: FakeAPI, chat: openai.OpenAI) -> None:
    api.fail_mid_stream(2, "boom", status=503)
    with pytest.raises(openai.InternalServerError, match="boom"):
        chat.chat.completions.create(model="gpt-5", messages=ask())


def test_the_key_is_checked_in_every_form_that_clients_send_it() -> None:
    with FakeAPI(api_key="right") as api:
        for key, fails in (("right", False), ("wrong", True)):
            with (
                openai.OpenAI(base_url=api.openai_url, api_key=key, max_retries=0) as chat,
                anthropic.Anthropic(base_url=api.anthropic_url, api_key=key, max_retries=0) as claude,
            ):
                if fails:
                    with pytest.raises(openai.AuthenticationError):
                        chat.responses.create(model="gpt-5", input="Hi")
                    with pytest.raises(anthropic.AuthenticationError):
                        claude.messages.create(model="c", max_tokens=9, messages=ask())
                else:
                    assert chat.responses.create(model="gpt-5", input="Hi").output_text == "Hi"
                    assert claude.messages.create(model="c", max_tokens=9, messages=ask()).role == "assistant"
        azure = openai.AzureOpenAI(
            azure_endpoint=api.anthropic_url, api_key="right", api_version="2026-01-01", max_retries=0
        )
        with azure:
            answer = azure.chat.completions.create(model="my-deployment", messages=ask("Hi"))
        assert answer.choices[0].message.content == "Hi"


async def test_async_clients_and_a_hang_up_in_the_middle(api: FakeAPI) -> None:
    import asyncio

    api.reply("tick ", endless=True, chunk_delay=0.005)
    async with openai.AsyncOpenAI(base_url=api.openai_url, api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(model="gpt-5", messages=ask(), stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
        request = await asyncio.to_thread(api.wait_for_hang_up)
    assert request.client_hung_up
    assert request.events_sent >= 2
