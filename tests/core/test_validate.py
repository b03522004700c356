from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core.cleaning import NOT_EXECUTED, clean
from llm_client._core.conversation import Conversation
from llm_client._core.messages import Message, ProviderItems, Role, ToolCall
from llm_client._core.parts import TextPart
from llm_client._core.profiles import ModelProfile
from llm_client._core.strict_rules import StrictRules
from llm_client._core.validate import ANTHROPIC, CHAT, RESPONSES, can_think, repair
from llm_client._core.wire.request import CompletionRequest
from support.histories import healthy, histories

DIALECTS = [CHAT, RESPONSES, ANTHROPIC]
MODELS = {
    CHAT: ["gpt-5.2"],
    RESPONSES: ["gpt-5.2"],
    ANTHROPIC: ["claude-sonnet-4-5", "claude-opus-4-8"],
}


def user(text: str = "hi") -> Message:
    return Message.user(text)


def asks(*ids: str, text: str | None = None, name: str = "f") -> Message:
    return Message.assistant(text, [ToolCall(call, name) for call in ids])


def result(call: str, text: str = "ok") -> Message:
    return Message.tool_result(call, text)


def missing(call: str) -> Message:
    return Message.tool_result(call, NOT_EXECUTED, "f", is_error=True)


def body_of(dialect: str, model: str, messages: list[Message], **more: Any) -> dict[str, Any]:
    module = import_module("llm_client._core.wire." + dialect.replace("-", "_"))
    profile = ModelProfile.resolve(model)
    body: dict[str, Any] = module.build_request(CompletionRequest(model, profile, messages, max_tokens=100, **more))
    return body


# -- what passes is accepted


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(deadline=None, max_examples=300)
@given(messages=histories)
def test_a_strict_server_accepts_what_was_repaired(dialect: str, messages: list[Message]) -> None:
    for model in MODELS[dialect]:
        prefill = ModelProfile.resolve(model).capabilities.assistant_prefill
        given_before = list(messages)
        fixed = repair(messages, dialect, prefill=prefill).messages
        assert messages == given_before
        if not fixed:
            continue
        body = body_of(dialect, model, fixed)
        assert StrictRules(remembers=False).complaints(dialect, body) == []


# What recorded servers take, and the strict rules do not: a first message of the assistant, results under other ids.
LENIENCIES = (
    'messages: first message must use the "user" role',
    "did not have response messages",
    "must be a response to a preceeding message with 'tool_calls'",
    "No tool call found for function call output with call_id",
    "No tool output found for function call",
    "unexpected `tool_use_id` found in `tool_result` blocks",
    "`tool_use` ids were found without `tool_result` blocks immediately after",
)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(deadline=None)
@given(messages=histories)
def test_a_list_that_is_left_as_given_breaks_no_other_rule(dialect: str, messages: list[Message]) -> None:
    for model in MODELS[dialect]:
        prefill = ModelProfile.resolve(model).capabilities.assistant_prefill
        fixed = repair(messages, dialect, prefill=prefill, as_given=True).messages
        if not fixed:
            continue
        found = StrictRules(remembers=False).complaints(dialect, body_of(dialect, model, fixed))
        assert [complaint for complaint in found if not any(words in complaint for words in LENIENCIES)] == []
        # Each leniency is there only where its list is: every call still has as many results right behind it.
        for index, message in enumerate(fixed):
            count = len(message.tool_calls or ())
            behind = [other.role for other in fixed[index + 1 : index + 1 + count]]
            assert behind == [Role.TOOL] * count


@pytest.mark.parametrize("dialect", [None, *DIALECTS])
@settings(deadline=None)
@given(messages=histories)
def test_what_was_repaired_needs_no_repair(dialect: str | None, messages: list[Message]) -> None:
    fixed = repair(messages, dialect).messages
    again = repair(fixed, dialect)
    assert again.messages == fixed
    assert again.notes == []


@pytest.mark.parametrize("dialect", [None, CHAT, RESPONSES])
@given(messages=healthy())
def test_what_is_healthy_is_left_alone(dialect: str | None, messages: list[Message]) -> None:
    assert repair(messages, dialect) == repair(messages, dialect)
    assert repair(messages, dialect).messages == messages
    assert repair(messages, dialect).notes == []


@settings(deadline=None)
@given(histories, st.sampled_from(DIALECTS), st.sampled_from(DIALECTS))
def test_a_change_of_vendor_is_no_obstacle(messages: list[Message], first: str, second: str) -> None:
    moved = repair(repair(messages, first).messages, second).messages
    if moved:
        body = body_of(second, MODELS[second][0], moved)
        assert StrictRules(remembers=False).complaints(second, body) == []


