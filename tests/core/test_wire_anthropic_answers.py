"""Whole answers and errors of Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.usage import NO_USAGE
from llm_client._core.wire.anthropic_messages import NAME, build_request, parse_error, parse_response
from support.anthropic_wire import check_body, message, request

TEXT = {"type": "text", "text": "Hello"}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
USE = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Zürich", "n": 2**70}}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}


def parse(value: Any, **options: Any) -> CompletionResult:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_response(data, request(**options))


def test_text() -> None:
    whole = message(TEXT)
    result = parse(whole)
    assert result.ok
    assert result.content == "Hello"
    assert result.tool_calls is None
    assert result.reasoning is None
    assert result.model == "claude-sonnet-4-5-20250929"
    assert (result.finish_reason, result.raw_finish_reason) == ("stop", "end_turn")
    assert result.raw == whole
    assert result.provider_items is None
    assert result.refusal is None
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.input_tokens_cached, result.usage.output_tokens) == (13, 3, 5)
    assert result.usage.total_tokens == 18


def test_several_texts_are_joined() -> None:
    assert parse(message(TEXT, {"type": "text", "text": " you"})).content == "Hello you"


def test_tool_calls_and_thinking() -> None:
    whole = message(THINKING, {"type": "redacted_thinking", "data": "xyz"}, TEXT, USE, stop_reason="tool_use")
    result = parse(whole)
    assert result.content == "Hello"
    assert result.reasoning == "Hm."
    assert result.tool_calls is not None
    assert [(call.id, call.name) for call in result.tool_calls] == [("t1", "weather")]
    assert result.tool_calls[0].parse_arguments() == USE["input"]
    assert result.finish_reason == "tool_calls"
    assert result.provider_items is not None
    assert result.provider_items.dialect == NAME
    assert list(result.provider_items.items) == whole["content"]


def test_calls_without_thinking_need_no_items() -> None:
    result = parse(message(TEXT, USE, stop_reason="tool_use"))
    assert result.provider_items is None
    assert result.has_tool_calls


def test_trains_of_thought_are_told_apart() -> None:
    result = parse(message(THINKING, TEXT, {**THINKING, "thinking": "Or?"}, USE))
    assert result.reasoning == "Hm.\n\nOr?"


def test_calls_that_the_vendor_runs_are_no_tool_calls() -> None:
    whole = message(SEARCH, FOUND, TEXT)
    result = parse(whole)
    assert result.tool_calls is None
    assert result.content == "Hello"
    assert result.raw == whole
    assert result.provider_items is not None
    assert list(result.provider_items.items) == whole["content"]


def test_unknown_blocks_are_kept_for_replay() -> None:
    new = {"type": "hologram", "data": [1]}
    result = parse(message(new, TEXT))
    assert result.content == "Hello"
    assert result.provider_items is not None
    assert result.provider_items.items[0] == new


def test_thinking_without_signature_is_not_kept() -> None:
    result = parse(message({"type": "thinking", "thinking": "Hm."}, TEXT))
    assert result.reasoning == "Hm."
    assert result.provider_items is None


def test_hidden_thinking_is_kept() -> None:
    result = parse(message({**THINKING, "thinking": ""}, TEXT))
    assert result.reasoning is None
    assert result.provider_items is not None


@pytest.mark.parametrize(
    ("reason", "unified"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons(reason: str | None, unified: str) -> None:
    result = parse(message(TEXT, stop_reason=reason))
    assert (result.finish_reason, result.raw_finish_reason) == (unified, reason)


def test_refusal() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "Not that."}
    assert parse(message(stop_reason="refusal", stop_details=details)).refusal == "Not that."
    assert parse(message(TEXT, stop_reason="refusal", stop_details=None)).refusal == "Hello"


def test_usage_with_writes_and_thinking() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 40},
    }
    read = parse(message(TEXT, usage=usage)).usage
    assert read is not None
    assert (read.input_tokens, read.cache_write_tokens, read.reasoning_tokens) == (33, 20, 40)


@pytest.mark.parametrize("usage", [None, {}, {"tokens": 3}, {"input_tokens": "many"}, 7])
def test_unreadable_usage_loses_no_answer(usage: Any) -> None:
    result = parse(message(TEXT, usage=usage))
    assert result.content == "Hello"
    assert result.usage == NO_USAGE


def test_arguments_of_compatible_servers() -> None:
    as_text = {"type": "tool_use", "id": "t1", "name": "f", "input": '{"a": 1}'}
    missing = {"type": "tool_use", "name": "g"}
    result = parse(message(as_text, missing))
    assert result.tool_calls == [ToolCall("t1", "f", '{"a":1}'), ToolCall("call_1", "g", "{}")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   \n",
        b"<html><body>502 Bad Gateway</body></html>" + b"x" * 1000,
        b'{"id": "msg_1", "type": "message", "content": [{"type": "te',
        b'{"object": "chat.completion", "choices": []}',
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_a_reply_that_is_none(body: bytes) -> None:
    result = parse(body)
    assert not result.ok
    assert result.status == 502
    assert result.error is not None
    assert "an Anthropic message" in result.error
    shown = body[:200].decode("utf-8", "replace").strip()
    if shown:
        assert shown in result.error
        assert len(result.error) < 300
    else:
        assert "empty" in result.error


def test_an_error_under_status_200() -> None:
    result = parse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"})
    assert (result.status, result.error, result.request_id) == (529, "Overloaded", "r")
    other = parse({"error": "quota"})
    assert (other.status, other.error) == (502, "quota")


@pytest.mark.parametrize(
    "content", [[None], [7], ["text"], [{}], [{"type": 3}], [{"type": "text"}], [{"type": "text", "text": 5}],
                [{"type": "thinking", "thinking": None}], [{"type": "tool_use"}],
                [{"type": "tool_use", "id": 3, "name": ["x"], "input": 7}]]
)  # fmt: skip
def test_blocks_of_wrong_shape_do_not_raise(content: list[Any]) -> None:
    result = parse(message(*content))
    assert result.ok
    assert result.content == ""


# --- errors


def failure(status: int, value: Any, headers: dict[str, str] | None = None) -> Any:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_error(status, headers or {}, data)


def test_the_vendors_errors() -> None:
    body = {
        "type": "error",
        "error": {"type": "authentication_error", "message": "invalid x-api-key"},
        "request_id": "r1",
    }
    found = failure(401, body)
    assert (found.message, found.code, found.request_id, found.status) == ("invalid x-api-key", None, "r1", 401)
    assert failure(401, body, {"request-id": "r2"}).request_id == "r2"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rate_limit_error", 429), ("overloaded_error", 529), ("api_error", 500), ("request_too_large", 413), ("x", None)],
)
def test_types_stand_for_a_status(kind: str, status: int | None) -> None:
    assert failure(400, {"type": "error", "error": {"type": kind, "message": "m"}}).status == status


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("prompt is too long: 3333404 tokens > 200000 maximum", "context_length"),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", "context_length"),
        ("Output blocked by content filtering policy", "content_filter"),
        ("messages: text content blocks must be non-empty", None),
    ],
)
def test_codes(message: str, code: str | None) -> None:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    assert failure(400, body).code == code


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the API is overloaded"),
        (b"<html>\n<h1>Busy</h1></html>", "<html> <h1>Busy</h1></html>"),
        (b'{"error": "no credit"}', "no credit"),
        (b'{"error": {"message": "in OpenAI\'s shape"}}', "in OpenAI's shape"),
        (b'{"message": "Missing Authentication Token"}', "Missing Authentication Token"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"type": "error", "error": {"type": "overloaded_error"}}', "overloaded_error"),
        (b"[]", "[]"),
        (b'{"error": {"message": {"nested": 1}}}', '{"nested":1}'),
    ],
)
def test_errors_of_all_shapes(body: bytes, words: str) -> None:
    assert failure(529, body).message == words


def test_an_empty_error_names_its_status() -> None:
    assert "418" in failure(418, b"").message


def test_the_answer_goes_back_in_a_form_that_the_api_takes() -> None:
    small = {**USE, "input": {"city": "Bern"}}
    result = parse(message(THINKING, TEXT, small, stop_reason="tool_use"))
    reply = {"role": "tool", "tool_call_id": "t1", "content": "sunny"}
    loaded = CompletionResult.from_dict(json.loads(json.dumps(result.to_dict())))
    sent = check_body(build_request(request([{"role": "user", "content": "Hi"}, loaded.to_message(), reply])))
    assert sent["messages"][1]["content"] == [THINKING, TEXT, small]
