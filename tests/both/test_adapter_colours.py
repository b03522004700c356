"""Callbacks of the wrong colour, and of either where both will do."""

from __future__ import annotations

from typing import Any

import pytest

import llm_client
import llm_client.sync
from support.streams import Stream, done, token


async def test_the_asynchronous_face_takes_plain_callbacks_and_whatever_can_be_awaited() -> None:
    seen: list[Any] = []

    async def remember(value: Any) -> None:
        seen.append(value)

    adapter = llm_client.CallbackAdapter(on_token=seen.append, on_done=lambda result: remember(result.content))
    await adapter.consume(Stream([token("a"), done("a")]).asynchronous())
    assert seen == ["a", "a"]


def test_the_blocking_face_refuses_an_asynchronous_callback_and_closes_the_stream() -> None:
    async def on_token(text: str) -> None:
        raise AssertionError(text)

    stream = Stream([token("a"), done("a")])
    adapter = llm_client.sync.CallbackAdapter(on_token=on_token)
    with pytest.raises(TypeError, match=r"on_token returned a coroutine; the blocking face, llm_client\.sync"):
        adapter.consume(stream.plain())
    assert stream.closed.is_set()
    assert stream.given == 1