@given(histories)
def test_a_conversation_sends_what_repair_makes_of_it(messages: list[Message]) -> None:
    conv = Conversation("s")
    for message in messages:
        conv.add_message(message)
    sent = conv.get_messages()[1:]
    fixed = repair(conv.messages)
    assert sent == fixed.messages
    assert [message["role"] for message in conv.get_messages_dict()[1:]] == [message.role.value for message in sent]
    assert conv.repair() == conv.notes == fixed.notes
    assert conv.messages == sent
    assert conv.repair() == []


# -- the repairs, one by one


@pytest.mark.parametrize(
    ("given", "want", "note"),
    [
        (
            [user(), asks("a"), user("go on")],
            [user(), asks("a"), missing("a"), user("go on")],
            "answered call 'a' of 'f'",
        ),
        (
            [user(), asks("a", "b"), result("b"), user("go on")],
            [user(), asks("a", "b"), result("b"), missing("a"), user("go on")],
            "answered call 'a' of 'f' with an error: it had no result",
        ),
        ([user(), result("a")], [user()], "dropped a result of call 'a', which no message before it makes"),
        ([result("a"), asks("a"), result("a")], [asks("a"), result("a")], "dropped a result of call 'a'"),
        ([user(), asks("a"), result("a"), result("a", "again")], [user(), asks("a"), result("a")], "dropped a result"),
        (
            [user(), asks("a"), user("wait"), result("a")],
            [user(), asks("a"), result("a"), user("wait")],
            "moved results of tool calls to right behind the calls",
        ),
        ([user(), asks("a"), asks("a"), result("a")], [user(), asks("a"), result("a")], "added twice"),
        ([user(), Message.assistant("")], [user()], "dropped an assistant message without content"),
        ([user(), Message.assistant(" \n"), user("x")], [user(), user("x")], "dropped an assistant message"),
        ([user(), Message(Role.ASSISTANT, [TextPart("")])], [user()], "dropped an assistant message"),
        ([Message.system(""), user()], [user()], "dropped an empty system message"),
        ([Message(Role.USER, None)], [user("")], "gave a user message without content an empty text"),
        (
            [asks("a"), Message(Role.TOOL, None, tool_call_id="a")],
            [asks("a"), result("a", "")],
            "gave a tool message without content",
        ),
    ],
)
def test_what_an_interruption_leaves_is_repaired_and_reported(
    given: list[Message], want: list[Message], note: str
) -> None:
    repaired = repair(given)
    assert repaired.messages == want
    assert len(repaired.notes) == 1
    assert note in repaired.notes[0]


def test_results_come_in_the_order_in_which_they_came() -> None:
    messages = [user(), asks("a", "b"), result("b"), result("a")]
    assert repair(messages).messages == messages


def test_ids_that_are_used_again_pair_with_the_nearest_call() -> None:
    messages = [user(), asks("x"), result("x", "1"), asks("x"), result("x", "2")]
    assert repair(messages).messages == messages
    assert repair(messages, CHAT).notes == []
    for dialect in (RESPONSES, ANTHROPIC):
        fixed = repair(messages, dialect)
        assert [m.tool_call_id for m in fixed.messages if m.role is Role.TOOL] == ["x", "x_2"]
        assert fixed.notes == ["renamed tool call 'x' to 'x_2'"]


def test_ids_and_names_are_spelt_as_the_api_wants() -> None:
    messages = [user(), asks("a|b", "a.b", name="my.tool"), result("a.b", "2"), result("a|b", "1")]
    fixed = repair(messages, ANTHROPIC)
    assert fixed.messages[1].tool_calls == [ToolCall("a_b", "my_tool"), ToolCall("a_b_2", "my_tool")]
    assert [(m.tool_call_id, m.text) for m in fixed.messages[2:]] == [("a_b_2", "2"), ("a_b", "1")]
    assert "renamed the called tool 'my.tool' to 'my_tool'" in fixed.notes
    long = repair([user(), asks("z" * 99), result("z" * 99)], CHAT).messages
    assert long[1].tool_calls == [ToolCall("z" * 40, "f")]
    assert long[2].tool_call_id == "z" * 40
    same = repair([user(), asks("q", "q"), result("q", "1"), result("q", "2")], CHAT).messages
    assert [(m.tool_call_id, m.text) for m in same[2:]] == [("q", "1"), ("q_2", "2")]


def test_renamed_calls_are_renamed_in_the_vendors_items_too() -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    signed = {"type": "thinking", "thinking": "hm", "signature": "s"}
    message = Message(
        Role.ASSISTANT, None, [ToolCall("t", "f")], provider_items=ProviderItems(ANTHROPIC, (signed, block))
    )
    fixed = repair([user(), message, result("t"), message, result("t")], ANTHROPIC).messages
    assert fixed[3].provider_items == ProviderItems(ANTHROPIC, (signed, {**block, "id": "t_2"}))
    assert block["id"] == "t"


# -- the vendors' items


THINKING = {"type": "thinking", "thinking": "hm", "signature": "sig"}
UNSIGNED = {"type": "thinking", "thinking": "h", "signature": ""}
SAID = {"type": "text", "text": "hello"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}


