"""Messages, tool calls, parts, and what users may pass for them."""

from __future__ import annotations

import base64
import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.messages import (
    Message,
    ProviderItems,
    Role,
    ToolCall,
    ToolCallDelta,
    normalize_messages,
)
from llm_client._core.parts import AudioPart, FilePart, ImagePart, RawPart, TextPart, part_from_dict

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
PARTS = [
    TextPart("Look:", cache_control={"type": "ephemeral"}),
    ImagePart(url="https://example.org/a.png", detail="low"),
    ImagePart(data="aGk=", media_type="image/png"),
    FilePart(data="aGk=", media_type="application/pdf", filename="a.pdf"),
    FilePart(file_id="file-1"),
    FilePart(url="https://example.org/a.pdf"),
    AudioPart("aGk=", "mp3"),
]
CALLS = [ToolCall("call_1", "weather", '{"city":"Zürich"}'), ToolCall("call_2", "now")]
MESSAGES = [
    Message.system("Be brief."),
    Message.user("Hello", name="anna"),
    Message.user(PARTS),
    Message.assistant("I will look.", CALLS),
    Message.assistant(None, CALLS),
    Message.tool_result("call_1", "sunny", "weather"),
    Message.tool_result("call_2", "no clock", is_error=True),
    Message(
        Role.ASSISTANT, "Hi", provider_items=ProviderItems("openai-responses", ({"type": "reasoning", "id": "rs"},))
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.role.value)
def test_messages_survive_saving_pickling_and_copying(message: Message) -> None:
    assert Message.from_dict(message.to_dict()) == message
    assert pickle.loads(pickle.dumps(message)) == message
    assert copy.deepcopy(message) == message


def test_the_saved_form_is_openais_chat_shape() -> None:
    assert Message.user("Hi").to_dict() == {"role": "user", "content": "Hi"}
    assert Message.assistant(None, CALLS[:1]).to_dict() == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Zürich"}'}}
        ],
    }
    assert Message.tool_result("call_1", "sunny", "weather").to_dict() == {
        "role": "tool", "content": "sunny", "tool_call_id": "call_1", "name": "weather"
    }  # fmt: skip


def test_roles() -> None:
    assert Message.from_dict({"role": "developer", "content": "x"}).role is Role.SYSTEM
    assert Message("user", "x").role is Role.USER  # type: ignore[arg-type]  # what users write
    for value in ("function", "", None, 5):
        with pytest.raises(ValueError, match="unknown role"):
            Message.from_dict({"role": value, "content": "x"})


def test_text_and_parts() -> None:
    assert (Message.user("Hi").text, Message.user("Hi").parts) == ("Hi", (TextPart("Hi"),))
    assert (Message.assistant().text, Message.assistant().parts) == ("", ())
    assert Message.user("").parts == ()
    mixed = Message.user(["Look: ", ImagePart(url="https://example.org/a.png"), {"type": "text", "text": "this"}])
    assert mixed.text == "Look: this"
    assert len(mixed.parts) == 3


@pytest.mark.parametrize("content", [5, b"bytes", {"type": "text", "text": "x"}])
def test_content_of_another_kind(content: Any) -> None:
    with pytest.raises(TypeError, match="content is a string or a list of parts"):
        Message(Role.USER, content)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ("text", TypeError, "a message is a dict, got str"),
        ({"content": "x"}, ValueError, "needs a 'role'"),
        ({"role": "tool", "content": "x"}, ValueError, "tool_call_id"),
        ({"role": "assistant", "tool_calls": "x"}, TypeError, "tool_calls is a list"),
        ({"role": "assistant", "tool_calls": {"a": 1}}, TypeError, "tool_calls is a list"),
        ({"role": "assistant", "tool_calls": 5}, TypeError, "tool_calls is a list"),
        ({"role": "assistant", "tool_calls": [{"id": "x"}]}, ValueError, "needs a name"),
        ({"role": "assistant", "tool_calls": ["x"]}, TypeError, "tool call"),
        ({"role": "user", "content": [{"type": "text"}]}, ValueError, "'text' as a string"),
        ({"role": "user", "content": [5]}, TypeError, "part"),
    ],
)
def test_dicts_that_are_no_messages(value: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        Message.from_dict(value)


# --- tool calls


def test_arguments() -> None:
    assert ToolCall("1", "x", '{"a": [1, null]}').parse_arguments() == {"a": [1, None]}
    for nothing in ("", "  \n", "null", "{}"):
        assert ToolCall("1", "x", nothing).parse_arguments() == {}
    assert ToolCall("1", "x", {"ä": 2**70}).arguments in (
        '{"ä":1180591620717411303424}',
        '{"\\u00e4":1180591620717411303424}',
    )  # type: ignore[arg-type]
    for wrong, words in (("{", "not valid JSON"), ("[1]", "must be a JSON object"), ('"x"', "must be a JSON object")):
        with pytest.raises(ValueError, match=words):
            ToolCall("1", "x", wrong).parse_arguments()


def test_long_arguments_are_shown_shortened() -> None:
    with pytest.raises(ValueError) as caught:
        ToolCall("1", "x", "[" + "1," * 1000).parse_arguments()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "value",
    [
        {"id": "1", "type": "function", "function": {"name": "x", "arguments": '{"a":1}'}},
        {"id": "1", "name": "x", "arguments": '{"a":1}'},
        {"id": "1", "name": "x", "arguments": {"a": 1}},
        {"call_id": "1", "name": "x", "arguments": '{"a":1}'},
        {"id": "1", "type": "tool_use", "name": "x", "input": {"a": 1}},
    ],
)
def test_calls_from_all_shapes(value: dict[str, Any]) -> None:
    assert ToolCall.from_dict(value) == ToolCall("1", "x", '{"a":1}')


