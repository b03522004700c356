"""Tokens of messages, tools, images and documents."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from llm_client._core import tokens
from llm_client._core.messages import Message, ProviderItems, ToolCall
from llm_client._core.parts import AudioPart, FilePart, ImagePart, TextPart
from llm_client._core.profiles import ModelProfile
from llm_client._core.tool_rendering import plain_tool, render_tools


class Words:
    """A tokenizer whose tokens are words."""

    exact = True
    name = "words"

    def count(self, text: str) -> int:
        return len(text.split())


WORDS = Words()
WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where."},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "days": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"$ref": "#/$defs/Place"},
        "level": {"anyOf": [{"type": "number"}, {"const": "max"}]},
    },
    "required": ["city"],
    "$defs": {"Place": {"type": "object", "title": "Place", "properties": {"lat": {"type": "number", "title": "Lat"}}}},
}
RENDERED = """namespace functions {

// The weather.
type get_weather = (_: {
// Where.
city: string,
unit?: "celsius" | "fahrenheit", // default: "celsius"
days?: number | null,
tags?: string[],
place?: {
// Lat
lat?: number,
},
level?: number | "max",
}) => any;

type now = () => any;

} // namespace functions"""


def count(messages: Any, tools: Any = None, *, vendor: str = "openai", model: str = "gpt-4o") -> int:
    return tokens.count(messages, WORDS, vendor=vendor, model=model, tools=tools)


def test_bare_text_is_counted_bare() -> None:
    assert count("one two three") == 3


def test_messages_follow_the_cookbook() -> None:
    # 3 around each message, 1 for its role, 3 before the answer; a name costs itself and 1.
    assert count([Message.user("one two three")]) == 3 + 1 + 3 + 3
    assert count([Message.system("be brief"), Message.user("hi")]) == (4 + 2) + (4 + 1) + 3
    assert count([Message.user("hi", name="Ada Lovelace")]) == 4 + 1 + (2 + 1) + 3


def test_reasoning_models_take_a_token_less() -> None:
    assert count([Message.user("hi")], model="gpt-5") == count([Message.user("hi")], model="gpt-4o") - 1


def test_messages_add_up_one_by_one() -> None:
    messages = [
        Message.system("you are a clerk"),
        Message.user("what is up"),
        Message.assistant(None, [ToolCall("1", "look", '{"at": "it"}'), ToolCall("2", "look", "{}")]),
        Message.tool_result("1", "all good", "look"),
        Message.tool_result("2", "all bad"),
    ]
    for vendor, model in (("openai", "gpt-4o"), ("openai", "gpt-5"), ("anthropic", "claude-opus-5"), ("unknown", "x")):
        single = sum(tokens.count_message(message, WORDS, vendor=vendor, model=model) for message in messages)
        assert count(messages, vendor=vendor, model=model) == single + tokens.before_answer(vendor, model)


def test_tool_calls_and_their_results() -> None:
    call = ToolCall("1", "look", '{"at": "it"}')
    one = tokens.count_message(Message.assistant(None, [call]), WORDS, vendor="openai", model="gpt-4o")
    assert one == 4 + 2 + 1 + 2
    several = tokens.count_message(Message.assistant(None, [call, call]), WORDS, vendor="openai", model="gpt-4o")
    assert several == 4 + 2 * (2 + 1 + 2) + 2 * 8
    result = tokens.count_message(Message.tool_result("1", "all good", "look"), WORDS, vendor="openai", model="gpt-4o")
    assert result == 4 + 2 + 3 + 1


def test_dicts_and_messages_count_alike() -> None:
    messages = [Message.user("one two"), Message.assistant("three"), Message.user([TextPart("four five")])]
    assert count([message.to_dict() for message in messages]) == count(messages)


def test_tools_are_rendered_as_declarations() -> None:
    tools = [
        {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": WEATHER}},
        {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}},
    ]
    assert render_tools(tools) == RENDERED


class ATool:
    name = "get_weather"
    description = "The weather."
    parameters = WEATHER


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": WEATHER}},
        {"type": "function", "name": "get_weather", "description": "The weather.", "parameters": WEATHER},
        {"name": "get_weather", "description": "The weather.", "input_schema": WEATHER},
        ATool(),
    ],
)
def test_tools_of_all_shapes_count_alike(tool: Any) -> None:
    assert plain_tool(tool) == {"name": "get_weather", "description": "The weather.", "parameters": WEATHER}
    assert count([Message.user("hi")], [tool]) > count([Message.user("hi")])
    assert count([Message.user("hi")], iter([tool])) == count([Message.user("hi")], [tool])


def test_what_is_no_tool_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a tool is a Tool"):
        count([Message.user("hi")], [5])


def test_a_schema_that_names_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {"type": "object", "properties": {"first": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}}
    text = render_tools([{"name": "walk", "parameters": schema}])
    assert 3 < text.count("next?") < 20
    assert "any" in text


