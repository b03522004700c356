"""Request bodies against what the vendors published: OpenAI's schemas, and the types of both vendors' SDKs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from llm_client._core import jsons
from llm_client._core.messages import Message, ProviderItems, ToolCall
from llm_client._core.options import completion_request
from llm_client._core.parts import AudioPart, FilePart, ImagePart, TextPart
from llm_client._core.profiles import ModelProfile
from llm_client._core.tools import Tool, tool
from llm_client._core.validate import RESPONSES, repair
from llm_client._core.wire import anthropic_messages, openai_chat, openai_embeddings, openai_responses
from llm_client._core.wire.capability_rules import apply_capabilities
from support import anthropic_wire, openai_wire

SCHEMAS = Path(__file__).parents[1] / "data" / "openai-schemas.json"
NAMES = {
    "chat": "CreateChatCompletionRequest",
    "responses": "CreateResponse",
    "embeddings": "CreateEmbeddingRequest",
}
DIALECTS: dict[str, Any] = {"chat": openai_chat, "responses": openai_responses, "anthropic": anthropic_messages}
MODELS = {
    "chat": ("gpt-4o", "gpt-5", "gpt-5.6-luna", "o3", "a-model-of-tomorrow"),
    "responses": ("gpt-4o", "gpt-5", "gpt-5.6-luna", "o3", "a-model-of-tomorrow"),
    "anthropic": ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-sonnet-5-5", "claude-3-5-haiku-20241022"),
}
PIXEL = ImagePart(data="iVBORw0KGgo=", media_type="image/png")


@cache
def document() -> Any:
    return json.loads(SCHEMAS.read_text(encoding="utf-8"))


def overlapping(schema: Any) -> Any:
    """A schema whose alternatives may overlap, as OpenAI's do: its discriminators are no words of JSON Schema.

    A message of Responses without a type, for one, is two of them at once.
    """
    if isinstance(schema, dict):
        return {
            "anyOf" if name == "oneOf" and isinstance(value, list) else name: overlapping(value)
            for name, value in schema.items()
        }
    return [overlapping(item) for item in schema] if isinstance(schema, list) else schema


@cache
def validator(api: str) -> Draft202012Validator:
    root = {"$ref": f"#/components/schemas/{NAMES[api]}", "components": overlapping(document()["components"])}
    return Draft202012Validator(root)


@cache
def known_members(name: str) -> frozenset[str]:
    """The members that a schema names: most of OpenAI's forbid no others, so a misspelt one would pass."""
    schema = document()["components"]["schemas"][name]
    parts = [part["$ref"].rpartition("/")[2] if "$ref" in part else part for part in schema.get("allOf", [schema])]
    named: set[str] = set()
    for part in parts:
        named |= known_members(part) if isinstance(part, str) else set(part.get("properties", {}))
    return frozenset(named)