def test_call_pieces() -> None:
    assert ToolCallDelta(0, "1", "x", "{").to_dict() == {"index": 0, "id": "1", "name": "x", "arguments_delta": "{"}


# --- what users pass


def test_all_forms_of_messages() -> None:
    hello = Message.user("Hello")
    for given_ in ("Hello", hello, {"role": "user", "content": "Hello"}, ["Hello"], (hello,), iter([hello])):
        assert normalize_messages(given_) == [hello]
    assert normalize_messages([{"role": "system", "content": "x"}, "Hello"]) == [Message.system("x"), hello]


@pytest.mark.parametrize(
    ("given_", "kind", "words"),
    [
        ([], ValueError, "empty"),
        (None, TypeError, "got NoneType"),
        (5, TypeError, "got int"),
        (b"x", TypeError, "got bytes"),
        (["x", 5], TypeError, "message 1: a message is a dict, got int"),
        (["x", {"content": "y"}], ValueError, "message 1"),
        (["x", None], TypeError, "message 1"),
    ],
)
def test_what_is_no_list_of_messages(given_: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        normalize_messages(given_)


@given(st.text())
def test_any_text_is_a_message(text: str) -> None:
    (message,) = normalize_messages(text)
    assert Message.from_dict(message.to_dict()).text == text


# --- parts


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_parts_from_their_own_shape(part: Any) -> None:
    bare = part if isinstance(part, AudioPart) or part.cache_control is None else TextPart("Look:")
    assert part_from_dict(part.to_dict()) == bare
    assert part_from_dict(part) is part


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"type": "input_text", "text": "x"}, TextPart("x")),
        ({"text": "x"}, TextPart("x")),
        (
            {"type": "input_image", "image_url": "https://e.org/a", "detail": "low"},
            ImagePart("https://e.org/a", detail="low"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ImagePart(data="aGk=", media_type="image/png"),
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            ImagePart(data="aGk=", media_type="image/png"),
        ),
        ({"type": "image", "source": {"type": "url", "url": "https://e.org/a"}}, ImagePart("https://e.org/a")),
        (
            {"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"},
            FilePart(data="aGk=", media_type="application/pdf", filename="a.pdf"),
        ),
        (
            {"type": "document", "source": {"type": "text", "data": "hi", "media_type": "text/plain"}, "title": "a"},
            FilePart(data="aGk=", media_type="text/plain", filename="a"),
        ),
        ({"type": "document", "source": {"type": "url", "url": "https://e.org/a"}}, FilePart(url="https://e.org/a")),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, FilePart(file_id="f")),
        ({"type": "video", "url": "x"}, RawPart({"type": "video", "url": "x"})),
        ({"type": "input_image", "file_id": "f"}, RawPart({"type": "input_image", "file_id": "f"})),
    ],
)  # fmt: skip
def test_parts_from_all_vendors_shapes(value: dict[str, Any], part: Any) -> None:
    assert part_from_dict(value) == part


@pytest.mark.parametrize(
    "make",
    [
        ImagePart,
        FilePart,
        lambda: ImagePart(url="x", data="y"),
        lambda: ImagePart(data="aGk="),
        lambda: FilePart(data="aGk="),
        lambda: FilePart(url="x", file_id="y"),
        lambda: ImagePart(url="data:image/png,plain"),
        lambda: part_from_dict({"type": "text", "text": 5}),
        lambda: part_from_dict({"type": "image_url", "image_url": {}}),
        lambda: part_from_dict({"type": "text", "text": "x", "cache_control": 5}),
        lambda: part_from_dict({"type": "file"}),
    ],
)
def test_parts_that_are_none(make: Any) -> None:
    with pytest.raises(ValueError):
        make()


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "a.mp3").write_bytes(b"ID3")
    image = ImagePart.from_path(tmp_path / "a.png", detail="high")
    assert (image.media_type, image.detail, base64.b64decode(image.data or "")) == ("image/png", "high", PNG)
    file = FilePart.from_path(tmp_path / "a.pdf")
    assert (file.media_type, file.filename, file.data_url) == (
        "application/pdf",
        "a.pdf",
        "data:application/pdf;base64,JVBERg==",
    )
    assert AudioPart.from_path(tmp_path / "a.mp3").format == "mp3"
    for missing in (ImagePart, FilePart, AudioPart):
        with pytest.raises(FileNotFoundError, match=r"none\.wav"):
            missing.from_path(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="no PNG"):
        ImagePart.from_path(tmp_path / "a.pdf")
    with pytest.raises(ValueError, match=r"\.wav"):
        AudioPart.from_path(tmp_path / "a.pdf")
