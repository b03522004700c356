"""Whatever a model may send as arguments and a user's function may return or raise, for hypothesis: never twinned."""

from __future__ import annotations

import collections
import contextlib
import decimal
import enum
import fractions
import io
import json
import pathlib
import queue
import random
import re
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st
from pydantic import BaseModel
from typing_extensions import TypedDict

from llm_client._core.messages import ToolCall
from llm_client._core.tool_context import ToolContext
from llm_client._core.tool_result import ToolResult

# ---------------------------------------------------------------- arguments


class Point(BaseModel):
    x: int
    y: float = 0.0


class Row(TypedDict, total=False):
    key: str
    value: int


@dataclass
class Line:
    start: Point
    tags: list[str] = field(default_factory=list)


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


def scalars(a: int, b: str = "b", c: float | None = None, d: bool = False) -> Any:
    """Take scalars."""
    return [a, b, c, d]


def structured(
    a: Point, b: list[Line] | None = None, c: Row | None = None, d: dict[str, list[int]] | None = None
) -> Any:
    """Take models."""
    return [a, b, c, d]


def chosen(a: Colour, b: Literal["x", 1, None] = "x", c: date | timedelta | None = None) -> Any:
    """Take what is one of a few."""
    return [a, b, c]


def free(a: Any = None, **b: Any) -> Any:
    """Take anything."""
    return [a, b]


def known(context: ToolContext[Any], a: set[int] | tuple[int, str] | None = None) -> Any:
    """Take what JSON has no form for, and the context."""
    return [context.tool_name, a]


async def later(a: int, /, b: bytes = b"", *, c: re.Pattern[str] | None = None) -> Any:
    """Take arguments of every kind."""
    return [a, b, c and c.pattern]


TAKING = (scalars, structured, chosen, free, known, later)

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats()
    | st.text(),
    lambda nested: (
        st.lists(nested, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from("abcdxy"), nested, max_size=4)
    ),
    max_leaves=12,
)
_NAMED = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "context", "self", "args", "kwargs"]), ANY_JSON)
_TEXT = (
    (ANY_JSON | _NAMED).map(json.dumps)
    | ANY_JSON.map(lambda value: json.dumps(value, ensure_ascii=False))
    | st.text(max_size=40)
    | st.characters(categories=["Cs"]).map(lambda half: json.dumps({"b": half, "a": 1}, ensure_ascii=False))
    | st.integers(1, 3000).map(lambda depth: '{"a":' + "[" * depth + "]" * depth + "}")
    | st.sampled_from(["", " ", "null", "{}", "[]", "{", '{"a": 1', '{"a": 1}{"a": 2}', '{"a": NaN}', '{"a": 1e999}'])
)

CALLS = st.lists(
    st.builds(
        ToolCall,
        st.text(max_size=6) | st.just("same"),
        st.sampled_from([function.__name__ for function in TAKING]) | st.text(min_size=1, max_size=8),
        _TEXT | _NAMED,
    ),
    min_size=1,
    max_size=5,
)
"""Tool calls as a model may send them: any name, any id, any arguments."""


# ---------------------------------------------------------------- results


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hostile")

    def __repr__(self) -> str:
        raise RuntimeError("hostile")

    def __iter__(self) -> Any:
        raise RuntimeError("hostile")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hostile")

    def __bool__(self) -> bool:
        raise RuntimeError("hostile")

    __hash__ = None  # type: ignore[assignment]


class HostileDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError("hostile")

    def keys(self) -> Any:
        raise ValueError("hostile")


class HostileText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("hostile")

    def __len__(self) -> int:
        raise RuntimeError("hostile")


class HostileNumber(int):
    def __repr__(self) -> str:
        raise RuntimeError("hostile")

    __str__ = __repr__


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Holder:
    value: Any


