"""Structured output on Anthropic: natively, by a forced tool, by words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_client._core.events import StreamEventType
from llm_client._core.tools import Tool
from llm_client._core.wire.anthropic_format import InexpressibleError, native_schema, way_of
from llm_client._core.wire.anthropic_messages import build_request, parse_response
from llm_client._core.wire.request import ResponseFormat
from support.anthropic_wire import (
    BUDGET_MODEL,
    OLD_MODEL,
    STRICT_MODEL,
    as_stream,
    check_body,
    message,
    request,
    run_stream,
    sse,
)

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}
FREE = {"type": "object", "additionalProperties": {"type": "integer"}}
WANTED = ResponseFormat("json_schema", schema=SCHEMA)
FREE_WANTED = ResponseFormat("json_schema", schema=FREE, description="Counts.")
ON = {"type": "enabled", "budget_tokens": 1024}


async def _handler(**given: Any) -> str:
    return str(given)


def tool(name: str) -> Tool:
    return Tool(name=name, description="d", parameters=SCHEMA, handler=_handler)


def body(**options: Any) -> dict[str, Any]:
    return check_body(build_request(request("Who?", **options)))


def test_native() -> None:
    sent = body(response_format=WANTED, reasoning_effort="low", model=STRICT_MODEL)
    assert sent["output_config"]["effort"] == "low"
    assert sent["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer", "description": '{"minimum":0}'}},
            "required": ["name"],
            "additionalProperties": False,
        },
    }
    assert "tools" not in sent
    assert "system" not in sent


def test_json_mode_is_a_system_line() -> None:
    sent = body(response_format=ResponseFormat("json_object"))
    assert "one JSON object and nothing else" in sent["system"]
    assert "output_config" not in sent


@pytest.mark.parametrize(
    ("options", "way"),
    [
        ({"model": BUDGET_MODEL, "response_format": WANTED}, "native"),
        ({"model": OLD_MODEL, "response_format": WANTED}, "tool"),
        ({"model": BUDGET_MODEL, "response_format": FREE_WANTED}, "tool"),
        ({"model": BUDGET_MODEL, "response_format": FREE_WANTED, "thinking": ON}, "words"),
        ({"model": BUDGET_MODEL, "response_format": FREE_WANTED, "thinking": {"type": "disabled"}}, "tool"),
        ({"model": STRICT_MODEL, "response_format": FREE_WANTED}, "words"),
        ({"model": OLD_MODEL, "response_format": ResponseFormat("json_schema", schema={"type": "array"})}, "words"),
        ({"model": BUDGET_MODEL}, None),
    ],
)
def test_ways(options: dict[str, Any], way: str | None) -> None:
    assert way_of(request("Who?", **options)) == way


def test_words() -> None:
    sent = body(response_format=FREE_WANTED, thinking=ON, max_tokens=2000)
    assert '{"type":"object","additionalProperties":{"type":"integer"}}' in sent["system"]
    assert "It is: Counts." in sent["system"]
    assert "tools" not in sent


def test_a_forced_tool() -> None:
    sent = body(response_format=WANTED, model=OLD_MODEL)
    assert sent["tools"] == [{"name": "respond", "description": "Give the final answer.", "input_schema": SCHEMA}]
    assert sent["tool_choice"] == {"type": "tool", "name": "respond"}


@pytest.mark.parametrize(
    ("choice", "sent_choice"),
    [
        (None, {"type": "any"}),
        ("auto", {"type": "any"}),
        ("none", {"type": "tool", "name": "respond_"}),
        ("respond", {"type": "tool", "name": "respond"}),
    ],
)
def test_a_forced_tool_beside_others(choice: str | None, sent_choice: dict[str, Any]) -> None:
    sent = body(response_format=WANTED, model=OLD_MODEL, tools=[tool("respond")], tool_choice=choice)
    assert [one["name"] for one in sent["tools"]] == ["respond", "respond_"]
    assert sent["tool_choice"] == sent_choice


ANSWER = {"type": "tool_use", "id": "t1", "name": "respond", "input": {"name": "Ada", "age": 36}}


def test_the_forced_call_is_the_answer() -> None:
    asked = request("Who?", response_format=WANTED, model=OLD_MODEL)
    whole = message({"type": "text", "text": "Here you are:"}, ANSWER, stop_reason="tool_use")
    result = parse_response(json.dumps(whole).encode(), asked)
    assert json.loads(result.content) == ANSWER["input"]
    assert result.tool_calls is None
    assert result.finish_reason == "stop"
    assert result.raw_finish_reason == "tool_use"
    assert result.raw == whole
    assert result.provider_items is None
    events = run_stream(asked, sse(as_stream(whole)), cut=11)
    tokens = "".join(event.data for event in events if event.type is StreamEventType.TOKEN)
    streamed = events[-1].data
    assert tokens == streamed.content
    assert json.loads(tokens) == ANSWER["input"]
    assert not [event for event in events if event.type is StreamEventType.TOOL_CALL_START]
    assert (streamed.finish_reason, streamed.tool_calls) == ("stop", None)


def test_an_answer_without_pieces() -> None:
    asked = request("Who?", response_format=WANTED, model=OLD_MODEL)
    empty = {**ANSWER, "input": {}}
    stream = [event for event in as_stream(message(empty)) if event["type"] != "content_block_delta"]
    assert run_stream(asked, sse(stream))[-1].data.content == "{}"


def test_words_instead_of_the_forced_call_are_shown() -> None:
    asked = request("Who?", response_format=WANTED, model=OLD_MODEL)
    whole = message({"type": "text", "text": "I would rather not."}, stop_reason="refusal")
    events = run_stream(asked, sse(as_stream(whole)))
    assert {event.type.value for event in events[:-2]} == {"token"}
    assert events[-1].data == parse_response(json.dumps(whole).encode(), asked)
    assert events[-1].data.content == "I would rather not."


def test_a_tool_of_the_caller_before_the_answer() -> None:
    asked = request("Who?", response_format=WANTED, model=OLD_MODEL, tools=[tool("look")])
    whole = message({"type": "tool_use", "id": "t1", "name": "look", "input": {}}, stop_reason="tool_use")
    result = parse_response(json.dumps(whole).encode(), asked)
    assert result.tool_calls is not None
    assert result.finish_reason == "tool_calls"
    assert result.content == ""


def test_a_tool_named_respond_stays_a_tool_elsewhere() -> None:
    result = parse_response(json.dumps(message(ANSWER)).encode(), request("Who?"))
    assert result.has_tool_calls


# --- the subset of JSON schema


def test_subset() -> None:
    schema = {
        "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}, "additionalProperties": False}},
        "type": "object",
        "title": "All",
        "properties": {
            "when": {"type": "string", "format": "date-time"},
            "code": {"type": "string", "format": "colour", "description": "A code", "pattern": "^a"},
            "kind": {"enum": ["a", "b"], "type": "string"},
            "maybe": {"type": ["string", "null"], "description": "Perhaps"},
            "either": {"oneOf": [{"type": "integer"}, {"$ref": "#/$defs/Point"}]},
            "many": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 5},
            "more": {"type": "array", "items": {"type": "null"}, "minItems": 2},
            "both": {"allOf": [{"$ref": "#/$defs/Point"}]},
        },
    }
    before = json.dumps(schema)
    sent = native_schema(schema)
    assert json.dumps(schema) == before
    fields = sent["properties"]
    assert sent["$defs"]["Point"]["additionalProperties"] is False
    assert sent["additionalProperties"] is False
    assert fields["when"] == {"type": "string", "format": "date-time"}
    assert fields["code"] == {"type": "string", "description": 'A code\n\n{"pattern":"^a","format":"colour"}'}
    assert fields["kind"] == {"type": "string", "enum": ["a", "b"]}
    assert fields["maybe"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Perhaps"}
    assert fields["either"] == {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/Point"}]}
    assert fields["many"]["minItems"] == 1
    assert "maxItems" in fields["many"]["description"]
    assert "minItems" not in fields["more"]
    assert fields["both"] == {"allOf": [{"$ref": "#/$defs/Point"}]}
    assert native_schema(sent) == sent


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (FREE, "the schema is an object with free keys"),
        ({"type": "object"}, "names no properties"),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}, r"the schema\.a\[\]"),
        ({"type": "object", "properties": {"a": {}}}, r"the schema\.a has no type"),
        ({"type": "object", "properties": {"a": True}}, r"the schema\.a is True"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "refers to itself"),
        (
            {
                "$ref": "#/$defs/Node",
                "$defs": {
                    "Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Link"}]}}},
                    "Link": {"type": "object", "properties": {"to": {"$ref": "#/$defs/Node"}}},
                },
            },
            "refers to itself",
        ),
    ],
)
def test_what_the_subset_cannot_express(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(InexpressibleError, match=words):
        native_schema(schema)
