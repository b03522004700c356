"""What a strict server refuses, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.strict_rules import StrictRules

CHAT, RESPONSES, ANTHROPIC = "openai-chat", "openai-responses", "anthropic-messages"


def complaints(dialect: str, body: Any, rules: StrictRules | None = None) -> list[str]:
    return (rules or StrictRules(remembers=False)).complaints(dialect, body)


def only(dialect: str, body: Any, rules: StrictRules | None = None) -> str:
    found = complaints(dialect, body, rules)
    assert len(found) == 1, found
    return found[0]


# -- Chat Completions


def call(name: str = "f", id: str = "a", arguments: Any = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


HI = {"role": "user", "content": "hi"}
ASKS = {"role": "assistant", "content": None, "tool_calls": [call(), call(id="b")]}
A = {"role": "tool", "tool_call_id": "a", "content": "1"}
B = {"role": "tool", "tool_call_id": "b", "content": ""}


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5.2", "messages": list(messages), **more}


def test_chat_accepts_what_is_right() -> None:
    parts = [{"type": "text", "text": ""}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert (
        complaints(
            CHAT,
            chat({"role": "developer", "content": "s"}, {"role": "user", "content": parts}, ASKS, B, A, ASKS, A, B, HI),
        )
        == []
    )
    assert complaints(CHAT, chat({"role": "assistant", "content": ""}, {"role": "user", "content": ""})) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "We could not parse the JSON body"),
        ({}, "Missing required parameter: 'messages'."),
        (chat(), "Invalid 'messages': empty array."),
        (chat("hi"), "Invalid type for 'messages[0]'"),
        (chat({"role": "bot", "content": "x"}), "Invalid value: 'bot'. Supported values are: 'system', 'assistant'"),
        (chat({"role": "user", "content": None}), "Invalid value for 'content': expected a string, got null."),
        (chat({"role": "assistant"}), "Invalid value for 'content': expected a string, got null."),
        (chat({"role": "user", "content": 3}), "Invalid type for 'messages[0].content'"),
        (chat({"role": "user", "content": []}), "Invalid 'messages[0].content': empty array."),
        (chat({"role": "user", "content": ["hi"]}), "Missing required parameter: 'messages[0].content[0].type'."),
        (chat({"role": "user", "content": [{"type": "text"}]}), "'messages[0].content[0].text'."),
        (chat({"role": "user", "content": [{"type": "input_text"}]}), "Invalid value: 'input_text'."),
        (
            chat({"role": "assistant", "content": [{"type": "image_url"}]}),
            "Supported values are: 'text' and 'refusal'. (messages[0].content[0].type)",
        ),
        (chat({**HI, "provider_items": {}}), "Unknown parameter: 'messages[0].provider_items'."),
        (chat(HI, ASKS, {**A, "is_error": True}, B), "Unknown parameter: 'messages[2].is_error'."),
        (chat({"role": "tool", "content": "1"}), "Missing required parameter: 'messages[0].tool_call_id'."),
        (
            chat({"role": "assistant", "content": "x", "tool_calls": []}),
            "Invalid 'messages[0].tool_calls': empty array.",
        ),
        (chat({"role": "assistant", "content": "x", "tool_calls": None}), "Invalid type for 'messages[0].tool_calls'"),
        (
            chat(HI, {**ASKS, "tool_calls": [call(id="x" * 41)]}, {**A, "tool_call_id": "x" * 41}),
            "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40, but "
            "got a string with length 41 instead.",
        ),
        (chat(HI, {**ASKS, "tool_calls": [call("my.tool")]}, A), "function.name': string does not match pattern."),
        (chat(HI, {**ASKS, "tool_calls": [call(arguments={})]}, A), "function.arguments': expected a string"),
        (chat(HI, {**ASKS, "tool_calls": [{"type": "function"}]}, A), "'messages[1].tool_calls[0].id'."),
        (chat(HI, {**ASKS, "tool_calls": [{"id": "a"}]}, A), "'messages[1].tool_calls[0].function'."),
        (
            chat(HI, ASKS, A, HI, B),
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: b",
        ),
        (chat(HI, ASKS, A), "did not have response messages: b"),
        (chat(HI, A), "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."),
        (chat(HI, ASKS, A, B, A), "Duplicate value for 'tool_call_id' of 'a' in message[4]."),
        (chat(HI, {**ASKS, "tool_calls": [call(), call()]}, A, A), "Duplicate value for 'tool_call_id'"),
        (chat(HI, tool_choice="auto"), "'tool_choice' is only allowed when 'tools' are specified."),
    ],
)
def test_chat_refuses(body: Any, words: str) -> None:
    assert any(words in complaint for complaint in complaints(CHAT, body))


# -- Anthropic


def use(id: str = "a", name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": {}, **more}


def answer(id: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, **more}


def text(words: str = "x") -> dict[str, Any]:
    return {"type": "text", "text": words}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
HIDDEN = {"type": "redacted_thinking", "data": "enc"}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks) or "hi"}


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks) or "hello"}


def messages(*turns: Any, **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": list(turns), **more}


ON = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def test_anthropic_accepts_what_is_right() -> None:
    for body in (
        messages(
            user(), said(THOUGHT, text(), use("a"), use("b")), user(answer("b", content="1"), answer("a"), text()), **ON
        ),
        messages(
            user(),
            user(text()),
            said(),
            user(),
            said(THOUGHT, use()),
            user(answer()),
            said(use("b")),
            user(answer("b")),
            **ON,
        ),
        messages(user(), said(text("It is"))),
        messages(user(), said(HIDDEN, text()), user(), system=[text("be kind")]),
        messages(user(), said(THOUGHT, use()), user(answer()), thinking={"type": "adaptive"}),
        messages(user(), said(use()), user(answer()), thinking={"type": "adaptive"}),
        messages(user(), {"role": "system", "content": "now"}, model="claude-opus-4-8"),
        messages(user(), said(use()), user(answer(content=[{"type": "image", "source": {"type": "url"}}, text()]))),
    ):
        assert complaints(ANTHROPIC, body) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"max_tokens": 1}, "messages: Field required"),
        (messages(), "messages: at least one message is required"),
        ({"messages": [user()]}, "max_tokens: Field required"),
        (messages(said(), user()), 'messages: first message must use the "user" role'),
        (messages({"role": "system", "content": "x"}, user()), 'messages.0: Unexpected role "system".'),
        (messages({"role": "tool", "content": "x"}), "messages.0.role: Input should be 'user' or 'assistant'"),
        (messages({**user(), "name": "x"}), "messages.0.name: Extra inputs are not permitted"),
        (messages({"role": "user"}), "messages.0.content: Field required"),
        (messages({"role": "user", "content": ""}), "messages.0: all messages must have non-empty content except"),
        (
            messages(user(), {"role": "assistant", "content": []}, user()),
            "messages.1: all messages must have non-empty",
        ),
        (messages(user(text(""))), "messages: text content blocks must be non-empty"),
        (messages(user(text(" \n"))), "messages: text content blocks must contain non-whitespace text"),
        (messages({"role": "user", "content": " "}), "messages: text content blocks must contain non-whitespace text"),
        (messages(user({"type": "text"})), "messages.0.content.0.text.text: Field required"),
        (messages(user({})), "messages.0.content.0.type: Field required"),
        (messages(user({"type": "image"})), "messages.0.content.0.image.source: Field required"),
        (messages(user(), system=[text("")]), "system.0: text content blocks must be non-empty"),
        (
            messages(user(), said(use("a"), use("b")), user(answer("a"))),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: b. Each `tool_use` "
            "block must have a corresponding `tool_result` block in the next message.",
        ),
        (messages(user(), said(use())), "messages.1: `tool_use` ids were found without"),
        (messages(user(), said(use("a"), use("b")), user(answer("a")), user(answer("b"))), "immediately after: b."),
        (messages(user(), said(use()), user(text(), answer())), "messages.1: `tool_use` ids were found without"),
        (
            messages(user(answer())),
            "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each `tool_result` block "
            "must have a corresponding `tool_use` block in the previous message.",
        ),
        (messages(user(), said(use()), user(answer(), answer())), "Found multiple `tool_result` blocks with id: a"),
        (
            messages(user(), said(use()), user(answer()), said(use()), user(answer())),
            "messages.3.content.0: `tool_use` ids must be unique",
        ),
        (
            messages(user(), said(use("a.b")), user(answer())),
            "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        ),
        (messages(user(), said(use(name="a b")), user(answer())), "tool_use.name: String should match pattern"),
        (messages(user(), said(use(input="{}")), user(answer())), "tool_use.input: Input should be a valid dictionary"),
        (messages(user(use())), "messages.0: `tool_use` blocks can only be in `assistant` messages"),
        (messages(user(), said(answer())), "messages.1: `tool_result` blocks can only be in `user` messages"),
        (messages(user(), said(use()), user(answer(""))), "tool_result.tool_use_id: String should match pattern"),
        (messages(user(), said(use()), user(answer(content=3))), "tool_result.content: Input should be a valid string"),
        (messages(user(), said(use()), user(answer(content=[text("")]))), "tool_result.content.0: text content blocks"),
        (messages(user(), said(use()), user(answer(is_error="no"))), "is_error: Input should be a valid boolean"),
        (messages(user(THOUGHT)), "messages.0: `thinking` blocks can only be in `assistant` messages"),
        (
            messages(user(), said({"type": "thinking", "thinking": "h"}, text()), user()),
            "messages.1.content.0.thinking.signature: Field required",
        ),
        (
            messages(user(), said({**THOUGHT, "signature": ""}, text()), user()),
            "Invalid `signature` in `thinking` block",
        ),
        (
            messages(user(), said({"type": "redacted_thinking"}, text()), user()),
            "redacted_thinking.data: Field required",
        ),
        (
            messages(user(), said(text(), THOUGHT), user()),
            "The final block in an assistant message cannot be `thinking`.",
        ),
        (
            messages(user(), said(text(), use()), user(answer()), **ON),
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` "
            "is enabled, a final `assistant` message must start with a thinking block",
        ),
        (
            messages(user(), said(THOUGHT, text())),
            "When `thinking` is disabled, an `assistant` message in the final position",
        ),
        (messages(user(), said(text("so "))), "messages: final assistant content cannot end with trailing whitespace"),
        (
            messages(user(), said(), model="claude-opus-4-8"),
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ),
    ],
)
def test_anthropic_refuses(body: Any, words: str) -> None:
    assert any(words in complaint for complaint in complaints(ANTHROPIC, body))


def test_anthropic_knows_its_own_signatures() -> None:
    rules = StrictRules()
    rules.remember_answer(ANTHROPIC, {"content": [THOUGHT, HIDDEN, text(), use()]})

    def body(*blocks: Any) -> dict[str, Any]:
        return messages(user(), said(*blocks), user(), **ON)

    assert complaints(ANTHROPIC, body(THOUGHT, HIDDEN, text()), rules) == []
    assert complaints(ANTHROPIC, body(text()), rules) == []
    assert only(ANTHROPIC, body({**THOUGHT, "signature": "forged"}, text()), rules) == (
        "messages.1.content.0: Invalid `signature` in `thinking` block"
    )
    assert "cannot be modified" in only(ANTHROPIC, body({**THOUGHT, "thinking": "h"}, text()), rules)
    assert "Invalid `data`" in only(ANTHROPIC, body({**HIDDEN, "data": "other"}, text()), rules)


# -- Responses


def function_call(call_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **more}


def output(call_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "1", **more}


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc"}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}


def responses(*items: Any, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5.2", "input": list(items), **more}


def test_responses_accepts_what_is_right() -> None:
    for body in (
        {"input": "hi"},
        {"previous_response_id": "resp_1"},
        responses(HI, REASONING, function_call(id="fc_1"), function_call("b"), output("b"), output(), SAID, HI),
        responses(HI, REASONING, SAID, HI, store=False),
        responses(output(), previous_response_id="resp_1"),
        responses({"role": "assistant", "content": ""}, {"type": "web_search_call", "id": "ws_1"}),
    ):
        assert complaints(RESPONSES, body) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Missing required parameter: 'input'."),
        ({"input": {}}, "Invalid type for 'input'"),
        (responses("hi"), "Invalid type for 'input[0]'"),
        (responses({}), "Missing required parameter: 'input[0].type'."),
        (responses({"role": "tool", "content": "x"}), "Invalid value: 'tool'."),
        (responses({"type": "tool_result"}), "Invalid value: 'tool_result'."),
        (responses({"role": "user"}), "Missing required parameter: 'input[0].content'."),
        (responses({**HI, "name": "x"}), "Unknown parameter: 'input[0].name'."),
        (responses({"role": "user", "content": [{"type": "text", "text": "x"}]}), "Invalid value: 'text'."),
        (
            responses({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}),
            "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
        ),
        (responses(function_call()), "No tool output found for function call a."),
        (responses(output()), "No tool call found for function call output with call_id a."),
        (responses(output(), function_call()), "No tool call found for function call output with call_id a."),
        (responses(function_call(), output(), output()), "Duplicate 'call_id' of function call outputs: a."),
        (responses(function_call(), function_call(), output()), "Duplicate 'call_id': a."),
        (responses(function_call(""), output("")), "Invalid 'input[0].call_id': empty string."),
        (responses(function_call(None), output()), "Missing required parameter: 'input[0].call_id'."),
        (responses(function_call("x" * 65), output("x" * 65)), "maximum length 64, but got a string with length 65"),
        (responses(function_call(name="a.b"), output()), "Invalid 'input[0].name': string does not match pattern."),
        (responses(function_call(arguments={}), output()), "Invalid type for 'input[0].arguments'"),
        (responses(function_call(), output(output=None)), "Missing required parameter: 'input[1].output'."),
        (responses({"type": "reasoning", "id": "rs_1"}, SAID), "Missing required parameter: 'input[0].summary'."),
        (
            responses(function_call(id="call_1"), output()),
            "Invalid 'input[0].id': 'call_1'. Expected an ID that begins with 'fc'.",
        ),
        (
            responses(SAID, HI, SAID),
            "Duplicate item found with id msg_1. Remove duplicate items from your input and try again.",
        ),
        (responses(REASONING), "Item 'rs_1' of type 'reasoning' was provided without its required following item."),
        (responses(REASONING, HI), "was provided without its required following item."),
        (
            responses({**REASONING, "encrypted_content": None}, SAID, store=False),
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
        ),
        (
            responses(HI, tools=[{"type": "function", "function": {"name": "f"}}]),
            "required parameter: 'tools[0].name'.",
        ),
    ],
)
def test_responses_refuses(body: Any, words: str) -> None:
    assert any(words in complaint for complaint in complaints(RESPONSES, body))


def test_responses_knows_its_own_items() -> None:
    rules = StrictRules()
    made = function_call(id="fc_1")
    rules.remember_answer(RESPONSES, {"output": [REASONING, made]})
    assert complaints(RESPONSES, responses(REASONING, made, output()), rules) == []
    assert complaints(RESPONSES, responses(function_call(), output()), rules) == []
    by_id = {**REASONING, "encrypted_content": None}
    assert complaints(RESPONSES, responses(by_id, made, output()), rules) == []
    assert "not persisted" in only(RESPONSES, responses(by_id, made, output(), store=False), rules)
    assert "could not be verified" in only(
        RESPONSES, responses({**REASONING, "encrypted_content": "forged"}, made, output()), rules
    )
    assert only(RESPONSES, responses(made, output()), rules) == (
        "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'."
    )
    assert only(RESPONSES, responses({**by_id, "id": "rs_9"}, function_call("b"), output("b")), rules) == (
        "Item with id 'rs_9' not found."
    )


def test_an_unknown_dialect_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="unknown dialect 'chat'"):
        StrictRules().complaints("chat", {})
