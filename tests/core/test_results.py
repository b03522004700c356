"""What calls return, and how it becomes a message, a dict or an exception."""

from __future__ import annotations

import json
import pickle

import pytest

from llm_client._core import exceptions
from llm_client._core.messages import ProviderItems, Role, ToolCall
from llm_client._core.results import Attempt, CompletionResult, EmbeddingResult
from llm_client._core.usage import NO_USAGE, Usage

ITEMS = ProviderItems("openai-responses", ({"type": "reasoning", "id": "rs_1"},))
FULL = CompletionResult(
    content="Hello",
    tool_calls=[ToolCall("call_1", "weather", "{}")],
    usage=Usage(10, 5, input_cost=0.1, output_cost=0.2, total_cost=0.3),
    reasoning="Hm.",
    model="gpt-5.2",
    finish_reason="tool_calls",
    raw_finish_reason="completed",
    raw={"id": 1},
    provider_items=ITEMS,
    parsed=object(),
    request_id="req_1",
    provider="openai",
    attempts=(Attempt(500, "broken", 0.5), Attempt(200)),
    cached=True,
)


def test_a_result_is_ok_by_status_and_error() -> None:
    assert FULL.ok
    assert FULL.raise_for_error() is FULL
    assert not CompletionResult(error="cut off").ok
    assert not CompletionResult(status=500).ok
    assert CompletionResult().usage is NO_USAGE


def test_tool_calls() -> None:
    assert FULL.has_tool_calls
    assert not CompletionResult(tool_calls=[]).has_tool_calls
    assert not CompletionResult().has_tool_calls


def test_the_next_message() -> None:
    message = FULL.to_message()
    assert (message.role, message.content, message.provider_items) == (Role.ASSISTANT, "Hello", ITEMS)
    assert message.tool_calls == FULL.tool_calls
    assert message.tool_calls is not FULL.tool_calls
    assert CompletionResult(tool_calls=FULL.tool_calls).to_message().content is None
    assert CompletionResult().to_message().content == ""


def test_saving_and_loading() -> None:
    loaded = CompletionResult.from_dict(json.loads(json.dumps(FULL.to_dict())))
    assert (loaded.raw, loaded.parsed) == (None, None)
    assert loaded.to_dict() == FULL.to_dict()
    assert (loaded.attempts, loaded.provider_items, loaded.tool_calls) == (
        FULL.attempts, FULL.provider_items, FULL.tool_calls
    )  # fmt: skip
    assert CompletionResult.from_dict({"content": "x", "unknown": 1}) == CompletionResult(content="x")
    assert pickle.loads(pickle.dumps(CompletionResult(content="x", raw={"a": 1}))).raw == {"a": 1}


def test_what_may_go_to_a_browser() -> None:
    public = FULL.to_public_dict()
    assert public["tool_calls"] == ["weather"]
    assert not {"raw", "provider_items", "parsed", "reasoning", "request_id"} & public.keys()
    assert FULL.to_public_dict(full=True) == FULL.to_dict()


def test_the_repr_shows_no_bulk() -> None:
    assert "rs_1" not in repr(FULL)
    assert "raw=" not in repr(FULL)
    assert "0.25" not in repr(EmbeddingResult(embeddings=[[0.25]]))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, None, exceptions.AuthenticationError),
        (403, None, exceptions.PermissionDeniedError),
        (404, None, exceptions.NotFoundError),
        (400, None, exceptions.BadRequestError),
        (400, "context_length", exceptions.ContextLengthError),
        (400, "content_filter", exceptions.ContentFilterError),
        (408, "timeout", exceptions.ResponseTimeoutError),
        (429, None, exceptions.RateLimitError),
        (500, None, exceptions.ServerError),
        (503, "connection", exceptions.APIConnectionError),
        (529, None, exceptions.OverloadedError),
        (499, None, exceptions.APIError),
        (200, None, exceptions.APIError),
    ],
)
def test_errors_become_exceptions(status: int, code: str | None, kind: type[exceptions.APIError]) -> None:
    for result in (
        CompletionResult(status=status, error="It broke.", error_code=code),
        EmbeddingResult(status=status, error="It broke.", error_code=code),
    ):
        with pytest.raises(exceptions.APIError) as caught:
            result.raise_for_error()
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.result, str(caught.value)) == (status, result, "It broke.")


def test_an_error_without_words() -> None:
    with pytest.raises(exceptions.ServerError, match="status 500"):
        CompletionResult(status=500).raise_for_error()


def test_embeddings() -> None:
    result = EmbeddingResult(
        embeddings=[[0.5, 1.0], [2.0, 3.0]], usage=Usage(3), model="m", attempts=(Attempt(200),), request_id="req_1"
    )
    assert (result.embedding, result.ok, result.raise_for_error()) == ([0.5, 1.0], True, result)
    assert EmbeddingResult().embedding is None
    assert EmbeddingResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