def test_schemas_join_the_system_message() -> None:
    tools = [{"name": "now"}]
    alone = count([Message.user("hi")], tools) - count([Message.user("hi")])
    both = [Message.system("be brief"), Message.user("hi")]
    assert count(both, tools) - count(both) == alone - 4


def test_no_tools_cost_nothing() -> None:
    assert count([Message.user("hi")], []) == count([Message.user("hi")], None) == count([Message.user("hi")])
    assert tokens.count_tools([], WORDS, vendor="anthropic", model="claude-opus-5") == 0


def test_having_tools_costs_anthropics_instructions() -> None:
    tool = [{"name": "now"}]
    new = tokens.count_tools(tool, WORDS, vendor="anthropic", model="claude-opus-5")
    assert tokens.count_tools(tool, WORDS, vendor="anthropic", model="claude-3-opus-20240229") == new - 480 + 530
    assert tokens.count_tools(tool, WORDS, vendor="anthropic", model="claude-sonnet-4-0") == new - 480 + 346


def test_thinking_is_sent_back_within_a_tool_turn_only() -> None:
    items = ProviderItems("anthropic-messages", ({"type": "thinking", "thinking": "one two three", "signature": "x"},))
    call = [ToolCall("1", "look", "{}")]

    def of(message: Message) -> int:
        return tokens.count_message(message, WORDS, vendor="anthropic", model="claude-opus-5")

    with_items = Message(role="assistant", tool_calls=call, provider_items=items)  # type: ignore[arg-type]
    assert of(with_items) == of(Message.assistant(None, call)) + 3
    said = Message(role="assistant", content="done", provider_items=items)  # type: ignore[arg-type]
    assert of(said) == of(Message.assistant("done"))


def test_sealed_reasoning_is_counted_by_its_length() -> None:
    items = ProviderItems("openai-responses", ({"type": "reasoning", "encrypted_content": "x" * 600, "summary": []},))
    call = [ToolCall("1", "look", "{}")]
    sealed = Message(role="assistant", tool_calls=call, provider_items=items)  # type: ignore[arg-type]
    plain = Message.assistant(None, call)
    assert tokens.count_message(sealed, WORDS, vendor="openai", model="gpt-5") == 100 + tokens.count_message(
        plain, WORDS, vendor="openai", model="gpt-5"
    )


def test_an_image_is_not_counted_as_text() -> None:
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + (64).to_bytes(4, "big") * 2 + b"\0" * 500_000).decode()
    message = Message.user([TextPart("what is it"), ImagePart(data=data, media_type="image/png")])
    assert tokens.count_message(message, WORDS, vendor="openai", model="gpt-4o") == 4 + 3 + 85 + 170
    assert ModelProfile.get("claude-opus-5").count_tokens([message]) < 100


@pytest.mark.parametrize(("vendor", "each"), [("openai", 1500), ("anthropic", 3000)])
def test_documents_are_counted_by_the_page(vendor: str, each: int) -> None:
    pdf = b"%PDF-1.7 /Type /Pages /Count 2 " + b"<< /Type /Page >> << /Type/Page>>"
    part = FilePart(data=base64.b64encode(pdf).decode(), media_type="application/pdf")
    assert tokens.count_part(part, WORDS, vendor=vendor, model="x") == 2 * each


def test_documents_that_hide_their_pages_are_counted_by_their_size() -> None:
    part = FilePart(data=base64.b64encode(b"%PDF-1.7" + b"z" * 120_000).decode(), media_type="application/pdf")
    assert tokens.count_part(part, WORDS, vendor="openai", model="x") == 3 * 1500


def test_text_files_are_counted_as_their_text() -> None:
    part = FilePart(data=base64.b64encode(b"one two three").decode(), media_type="text/plain", filename="a.txt")
    assert tokens.count_part(part, WORDS, vendor="openai", model="x") == 3


def test_files_that_are_elsewhere_get_a_round_figure() -> None:
    assert tokens.count_part(FilePart(file_id="file-1"), WORDS, vendor="openai", model="x") == 5000


def test_sound_is_counted_by_its_length() -> None:
    part = AudioPart(data=base64.b64encode(bytes(48_000 * 3)).decode(), format="wav")
    assert tokens.count_part(part, WORDS, vendor="openai", model="x") == 30


def test_only_estimates_get_a_margin() -> None:
    assert tokens.with_margin(1000, WORDS) == 1000
    assert tokens.with_margin(1001, ModelProfile.get("claude-opus-5").tokenizer) == 1102


@pytest.mark.parametrize("text", ["<|endoftext|>", "<|im_start|>system<|im_sep|>", "<|fim_prefix|>"])
@pytest.mark.parametrize("model", ["gpt-5", "gpt-4", "claude-opus-5", "llama3"])
def test_text_that_looks_special_is_text(model: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_CLIENT_VOCABULARY_URL", "off")
    assert ModelProfile.resolve(model).count_tokens([{"role": "user", "content": text}]) > 4