class Loose(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    value: Any = None


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value


def contains_itself() -> Any:
    held: list[Any] = []
    held.append({"again": held})
    return held


def deep(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = [value]
    return value


def generator() -> Any:
    yield 1


async def coroutine_function() -> Any:
    return 1


Maker = Callable[[], Any]

MADE: list[Maker] = [
    object,
    Hostile,
    threading.Lock,
    queue.Queue,
    io.StringIO,
    io.BytesIO,
    contains_itself,
    generator,
    random.Random,
    lambda: deep(50),
    lambda: deep(5000),
    lambda: HostileText("x"),
    lambda: HostileNumber(3),
    lambda: HostileDict(a=1),
    lambda: coroutine_function,
    lambda: sys,
    lambda: int,
    lambda: NotImplemented,
    lambda: ...,
    lambda: 1 + 2j,
    lambda: range(3),
    lambda: memoryview(b"\xff\x00"),
    lambda: fractions.Fraction(1, 3),
    lambda: decimal.Decimal("NaN"),
    lambda: pathlib.Path("/tmp"),
    lambda: re.compile("a"),
    lambda: types.SimpleNamespace(a=1),
    lambda: types.MappingProxyType({"a": 1}),
    lambda: collections.deque([1]),
    lambda: collections.Counter("aab"),
    lambda: collections.ChainMap({"a": 1}),
    lambda: collections.UserDict(a=1),
    lambda: contextlib.nullcontext(),
    lambda: ValueError("returned, not raised"),
    lambda: {1: 2, None: 3, (1, 2): 4},
    lambda: {b"key": 1},
    lambda: {frozenset({1}): 1},
    lambda: {1, "a", None},
    lambda: "\ud800",
    lambda: {"a": "\udfff"},
    lambda: 10**5000,
    lambda: -(2**64),
    lambda: "x" * 200_000,
    lambda: ToolCall("id", "name", {}),
    lambda: ToolResult(content=Hostile()),
    lambda: ToolResult(content=object(), success=False, error=None),
    lambda: ToolResult.error_result(5),  # type: ignore[arg-type]
    lambda: ToolResult(content=1, text=7),  # type: ignore[arg-type]
    lambda: ToolResult(success=None),  # type: ignore[arg-type]
]

_KEYS = st.text(max_size=3) | st.integers() | st.none() | st.booleans()


def _made(value: Any) -> Maker:
    return lambda: value


def _within(build: Callable[..., Any]) -> Callable[[Any], Maker]:
    return lambda makers: lambda: build(*[maker() for maker in makers])


def _dict_of(makers: Any) -> Maker:
    return lambda: {key: maker() for key, maker in makers.items()}


def _nested(nested: Any) -> Any:
    pairs, single = st.tuples(nested, nested), st.tuples(nested)
    return (
        st.lists(nested, max_size=3).map(_within(lambda *items: list(items)))
        | st.dictionaries(_KEYS, nested, max_size=3).map(_dict_of)
        | pairs.map(_within(lambda *items: items))
        | pairs.map(_within(Pair))
        | single.map(_within(Holder))
        | single.map(_within(lambda value: Loose(value=value)))
        | single.map(_within(Plain))
        | single.map(_within(ToolResult.success_result))
    )


RESULTS: st.SearchStrategy[Maker] = st.recursive(
    st.sampled_from(MADE)
    | (
        ANY_JSON
        | st.binary(max_size=8)
        | st.datetimes()
        | st.dates()
        | st.times()
        | st.timedeltas()
        | st.decimals()
        | st.uuids()
        | st.complex_numbers()
        | st.sampled_from(Colour)
    ).map(_made),
    _nested,
    max_leaves=6,
)
"""Functions that make what a tool may return: hypothesis itself would stumble over some of it."""


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("hostile")

    __repr__ = __str__


class StillRunning(Exception):
    @property
    def still_running(self) -> bool:
        raise RuntimeError("hostile")


class Touchy(TimeoutError):
    still_running = "perhaps"


class NoArguments(Exception):
    def __init__(self) -> None:
        super().__init__()


class TextOfAnotherType(Exception):
    def __str__(self) -> Any:
        return 5


_RAISED: list[Callable[[], Exception]] = [
    ValueError,
    lambda: ValueError("\ud800"),
    lambda: KeyError({"a": 1}),
    lambda: OSError(2, "no such file"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    lambda: RuntimeError("x" * 200_000),
    lambda: StopIteration("stopped"),
    lambda: StopAsyncIteration("stopped"),
    lambda: RecursionError("deep"),
    lambda: MemoryError(),
    lambda: AssertionError(Hostile),
    lambda: TimeoutError("slow"),
    HostileError,
    StillRunning,
    Touchy,
    NoArguments,
    TextOfAnotherType,
]

RAISED = st.sampled_from(_RAISED)
"""What a tool may raise."""
