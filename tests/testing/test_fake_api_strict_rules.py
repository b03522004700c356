"""A FakeAPI(strict_rules=True) refuses what the vendors refuse, and knows its own answers again."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import llm_client.sync
from llm_client._core.messages import Message, ProviderItems
from llm_client.testing import FakeAPI, Reply

HI = {"role": "user", "content": "Hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    with FakeAPI(strict_rules=True) as api:
        yield api


def post(api: FakeAPI, path: str, body: Any) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)) as connection:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def look(place: str = "here") -> str:
    """Look somewhere."""
    return f"nothing {place}"


def provider(api: FakeAPI, dialect: str, **given: Any) -> Any:
    if dialect == "messages":
        return llm_client.sync.AnthropicProvider(
            model="claude-sonnet-4-6", base_url=api.anthropic_url, api_key="k", max_tokens=4000, **given
        )
    return llm_client.sync.OpenAIProvider(
        model="gpt-5.6-luna", base_url=api.openai_url, api_key="k", use_responses_api=dialect == "responses", **given
    )


def test_chat_errors_have_the_vendors_shape(api: FakeAPI) -> None:
    asks = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    status, error = post(api, "/v1/chat/completions", {"model": "gpt-5", "messages": [HI, asks, HI]})
    assert status == 400
    assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["message"].endswith("did not have response messages: call_1")


def test_responses_errors_have_the_vendors_shape(api: FakeAPI) -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    status, error = post(api, "/v1/responses", {"model": "gpt-5", "input": [HI, output]})
    assert status == 400
    assert error["error"]["message"] == "No tool call found for function call output with call_id call_1."


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_anthropic_errors_have_the_vendors_shape(api: FakeAPI, path: str) -> None:
    body: dict[str, Any] = {"model": "claude-sonnet-4-6", "messages": [{"role": "assistant", "content": "Hi"}, HI]}
    if path == "/v1/messages":
        body["max_tokens"] = 9
    status, error = post(api, path, body)
    assert status == 400
    assert error["error"] == {
        "type": "invalid_request_error",
        "message": 'messages: first message must use the "user" role',
    }
    assert post(api, path, {**body, "messages": [HI]})[0] == 200


def test_what_is_right_and_other_endpoints_are_answered(api: FakeAPI) -> None:
    asks = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
    assert post(api, "/v1/chat/completions", {"model": "gpt-5", "messages": [HI, asks, result]})[0] == 200
    assert post(api, "/v1/embeddings", {"model": "text-embedding-3-small", "input": "x"})[0] == 200


def test_without_the_flag_nothing_is_judged() -> None:
    with FakeAPI() as api:
        body = {"model": "gpt-5", "messages": [HI, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}
        assert post(api, "/v1/chat/completions", body)[0] == 200


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("dialect", ["messages", "responses"])
def test_the_servers_own_reasoning_may_come_back_and_no_other(api: FakeAPI, dialect: str, streaming: bool) -> None:
    options = {"thinking": THINKING} if dialect == "messages" else {"store": False}
    agent = llm_client.sync.Agent(provider(api, dialect), tools=[look])
    api.reply(Reply(reasoning="I shall look.", tool_calls=["look"]))
    api.reply(Reply("Nothing.", reasoning="Now I know."))
    if streaming:
        assert list(agent.stream("Look.", **options))[-1].data.content == "Nothing."
    else:
        assert agent.run("Look.", **options).content == "Nothing."
    asking = agent.conversation[1]
    assert asking.provider_items is not None
    forged = tuple(
        {key: "forged" if key in ("signature", "encrypted_content") else value for key, value in item.items()}
        for item in asking.provider_items.items
    )
    messages = agent.conversation.messages
    messages[1] = Message.assistant(asking.content, asking.tool_calls)
    object.__setattr__(messages[1], "provider_items", ProviderItems(asking.provider_items.dialect, forged))
    refused = provider(api, dialect).complete([*messages, Message.user("Sure?")], tools=[look], **options)
    assert refused.status == 400
    assert "signature" in refused.error or "encrypted content" in refused.error


def test_an_answer_of_another_server_is_refused(api: FakeAPI) -> None:
    with FakeAPI(strict_rules=True) as other:
        other.reply(Reply(reasoning="I shall look.", tool_calls=["look"]))
        agent = llm_client.sync.Agent(provider(other, "messages"), tools=[look], max_turns=1)
        agent.run("Look.", thinking=THINKING)
    result = provider(api, "messages").complete(agent.conversation.messages, tools=[look], thinking=THINKING)
    assert (result.status, "Invalid `signature`" in result.error) == (400, True)
