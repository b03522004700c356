"""Streamed answers of Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.wire.anthropic_messages import StreamParser, build_request, parse_response
from support.anthropic_wire import as_stream, check_body, message, request, run_stream, sse

TEXT = {"type": "text", "text": "Hello, wörld"}
THINKING = {"type": "thinking", "thinking": "Hm, what now?", "signature": "sig"}
USE = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Zürich", "n": 2**70, "x": [1.5, None]}}
EMPTY_USE = {"type": "tool_use", "id": "t2", "name": "now", "input": {}}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}


def kinds(events: list[StreamEvent]) -> list[str]:
    return [event.type.value for event in events]


def data(events: list[StreamEvent], kind: StreamEventType) -> list[Any]:
    return [event.data for event in events if event.type is kind]


def done(events: list[StreamEvent]) -> CompletionResult:
    assert events[-1].type is StreamEventType.DONE, events[-1]
    result: CompletionResult = events[-1].data
    return result


def test_events_of_a_full_answer() -> None:
    whole = message(THINKING, TEXT, EMPTY_USE, USE, stop_reason="tool_use")
    events = run_stream(request(stream=True), sse(as_stream(whole, piece=1000)))
    assert kinds(events) == [
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
    assert [(start.index, start.id, start.name) for start in starts] == [(0, "t2", "now"), (1, "t1", "weather")]
    ends = data(events, StreamEventType.TOOL_CALL_END)
    assert ends[0] == ToolCall("t2", "now", "{}")
    assert ends[1].parse_arguments() == USE["input"]
    assert done(events) == parse_response(json.dumps(whole).encode(), request())
    assert data(events, StreamEventType.USAGE) == [done(events).usage]


@pytest.mark.parametrize("cut", [None, 1, 3, 64])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_any_chunking_and_line_end(cut: int | None, line_end: bytes) -> None:
    whole = message(THINKING, TEXT, USE, SEARCH, FOUND)
    body = b": keep-alive\n\n" + sse(as_stream(whole))
    events = run_stream(request(stream=True), body.replace(b"\n", line_end), cut=cut)
    result = done(events)
    expected = parse_response(json.dumps(whole).encode(), request())
    assert result == expected
    assert result.raw == expected.raw
    assert result.provider_items == expected.provider_items
    assert "".join(data(events, StreamEventType.TOKEN)) == TEXT["text"]


def test_usage_is_merged_from_both_ends() -> None:
    stream = as_stream(message(TEXT))
    stream[0]["message"]["usage"] = {"input_tokens": 10, "cache_read_input_tokens": 3, "output_tokens": 1}
    stream[-2]["usage"] = {"output_tokens": 25, "input_tokens": None, "cache_creation_input_tokens": 7}
    usage = done(run_stream(request(), sse(stream))).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.input_tokens_cached) == (20, 25, 3)
    assert usage.cache_write_tokens == 7


def test_without_usage_there_is_no_usage_event() -> None:
    stream = as_stream(message(TEXT))
    del stream[0]["message"]["usage"], stream[-2]["usage"]
    assert kinds(run_stream(request(), sse(stream)))[-2:] == ["token", "done"]


def test_unknown_events_blocks_and_pieces_are_ignored() -> None:
    stream = as_stream(message(TEXT))
    strange = [
        {"type": "weather_report", "index": 1},
        {"type": "content_block_start", "index": 9, "content_block": {"type": "hologram", "rays": "ab", "n": [1]}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "ray_delta", "rays": "c", "n": [2], "z": 1}},
        {"type": "content_block_delta", "index": 77, "delta": {"type": "ray_delta", "rays": "c"}},
        {"type": "content_block_stop", "index": 9},
    ]
    result = done(run_stream(request(), sse([stream[0], *strange, *stream[1:]])))
    assert result.content == TEXT["text"]
    assert result.raw["content"][0] == {"type": "hologram", "rays": "abc", "n": [1, 2], "z": 1}


def test_citations_are_kept() -> None:
    stream = as_stream(message(TEXT))
    cited = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"url": "u"}}}
    result = done(run_stream(request(), sse([*stream[:3], cited, *stream[3:]])))
    assert result.raw["content"] == [{**TEXT, "citations": [{"url": "u"}]}]


def test_arguments_in_the_start_of_a_block() -> None:
    stream = [event for event in as_stream(message(USE)) if event["type"] != "content_block_delta"]
    stream[2]["content_block"] = USE
    result = done(run_stream(request(), sse(stream)))
    assert result.tool_calls is not None
    assert result.tool_calls[0].parse_arguments() == USE["input"]


def test_cut_off_arguments_keep_their_text() -> None:
    stream = as_stream(message(THINKING, USE, stop_reason="max_tokens"), piece=9)
    last = max(at for at, event in enumerate(stream) if event["type"] == "content_block_delta")
    result = done(run_stream(request(), sse([*stream[:last], *stream[last + 1 :]])))
    assert result.finish_reason == "length"
    assert result.tool_calls is not None
    assert result.tool_calls[0].arguments.startswith('{"city": "Z')
    with pytest.raises(ValueError, match="not valid JSON"):
        result.tool_calls[0].parse_arguments()
    assert result.raw["content"][1]["input"] == {}
    reply = {"role": "tool", "tool_call_id": "t1", "content": "?", "is_error": True}
    check_body(build_request(request([{"role": "user", "content": "Hi"}, result.to_message(), reply])))


def test_an_error_in_the_middle() -> None:
    stream = as_stream(message(TEXT))
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events = run_stream(request(), sse([*stream[:4], error, *stream[4:]]))
    assert events[-1].data == {"status": 529, "error": "Overloaded"}
    assert "done" not in kinds(events)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}, {"status": 429, "error": "slow"}),
        ({"type": "error", "error": {"type": "new_error", "message": "m"}}, {"status": 500, "error": "m"}),
        ({"type": "error"}, {"status": 500, "error": "error"}),
        ({"error": {"message": "of a gateway"}}, {"status": 500, "error": "of a gateway"}),
    ],
)
def test_errors_of_all_shapes(error: dict[str, Any], expected: dict[str, Any]) -> None:
    events = run_stream(request(), b"data: " + json.dumps(error).encode() + b"\n\n")
    assert events[-1].data["status"] == expected["status"]
    assert expected["error"] in events[-1].data["error"]


@pytest.mark.parametrize("kept", range(1, 9))
def test_a_stream_cut_short(kept: int) -> None:
    stream = as_stream(message(TEXT), piece=5)
    assert len(stream) == 9
    events = run_stream(request(), sse(stream[:kept]))
    if kept == 8:  # everything but message_stop came
        assert done(events).content == TEXT["text"]
    else:
        assert events[-1].data == {"status": 503, "error": "the stream ended before the answer was complete"}


def test_a_stream_cut_inside_an_event() -> None:
    body = sse(as_stream(message(TEXT)))
    for end in range(1, len(body) - 2):
        events = run_stream(request(), body[:end])
        if events[-1].type is StreamEventType.ERROR:
            assert events[-1].data["status"] in (502, 503)
        else:
            assert done(events).content == TEXT["text"]


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"data: [DONE]\n\n", b"data: <x>\n\n", b"{"])
def test_what_is_no_stream(body: bytes) -> None:
    events = run_stream(request(), body)
    assert kinds(events) == ["error"]
    assert events[0].data["status"] == 502
    assert body.decode().replace("data: <", "<").strip()[:20] in events[0].data["error"]


def test_message_stop_alone_is_no_answer() -> None:
    events = run_stream(request(), sse([{"type": "message_stop"}]))
    assert events[-1].data == {"status": 502, "error": "the stream held no message"}


def test_a_whole_answer_instead_of_a_stream() -> None:
    whole = message(TEXT, USE, stop_reason="tool_use")
    body = json.dumps(whole).encode()
    events = run_stream(request(), body, cut=5)
    assert done(events) == parse_response(body, request())
    assert kinds(events)[0] == "token"
    failed = run_stream(request(), b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
    assert failed[-1].data == {"status": 529, "error": "Overloaded"}


# --- interrupted


def interrupted(stream: list[dict[str, Any]], events: int) -> CompletionResult:
    parser = StreamParser(request())
    parser.feed(sse(stream[:events]))
    return parser.partial()


def test_half_a_thought_is_never_replayed() -> None:
    stream = as_stream(message(THINKING, TEXT, USE), piece=5)
    for count in range(1, len(stream)):
        result = interrupted(stream, count)
        assert THINKING["thinking"].startswith(result.reasoning or "")
        items = result.provider_items.items if result.provider_items else ()
        assert all(item == THINKING for item in items if item["type"] == "thinking")
        sent = check_body(build_request(request([{"role": "user", "content": "Hi"}, result.to_message(),
                                                 {"role": "user", "content": "again"}])))  # fmt: skip
        blocks = [block for turn in sent["messages"] if turn["role"] == "assistant" for block in turn["content"]]
        assert "".join(block.get("text", "") for block in blocks) == result.content
        if result.tool_calls:
            assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use"]


def test_only_complete_calls_of_an_interrupted_answer() -> None:
    stream = as_stream(message(EMPTY_USE, USE))
    stop = next(at for at, event in enumerate(stream) if event.get("index") == 1) + 3
    assert interrupted(stream, stop).tool_calls == [ToolCall("t2", "now", "{}")]


def test_a_search_without_its_result_is_not_replayed() -> None:
    stream = as_stream(message(THINKING, SEARCH, FOUND))
    searched = next(at for at, event in enumerate(stream) if event.get("index") == 2)
    before, after = interrupted(stream, searched), interrupted(stream, searched + 2)
    assert before.provider_items is not None
    assert [item["type"] for item in before.provider_items.items] == ["thinking"]
    assert after.provider_items is not None
    assert len(after.provider_items.items) == 3


# --- any content, any chunking

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text()),
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "sig"}, st.text()),
    st.builds(lambda value: {"type": "redacted_thinking", "data": value}, st.text()),
    st.builds(
        lambda name, value: {"type": "tool_use", "id": f"t_{name}", "name": name, "input": value},
        st.text("abc", min_size=1),
        st.dictionaries(st.text(), json_values, max_size=4),
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(blocks, max_size=5), st.integers(1, 20), st.integers(1, 50))
def test_a_stream_equals_the_whole_answer(content: list[dict[str, Any]], piece: int, cut: int) -> None:
    whole = message(*content)
    events = run_stream(request(stream=True), sse(as_stream(whole, piece=piece)), cut=cut)
    result, expected = done(events), parse_response(json.dumps(whole).encode(), request())
    assert result == expected
    assert result.provider_items == expected.provider_items
    assert result.raw["content"] == expected.raw["content"] == content
    assert "".join(data(events, StreamEventType.TOKEN)) == expected.content
    assert "".join(data(events, StreamEventType.REASONING)) == (expected.reasoning or "")
    assert data(events, StreamEventType.TOOL_CALL_END) == (expected.tool_calls or [])
    for call, block in zip(expected.tool_calls or [], [b for b in content if b["type"] == "tool_use"], strict=True):
        assert call.parse_arguments() == block["input"]


words = st.sampled_from(
    ["type", "index", "delta", "content_block", "message", "content", "text", "usage", "error", "input", "thinking",
     "partial_json", "stop_reason", "citation", "signature", "id", "name", "message_start", "message_delta",
     "message_stop", "content_block_start", "content_block_delta", "content_block_stop", "text_delta", "tool_use",
     "thinking_delta", "input_json_delta", "signature_delta", "citations_delta", "server_tool_use", "output_tokens"]
)  # fmt: skip
nonsense = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | words | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
typed = st.builds(lambda kind, rest: {**rest, "type": kind}, words, st.dictionaries(words, nonsense, max_size=4))


@settings(max_examples=300, deadline=None)
@given(st.lists(typed | nonsense, max_size=6))
def test_nonsense_never_raises(values: list[Any]) -> None:
    body = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    parser = StreamParser(request())
    events = parser.feed(body)
    assert isinstance(parser.partial(), CompletionResult)
    events += parser.close()
    assert [kind for kind in kinds(events) if kind in ("done", "error")] == [kinds(events)[-1]]
    for value in values:
        assert isinstance(parse_response(json.dumps(value).encode(), request()), CompletionResult)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(words, nonsense, max_size=6), max_size=4))
def test_nonsense_blocks_never_raise(content: list[Any]) -> None:
    body = json.dumps(message(*content)).encode()
    assert isinstance(parse_response(body, request()), CompletionResult)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_bytes_never_raise(first: bytes, second: bytes) -> None:
    parser = StreamParser(request())
    events = [*parser.feed(first), *parser.feed(second), *parser.close()]
    assert kinds(events)[-1] == "error"
    assert not parse_response(first, request()).ok
