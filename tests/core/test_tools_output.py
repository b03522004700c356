import collections
import enum
import json
import math
import pickle
import threading
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from llm_client._core.messages import Role
from llm_client._core.tool_output import ToolOutputError, limit_text, output_text, to_jsonable
from llm_client._core.tools import ToolResult


class Colour(enum.Enum):
    RED = "red"


class Word(str, enum.Enum):
    A = "a"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    at: datetime | None = None
    more: list[Any] = field(default_factory=list)


class Model(BaseModel):
    when: date
    inner: Point


Named = collections.namedtuple("Named", "a b")


class Text(str):
    def __str__(self) -> str:
        return "something else"


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("hostile")

    def __repr__(self) -> str:
        raise RuntimeError("hostile")

    @property
    def __class__(self) -> Any:
        raise RuntimeError("hostile")


class BrokenModel:
    def model_dump(self, mode: str) -> Any:
        raise RuntimeError("cannot")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("", ""),
        ('{"a":1}', '{"a":1}'),
        (Text("own"), "own"),
        (Word.A, "a"),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (10**30, "1" + "0" * 30),
        (1.5, "1.5"),
        (math.nan, "null"),
        ([1, "ż", None], '[1,"ż",null]'),
        ((1, 2), "[1,2]"),
        (Named(1, 2), "[1,2]"),
        ({"a": {1, 2, 3}}, '{"a":[1,2,3]}'),
        pytest.param({"b", "a", "c"}, '["a","b","c"]', id="set of text"),
        (frozenset({Colour.RED}), '["red"]'),
        ({1: "a", None: "b", False: "c"}, '{"1":"a","null":"b","false":"c"}'),
        ({Colour.RED: Level.HIGH}, '{"red":3}'),
        ({date(2024, 1, 2): 1}, '{"2024-01-02":1}'),
        (datetime(2024, 1, 2, tzinfo=timezone.utc), '"2024-01-02T00:00:00+00:00"'),
        (date(2024, 1, 2), '"2024-01-02"'),
        (time(1, 2), '"01:02:00"'),
        (timedelta(days=1, seconds=2, microseconds=500_000), '"P1DT2.5S"'),
        (-timedelta(seconds=3), '"-PT3S"'),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=0), '"00000000-0000-0000-0000-000000000000"'),
        (Path("/tmp/x"), '"/tmp/x"'),
        (b"bytes \xc3\xa9", '"bytes é"'),
        (Point(1, datetime(2024, 1, 1)), '{"x":1,"at":"2024-01-01T00:00:00","more":[]}'),
        (Model(when=date(2024, 1, 2), inner=Point(1)), '{"when":"2024-01-02","inner":{"x":1,"at":null,"more":[]}}'),
        ([Point(1, more=[Point(2)])], '[{"x":1,"at":null,"more":[{"x":2,"at":null,"more":[]}]}]'),
        (collections.OrderedDict(a=1), '{"a":1}'),
        (collections.deque([1, Colour.RED]), '[1,"red"]'),
        (collections.Counter("aab"), '{"a":2,"b":1}'),
        ({"a": 1}.keys(), '["a"]'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_text_of(value, text):
    assert output_text(value) == text
    assert ToolResult(value).to_string() == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "the result is of type object, which JSON cannot hold; return a string"),
        ({"a": [1, threading.Lock()]}, "the result's a[1] is of type lock"),
        ({("a", "b"): 1}, "has a key of type tuple"),
        (b"\xff\xfe", "binary data"),
        ((x for x in [1]), "of type generator"),
        (print, "of type builtin_function_or_method"),
        (Point, "of type type"),
        ([BrokenModel()], "could not be read: RuntimeError"),
        (ValueError("x"), "of type ValueError"),
        (Hostile(), "Hostile"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_a_failed_result(value, words):
    result = ToolResult.from_value(value, name="f", tool_call_id="c1")
    assert not result.success
    assert words in result.to_string()
    assert result.to_string().startswith("Error: ")
    assert (result.name, result.tool_call_id) == ("f", "c1")
    assert " at 0x" not in result.to_string()
    assert ToolResult(value).to_string() == result.to_string()


def test_circular_values():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ToolOutputError, match="contains itself"):
        to_jsonable(loop)
    assert "nested too deeply, or contains itself" in ToolResult.from_value({"a": loop}).to_string()


def test_numpy_like_values():
    class Array:
        __module__ = "numpy"

        def tolist(self) -> list[int]:
            return [1, 2]

    assert output_text({"a": Array()}) == '{"a":[1,2]}'


def test_attrs_like_values():
    class Thing:
        __attrs_attrs__ = (type("A", (), {"name": "x"}),)
        x = 3

    assert output_text(Thing()) == '{"x":3}'


def test_cap_with_a_visible_marker():
    assert limit_text("abc", None) == "abc"
    assert limit_text("abc", 3) == "abc"
    assert limit_text("abcdef", 4) == "abcd\n[output cut: the first 4 of 6 characters are shown]"
    result = ToolResult.from_value("x" * 100, max_chars=10)
    assert result.to_string().startswith("x" * 10 + "\n[output cut")
    assert result.content == "x" * 100
    assert ToolResult("x" * 100).to_string(max_chars=10) == result.to_string()
    assert "[output cut" in ToolResult.error_result("e" * 100).to_string(max_chars=20)


def test_results():
    assert ToolResult.success_result(3) == ToolResult(3)
    failed = ToolResult.error_result("no", name="f")
    assert (failed.success, failed.error, failed.content, failed.still_running) == (False, "no", None, False)
    assert failed.to_string() == "Error: no"
    assert ToolResult(success=False).to_string() == "Error: the tool failed"
    kept = ToolResult.from_value(ToolResult.error_result("own"), name="f", tool_call_id="c", duration=0.5)
    assert kept == ToolResult(success=False, error="own", name="f", tool_call_id="c", duration=0.5)
    assert pickle.loads(pickle.dumps(kept)) == kept
    assert kept.to_dict() == {
        "name": "f",
        "tool_call_id": "c",
        "success": False,
        "content": "Error: own",
        "error": "own",
        "duration": 0.5,
        "still_running": False,
    }


def test_messages():
    message = ToolResult.from_value({"a": 1}, name="f", tool_call_id="c").to_message()
    assert (message.role, message.content, message.tool_call_id, message.name) == (Role.TOOL, '{"a":1}', "c", "f")
    assert not message.is_error
    failed = ToolResult.error_result("secret", tool_call_id="c")
    assert failed.to_message().content == "Error: secret"
    hidden = failed.to_message(include_error=False)
    assert hidden.content == "Error: the tool failed"
    assert hidden.is_error


PYTHON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters())
    | st.binary(max_size=4)
    | st.dates()
    | st.timedeltas()
    | st.decimals()
    | st.sampled_from([Colour.RED, Level.HIGH, object(), print, Point, Hostile, BrokenModel()])
    | st.builds(Point, st.integers()),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.booleans() | st.dates(), children, max_size=3)
        | st.tuples(children, children)
        | st.frozensets(st.integers() | st.text(), max_size=3)
    ),
    max_leaves=10,
)


@given(PYTHON)
def test_any_object_becomes_text_or_a_failed_result(value):
    result = ToolResult.from_value(value)
    text = result.to_string()
    assert isinstance(text, str)
    assert " at 0x" not in text
    if result.success and not isinstance(value, str):
        json.loads(text)


@given(st.timedeltas())
def test_durations_are_read_back_by_pydantic(value):
    from pydantic import TypeAdapter

    assert TypeAdapter(timedelta).validate_json(output_text(value)) == value
