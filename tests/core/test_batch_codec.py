"""Results as a checkpoint keeps them: they come back as the objects that they were, or are refused at once."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from llm_client import (
    AgentResult,
    CompletionResult,
    Conversation,
    EmbeddingResult,
    Message,
    Role,
    ToolCall,
    ToolResult,
    TurnResult,
    Usage,
)
from llm_client._core import jsons
from llm_client._core.batch_codec import Codec
from llm_client._core.messages import ProviderItems
from llm_client._core.results import Attempt

USAGE = Usage(12, 5, input_cost=0.1, output_cost=0.2, total_cost=0.3, reasoning_tokens=3)


class Address(BaseModel):
    street: str


class Person(BaseModel):
    name: str
    born: date
    addresses: list[Address] = []
    tags: set[str] = set()


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    inner: int = Field(alias="Inner", serialization_alias="somethingElse")


@dataclass
class Point:
    x: float
    y: float
    notes: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Bare:
    x: int


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Pair(NamedTuple):
    left: int
    right: str


def there_and_back(value: Any, *types: Any) -> Any:
    payload = Codec().encode(value)
    assert b"\n" not in payload
    return Codec(types).decode(payload)


def completion(**fields: Any) -> CompletionResult:
    return CompletionResult(
        content="Tokyo",
        tool_calls=[ToolCall("1", "f", '{"a": 1}')],
        usage=USAGE,
        model="gpt-5",
        finish_reason="tool_calls",
        provider_items=ProviderItems("anthropic-messages", ({"type": "thinking", "signature": "s"},)),
        attempts=(Attempt(429, "slow down", 0.5), Attempt(200)),
        raw={"id": "x", "n": 2**70},
        **fields,
    )


def agent_result() -> AgentResult:
    conversation = Conversation(system_message="Be brief")
    conversation.add_user("Hi")
    answer = completion()
    conversation.add_message(answer.to_message())
    result = ToolResult(content={"t": 1}, name="f", tool_call_id="1", text="t")
    conversation.add_message(result.to_message())
    turn = TurnResult(1, answer, list(answer.tool_calls or ()), [result])
    return AgentResult("Tokyo", [turn], conversation, USAGE, output=Person(name="Ada", born=date(1815, 12, 10)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        "\ud800 \u2028 \x00",
        7,
        2**90,
        True,
        1.5,
        math.inf,
        {"a": [1, {"b": None}]},
        {"$type": "CompletionResult", "content": "a user's own dict"},
        {"$object": 1},
        {1: "a", (2, 3): "b"},
        (1, (2, "x")),
        [(1, 2), {"s": {1, 2}}],
        frozenset({"a"}),
        b"\x00\xff",
        datetime(2026, 11, 22, 20, 5, 1, 7, tzinfo=timezone.utc),
        date(2026, 11, 22),
        time(1, 2, 3),
        timedelta(days=-1, microseconds=3),
        Decimal("1.10"),
        UUID(int=7),
        [0.5, -1.0],
        [1.0, 1],
        completion(),
        completion(reasoning="why", refusal="no", cached=True),
        EmbeddingResult([[0.1, 0.2], [1.0, 2.0]], USAGE, "m"),
        {"answer": completion(), "also": [USAGE]},
        Message(Role.USER, "hi"),
        Message.user(["look", {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]),
        Role.USER,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = there_and_back(value)
    assert type(back) is type(value)
    assert back == value


def test_a_result_keeps_what_comparison_leaves_out() -> None:
    back = there_and_back(completion())
    assert back.raw == {"id": "x", "n": 2**70}
    assert back.attempts == (Attempt(429, "slow down", 0.5), Attempt(200))


def test_an_agents_result_comes_back_with_its_conversation() -> None:
    result = agent_result()
    back = there_and_back(result, Person)
    assert type(back) is AgentResult
    assert back.conversation.to_dict() == result.conversation.to_dict()
    assert (back.content, back.turns, back.total_usage, back.output) == (
        result.content,
        result.turns,
        result.total_usage,
        result.output,
    )


def test_nan_comes_back_as_nan() -> None:
    back = there_and_back([0.5, math.nan])
    assert back[0] == 0.5
    assert math.isnan(back[1])


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Person(name="Ada", born=date(1815, 12, 10), addresses=[Address(street="x")], tags={"a"}), Person),
        ([Person(name="Ada", born=date(1815, 12, 10))], list[Person]),
        ({"p": Person(name="Ada", born=date(1815, 12, 10)), "q": Point(1, 2)}, dict[str, Person | Point]),
        (Point(1.5, 2, ["n"]), Point),
        (Aliased(Inner=3), Aliased),
        (Colour.RED, Colour),
        (Level.LOW, Level),
        (Pair(1, "x"), Pair),
        (completion(parsed=Person(name="Ada", born=date(1815, 12, 10))), Person),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_users_types_come_back_through_the_types_that_were_given(value: Any, annotation: Any) -> None:
    back = there_and_back(value, annotation)
    assert type(back) is type(value)
    assert back == value


def test_objects_without_an_equality_of_their_own_come_back() -> None:
    back = there_and_back(Bare(3), Bare)
    assert type(back) is Bare
    assert back.x == 3


def test_the_users_types_are_named_beside_the_result() -> None:
    payload = Codec().encode([Person(name="Ada", born=date(1815, 12, 10)), completion()])
    names = jsons.loads(payload)["types"]
    assert names == [f"{__name__}:Person"]
    assert Codec().unknown(names) == names
    assert Codec([list[Person]]).unknown(names) == []
    with pytest.raises(ValueError, match=r"Person: pass result_type="):
        Codec().decode(payload)


def test_a_type_is_found_whatever_its_module_is_called() -> None:
    payload = Codec().encode(Point(1, 2)).replace(__name__.encode(), b"__main__")
    assert Codec([Point]).decode(payload) == Point(1, 2)


def test_nothing_named_in_a_file_is_imported() -> None:
    for payload in (
        b'{"result":{"$object":"os:system","value":"true"}}',
        b'{"result":{"$type":"os.system","value":"true"}}',
        b'{"result":{"$type":"Codec"}}',
    ):
        with pytest.raises(ValueError, match="it holds a"):
            Codec([Point]).decode(payload)


@pytest.mark.parametrize(
    "value",
    [object(), [object()], OrderedDict(a=1), lambda: 1, {"a": 1j}],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        Codec().encode(value)


def test_a_model_that_loses_something_is_refused() -> None:
    class Base(BaseModel):
        a: int

    class Derived(Base):
        b: int

    class Holder(BaseModel):
        base: Base

    with pytest.raises(TypeError, match="would not come back"):
        Codec().encode(Holder(base=Derived(a=1, b=2)))


def test_what_is_circular_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TypeError, match="circular"):
        Codec().encode(value)


def test_hooks_take_over() -> None:
    codec = Codec(
        (), lambda value: {"re": value.real, "im": value.imag}, lambda value: complex(value["re"], value["im"])
    )
    payload = codec.encode(1 + 2j)
    assert codec.decode(payload) == 1 + 2j
    assert codec.decode(Codec().encode("text")) == "text"
    with pytest.raises(ValueError, match="deserialize="):
        Codec().decode(payload)
    with pytest.raises(ValueError, match="go together"):
        Codec((), str, None)


def test_damaged_payloads_are_value_errors() -> None:
    for payload in (b'{"result":{"$type":"tuple"}}', b'{"result":{"$type":"Usage","no":1}}', b'{"other":1}'):
        with pytest.raises(ValueError):
            Codec().decode(payload)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(st.text(), inner) | st.dictionaries(st.integers(), inner)
    return st.lists(inner) | st.tuples(inner, inner) | dicts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), _nested, max_leaves=15
)


@given(JSON)
def test_anything_like_json_comes_back(value: Any) -> None:
    assert there_and_back(value) == value