def with_items(dialect: str, *items: dict[str, Any], text: str | None = "hello", calls: Any = None) -> Message:
    return Message(Role.ASSISTANT, text, calls, provider_items=ProviderItems(dialect, items))


@pytest.mark.parametrize(
    ("message", "items", "note"),
    [
        (with_items(ANTHROPIC, THINKING, SAID), (THINKING, SAID), None),
        (with_items(ANTHROPIC, UNSIGNED, SAID), (SAID,), "dropped a thinking block without its signature"),
        (with_items(ANTHROPIC, THINKING, SAID, THINKING), (THINKING, SAID), "a thinking block that nothing follows"),
        (with_items(ANTHROPIC, THINKING), None, "a thinking block that nothing follows"),
        (
            with_items(ANTHROPIC, {"type": "redacted_thinking"}, SAID),
            (SAID,),
            "redacted thinking block without its data",
        ),
        (with_items(ANTHROPIC, THINKING, SAID, text="edited"), None, "another text than the message"),
        (
            with_items(ANTHROPIC, THINKING, {"type": "tool_use", "id": "a", "name": "f", "input": {}}),
            None,
            "other tool calls than the message",
        ),
        (with_items(RESPONSES, REASONING), None, "a reasoning item that nothing follows"),
        (with_items(RESPONSES, REASONING, {"type": "message", "status": "in_progress"}), None, "they were cut short"),
        (with_items("of-tomorrow", {"type": "x"}), ({"type": "x"},), None),
    ],
)
def test_partial_items_are_taken_out(message: Message, items: Any, note: str | None) -> None:
    cleaned, notes = clean(message)
    assert cleaned is not None
    assert (cleaned.provider_items.items if cleaned.provider_items else None) == items
    assert cleaned.content == message.content
    assert (note is None and notes == []) or note in notes[0]


def test_an_answer_that_is_nothing_but_thinking_is_dropped() -> None:
    assert clean(with_items(ANTHROPIC, THINKING, text=""))[0] is None
    assert clean(with_items(RESPONSES, REASONING, text=None))[0] is None


def test_what_the_vendor_ran_itself_is_content_for_that_vendor() -> None:
    searched = with_items(
        ANTHROPIC, THINKING, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"}, text=""
    )
    assert clean(searched)[0] is not None
    assert clean(searched, ANTHROPIC)[0] is not None
    assert clean(searched, CHAT)[0] is None


# -- Anthropic


def test_anthropic_wants_the_user_first() -> None:
    fixed = repair([Message.system("s"), Message.assistant("hello"), user()], ANTHROPIC)
    assert [m.role.value for m in fixed.messages] == ["system", "user", "assistant", "user"]
    assert fixed.notes == ["put a user message first"]
    assert repair([Message.assistant("hello"), user()], ANTHROPIC, as_given=True).notes == []
    assert repair([Message.system("s")], ANTHROPIC, as_given=True).messages[1].role is Role.USER


def test_anthropic_wants_no_empty_user_message() -> None:
    fixed = repair([user(""), Message.user(["", "x"])], ANTHROPIC)
    assert fixed.messages == [user("(no content)"), Message.user(["x"])]
    assert len(fixed.notes) == 2


def test_a_last_assistant_message_is_continued_where_the_model_can() -> None:
    messages = [user(), Message.assistant("It is ")]
    assert repair(messages, ANTHROPIC).messages == [user(), Message.assistant("It is")]
    assert repair(messages, ANTHROPIC, prefill=False).messages == [*messages, user("Please continue.")]


def test_an_answer_that_ends_with_a_space_keeps_its_thinking_when_it_is_continued() -> None:
    answer = with_items(ANTHROPIC, THINKING, {"type": "text", "text": "It is "}, text="It is ")
    fixed = repair([user(), answer], ANTHROPIC)
    assert fixed.messages[1] is answer
    on = {"type": "enabled", "budget_tokens": 1024}
    body = body_of(ANTHROPIC, "claude-sonnet-4-5", fixed.messages, thinking=on)
    assert body["messages"][1]["content"] == [THINKING, {"type": "text", "text": "It is"}]
    assert StrictRules(remembers=False).complaints(ANTHROPIC, body) == []


def test_thinking_cannot_begin_in_the_middle_of_a_turn() -> None:
    thought = with_items(
        ANTHROPIC,
        THINKING,
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        text=None,
        calls=[ToolCall("a", "f")],
    )
    assert can_think([])
    assert can_think([user()])
    assert can_think([user(), asks("a"), result("a"), user("next")])
    assert not can_think([user(), asks("a"), result("a")])
    assert can_think([user(), thought, result("a")])
    assert can_think([user(), thought, result("a"), asks("b"), result("b")])
    assert not can_think([user(), asks("b"), result("b"), thought, result("a")])
