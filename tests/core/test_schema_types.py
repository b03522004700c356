"""Inferred schemas against pydantic's own schema of the same type, titles aside."""

# ruff: noqa: UP006, UP007, UP035, UP045  # the old spellings are what is tested, too

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Dict, FrozenSet, List, Literal, NamedTuple, NewType, Optional, Set, Tuple, Union
from uuid import UUID

import pytest
from annotated_types import Ge, Len
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, PositiveInt, SecretStr, TypeAdapter, conint, constr
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import NotRequired, Required, TypeAliasType, TypedDict

from llm_client._core.tools import tool_from_function


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    """How much."""

    LOW = 1
    HIGH = 2


class Word(str, enum.Enum):
    A = "a"
    B = "b"


class Flags(enum.Flag):
    X = 1
    Y = 2


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Line:
    """Two points."""

    start: Point
    end: Point
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Described:
    name: Annotated[str, Field(description="The name", min_length=1)]
    colour: Colour = Colour.RED
    title: Optional[str] = None


@dataclass
class Generic:
    value: Any
    at: datetime = datetime(2020, 1, 1)


@pydantic_dataclass
class Validated:
    size: int = Field(ge=0)


class Movie(TypedDict):
    name: str
    year: int


class Partial(TypedDict, total=False):
    name: Required[str]
    tags: List[str]


class Sparse(TypedDict):
    """Some keys."""

    id: int
    note: NotRequired[Optional[str]]
    movie: NotRequired[Movie]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Address(BaseModel):
    """Where someone lives."""

    street: str
    number: int = Field(default=1, ge=1, description="House number")


class User(BaseModel):
    name: str
    title: str = "none"
    address: Address
    others: list[Address] = []
    colour: Colour = Colour.GREEN


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Aliased(BaseModel):
    from_: str = Field(alias="from")


class Node(BaseModel):
    value: int
    children: list["Node"] = []


class Tree(TypedDict):
    left: "Optional[Tree]"
    leaf: NotRequired[Point]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Empty(BaseModel):
    pass


UserId = NewType("UserId", int)
Alias = TypeAliasType("Alias", Union[int, list[str]])

SIMPLE = [
    str,
    int,
    float,
    bool,
    None,
    Any,
    object,
    bytes,
    list,
    dict,
    tuple,
    set,
    frozenset,
    datetime,
    date,
    time,
    timedelta,
    Decimal,
    UUID,
    Path,
    IPv4Address,
    IPv6Address,
    Fraction,
    AnyUrl,
    SecretStr,
    PositiveInt,
    Colour,
    Level,
    Word,
    Flags,
    Mixed,
    Point,
    Line,
    Described,
    Generic,
    Validated,
    Movie,
    Partial,
    Sparse,
    Pair,
    Address,
    User,
    Closed,
    Open,
    Aliased,
    Node,
    Tree,
    Empty,
    UserId,
    Alias,
    Literal["a"],
    Literal["a", "b"],
    Literal[1, 2, 3],
    Literal[True],
    Literal["a", 1, None],
    Literal[Colour.RED],
    Annotated[int, Field(ge=0, le=10)],
    Annotated[str, Field(min_length=2, max_length=5, pattern="^a")],
    Annotated[float, Field(gt=0, multiple_of=0.5)],
    Annotated[int, Ge(3)],
    Annotated[list[int], Len(1, 3)],
    Annotated[str, Field(description="A word", examples=["x"])],
    Annotated[Union[Cat, Dog], Field(discriminator="kind")],
    conint(gt=1),
    constr(strip_whitespace=True, to_lower=True),
]

