"""Whole answers of OpenAI's Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.usage import NO_USAGE
from llm_client._core.wire.openai_responses import parse_error, parse_response
from support.openai_wire import call_item, reasoning_item, refusal_item, request, response, text_item

SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(*output: Any, **given: Any) -> CompletionResult:
    return parse_response(json.dumps(response(*output, **given)).encode(), request())


def test_a_plain_answer() -> None:
    whole = response(text_item("Hello, ", "wörld"))
    result = parse_response(json.dumps(whole).encode(), request())
    assert (result.content, result.ok, result.error) == ("Hello, wörld", True, None)
    assert (result.finish_reason, result.raw_finish_reason) == ("stop", "completed")
    assert (result.tool_calls, result.reasoning, result.refusal, result.provider_items) == (None, None, None, None)
    assert result.model == "gpt-5.2-2025-12-11"
    assert result.raw == whole
    usage = result.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10, 7, 17)
    assert (usage.input_tokens_cached, usage.reasoning_tokens) == (4, 2)
    # 1.75, 0.175 and 14 dollars for a million tokens.
    assert usage.total_cost == pytest.approx((6 * 1.75 + 4 * 0.175 + 7 * 14) / 1e6)


def test_the_tier_that_served_the_call_is_paid() -> None:
    assert read(text_item("x"), service_tier="flex").usage.total_cost == pytest.approx(
        (read(text_item("x")).usage.total_cost or 0) / 2
    )


def test_calls_are_known_by_their_call_id() -> None:
    result = read(call_item(), call_item("now", "", number=2))
    assert result.tool_calls == [ToolCall("call_1", "weather", '{"city":"Zürich"}'), ToolCall("call_2", "now", "")]
    assert (result.content, result.finish_reason, result.raw_finish_reason) == ("", "tool_calls", "completed")
    assert result.to_message().content is None


def test_reasoning_summaries_and_text() -> None:
    shown = reasoning_item("First.", "Second.", content=[{"type": "reasoning_text", "text": "In full."}])
    result = read(shown, text_item("Hi"), reasoning_item("Third.", id="rs_2"), text_item("!", id="msg_2"))
    assert result.reasoning == "First.\n\nSecond.\n\nIn full.\n\nThird."
    assert result.content == "Hi!"
    assert result.provider_items is not None
    assert [item["id"] for item in result.provider_items.items] == ["rs_1", "msg_1", "rs_2", "msg_2"]


def test_refusals() -> None:
    refused = read(refusal_item("I will not."))
    assert (refused.content, refused.refusal, refused.ok) == ("I will not.", "I will not.", True)
    mixed = read(text_item("Hello"), refusal_item("I will not."))
    assert (mixed.content, mixed.refusal) == ("Hello", "I will not.")


def test_hosted_tools_are_no_tool_calls() -> None:
    result = read(SEARCH, text_item("Found."))
    assert (result.tool_calls, result.finish_reason, result.content) == (None, "stop", "Found.")
    assert result.raw["output"][0] == SEARCH
    assert result.provider_items is not None


def test_custom_tool_calls() -> None:
    custom = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_9", "name": "math", "input": 'say "4"'}
    result = read(custom)
    assert result.tool_calls is not None
    assert result.tool_calls[0].parse_arguments() == {"input": 'say "4"'}


@pytest.mark.parametrize(
    ("given", "finish", "word"),
    [
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
            "max_output_tokens",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
            "content_filter",
        ),
        ({"status": "incomplete", "incomplete_details": None}, "length", "incomplete"),
        ({"status": "queued"}, None, "queued"),
        ({"status": "in_progress"}, None, "in_progress"),
        ({"status": None}, "stop", None),
    ],
)
def test_how_an_answer_ended(given: dict[str, Any], finish: str | None, word: str | None) -> None:
    result = read(text_item("Half an ans"), **given)
    assert (result.finish_reason, result.raw_finish_reason, result.ok) == (finish, word, True)
    assert result.content == "Half an ans"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"code": "server_error", "message": "It broke."}, 500, None),
        ({"code": "rate_limit_exceeded", "message": "Slow down."}, 429, None),
        ({"code": "invalid_image_url", "message": "No image."}, 400, None),
        ({"code": "newer_than_this_code", "message": "Whatever."}, 500, None),
        ({"code": "context_length_exceeded", "message": "Too long."}, 400, "context_length"),
    ],
)
def test_a_failed_response_is_an_error(error: dict[str, Any], status: int, code: str | None) -> None:
    result = read(text_item("Half"), status="failed", error=error)
    assert (result.ok, result.status, result.error, result.error_code) == (False, status, error["message"], code)
    assert result.usage.output_tokens == 7
    assert result.raw["status"] == "failed"


def test_failures_without_words() -> None:
    assert read(status="failed").error == "the API failed to produce the response"
    cancelled = read(status="cancelled")
    assert (cancelled.status, cancelled.error) == (499, "the response was cancelled")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"<html><body>Sign in to the network</body></html>", "<html><body>Sign in to the network"),
        (b'{"id": "resp_1", "output": [', '{"id": "resp_1"'),
        (b"[]", "[]"),
        (b'{"output": null}', "output"),
        (b'{"object": "list", "data": []}', "list"),
        (b"\xff\xfe", "it begins"),
    ],
)
def test_broken_replies(body: bytes, words: str) -> None:
    result = parse_response(body, request())
    assert (result.ok, result.status, result.content) == (False, 502, "")
    assert result.error is not None
    assert words in result.error
    assert "Responses API" in result.error


def test_an_error_under_status_200() -> None:
    result = parse_response(b'{"error": {"message": "No more.", "type": "rate_limit_error"}}', request())
    assert (result.status, result.error) == (429, "No more.")
    result = parse_response(b'{"message": "blocked"}', request())
    assert (result.status, result.error) == (502, "blocked")


def test_a_minimal_answer_of_another_server() -> None:
    body = {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]}
    result = parse_response(json.dumps(body).encode(), request())
    assert (result.content, result.model, result.finish_reason) == ("Hi", "gpt-5.2", "stop")
    assert result.usage == NO_USAGE


@given(JSON)
def test_whatever_comes_is_a_result(value: Any) -> None:
    for body in (value, {"output": value}, {"output": [value]}, response({"type": "message", "content": value})):
        assert isinstance(parse_response(json.dumps(body).encode(), request()), CompletionResult)


@given(JSON, st.sampled_from(["content", "summary", "arguments", "call_id", "name", "input", "id", "type"]))
def test_items_of_another_form_are_no_exception(value: Any, member: str) -> None:
    for item in (text_item("x"), reasoning_item("x"), call_item()):
        item[member] = value
        assert isinstance(read(item, reasoning_item(id="rs_9"), text_item("y", id="msg_9")), CompletionResult)


@given(JSON, st.sampled_from(["status", "error", "usage", "model", "incomplete_details", "service_tier", "id"]))
def test_heads_of_another_form_are_no_exception(value: Any, member: str) -> None:
    assert isinstance(read(text_item("x"), **{member: value}), CompletionResult)


def test_error_answers() -> None:
    body = b'{"error": {"message": "No such key.", "type": "invalid_request_error", "code": "invalid_api_key"}}'
    failure = parse_error(401, {"x-request-id": "req_1"}, body)
    assert (failure.message, failure.request_id) == ("No such key.", "req_1")
    assert parse_error(502, {}, b"<html>Bad gateway</html>").message == "<html>Bad gateway</html>"
    assert "502" in parse_error(502, {}, b"").message
