"""Things of the wrong colour are refused in words that name the right face, and leave no warning behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from llm_client._seam import _async, _colour, _sync
from support import tools


class OwnProvider:
    """As a user writes one, in either colour."""

    def complete(self) -> str:
        return "answer"

    async def complete_later(self) -> str:
        return "answer"

    def stream(self) -> Iterator[str]:
        yield "answer"

    async def stream_later(self) -> AsyncIterator[str]:
        yield "answer"

    async def never_yields(self) -> list[str]:
        return ["answer"]


class OpenAIProvider(OwnProvider):
    """Stands for the library's own."""

    __module__ = "llm_client._async.providers.openai"


def test_the_blocking_face_refuses_an_awaitable_and_closes_it() -> None:
    returned = OwnProvider().complete_later()
    with pytest.raises(TypeError) as caught:
        _sync.check_provider(returned, OwnProvider())
    assert str(caught.value) == (
        "OwnProvider.complete() returned a coroutine: it belongs to the asynchronous face, llm_client."
        " Use a provider of that face, such as llm_client.sync.OpenAIProvider, here, or keep it and use llm_client"
        " (llm_client.Agent and the rest) with it."
    )
    del returned
    gc.collect()  # would warn that the coroutine was never awaited


def test_the_blocking_face_names_its_own_form_of_our_providers() -> None:
    provider: Any = OpenAIProvider()
    with pytest.raises(TypeError, match=r"Use llm_client\.sync\.OpenAIProvider here"):
        _sync.check_provider(provider.complete_later(), provider)
    with pytest.raises(TypeError, match=r"OpenAIProvider\.stream\(\) returned an asynchronous generator"):
        _sync.check_stream(provider.stream_later(), provider)
    with pytest.raises(TypeError, match=r"OpenAIProvider\.stream\(\) returned a coroutine"):
        _sync.check_stream(provider.never_yields(), provider)


def test_the_blocking_face_wants_an_iterator_as_a_stream() -> None:
    nothing: Any = None
    with pytest.raises(TypeError, match="where an iterator was expected"):
        _sync.check_stream(nothing, OwnProvider())


async def test_the_asynchronous_face_refuses_a_plain_result() -> None:
    provider: Any = OwnProvider()
    with pytest.raises(TypeError) as caught:
        _async.check_provider(provider.complete(), provider)
    assert str(caught.value) == (
        "OwnProvider.complete() returned a str where something to await was expected: it belongs to the blocking face."
        " Use a provider of that face, such as llm_client.OpenAIProvider, here, or keep it and use llm_client.sync"
        " (llm_client.sync.Agent and the rest) with it."
    )
    ours: Any = OpenAIProvider()
    with pytest.raises(TypeError, match=r"Use llm_client\.OpenAIProvider here.*llm_client\.sync"):
        _async.check_stream(ours.stream(), ours)


async def test_a_streaming_method_that_is_a_coroutine_is_explained() -> None:
    returned: Any = OwnProvider().never_yields()
    with pytest.raises(TypeError, match=r"returned a coroutine .* `async def` with `yield`"):
        _async.check_stream(returned)
    del returned
    gc.collect()


def test_functions_are_judged_by_their_definition() -> None:
    own = OwnProvider()
    _sync.check_face(own.complete, "complete")
    _sync.check_face(partial(own.stream), "stream")
    _async.check_face(own.complete_later, "complete")
    _async.check_face(partial(own.stream_later), "stream")
    with pytest.raises(TypeError, match=r"complete must be a plain function .*llm_client\.sync\.OpenAIProvider"):
        _sync.check_face(own.complete_later, "complete")
    with pytest.raises(TypeError, match=r"stream must be a plain function"):
        _sync.check_face(partial(own.stream_later), "stream")
    with pytest.raises(TypeError, match=r"complete must be written .*llm_client\.sync\.OpenAIProvider"):
        _async.check_face(own.complete, "complete")


async def test_a_callback_may_be_of_either_colour_in_the_asynchronous_face_only() -> None:
    assert await _async.resolve(tools.async_add(1), "on_token") == 2
    with pytest.raises(TypeError) as caught:
        _sync.resolve(tools.async_add(1), "on_token")
    assert str(caught.value) == (
        "on_token returned a coroutine; the blocking face, llm_client.sync, calls plain functions only."
        " Write it with `def`, or use the asynchronous face, llm_client."
    )
    with pytest.raises(TypeError, match="an asynchronous generator"):
        _sync.resolve(tools.stream_of(1), "on_token")
    task = asyncio.ensure_future(asyncio.sleep(60))
    with pytest.raises(TypeError, match="a Task"):
        _sync.resolve(task, "on_token")
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_asynchronous_worker_in_the_blocking_pool_is_a_clear_error_per_item(workers: int) -> None:
    ((item, outcome),) = _sync.pool([1], tools.async_add, workers)
    assert item == 1
    assert isinstance(outcome, TypeError)
    assert "async_add returned a coroutine" in str(outcome)


def test_the_blocking_pool_refuses_an_asynchronous_source() -> None:
    source: Any = tools.stream_of(1)
    with pytest.raises(TypeError, match="takes plain iterables only"):
        next(iter(_sync.pool(source, tools.plain_add, 2)))


async def test_the_asynchronous_pool_takes_asynchronous_sources_and_plain_workers() -> None:
    assert sorted([pair async for pair in _async.pool(tools.stream_of(1, 2, 3), tools.plain_add, 2)]) == [
        (1, 2),
        (2, 3),
        (3, 4),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (tools.plain_add, False),
        (tools.async_add, True),
        (partial(partial(tools.async_add, 1), 2), True),
        (tools.PlainCallable(), False),
        (tools.CallableWithTasks(), True),
        (tools.CallableWithTasks, False),
        (tools.CallableWithTasks().method, True),
        (tools.stream_of, False),
        (tools.returns_awaitable, False),
        (print, False),
        (int, False),
    ],
)
def test_asynchronous_callables_are_recognised(value: object, expected: bool) -> None:
    assert _colour.is_async_callable(value) is expected
