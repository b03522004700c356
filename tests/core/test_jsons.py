"""JSON in and out: the same values whichever library reads or writes them."""

from __future__ import annotations

import datetime
import json
from collections import namedtuple
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core import jsons

TEXT = st.text(st.characters(codec=None))  # lone surrogates too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


class Colour(str, Enum):
    RED = "red"


class Number(Enum):
    ONE = 1


Pair = namedtuple("Pair", "a b")


@dataclass
class Plain:
    a: int


@given(VALUES)
def test_what_is_written_is_read(value: Any) -> None:
    assert jsons.loads(jsons.dumps(value)) == value
    assert jsons.loads(jsons.dumps(value).decode()) == value
    assert json.loads(jsons.dumps(value)) == value


@given(VALUES)
def test_sorted_keys_make_a_canonical_form(value: Any) -> None:
    def turned(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(list(item))}
        return [turned(part) for part in item] if isinstance(item, list) else item

    assert jsons.dumps(value, sort_keys=True) == jsons.dumps(turned(value), sort_keys=True)


@given(VALUES)
def test_reading_is_exact(value: Any) -> None:
    # The standard library's text, which orjson alone would read with integers cut to floats.
    assert jsons.loads(json.dumps(value)) == value


def test_the_form() -> None:
    assert jsons.dumps({"b": 1, "a": [None, True, 1.5]}) == b'{"b":1,"a":[null,true,1.5]}'
    assert jsons.dumps({"b": 1, "a": 2}, sort_keys=True) == b'{"a":2,"b":1}'
    assert jsons.dumps_text("Zürich 東京") == '"Zürich 東京"'


def test_integers_of_any_size() -> None:
    for number in (2**63, 2**64, -(2**70), 10**30):
        assert jsons.loads(jsons.dumps({"n": number})) == {"n": number}
    assert jsons.loads(b"[9223372036854775808]") == [2**63]


def test_lone_surrogates() -> None:
    assert jsons.dumps("\ud800") == b'"\\ud800"'
    assert jsons.loads(b'"\\ud800"') == "\ud800"
    assert jsons.loads_wire(b'{"a":"\\udfff"}') == {"a": "\udfff"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Colour.RED, b'"red"'),
        (Number.ONE, b"1"),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        ((1, 2), b"[1,2]"),
        (Pair(1, 2), b"[1,2]"),
        ({1: "int", None: "null"}, b'{"1":"int","null":"null"}'),
        ([float("nan"), float("inf"), 2**70], b"[null,null,1180591620717411303424]"),
        ({"a": float("nan")}, b'{"a":null}'),
    ],
)
def test_values_beyond_plain_json(value: Any, text: bytes) -> None:
    assert jsons.dumps(value) == text


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", Plain(1), datetime.date(2026, 1, 1), object()])
def test_what_json_cannot_hold(value: Any) -> None:
    with pytest.raises(TypeError):
        jsons.dumps(value)
    with pytest.raises(TypeError):  # also where the standard library has to write
        jsons.dumps([2**70, value])


def test_values_without_an_end() -> None:
    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (circular, deep):
        with pytest.raises(TypeError):
            jsons.dumps(value)


@pytest.mark.parametrize(
    "text", ["", " ", "{", "[1,]", "NaN", '{"a":Infinity}', "{'a':1}", "12 34", "01", '"\n"', "[" * 100_000, "1" * 5000]
)
def test_what_is_no_json(text: str) -> None:
    for data in (text, text.encode()):
        with pytest.raises(ValueError):
            jsons.loads(data)
    with pytest.raises(ValueError):
        jsons.loads_wire(b"\xff")
