from __future__ import annotations

import copy
import inspect
import json
import logging
import pickle
import typing
from pathlib import Path

import pytest

from llm_client._core import conversation as module
from llm_client._core.cleaning import NOT_EXECUTED
from llm_client._core.conversation import Conversation, ConversationConfig
from llm_client._core.messages import Message, ProviderItems, Role, ToolCall
from llm_client._core.profiles import ModelProfile
from support.histories import IMAGE, LENGTHS, length

GOLDEN = Path(__file__).parent / "golden"
CALL = ToolCall(id="call_1", name="search", arguments='{"q": "python"}')


def sample() -> Conversation:
    conv = Conversation(system_message="You are a helpful assistant.", max_tokens=8000, truncation_strategy="sliding")
    conv.add_user("What is Python?")
    conv.add_assistant("Python is a programming language...")
    conv.add_user("Show me an example")
    conv.add_assistant_with_tools(content="Let me search for that.", tool_calls=[CALL])
    conv.add_tool_result(tool_call_id="call_1", content="Found 10 results...", name="search")
    return conv


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


def test_the_specification_in_one_piece() -> None:
    conv = sample()
    assert len(conv) == 5
    assert conv[0] == Message.user("What is Python?")
    assert conv.get_last_message() == Message.tool_result("call_1", "Found 10 results...", "search")
    assert conv.get_last_user_message() == Message.user("Show me an example")
    assert conv.get_last_assistant_message() == Message.assistant("Let me search for that.", [CALL])
    assert [message.role for message in conv.get_messages()] == [
        Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER, Role.ASSISTANT, Role.TOOL,
    ]  # fmt: skip
    assert conv.get_messages(model=ModelProfile.get("gpt-5")) == conv.get_messages()
    assert conv.count_tokens(ModelProfile.get("gpt-5")) > 40
    assert conv.count_tokens("gpt-5") == conv.count_tokens(ModelProfile.get("gpt-5"))


def test_the_dicts_are_what_chat_completions_takes() -> None:
    conv = sample()
    items = ProviderItems("anthropic-messages", ({"type": "thinking", "thinking": "a", "signature": "b"},))
    conv.add_message(Message(Role.ASSISTANT, "Here.", provider_items=items, name="helper"))
    conv.add_user(["Look:", IMAGE])
    conv.add_assistant_with_tools(tool_calls=[ToolCall("call_2", "draw")])
    conv.add_tool_result("call_2", "boom", "draw", is_error=True)
    assert conv.get_messages_dict() == json.loads((GOLDEN / "conversation_chat.json").read_text("utf-8"))


def test_the_saved_form_is_stable() -> None:
    conv = sample()
    conv.session_id = "session-1"
    conv.reserve_tokens = 100
    conv.add_message(
        Message(
            Role.ASSISTANT,
            "Ünïcode 🎉",
            provider_items=ProviderItems("openai-responses", ({"type": "reasoning", "id": "rs_1", "summary": []},)),
        )
    )
    assert conv.to_dict() == json.loads((GOLDEN / "conversation_saved.json").read_text("utf-8"))
    assert Conversation.load(GOLDEN / "conversation_saved.json").to_dict() == conv.to_dict()


def test_an_empty_conversation_is_one() -> None:
    conv = Conversation()
    assert bool(conv) is True
    assert len(conv) == 0
    assert list(conv) == conv.messages == conv.get_messages() == conv.repair() == []
    assert conv.get_last_message() is conv.get_last_user_message() is conv.get_last_assistant_message() is None
    assert conv.format_history() == ""
    assert Conversation("sys").get_messages_dict() == [{"role": "system", "content": "sys"}]
    assert Conversation(" ").get_messages() == []


