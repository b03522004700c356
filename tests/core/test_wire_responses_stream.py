"""Streamed answers of OpenAI's Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.wire.openai_responses import StreamParser, parse_response
from support.openai_wire import (
    as_stream,
    call_item,
    data,
    done,
    error,
    kinds,
    reasoning_item,
    refusal_item,
    request,
    response,
    run_stream,
    sse,
    text_item,
)

SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
FULL = response(
    reasoning_item("First.", "Second.", encrypted_content="secret"),
    SEARCH,
    text_item("Hello, wörld"),
    call_item(),
    call_item("now", "{}", number=2),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KINDS = [
    *sorted({event["type"] for event in as_stream(FULL)}),
    "error",
    "response.failed",
    "response.incomplete",
    "response.refusal.delta",
    "response.refusal.done",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
]


def stream(events: list[Any], *, cut: int | None = None) -> list[StreamEvent]:
    return run_stream(StreamParser, request(stream=True), sse(events), cut=cut)


def whole(value: dict[str, Any]) -> CompletionResult:
    return parse_response(json.dumps(value).encode(), request())


def text_of(events: list[StreamEvent], kind: StreamEventType = StreamEventType.TOKEN) -> str:
    return "".join(data(events, kind))


def test_events_of_a_full_answer() -> None:
    events = stream(as_stream(FULL, piece=1000))
    assert kinds(events) == [
        "reasoning",
        "reasoning",
        "token",
        "tool_call_start",
        "tool_call_delta",
        "tool_call_end",
        "tool_call_start",
        "tool_call_delta",
        "tool_call_end",
        "usage",
        "done",
    ]
    starts = data(events, StreamEventType.TOOL_CALL_START)
    assert [(start.index, start.id, start.name) for start in starts] == [(0, "call_1", "weather"), (1, "call_2", "now")]
    assert data(events, StreamEventType.TOOL_CALL_END)[0] == ToolCall("call_1", "weather", '{"city":"Zürich"}')
    result = done(events)
    assert result == whole(FULL)
    assert result.raw == FULL
    assert result.provider_items == whole(FULL).provider_items
    assert data(events, StreamEventType.USAGE) == [result.usage]


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 100])
def test_any_chunking_gives_the_same_events(cut: int) -> None:
    assert stream(as_stream(FULL), cut=cut) == stream(as_stream(FULL))


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
    answer = response(
        reasoning_item(reasoning), text_item(text, text), call_item(arguments=json.dumps(arguments, ensure_ascii=False))
    )
    events = stream(as_stream(answer, piece=piece), cut=cut)
    result = done(events)
    assert result == whole(answer)
    assert result.raw == answer
    assert text_of(events) == result.content == text + text
    assert text_of(events, StreamEventType.REASONING) == (result.reasoning or "")
    assert result.tool_calls is not None
    assert result.tool_calls[0].parse_arguments() == arguments


def test_refusals_are_tokens() -> None:
    refused = response(refusal_item("I will not."))
    events = stream(as_stream(refused))
    assert text_of(events) == "I will not."
    assert done(events) == whole(refused)
    mixed = response(text_item("Hello"), refusal_item("I will not."))
    events = stream(as_stream(mixed))
    assert text_of(events) == "Hello"
    assert done(events) == whole(mixed)


def test_unknown_events_and_items_are_ignored() -> None:
    events = as_stream(FULL)
    strange = [
        {"type": "response.brand_new.delta", "output_index": 0, "delta": "x"},
        {"type": 5},
        ["no", "event"],
        {"type": "response.output_item.added", "output_index": 9, "item": {"type": "brand_new_call", "id": "bn_1"}},
        {"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws_1"},
    ]
    with_strange = [*events[:3], *strange, *events[3:]]
    assert done(stream(with_strange)) == whole(FULL)
    assert kinds(stream(with_strange)) == kinds(stream(events))


def test_the_ends_of_pieces_win() -> None:
    call = call_item()
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**call, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"ci'},
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": call["arguments"]},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hel"},
        {"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "Hello"},
        {"type": "response.completed", "response": response(call, text_item("Hello"))},
    ]
    made = stream(events)
    assert done(made).tool_calls == [ToolCall("call_1", "weather", call["arguments"])]
    deltas = "".join(delta.arguments_delta for delta in data(made, StreamEventType.TOOL_CALL_DELTA))
    assert deltas == call["arguments"]
    assert text_of(made) == done(made).content == "Hello"


def test_a_stream_of_items_without_pieces() -> None:
    answer = response(reasoning_item("Hm."), text_item("Hello"), call_item())
    events = [{"type": "response.completed", "response": answer}]
    made = stream(events)
    assert done(made) == whole(answer)
    assert kinds(made) == ["reasoning", "token", "tool_call_start", "tool_call_delta", "tool_call_end", "usage", "done"]
    only_items = [event for event in as_stream(answer) if not event["type"].endswith((".delta", "text.done"))]
    assert done(stream(only_items)) == whole(answer)


def test_a_last_event_without_output_is_filled_from_the_items() -> None:
    answer = response(reasoning_item("Hm."), text_item("Hello"))
    events = as_stream(answer)
    events[-1] = {"type": "response.completed", "response": {**answer, "output": []}}
    assert done(stream(events)) == whole(answer)
    assert done(stream(events)).raw == answer


def test_a_server_that_counts_from_one() -> None:
    answer = response(text_item("Hello"), call_item())
    events = [
        {**event, "output_index": event["output_index"] + 1} if "output_index" in event else event
        for event in as_stream(answer)
    ]
    made = stream(events)
    assert text_of(made) == done(made).content == "Hello"
    assert done(made).tool_calls == [ToolCall("call_1", "weather", '{"city":"Zürich"}')]


def test_a_server_that_leaves_the_positions_out() -> None:
    answer = response(reasoning_item("Hm."), text_item("Hello"), call_item())
    left_out = ("output_index", "content_index", "summary_index")
    events = [{name: value for name, value in event.items() if name not in left_out} for event in as_stream(answer)]
    assert done(stream(events)) == whole(answer)
    nameless = [{name: value for name, value in event.items() if name != "item_id"} for event in events]
    assert done(stream(nameless)) == whole(answer)


def test_an_incomplete_answer_is_done() -> None:
    answer = response(
        text_item("Half an ans", status="incomplete"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    )
    result = done(stream(as_stream(answer)))
    assert result == whole(answer)
    assert (result.finish_reason, result.ok) == ("length", True)


def test_a_failed_answer_is_one_error() -> None:
    failed = response(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down."})
    events = [*as_stream(response(text_item("Hel")))[:4], {"type": "response.failed", "response": failed}]
    made = stream(events)
    assert error(made) == {"status": 429, "error": "Slow down."}
    nothing_said = [{"type": "response.failed", "response": {"id": "resp_1", "output": []}}]
    assert error(stream(nothing_said)) == {"status": 500, "error": "the API failed to produce the response"}


@pytest.mark.parametrize(
    ("event", "status", "message"),
    [
        ({"type": "error", "code": "server_error", "message": "It broke.", "param": None}, 500, "It broke."),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Too much."}}, 529, "Too much."),
        ({"type": "error", "error": None, "message": "Bare."}, 500, "Bare."),
        ({"type": "error"}, 500, "the API broke the stream off with an error"),
        ({"error": {"message": "No type.", "code": 429}}, 429, "No type."),
    ],
)
def test_error_events(event: dict[str, Any], status: int, message: str) -> None:
    events = [*as_stream(FULL)[:8], event, *as_stream(FULL)[8:]]
    assert error(stream(events)) == {"status": status, "error": message}


def test_a_stream_that_is_cut_short() -> None:
    events = as_stream(FULL)
    for count in range(1, len(events) - 1):
        assert error(stream(events[:count]))["status"] == 503
    body = sse(events)
    inside = run_stream(StreamParser, request(stream=True), body[: len(body) - 30])
    assert error(inside)["error"] == "the stream ended before the answer was complete"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"<html>Sign in</html>", "<html>Sign in</html>"),
        (b"data: <html>\n\n", "<html>"),
        (b'data: {"type": "response.completed", "response": null}\n\n', "no response"),
        (b'{"error": {"message": "No more.", "type": "rate_limit_error"}}', "No more."),
        (b"data: [DONE]\n\n", "empty"),
    ],
)
def test_what_is_no_stream(body: bytes, words: str) -> None:
    made = run_stream(StreamParser, request(stream=True), body)
    assert error(made)["status"] in (429, 502)
    assert words in error(made)["error"] or body == b"data: [DONE]\n\n"


def test_an_answer_that_came_as_a_whole() -> None:
    made = run_stream(StreamParser, request(stream=True), json.dumps(FULL).encode(), cut=11)
    assert done(made) == whole(FULL)
    assert text_of(made) == "Hello, wörld"


def test_what_had_come_when_a_stream_broke_off() -> None:
    parser = StreamParser(request(stream=True))
    events = as_stream(FULL, piece=3)
    end_of_call = next(i for i, event in enumerate(events) if event["type"] == "response.function_call_arguments.done")
    parser.feed(sse(events[: end_of_call - 1]))
    early = parser.partial()
    assert (early.content, early.tool_calls) == ("Hello, wörld", None)
    assert early.reasoning == "First.\n\nSecond."
    # What was encrypted can be sent back although the answer was never completed.
    assert early.provider_items is not None
    assert [item["type"] for item in early.provider_items.items] == ["reasoning", "web_search_call", "message"]
    parser.feed(sse(events[end_of_call - 1 : end_of_call + 2]))
    assert parser.partial().tool_calls == [ToolCall("call_1", "weather", '{"city":"Zürich"}')]
    assert early.raw["output"][2]["type"] == "message"


def test_broken_off_reasoning_that_is_not_encrypted_is_not_sent_back() -> None:
    parser = StreamParser(request(stream=True))
    parser.feed(sse(as_stream(response(reasoning_item("Hm."), text_item("Hello")))[:-1]))
    assert parser.partial().content == "Hello"
    assert parser.partial().provider_items is None


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(KINDS)},
            optional={
                "output_index": JSON,
                "content_index": JSON,
                "summary_index": JSON,
                "item_id": JSON,
                "delta": JSON,
                "text": JSON,
                "arguments": JSON,
                "item": JSON | st.builds(lambda v: {**call_item(), **v}, st.dictionaries(st.just("type"), JSON)),
                "response": JSON | st.builds(lambda v: response(v, text_item("x")), JSON),
                "error": JSON,
                "message": JSON,
            },
        ),
        max_size=6,
    )
)
def test_whatever_comes_is_no_exception(events: list[dict[str, Any]]) -> None:
    made = stream(events)
    assert made[-1].type in (StreamEventType.DONE, StreamEventType.ERROR)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_are_no_exception(body: bytes, cut: int) -> None:
    assert run_stream(StreamParser, request(stream=True), body, cut=cut)
