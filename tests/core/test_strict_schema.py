import copy
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from llm_client._core.strict_schema import StrictSchemaError, drop_added_nulls, strict_schema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int = 3


class Shape(BaseModel):
    """A shape."""

    kind: Literal["shape"] = "shape"
    points: list[Point] = Field(default_factory=list, description="Corners", max_length=9)
    colour: Colour = Colour.RED
    label: str | None = None
    main: Point = Field(description="The main one")
    size: float = Field(default=1.0, gt=0)


class Other(BaseModel):
    kind: Literal["other"]
    at: datetime | None = None
    shape: Union[Shape, "Other", None] = None


def every_schema(schema):
    yield schema
    for key in ("properties", "$defs"):
        for nested in schema.get(key, {}).values():
            yield from every_schema(nested)
    for nested in schema.get("anyOf", []):
        yield from every_schema(nested)
    if "items" in schema:
        yield from every_schema(schema["items"])


ALLOWED = {"type", "properties", "required", "additionalProperties", "anyOf", "items", "enum", "const", "$ref", "$defs"}
ALLOWED |= {"description", "format"}


def check_strict(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    for nested in every_schema(schema):
        assert set(nested) <= ALLOWED
        if nested.get("type") == "object":
            assert nested["additionalProperties"] is False
            assert nested["required"] == list(nested["properties"])
        if "$ref" in nested:
            assert set(nested) == {"$ref"}
        assert {"type", "anyOf", "$ref"} & set(nested)


@pytest.mark.parametrize("model", [Shape, Other, Point])
def test_models_become_strict(model):
    schema = TypeAdapter(model).json_schema()
    before = copy.deepcopy(schema)
    strict = strict_schema(schema)
    check_strict(strict)
    assert schema == before
    assert strict_schema(strict) == strict


def test_optional_properties_may_be_null_and_limits_are_said_in_words():
    strict = strict_schema(Shape.model_json_schema())
    size = strict["properties"]["size"]
    assert size == {
        "anyOf": [{"type": "number"}, {"type": "null"}],
        "description": "(default: 1.0, exclusiveMinimum: 0)",
    }
    assert strict["properties"]["points"]["description"] == "Corners (maxItems: 9)"
    assert strict["properties"]["label"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert strict["properties"]["main"] == {"anyOf": [{"$ref": "#/$defs/Point"}], "description": "The main one"}
    assert strict["properties"]["colour"]["anyOf"] == [{"$ref": "#/$defs/Colour"}, {"type": "null"}]


def test_a_reference_at_the_root_is_replaced():
    class Node(BaseModel):
        children: list["Node"]

    strict = strict_schema(Node.model_json_schema())
    check_strict(strict)
    assert strict["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def test_discriminated_unions_become_any_of():
    class Holder(BaseModel):
        it: Annotated[Shape | Other, Field(discriminator="kind")]

    class Sure(Shape):
        kind: Literal["shape"]

    class Certain(BaseModel):
        it: Annotated[Sure | Other, Field(discriminator="kind")]

    for model in (Holder, Certain):
        strict = strict_schema(model.model_json_schema())
        check_strict(strict)
        assert len(strict["properties"]["it"]["anyOf"]) == 2


def test_mixed_values_get_a_type():
    strict = strict_schema({"type": "object", "properties": {"x": {"enum": [1, "a", None]}}, "required": ["x"]})
    assert strict["properties"]["x"] == {"type": ["integer", "string", "null"], "enum": [1, "a", None]}


@pytest.mark.parametrize(
    ("schema", "where", "why"),
    [
        ({"type": "array", "items": {"type": "string"}}, "the root", "must be an object"),
        ({"type": "object", "additionalProperties": True}, "the root", "free keys"),
        ({"type": "object", "properties": {"a": {}}}, "a", "any value"),
        ({"type": "object", "properties": {"a": True}}, "a", "what every value is"),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, "a", "without named properties"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "a", "what a list holds"),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {}}}}, "a", "what a list holds"),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "array", "prefixItems": []}}}},
            "a[]",
            "tuple",
        ),
        (
            {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {"not": {}}]}}},
            "a.anyOf[1]",
            "'not' has no strict form",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/D"}},
                "$defs": {"D": {"type": "object", "additionalProperties": {"type": "integer"}}},
            },
            "$defs.D",
            "free keys",
        ),
        ({"type": "object", "properties": {"a": {"$ref": "other.json"}}}, "other.json", "leads out"),
        ({"type": "object", "properties": {"a": {"type": "string", "frobnicate": 1}}}, "a", "'frobnicate'"),
        ({"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"minLength": 1}]}}}, "a", "'allOf'"),
    ],
)
def test_errors_say_where_and_why(schema, where, why):
    with pytest.raises(StrictSchemaError) as caught:
        strict_schema(schema)
    assert where in str(caught.value)
    assert why in str(caught.value)


def test_added_nulls_are_taken_out_again():
    schema = Other.model_json_schema()
    answer = {
        "kind": "other",
        "at": None,
        "shape": {
            "kind": None,
            "points": [{"x": 1, "y": None}, {"x": 2, "y": 5}],
            "colour": None,
            "label": None,
            "main": {"x": 0, "y": None},
            "size": None,
        },
    }
    jsonschema.validate(answer, strict_schema(schema))
    other = Other.model_validate(drop_added_nulls(answer, schema))
    assert other.shape == Shape(points=[Point(1), Point(2, 5)], main=Point(0))


WORDS = st.sampled_from(["a", "b", "c"])


@st.composite
def schemas(draw, depth=2):
    kind = draw(st.sampled_from(["string", "integer", "array", "object", "union"] if depth else ["string", "integer"]))
    if kind == "array":
        return {"type": "array", "items": draw(schemas(depth=depth - 1))}
    if kind == "union":
        return {"anyOf": [draw(schemas(depth=depth - 1)), {"type": "null"}]}
    if kind == "object":
        return draw(objects(depth=depth - 1))
    return {"type": kind}


@st.composite
def objects(draw, depth=2):
    properties = draw(st.dictionaries(WORDS, schemas(depth=depth), max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required}


def fill(data, schema):
    if "anyOf" in schema:
        return fill(data, data.draw(st.sampled_from(schema["anyOf"])))
    kind = schema["type"]
    if kind == "object":
        return {name: fill(data, nested) for name, nested in schema["properties"].items()}
    if kind == "array":
        return [fill(data, schema["items"]) for _ in range(data.draw(st.integers(0, 2)))]
    return {"string": "s", "integer": 1, "null": None}[kind]


@given(st.data(), objects())
def test_what_fits_the_strict_form_fits_the_original_without_added_nulls(data, schema):
    strict = strict_schema(schema)
    check_strict(strict)
    answer: Any = fill(data, strict)
    jsonschema.validate(answer, strict)
    jsonschema.validate(drop_added_nulls(answer, schema), schema)


def test_default_factories_do_not_matter():
    @dataclass
    class Many:
        names: list[str] = field(default_factory=list)

    strict = strict_schema(TypeAdapter(Many).json_schema())
    assert strict["required"] == ["names"]