COMPOUND = [
    Union[int, str],
    Union[int, float, None],
    Union[Point, Address],
    Union[Cat, Dog],
    Optional[Union[Point, str]],
    Optional[Any],
    Union[list[int], dict[str, int]],
    int | str,
    str | None,
    Point | None,
    Colour | None,
    list[int | None],
    List[int],
    Dict[str, int],
    Set[str],
    FrozenSet[int],
    Tuple[int, str],
    tuple[int, ...],
    tuple[int, str, Point],
    tuple[()],
    set[Colour],
    frozenset[str],
    dict[str, Any],
    dict[int, str],
    dict[Colour, int],
    dict[str, dict[str, list[Point]]],
    dict[Literal["a", "b"], int],
    list[list[list[str]]],
    list[dict[str, Any]],
    list[Any],
    list[Union[Cat, Dog]],
    list[Annotated[int, Field(ge=0)]],
    list[Annotated[str, "a word"]],
    Sequence[int],
    Mapping[str, int],
    Iterable[str],
    Optional[list[Point]],
    Annotated[Optional[int], Field(ge=0)],
    Optional[Annotated[int, Field(ge=0)]],
    Literal["a", "b"] | None,
    Annotated[Literal["a", "b"], Field(description="Which")],
    Union[Literal["all"], list[int]],
    Union[Node, Tree],
    dict[str, User | Line],
]

TYPES = [
    *SIMPLE,
    *COMPOUND,
    *(Optional[simple] for simple in SIMPLE),
    *(list[simple] for simple in SIMPLE if simple is not None),
    *(dict[str, simple] for simple in SIMPLE if simple is not None),
]


def untitled(schema):
    """The schema without titles; properties may be called "title"."""
    if isinstance(schema, list):
        return [untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            result[key] = {name: untitled(nested) for name, nested in value.items()}
        elif key in ("default", "enum", "const", "examples", "required"):
            result[key] = value
        elif key != "title":
            result[key] = untitled(value)
    return result


def make(annotation, *, as_text=False):
    names = {"T": annotation}
    source = "def f(x: T):\n    '''Do.'''\n"
    if as_text:
        source = "from __future__ import annotations\n" + source
    exec(source, names)
    return tool_from_function(names["f"])


def expected(annotation):
    own = untitled(TypeAdapter(annotation).json_schema())
    definitions = own.pop("$defs", {})
    schema = {"type": "object", "properties": {"x": own}, "required": ["x"]}
    if definitions:
        schema["$defs"] = definitions
    return schema


def test_there_are_200_types():
    assert len(TYPES) >= 200


@pytest.mark.parametrize("annotation", TYPES, ids=lambda annotation: str(annotation)[:60])
def test_same_schema_as_pydantic(annotation):
    assert make(annotation).parameters == expected(annotation)


@pytest.mark.parametrize("annotation", SIMPLE, ids=str)
def test_hints_as_text_give_the_same_schema(annotation):
    assert make(annotation, as_text=True).parameters == make(annotation).parameters


def test_a_described_model_stands_in_its_place():
    schema = make(Annotated[Line, Field(description="Where")]).parameters
    assert schema["properties"]["x"]["description"] == "Where"
    assert list(schema["$defs"]) == ["Point"]


def test_several_parameters_share_definitions():
    def plan(a: User, b: Optional[Address], c: list[Address], n: Node, first: Colour = Colour.RED):
        """Plan."""

    schema = tool_from_function(plan).parameters
    assert list(schema["properties"]) == ["a", "b", "c", "n", "first"]
    assert set(schema["$defs"]) == {"Address", "Colour", "Node"}
    assert schema["properties"]["a"]["properties"]["address"] == {"$ref": "#/$defs/Address"}
    assert schema["properties"]["first"] == {"type": "string", "enum": ["red", "green"], "default": "red"}
    assert schema["required"] == ["a", "b", "c", "n"]


def test_two_classes_of_one_name_stay_apart():
    def outer():
        class Point(BaseModel):
            z: str

        return Point

    other = outer()

    def f(a: list[Point], b: list[other]):
        """F."""

    schema = tool_from_function(f).parameters
    assert len(schema["$defs"]) == 2
    names = {schema["properties"][key]["items"]["$ref"].rpartition("/")[2] for key in "ab"}
    assert names == set(schema["$defs"])


def test_a_type_without_schema_names_the_parameter():
    def f(ok: int, callback: Callable[[], int]):
        """F."""

    with pytest.raises(TypeError, match=r"parameter 'callback' of tool 'f'"):
        tool_from_function(f).parameters  # noqa: B018

    class Odd:
        pass

    def g(odd: Odd):
        """G."""

    with pytest.raises(TypeError, match=r"parameter 'odd' of tool 'g' of type .*Odd"):
        tool_from_function(g).parameters  # noqa: B018
