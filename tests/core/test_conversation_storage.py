from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core import jsons
from llm_client._core.conversation import Conversation
from llm_client._core.exceptions import LLMClientError, SessionFileError
from llm_client._core.messages import Message, ProviderItems, Role
from llm_client._core.truncation import STRATEGIES
from support.histories import histories

anything = st.text(st.characters(codec=None), max_size=20)


@settings(deadline=None)
@given(
    histories,
    st.none() | anything,
    st.none() | st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(STRATEGIES),
    anything.filter(bool),
)
def test_everything_comes_back(
    messages: list[Message], system: str | None, limit: int | None, reserve: int, strategy: Any, session: str
) -> None:
    conv = Conversation(system, limit, strategy, reserve, session_id=session)
    for message in messages:
        # A conversation keeps what it is given; only what a dict cannot say is not asked of it.
        if message.role is not Role.TOOL or message.tool_call_id:
            conv.add_message(message)
    for twin in (Conversation.from_dict(conv.to_dict()), Conversation.from_json(conv.to_json())):
        assert twin.messages == conv.messages
        assert twin.config == conv.config
        assert twin.session_id == conv.session_id
        assert twin.get_messages() == conv.get_messages()


def test_a_file_holds_utf8_and_everything(tmp_path: Path) -> None:
    conv = Conversation("sei höflich", session_id="s", messages=["日本 🎉 \udc80"])
    items = ProviderItems("anthropic-messages", ({"type": "thinking", "thinking": "ä", "signature": "sig=="},))
    conv.add_message(Message(Role.ASSISTANT, "12345678901234567890", provider_items=items))
    path = tmp_path / "deep" / "conversation.json"
    conv.save(path)
    conv.save(path)
    assert Conversation.load(path).to_dict() == conv.to_dict()
    assert Conversation.load(str(path)).messages[1].provider_items == items
    json.loads(path.read_text("utf-8"))
    assert [entry.name for entry in path.parent.iterdir()] == ["conversation.json"]


def test_a_save_that_fails_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "conversation.json"
    Conversation(session_id="old").save(path)
    broken = Conversation(session_id="new")
    broken.notes.append("x")
    broken.add_message(Message(Role.ASSISTANT, "a", provider_items=ProviderItems("d", ({"no": object()},))))
    with pytest.raises(TypeError):
        broken.save(path)
    assert Conversation.load(path).session_id == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["conversation.json"]


GOOD = Conversation("s", session_id="id", messages=["hi"]).to_dict()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged or not JSON"),
        (jsons.dumps(GOOD)[:-5], "damaged or not JSON"),
        (b"\xff\xfe\x00", "damaged or not JSON"),
        (b"[1, 2]", "expected a JSON object, got list"),
        (jsons.dumps({**GOOD, "version": 2}), "newer version of this library (llm-client-conversation version 2"),
        (jsons.dumps({**GOOD, "version": "1"}), "its version is '1', expected a number from 1"),
        (jsons.dumps({**GOOD, "version": 0}), "its version is 0"),
        (jsons.dumps({**GOOD, "format": "llm-client-session"}), "it states the format 'llm-client-session'"),
        (jsons.dumps({"format": GOOD["format"], "version": 1}), "'messages' must be a list, got NoneType"),
        (
            jsons.dumps({**GOOD, "messages": [{"role": "user"}, {"content": "x"}]}),
            "damaged: message 1: a message needs a",
        ),
        (jsons.dumps({**GOOD, "messages": [3]}), "damaged: message 0: a message is a dict, got int"),
        (jsons.dumps({**GOOD, "max_tokens": "lots"}), "damaged: max_tokens is a number of tokens"),
        (jsons.dumps({**GOOD, "truncation_strategy": "none"}), "unknown truncation_strategy 'none'"),
        (jsons.dumps({**GOOD, "session_id": 7}), "'session_id' must be a string, got 7"),
        (
            jsons.dumps({**GOOD, "messages": [{"role": "assistant", "content": "", "provider_items": {"items": []}}]}),
            "damaged",
        ),
    ],
)
def test_what_cannot_be_read_gives_one_clear_error_and_stays_as_it_is(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "conversation.json"
    path.write_bytes(content)
    with pytest.raises(SessionFileError) as caught:
        Conversation.load(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LLMClientError)
    assert path.read_bytes() == content
    with pytest.raises(SessionFileError):
        Conversation.from_json(content)


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Conversation.load(tmp_path / "nothing.json")


def test_plain_message_lists_can_be_read_too() -> None:
    conv = Conversation.from_dict({"messages": [{"role": "user", "content": "hi"}]})
    assert conv.get_messages() == [Message.user("hi")]
    assert conv.session_id
    with pytest.raises(SessionFileError, match="expected a JSON object, got list"):
        Conversation.from_dict([])  # type: ignore[arg-type]


def test_a_system_message_among_the_messages_stays_where_it_is() -> None:
    conv = Conversation("top", messages=["hi"])
    conv.clear()
    conv.add_message(Message.system("first"))
    conv.add_user("hi")
    twin = Conversation.from_dict(conv.to_dict())
    assert twin.messages == conv.messages == [Message.system("first"), Message.user("hi")]


def test_nothing_but_the_conversation_is_saved() -> None:
    assert set(Conversation("s").to_dict()) == {
        "format", "version", "session_id", "system_message", "max_tokens", "truncation_strategy", "reserve_tokens",
        "messages",
    }  # fmt: skip
