"""What items of a batch are known by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client import Message
from llm_client._core.batch_identity import Identities, fingerprint
from llm_client._core.compact_map import CompactMap


@dataclass
class Question:
    text: str


def keys(*items: Any) -> list[str]:
    identities = Identities()
    return [identities.of(item) for item in items]


def test_the_same_content_has_the_same_key_in_every_process() -> None:
    assert keys({"b": 1, "a": "ä"}) == keys({"a": "ä", "b": 1}) == ["8bd9f68b6f539f9eb0f7c236418b41b6"]


def test_equal_items_are_numbered() -> None:
    first, second, third = keys("x", "x", "x")
    assert (second, third) == (f"{first}.1", f"{first}.2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", 1),
        (1, 1.0),
        (1, True),
        (0, None),
        ([1], 1),
        ({"a": 1}, {"a": 2}),
        ({1: "a"}, {"1": "a"}),
        (b"a", "a"),
        (2**70, float(2**70)),
        (Question("a"), Question("b")),
        (Message.user("a"), Message.assistant("a")),
    ],
)
def test_different_items_have_different_keys(one: Any, other: Any) -> None:
    assert keys(one) != keys(other)
    assert keys(one) == keys(one)


def test_items_of_unknown_content_need_a_key() -> None:
    with pytest.raises(TypeError, match="pass key="):
        keys(object())
    identities = Identities(lambda item: item[0])
    assert identities.of((1, object())) == keys(1)[0]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=3000))
def test_a_compact_map_counts_like_a_dict(numbers: list[int]) -> None:
    counted = CompactMap(values="I")
    seen: dict[int, int] = {}
    for number in numbers:
        number = number or 1  # 0 and 1 share a place, which is as good as any collision
        assert counted.count(number) == seen.get(number, 0)
        seen[number] = seen.get(number, 0) + 1
    assert len(counted) == len(seen)


def test_a_compact_map_counts_beyond_what_a_value_can_hold() -> None:
    counted = CompactMap(values="B")
    for round_ in range(1000):
        assert [counted.count(key) for key in (5, 7 + (round_ << 32), 2**64 - 1)] == [round_, 0, round_]
    assert len(counted) == 1002


def test_a_compact_map_of_short_keys_finds_every_value_and_few_others() -> None:
    kept = CompactMap(keys="I")
    for number in range(5000):
        kept.add(fingerprint(str(number)), number)
    assert all(number in kept.find(fingerprint(str(number))) for number in range(5000))
    kept.add(1 << 40, 5000)
    assert list(kept.find(1 << 41)) == [5000]  # the lowest 32 bits are the same: whoever asks looks closer


def test_a_compact_map_grows_and_keeps_everything() -> None:
    kept = CompactMap()
    for number in range(10_000):
        kept.add(fingerprint(str(number % 5000)), number)
    assert len(kept) == 10_000
    for number in range(5000):
        assert sorted(kept.find(fingerprint(str(number)))) == [number, number + 5000]
    assert list(kept.find(fingerprint("other"))) == []
