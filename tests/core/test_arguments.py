import pickle
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from typing_extensions import TypedDict

from llm_client._core import jsons
from llm_client._core.tools import Tool, ToolArgumentError, tool, tool_from_function


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 0


class Movie(TypedDict):
    name: str
    year: int


class User(BaseModel):
    name: str
    places: list[Point] = []


@tool
def everything(
    number: int,
    ratio: float = 0.5,
    flag: bool = False,
    text: str = "",
    maybe: int | None = None,
    names: list[str] = [],  # noqa: B006
    colour: Colour = Colour.RED,
    when: datetime | None = None,
    point: Point | None = None,
    movie: Movie | None = None,
    user: User | None = None,
    unique: set[int] = set(),  # noqa: B006
    mode: Literal["a", "b"] = "a",
    small: Annotated[int, Field(ge=0, le=9)] = 0,
    loose: Any = None,
) -> None:
    """Everything."""


def error_of(made: Tool, arguments: Any) -> ToolArgumentError:
    with pytest.raises(ToolArgumentError) as caught:
        made.prepare(arguments)
    return caught.value


def test_coercion_is_pydantics():
    prepared = everything.prepare(
        {
            "number": "5",
            "ratio": 1,
            "flag": "yes",
            "maybe": "7",
            "names": ["a"],
            "colour": "red",
            "when": "2024-01-02T03:04:05Z",
            "point": {"x": "1"},
            "movie": {"name": "M", "year": "1999"},
            "user": {"name": "U", "places": [{"x": 1, "y": 2}]},
            "unique": [1, 1, 2],
            "mode": "b",
            "small": 9,
            "loose": {"any": [1]},
        }
    )
    assert prepared == {
        "number": 5,
        "ratio": 1.0,
        "flag": True,
        "maybe": 7,
        "names": ["a"],
        "colour": Colour.RED,
        "when": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        "point": Point(1),
        "movie": {"name": "M", "year": 1999},
        "user": User(name="U", places=[Point(1, 2)]),
        "unique": {1, 2},
        "mode": "b",
        "small": 9,
        "loose": {"any": [1]},
    }
    assert type(prepared["ratio"]) is float


@pytest.mark.parametrize("arguments", [None, "", "  ", "null", "{}", {}])
def test_no_arguments(arguments):
    assert tool_from_function(lambda: None, name="f").prepare(arguments) == {}
    assert error_of(everything, arguments).fields == ("number",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("[1]", "must be a JSON object"),
        ('"text"', "must be a JSON object"),
        ("12", "must be a JSON object"),
        ('{"number": 1', "not valid JSON"),
        ("nonsense", "not valid JSON"),
        ("9" * 5000, "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ({1: 2}, "must be strings"),
        ([1], "must be a JSON object, got list"),
        (b"{}", "must be a JSON object, got bytes"),
    ],
)
def test_what_is_no_object_is_refused(arguments, words):
    error = error_of(everything, arguments)
    assert "'everything'" in str(error)
    assert words in str(error)


def test_errors_name_every_field():
    error = error_of(everything, {"number": "x", "small": 10, "user": {"places": [{"x": "no"}]}, "nmbr": 1})
    lines = str(error).splitlines()
    assert lines[0] == "the arguments of 'everything' do not fit:"
    assert '- number: Input should be a valid integer, unable to parse string as an integer (got "x")' in lines
    assert "- small: Input should be less than or equal to 9 (got 10)" in lines
    assert "- user.name: Field required" in lines
    assert any(line.startswith("- user.places.0.x: ") for line in lines)
    assert any(line.startswith("- nmbr: there is no such argument; 'everything' takes number, ratio") for line in lines)
    assert error.fields == ("number", "user", "small", "nmbr")
    assert isinstance(error, ValueError)


def test_missing_and_long_values():
    assert "- number: this argument is required, but it is missing" in str(error_of(everything, {"text": "a"}))
    message = str(error_of(everything, {"number": "x" * 5000}))
    assert len(message) < 400
    assert "..." in message


def test_tools_without_arguments_say_so():
    made = tool_from_function(lambda: None, name="f")
    assert "'f' takes no arguments" in str(error_of(made, {"a": 1}))