def check(api: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body as it goes over the wire, if it is a request by everything the vendor has published."""
    sent: dict[str, Any] = json.loads(jsons.dumps(body))
    if api == "anthropic":
        return anthropic_wire.check_body(sent)
    assert set(sent) - known_members(NAMES[api]) == set()
    problems = [f"{error.json_path}: {error.message[:300]}" for error in validator(api).iter_errors(sent)]
    assert problems == []
    if api == "embeddings" and isinstance(sent["input"], list):
        # pydantic takes the first of several Iterables for meant, whatever is in it.
        sent = {**sent, "input": sent["input"][:0]}
    return openai_wire.check_body(api, sent)


def body_of(dialect: str, messages: Any, *, model: str, stream: bool = False, **options: Any) -> dict[str, Any]:
    """The body that a provider sends for a call."""
    tools, choice = options.pop("tools", None), options.pop("tool_choice", None)
    if dialect == "anthropic":
        options.setdefault("max_tokens", 4096)
    request, _ = completion_request(
        messages, tools, choice, options, model=model, profile=ModelProfile.resolve(model), stream=stream
    )
    request, _ = apply_capabilities(request, DIALECTS[dialect].NAME)
    prefill = request.profile.capabilities.assistant_prefill
    repaired = repair(request.messages, DIALECTS[dialect].NAME, prefill=prefill, as_given=True)
    body: dict[str, Any] = DIALECTS[dialect].build_request(replace(request, messages=repaired.messages))
    return body


# ---------------------------------------------------------------- what is asked


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class City(BaseModel):
    name: str
    inhabitants: int | None = Field(None, ge=0)
    colours: list[Colour] = []
    twin: City | None = None


@dataclass
class Point:
    x: float
    y: float = 0.0
    kind: Literal["a", "b"] = "a"


@tool
def get_weather(city: str, days: int = 1, colour: Colour = Colour.RED, points: list[Point] | None = None) -> str:
    """Get the weather.

    Args:
        city: Where.
        days: For how long.
    """
    return city


@tool
def now() -> str:
    """The time."""
    return ""


BY_HAND = Tool(
    name="search-it_2",
    description="Search.",
    parameters={"type": "object", "properties": {"q": {"type": ["string", "null"]}}, "additionalProperties": True},
    handler=lambda q: q,
)

CONVERSATIONS: dict[str, Any] = {
    "text": "Hello",
    "unicode": "Grüezi \u2028 \U0001f600 \x00",
    "system and developer": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hi", "name": "anna"},
    ],
    "turns": [Message.user("Hi"), Message.assistant("Hello"), Message.user("And?")],
    "images": [
        Message.user([TextPart("What is it?"), PIXEL, ImagePart(url="https://example.org/a.png", detail="low")])
    ],
    "files": [
        Message.user(["Read", FilePart(data="JVBERi0=", media_type="application/pdf", filename="a.pdf")]),
        Message.assistant("Read."),
        Message.user([FilePart(file_id="file_1"), "Again"]),
    ],
    "tools": [
        Message.user("Weather?"),
        Message.assistant("Let me see.", tool_calls=[ToolCall("c1", "get_weather", '{"city": "Bern"}')]),
        Message.tool_result("c1", "sunny"),
        Message.user("Thanks"),
    ],
    "parallel tools, one unanswered, odd ids": [
        Message.user("Weather?"),
        Message.assistant(
            None,
            tool_calls=[
                ToolCall("c:1/ü" + "x" * 80, "get_weather", '{"city": "Bern"}'),
                ToolCall("c2", "now", "{broken"),
                ToolCall("c3", "now", ""),
            ],
        ),
        Message.tool_result("c2", "noon", is_error=True),
    ],
    "reasoning of Responses": [
        Message.user("Think"),
        Message(
            role="assistant",
            content="Done.",
            provider_items=ProviderItems(
                RESPONSES,
                (
                    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"},
                    {
                        "type": "message",
                        "id": "msg_1",
                        "role": "assistant",
                        "status": "completed",
                        "content": [{"type": "output_text", "text": "Done.", "annotations": [], "logprobs": []}],
                    },
                ),
            ),
        ),
        Message.user("Go on"),
    ],
    "thinking of Claude": [
        Message.user("Think"),
        Message(
            role="assistant",
            content="Done.",
            provider_items=ProviderItems(
                "anthropic-messages",
                (
                    {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    {"type": "text", "text": "Done."},
                ),
            ),
        ),
        Message.user("Go on"),
    ],
    "assistant last": [Message.user("Hi"), Message.assistant("I say ")],
    "empty texts": [Message.user("Hi"), Message.assistant(""), Message.user(""), Message.user("?")],
}
FORMATS: list[Any] = [
    None,
    "text",
    "json_object",
    City,
    Point,
    list[int],
    Literal["yes", "no"],
    {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "title": "A number"},
    {
        "type": "json_schema",
        "json_schema": {
            "name": "n",
            "description": "A number.",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"n": {"type": "integer"}},
                "required": ["n"],
                "additionalProperties": False,
            },
        },
    },
]


def perhaps(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from((None, *values))


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": perhaps(0, 0.7, 1.0),
        "top_p": perhaps(0.1, 1.0),
        "max_tokens": perhaps(16, 5000),
        "stop": perhaps("END", ["a", "b"]),
        "seed": perhaps(7),
        "reasoning_effort": perhaps("low", "medium", "high"),
        "thinking": perhaps({"type": "enabled", "budget_tokens": 2048}),
        "parallel_tool_calls": perhaps(True, False),
        "store": perhaps(True, False),
        "prompt_cache_key": perhaps("key"),
        "cache": perhaps("auto"),
        "user": perhaps("user-1"),
        "response_format": st.sampled_from(FORMATS),
    },
)
TOOLS = st.sampled_from(
    [
        {},
        {"tools": [get_weather]},
        {"tools": [get_weather, now, BY_HAND], "tool_choice": "auto"},
        {"tools": [get_weather, now], "tool_choice": "none"},
        {"tools": [now], "tool_choice": "required"},
        {"tools": [get_weather, now], "tool_choice": "now"},
    ]
)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_combination_is_a_request(dialect: str, data: st.DataObject) -> None:
    messages = CONVERSATIONS[data.draw(st.sampled_from(sorted(CONVERSATIONS)))]
    body = body_of(
        dialect,
        messages,
        model=data.draw(st.sampled_from(MODELS[dialect])),
        stream=data.draw(st.booleans()),
        **data.draw(TOOLS),
        **data.draw(OPTIONS),
    )
    check(dialect, body)


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_conversation_with_each_model(dialect: str, name: str) -> None:
    for model in MODELS[dialect]:
        for stream in (False, True):
            body = body_of(dialect, CONVERSATIONS[name], model=model, stream=stream, tools=[get_weather, now])
            assert check(dialect, body)["model"] == model


@pytest.mark.parametrize("wanted", FORMATS, ids=range(len(FORMATS)))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_form_of_output(dialect: str, wanted: Any) -> None:
    for model in MODELS[dialect]:
        check(dialect, body_of(dialect, "Hello", model=model, response_format=wanted))
        check(dialect, body_of(dialect, "Hello", model=model, response_format=wanted, tools=[get_weather]))


def test_sound_goes_to_chat_completions() -> None:
    body = body_of("chat", [Message.user(["Listen", AudioPart(data="UklGRg==", format="wav")])], model="gpt-4o")
    assert check("chat", body)["messages"][0]["content"][1]["type"] == "input_audio"


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.one_of(
        st.text(min_size=1),
        st.lists(st.text(min_size=1), min_size=1, max_size=5),
        st.lists(st.integers(0, 100_000), min_size=1, max_size=5),
        st.lists(st.lists(st.integers(0, 100_000), min_size=1, max_size=3), min_size=1, max_size=3),
    ),
    encoding=st.sampled_from(["float", "base64"]),
    dimensions=st.sampled_from([None, 1, 256]),
    user=st.sampled_from([None, "user-1"]),
)
def test_embeddings(inputs: Any, encoding: Any, dimensions: int | None, user: str | None) -> None:
    model = "text-embedding-3-large"
    request = openai_embeddings.embedding_request(
        inputs,
        model=model,
        profile=ModelProfile.resolve(model),
        encoding_format=encoding,
        dimensions=dimensions,
        user=user,
        extra_body=None,
    )
    for part in openai_embeddings.split(request):
        check("embeddings", openai_embeddings.build_request(request, part))


@pytest.mark.parametrize(
    ("api", "change"),
    [
        ("chat", {"messages": []}),
        ("chat", {"messages": [{"role": "robot", "content": "x"}]}),
        ("chat", {"temperature": 7}),
        ("chat", {"temprature": 1}),
        ("chat", {"tools": [{"type": "function", "name": "flat"}]}),
        ("responses", {"input": [{"role": "robot", "content": "x"}]}),
        ("responses", {"tools": [{"type": "function", "function": {"name": "nested"}}]}),
        ("embeddings", {"dimensions": 0}),
        ("embeddings", {"inputs": "x"}),
    ],
)
def test_the_check_itself_notices_mistakes(api: str, change: dict[str, Any]) -> None:
    good: dict[str, Any] = {"model": "m", ("messages" if api == "chat" else "input"): "x"}
    if api == "chat":
        good["messages"] = [{"role": "user", "content": "x"}]
    check(api, good)
    with pytest.raises(AssertionError):
        check(api, {**good, **change})


def test_the_licence_stands_beside_the_schemas() -> None:
    assert "MIT licence" in document()["source"]
    readme = (SCHEMAS.parent / "README.md").read_text(encoding="utf-8")
    assert "openai/openai-openapi" in readme
