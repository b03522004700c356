"""Structured output: the forms that users ask for, and answers read into objects."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.structured import OutputForm, ask_again, output_form, read_output
from llm_client._core.wire.request import ResponseFormat

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "title": "A place!"}


class Place(BaseModel):
    city: str
    country: str | None = None


@dataclass
class Point:
    x: int
    y: int = 0


def read(wanted: Any, content: str, **given: Any) -> tuple[Any, str | None]:
    return read_output(output_form(wanted), CompletionResult(content=content, **given))


def test_plain_text() -> None:
    for wanted in (None, "text", {"type": "text"}):
        assert output_form(wanted) == OutputForm()
        assert read(wanted, "{") == (None, None)


def test_json_objects() -> None:
    for wanted in ("json_object", {"type": "json_object"}):
        assert output_form(wanted).format == ResponseFormat("json_object")
        assert read(wanted, '{"a": 1}') == ({"a": 1}, None)
        # The vendor promises no more than JSON, and it is told what came.
        assert read(wanted, "no JSON") == (None, None)


@pytest.mark.parametrize(
    ("wanted", "name", "strict"),
    [
        (SCHEMA, "A_place_", None),
        ({"schema": SCHEMA, "name": "place", "strict": True}, "place", True),
        ({"type": "json_schema", "json_schema": {"schema": SCHEMA, "name": "place"}}, "place", None),
        ({"type": "json_schema", "schema": SCHEMA, "name": "place", "strict": False}, "place", False),
        ({"type": "json_schema", "schema": SCHEMA}, "response", None),
    ],
)
def test_schemas(wanted: dict[str, Any], name: str, strict: bool | None) -> None:
    form = output_form(wanted)
    assert form.format is not None
    assert (form.format.kind, form.format.name, form.format.strict) == ("json_schema", name, strict)
    assert form.format.schema == SCHEMA
    assert read(wanted, '{"city": "Bern"}') == ({"city": "Bern"}, None)


def test_a_schema_may_describe_a_member_named_schema() -> None:
    wanted = {"type": "object", "properties": {"schema": {"type": "string"}}}
    form = output_form(wanted)
    assert form.format is not None
    assert form.format.schema == wanted


def test_a_format_that_is_given_ready() -> None:
    wanted = ResponseFormat("json_schema", schema=SCHEMA)
    assert output_form(wanted).format is wanted


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ("yaml", ValueError),
        ({"type": "json_schema"}, ValueError),
        ({"type": "json_schema", "json_schema": {}}, ValueError),
        ({}, ValueError),
        ({"city": "string"}, ValueError),
        (5, TypeError),
        (object, ValueError),
        (lambda: None, TypeError),
    ],
)
def test_what_is_no_form(wanted: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"JSON schema|response_format|strict schema"):
        output_form(wanted)


@pytest.mark.parametrize(
    ("wanted", "content", "value"),
    [
        (Place, '{"city": "Bern", "country": null}', Place(city="Bern")),
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (Point, '{"x": 1, "y": null}', Point(1)),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[Place], '{"value": [{"city": "Bern", "country": "CH"}]}', [Place(city="Bern", country="CH")]),
        (Literal["a", "b"], '{"value": "a"}', "a"),
        (datetime.date, '{"value": "2026-01-02"}', datetime.date(2026, 1, 2)),
        (int | None, '{"value": null}', None),
    ],
)
def test_types(wanted: Any, content: str, value: Any) -> None:
    form = output_form(wanted)
    assert form.format is not None
    assert form.format.schema is not None
    assert (form.format.schema["type"], form.format.schema["additionalProperties"]) == ("object", False)
    assert form.format.strict is True
    assert read(wanted, content) == (value, None)
    assert read(wanted, f"```json\n{content}\n```") == (value, None)


@pytest.mark.parametrize(
    ("wanted", "content", "words"),
    [
        (Place, '{"country": "CH"}', "city: Field required"),
        (Place, "Bern", "wanted form"),
        (Place, "[]", "wanted form"),
        (Place, '{"city": "Bern"', "wanted form"),
        (Place, "", "wanted form"),
        (list[int], "[1]", 'one member "value"'),
        (list[int], '{"value": ["x"]}', "0: "),
    ],
)
def test_answers_that_do_not_fit(wanted: Any, content: str, words: str) -> None:
    value, problem = read(wanted, content)
    assert value is None
    assert problem is not None
    assert words in problem
    assert ask_again(problem).startswith("The answer does not have the wanted form")


def test_what_is_no_answer_in_the_form() -> None:
    assert read(Place, "I will not.", refusal="I will not.") == (None, None)
    assert read(Place, "", tool_calls=[ToolCall("1", "x")]) == (None, None)
    assert read(Place, "", status=500, error="broken") == (None, None)
    value, problem = read(Place, '{"city": "Be', finish_reason="length")
    assert value is None
    assert problem is not None
    assert "max_tokens" in problem


def test_an_answer_that_came_twice() -> None:
    # gpt-4o was recorded to send one and the same object as two messages of a response.
    twice = '{"city": "Bern"}\n{"city": "Bern"}'
    assert read(Place, twice) == (Place(city="Bern"), None)
    assert read(SCHEMA, twice) == ({"city": "Bern"}, None)
    assert read(Place, '{"a": 1}{"city": "Bern"}') == (Place(city="Bern"), None)
    assert read(Place, '{"city": "Bern"} and so on')[1] is not None
    assert read(Place, '{"a": 1}{"b": 1}')[1] is not None
