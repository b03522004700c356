"""Streams with signs of life: the same events, the same errors, and an end whenever it is wanted."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import pytest

from llm_client._seam import _async as seam
from support._async import face
from support.streams import WAIT_SECONDS, Stream, token

PINGS = (": ping\n\n", ": ping\n", "\n")
setting: ContextVar[str] = ContextVar("setting", default="none")


async def collect(stream: Any) -> list[Any]:
    return [event async for event in stream]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
async def test_all_events_in_order(count: int) -> None:
    events = [token(str(number)) for number in range(count)]
    stream = Stream(events)
    assert await collect(seam.with_heartbeat(stream.of(face), 5.0)) == events
    assert stream.closed.is_set()


async def test_signs_come_as_long_as_nothing_else_does() -> None:
    given = await collect(seam.with_heartbeat(Stream([token("a"), 0.35, token("b")]).of(face), 0.1))
    assert [event.data for event in given if not isinstance(event, str)] == ["a", "b"]
    signs = "".join(event for event in given if isinstance(event, str))
    assert 2 <= signs.count(": ping\n") <= 3
    assert all(event in PINGS for event in given if isinstance(event, str))


async def test_no_signs_where_events_come_often_enough() -> None:
    items = [item for number in range(10) for item in (0.05, token(str(number)))]
    given = await collect(seam.with_heartbeat(Stream(items).of(face), 0.4))
    assert len(given) == 10


async def test_events_come_before_the_error_that_ends_them() -> None:
    seen: list[Any] = []

    async def read() -> None:
        async for event in seam.with_heartbeat(Stream([token("a"), token("b"), LookupError("c")]).of(face), 5.0):
            seen.append(event.data)

    with pytest.raises(LookupError, match="c"):
        await read()
    assert seen == ["a", "b"]


async def test_closing_closes_what_was_begun_and_what_was_not() -> None:
    begun = Stream([token("a"), token("b"), 60.0])
    source = begun.of(face)
    await source.__anext__()
    async with seam.closing(seam.with_heartbeat(source, 5.0)) as events:
        assert (await events.__anext__()).data == "b"
    if seam.FACE == "llm_client":  # a thread cannot be woken from its sleep
        assert begun.closed.is_set()
    untouched = Stream([token("a")])
    async with seam.closing(seam.with_heartbeat(untouched.of(face), 5.0)):
        pass
    assert untouched.given == 0


async def test_closing_at_once_after_the_first_event() -> None:
    stream = Stream([token(str(number)) for number in range(100)])
    async with seam.closing(seam.with_heartbeat(stream.of(face), 5.0)) as events:
        await events.__anext__()
    assert await seam.offload(stream.closed.wait, WAIT_SECONDS)
    assert stream.given < 30


async def test_the_callers_context_is_there() -> None:
    async def reading() -> Any:
        yield token(setting.get())

    setting.set("mine")
    (event,) = await collect(seam.with_heartbeat(reading(), 5.0))
    assert event.data == "mine"


async def test_one_inside_another() -> None:
    inner = seam.with_heartbeat(Stream([token("a"), token("b")]).of(face), 5.0)
    assert [event.data for event in await collect(seam.with_heartbeat(inner, 5.0))] == ["a", "b"]
