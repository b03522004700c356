"""Batching for Pusher: whatever the texts and the clock, the same text in the same order, in messages that fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.pusher_batch import BATCH_SECONDS, MAX_BYTES, Message, PusherBatch

TEXT = st.one_of(
    st.text(max_size=30),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=8), st.integers(1, 9000)),
)


def joined(messages: list[Message]) -> list[tuple[str, Any]]:
    """The messages as a page reads them: neighbours of one kind of text, and parts, put together."""
    read: list[tuple[str, Any]] = []
    parts: list[str] = []
    for name, data in messages:
        assert len(data.encode("utf-8", "surrogatepass")) <= MAX_BYTES
        value = json.loads(data)
        if name == "part":
            assert value["part"] == len(parts)
            parts.append(value["text"])
            if len(parts) < value["parts"]:
                continue
            name, value = value["event"], json.loads("".join(parts))
            parts = []
        if read and read[-1][0] == name and isinstance(value, str):
            read[-1] = (name, read[-1][1] + value)
        else:
            read.append((name, value))
    assert not parts
    return read


@given(st.lists(st.tuples(st.sampled_from(["token", "reasoning", "meta"]), TEXT, st.floats(0, 0.1)), max_size=12))
def test_nothing_is_lost_and_everything_fits(events: list[tuple[str, str, float]]) -> None:
    batch = PusherBatch()
    clock = 0.0
    messages: list[Message] = []
    expected: list[tuple[str, Any]] = []
    for kind, text, pause in events:
        clock += pause
        data: Any = {"text": text} if kind == "meta" else text
        messages += batch.add(StreamEvent(StreamEventType(kind), data), clock)
        if kind != "meta" and expected and expected[-1][0] == kind:
            expected[-1] = (kind, expected[-1][1] + text)
        else:
            expected.append((kind, data))
    messages += batch.flush()
    assert joined(messages) == expected
    assert batch.flush() == []


@pytest.mark.parametrize(("pause", "count"), [(0.0, 1), (BATCH_SECONDS * 0.9 / 9, 1), (BATCH_SECONDS * 1.1, 10)])
def test_how_many_messages_ten_tokens_make(pause: float, count: int) -> None:
    batch = PusherBatch()
    messages: list[Message] = []
    for number in range(10):
        messages += batch.add(StreamEvent(StreamEventType.TOKEN, "x"), number * pause)
    assert len([*messages, *batch.flush()]) == count


def test_a_lone_surrogate_among_other_characters_still_fits() -> None:
    text = "世" * 6_000 + "\ud83d" + "世" * 6_000
    messages = [*PusherBatch().add(StreamEvent(StreamEventType.TOKEN, text), 0.0)]
    assert joined(messages) == [("token", text)]