def test_null_for_a_parameter_with_a_default_means_left_out():
    assert everything.prepare({"number": 1, "ratio": None, "names": None, "maybe": None, "loose": None}) == {
        "number": 1,
        "maybe": None,
        "loose": None,
    }
    assert error_of(everything, {"number": None}).fields == ("number",)


def test_errors_pickle():
    error = error_of(everything, {"number": "x"})
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.fields == ("number",)


def test_types_strict_about_python_objects_are_read_as_json():
    class Exact(BaseModel):
        model_config = ConfigDict(strict=True)
        when: datetime
        items: tuple[int, ...]

    def use(exact: Exact, raw: Annotated[datetime, Field(strict=True)]) -> None:
        return None

    text = "2024-01-02T00:00:00"
    prepared = tool_from_function(use).prepare({"exact": {"when": text, "items": [1]}, "raw": text})
    assert prepared == {"exact": Exact(when=datetime(2024, 1, 2), items=(1,)), "raw": datetime(2024, 1, 2)}


def test_python_objects_may_be_given():
    assert everything.prepare({"number": 1, "point": Point(3), "when": datetime(2024, 1, 1)}) == {
        "number": 1,
        "point": Point(3),
        "when": datetime(2024, 1, 1),
    }


def test_validators_that_break():
    class Fragile(BaseModel):
        a: int

        @field_validator("a")
        @classmethod
        def check(cls, value: int) -> int:
            if value == 1:
                raise ValueError("not one")
            raise KeyError("broken")

    made = tool_from_function(lambda fragile: None, name="f")
    made = tool(name="f")(_annotated(Fragile))
    assert "fragile.a: Value error, not one (got 1)" in str(error_of(made, {"fragile": {"a": 1}}))
    error = error_of(made, {"fragile": {"a": 2}})
    assert "fragile: KeyError: 'broken'" in str(error)


def _annotated(kind: Any) -> Any:
    def use(fragile: Any) -> None:
        return None

    use.__annotations__["fragile"] = kind
    return use


def test_default_factories_of_models_are_not_shared():
    @dataclass
    class Bag:
        items: list[int] = field(default_factory=list)

    made = tool(_annotated(Bag))
    first = made.prepare({"fragile": {}})["fragile"]
    second = made.prepare({"fragile": {}})["fragile"]
    first.items.append(1)
    assert second.items == []


def test_text_beyond_ascii():
    assert everything.prepare('{"number": 1, "text": "\\ud800"}')["text"] == "\ud800"
    assert everything.prepare('{"number": 1, "text": "żółw 🐢"}')["text"] == "żółw 🐢"


def test_integers_beyond_64_bit_stay_exact():
    assert everything.prepare('{"number": 123456789012345678901234567890}')["number"] == 123456789012345678901234567890


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
NAMES = list(everything.parameters["properties"])


@given(JSON)
def test_any_json_is_accepted_or_refused_readably(value):
    for made in (everything, Tool("manual", "", {}, lambda **kwargs: kwargs), everything.replace(name="other")):
        try:
            prepared = made.prepare(jsons.dumps_text(value))
        except ToolArgumentError as error:
            refused = str(error)
        else:
            refused = ""
            assert isinstance(prepared, dict)
        assert not refused or made.name in refused


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_value_for_known_arguments(arguments):
    try:
        named = set(everything.prepare(jsons.dumps_text(arguments)))
    except ToolArgumentError as error:
        named = set(error.fields)
    assert named
    assert named <= set(NAMES)


PLAIN = [int, float, bool, str, int | None, str | None, int | bool | None, float | str]


@settings(max_examples=300)
@given(st.sampled_from(PLAIN), JSON)
def test_the_way_without_pydantic_gives_what_pydantic_gives(annotation, value):
    made = tool(_annotated(annotation))
    try:
        expected = TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        assert error_of(made, {"fragile": value}).fields == ("fragile",)
    else:
        got = made.prepare({"fragile": value})["fragile"]
        assert got == expected
        assert type(got) is type(expected)