def test_a_config_serves_many_and_keywords_override_it() -> None:
    config = ConversationConfig(system_message="a", max_tokens=100, truncation_strategy="drop_middle", reserve_tokens=7)
    first, second = Conversation(config=config), Conversation(None, max_tokens=None, reserve_tokens=0, config=config)
    assert (first.system_message, first.max_tokens, first.reserve_tokens) == ("a", 100, 7)
    assert (second.system_message, second.max_tokens, second.reserve_tokens) == (None, None, 0)
    assert second.truncation_strategy == "drop_middle"
    first.max_tokens, first.system_message, first.truncation_strategy = 5, "b", "sliding"
    assert config == ConversationConfig("a", 100, "drop_middle", 7)
    with pytest.raises(AttributeError):
        config.max_tokens = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"truncation_strategy": "middle_out"}, ValueError, "expected one of 'sliding', 'drop_oldest'"),
        ({"max_tokens": 0}, ValueError, "max_tokens must be at least 1, got 0"),
        ({"reserve_tokens": -1}, ValueError, "reserve_tokens must be 0 or more, got -1"),
        ({"max_tokens": "8k"}, TypeError, "max_tokens is a number of tokens, got '8k'"),
        ({"max_tokens": True}, TypeError, "max_tokens is a number of tokens, got True"),
        ({"system_message": 3}, TypeError, "system_message is a string or None, got int"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        Conversation(**settings)  # type: ignore[arg-type]
    assert words in str(caught.value)
    conv = Conversation()
    if "system_message" not in settings:
        with pytest.raises(error):
            setattr(conv, *next(iter(settings.items())))


def test_what_can_be_added() -> None:
    conv = Conversation()
    assert conv.add_message("hi") == Message.user("hi")
    conv.add_message({"role": "assistant", "content": None, "tool_calls": [CALL.to_dict()]})
    conv.add_tool_result("call_1", {"hits": [1, 2]})
    conv.add_assistant_with_tools(None, [{"id": "call_2", "name": "f", "arguments": {"a": 1}}])
    conv.extend([{"role": "tool", "tool_call_id": "call_2", "content": "ok"}, "thanks"])
    assert texts(conv.messages) == ["hi", "", '{"hits":[1,2]}', "", "ok", "thanks"]
    assert conv[3].tool_calls == [ToolCall("call_2", "f", '{"a":1}')]
    conv.extend([])
    with pytest.raises(ValueError, match="unknown role 'robot'"):
        conv.add_message({"role": "robot", "content": "x"})
    assert len(conv) == 6


def test_a_leading_system_message_is_the_conversations_own() -> None:
    conv = Conversation(messages=[{"role": "developer", "content": "be brief"}, "hi"])
    assert conv.system_message == "be brief"
    assert texts(conv.messages) == ["hi"]
    conv.add_message(Message.system("be long"))
    assert conv.system_message == "be brief"
    assert texts(conv.get_messages()) == ["be brief", "hi", "be long"]
    other = Conversation("mine", messages=[Message.system("theirs")])
    assert texts(other.get_messages()) == ["mine", "theirs"]


def test_reading_gives_copies_and_snapshots() -> None:
    given = [Message.user("a"), Message.assistant("b")]
    conv = Conversation(messages=given)
    for message in conv:
        conv.add_message(message)
    assert len(conv) == 4
    conv.messages.clear()
    conv[1:].clear()
    conv.get_messages().clear()
    assert len(conv) == 4
    assert len(given) == 2
    assert conv[-1] == conv[1]
    assert texts(conv[1:3]) == ["b", "a"]
    with pytest.raises(IndexError):
        conv[4]


def test_unanswered_calls_are_answered_in_what_is_sent_only() -> None:
    conv = Conversation(messages=["hi"])
    other = ToolCall("call_2", "draw")
    conv.add_assistant_with_tools(None, [CALL, other])
    assert conv.unanswered_calls() == [CALL, other]
    conv.add_tool_result("call_1", "yes")
    assert conv.unanswered_calls() == [other]
    assert conv.get_messages()[-2:] == [
        Message.tool_result("call_1", "yes"),
        Message.tool_result("call_2", NOT_EXECUTED, "draw", is_error=True),
    ]
    assert len(conv) == 3
    conv.add_user("stop")
    conv.add_tool_result("call_2", "late")
    assert conv.unanswered_calls() == []
    assert texts(conv.get_messages()) == ["hi", "", "yes", "late", "stop"]


def test_repair_mends_in_place_and_reports() -> None:
    conv = Conversation(messages=["hi"])
    conv.add_assistant("")
    conv.add_assistant_with_tools("calling", [CALL])
    conv.add_tool_result("call_9", "whose?")
    before = conv.get_messages()
    notes = conv.repair()
    assert (
        notes
        == conv.notes
        == [
            "dropped a result of call 'call_9', which no message before it makes",
            "dropped an assistant message without content",
            "answered call 'call_1' of 'search' with an error: it had no result",
        ]
    )
    assert conv.messages == before == conv.get_messages()
    assert conv.repair() == []


def test_the_window_takes_the_least_of_all_limits() -> None:
    conv = Conversation("s", max_tokens=100, messages=["x" * 9 for _ in range(30)])

    def size(**limits: int) -> int:
        return sum(map(length, conv.window(model=LENGTHS, **limits))) + LENGTHS.base

    assert 90 < size() <= 100
    assert 40 < size(max_tokens=50) <= 50
    assert 90 < size(max_tokens=5000) <= 100
    assert 60 < size(overhead_tokens=30) <= 70
    assert 70 < size(reserve_tokens=20) <= 80
    conv.reserve_tokens = 50
    assert 40 < size() <= 50
    assert 90 < size(reserve_tokens=0) <= 100
    with pytest.raises(ValueError, match="max_tokens must be at least 1"):
        conv.window(max_tokens=0)


def test_a_models_own_limit_counts_and_estimates_leave_a_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = ModelProfile.resolve("claude-haiku-4-5")
    assert profile.max_input_tokens is not None
    assert not profile.tokenizer.exact
    conv = Conversation(messages=["word " * 1000 for _ in range(230)])
    window = conv.get_messages(profile)
    tokens = profile.count_tokens(window)
    assert len(window) < 230
    assert tokens <= profile.max_input_tokens / 1.1
    assert tokens > profile.max_input_tokens / 1.1 - 2000
    assert conv.get_messages() == conv.messages


def test_max_tokens_counts_without_a_model_too() -> None:
    conv = Conversation(max_tokens=60, messages=["hello there" for _ in range(40)])
    window = conv.get_messages()
    assert 3 < len(window) < 15
    assert Conversation(messages=window).count_tokens() <= 60


def test_a_reserve_that_takes_all_is_clamped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    conv = Conversation(max_tokens=100, reserve_tokens=2000, messages=["x" * 9 for _ in range(30)])
    with caplog.at_level(logging.WARNING, "llm_client"):
        first, second = conv.get_messages(LENGTHS), conv.get_messages(LENGTHS)
    assert first == second
    assert 30 < sum(map(length, first)) <= 50
    assert [record.message for record in caplog.records] == [
        "reserve_tokens (2000) leaves nothing of the limit of 100 tokens; half of the limit is reserved"
    ]


def test_the_last_user_message_stays_and_is_shortened_where_it_alone_is_too_long() -> None:
    conv = Conversation(max_tokens=100, messages=["old", "y" * 500])
    (only,) = conv.get_messages(LENGTHS)
    assert "characters left out ...]" in only.text
    assert length(only) <= 97
    assert conv.get_messages(LENGTHS)[0] is only
    conv.max_tokens = 20
    assert "left out" in conv.get_messages(LENGTHS)[0].text
    assert conv[1].text == "y" * 500


def test_the_question_stays_when_its_answer_grows_long() -> None:
    conv = Conversation(max_tokens=100, messages=["what is it?"])
    for number in range(10):
        conv.add_assistant_with_tools(None, [ToolCall(f"c{number}", "look", "{}")])
        conv.add_tool_result(f"c{number}", "r" * 20)
    window = conv.get_messages(LENGTHS)
    assert window[0].text == "what is it?"
    assert [message.tool_call_id for message in window if message.role is Role.TOOL] == ["c7", "c8", "c9"]


def test_a_user_may_be_put_first() -> None:
    conv = Conversation(max_tokens=80, messages=["q" * 60])
    conv.extend([Message.assistant("a" * 20), Message.user("u" * 5)])
    plain = conv.window(model=LENGTHS, max_tokens=40)
    assert texts(plain) == ["a" * 20, "u" * 5]
    user_first = conv.window(model=LENGTHS, max_tokens=72, reserve_tokens=0, user_first=True)
    assert texts(user_first) == ["(earlier messages were left out)", "a" * 20, "u" * 5]
    assert sum(map(length, user_first)) <= 69
    assert texts(conv.window(model=LENGTHS, user_first=True)) == ["(earlier messages were left out)", "a" * 20, "u" * 5]


def test_fork_is_independent() -> None:
    conv = sample()
    conv.count_tokens(LENGTHS)
    forked = conv.fork()
    assert forked.session_id != conv.session_id
    assert forked.messages == conv.messages
    assert forked.config == conv.config
    forked.add_user("only here")
    forked.max_tokens = 1
    conv.add_assistant("only there")
    assert (len(forked), len(conv), conv.max_tokens) == (6, 6, 8000)
    assert forked.count_tokens(LENGTHS) == LENGTHS.base + sum(
        map(length, [Message.system(conv.system_message or ""), *forked])
    )


def test_branch_keeps_the_first_messages() -> None:
    conv = sample()
    branched = conv.branch(from_index=3)
    assert branched.messages == conv.messages[:3]
    assert branched.system_message == conv.system_message
    assert branched.session_id != conv.session_id
    assert branched.notes == []
    assert conv.branch().messages == conv.branch(5).messages == conv.messages
    assert conv.branch(-4).messages == conv.messages[:1]
    assert conv.branch(0).messages == []
    for outside in (6, -6):
        with pytest.raises(IndexError, match="outside the conversation, which has 5 messages"):
            conv.branch(outside)


def test_a_branch_point_inside_a_tool_exchange_moves_to_its_start_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    conv = sample()
    with caplog.at_level(logging.WARNING, "llm_client"):
        branched = conv.branch(4)
    assert branched.messages == conv.messages[:3]
    assert branched.notes == ["the branch point 4 lies inside a tool exchange; moved to its start, 3"]
    assert branched.notes[0] in caplog.text
    # An exchange that nobody finished is whole as it is.
    conv = Conversation(messages=["hi"])
    conv.add_assistant_with_tools(None, [CALL])
    assert len(conv.branch(2)) == 2
    # Interleaved exchanges are all kept together.
    conv = Conversation(messages=["hi"])
    conv.add_assistant_with_tools(None, [ToolCall("a", "f")])
    conv.add_assistant_with_tools(None, [ToolCall("b", "f")])
    conv.add_tool_result("b", "1")
    conv.add_tool_result("a", "2")
    assert len(conv.branch(4)) == 1


def test_clear_keeps_the_system_message() -> None:
    conv = sample()
    session = conv.session_id
    conv.clear()
    assert (len(conv), conv.system_message, conv.session_id) == (0, "You are a helpful assistant.", session)
    conv.add_tool_result("call_1", "late")
    assert texts(conv.get_messages()) == ["You are a helpful assistant."]
    assert conv.count_tokens(LENGTHS) == LENGTHS.base + 29 + 5


def test_history_as_text() -> None:
    conv = sample()
    conv.add_user(["Look: ", IMAGE], name="Ada")
    assert conv.format_history() == (
        "User: What is Python?\n"
        "Assistant: Python is a programming language...\n"
        "User: Show me an example\n"
        "Assistant: Let me search for that.\n"
        '  -> search({"q": "python"})\n'
        "Tool search: Found 10 results...\n"
        "User (Ada): Look: [image image/png]"
    )
    assert conv.format_history(max_messages=1) == "[... 5 earlier messages]\nUser (Ada): Look: [image image/png]"
    assert conv.format_history(max_messages=10) == conv.format_history()
    with pytest.raises(ValueError, match="max_messages must be 0 or more"):
        conv.format_history(-1)


def test_it_pickles_and_copies() -> None:
    conv = sample()
    conv.count_tokens()
    for twin in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        assert twin.to_dict() == conv.to_dict()
        twin.add_user("more")
        assert len(conv) == 5
        assert twin.count_tokens() > conv.count_tokens()
    assert "messages=5" in repr(conv)
    assert module.FORMAT not in repr(conv)


def test_its_type_hints_can_be_resolved() -> None:
    for name, member in vars(Conversation).items():
        function = getattr(member, "__func__", member)
        if inspect.isfunction(function) and name != "__getitem__":
            assert "return" in typing.get_type_hints(function)
