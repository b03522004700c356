"""Processors of either colour, processors that are cancelled, batches that are cancelled: each face as it must."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI

SECONDS = 30.0


def stored(file: Path) -> list[int]:
    return sorted(json.loads(line)["index"] for line in file.read_bytes().splitlines()[1:])


# ---------------------------------------------------------------- the asynchronous face


async def test_plain_processors_do_not_stop_the_loop() -> None:
    both = threading.Barrier(2)

    def blocking(item: int) -> int:
        both.wait(SECONDS)  # needs two at once
        return item

    assert await llm_client.BatchManager(max_workers=2).process_batch([1, 2], blocking) == [1, 2]


async def test_what_a_plain_processor_returns_is_awaited() -> None:
    async def later(item: int) -> int:
        return item + 1

    assert await llm_client.BatchManager().process_batch([1, 2], lambda item: later(item)) == [2, 3]


async def test_a_processor_that_is_cancelled_from_within_is_a_failure(tmp_path: Path) -> None:
    async def processor(item: int) -> int:
        if item == 1:
            raise asyncio.CancelledError
        if item == 2:
            task = asyncio.ensure_future(asyncio.sleep(SECONDS))
            asyncio.get_running_loop().call_soon(task.cancel)
            await task
        return item

    manager = llm_client.BatchManager(checkpoint_file=tmp_path / "a.jsonl")
    results = await manager.process_batch(range(4), processor)
    assert [getattr(result, "ok", True) for result in results] == [True, False, False, True]
    assert "cancelled from within" in results[1].error
    assert stored(tmp_path / "a.jsonl") == [0, 3]


async def test_a_cancelled_batch_leaves_no_workers_and_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    begun, ended = set[int](), set[int]()

    async def processor(item: int) -> int:
        begun.add(item)
        try:
            if item >= 3:
                await asyncio.sleep(SECONDS)
            return item
        finally:
            ended.add(item)

    manager = llm_client.BatchManager(max_workers=4, checkpoint_file=file)
    task = asyncio.ensure_future(manager.process_batch(range(100), processor))
    while len(begun) < 7:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == ended
    assert len(begun) < 100
    assert stored(file) == [0, 1, 2]
    assert not (tmp_path / "failures.jsonl").exists()
    manager = llm_client.BatchManager(checkpoint_file=file)
    assert await manager.process_batch(range(3), processor) == [0, 1, 2]
    assert manager.summary.from_checkpoint == 3


async def test_a_source_that_never_gives_another_item_does_not_hold_up_a_stop() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(SECONDS * 10)
        finally:
            closed.set()

    manager = llm_client.BatchManager()

    async def processor(item: int) -> int:
        threading.Timer(0.01, manager.stop).start()
        return item

    with pytest.raises(llm_client.exceptions.BatchStoppedError):
        await manager.process_batch(source(), processor)
    assert manager.summary.done == 1
    assert closed.is_set()


async def test_the_errors_of_an_asynchronous_source_end_the_batch() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("the queue is gone")

    async def processor(item: int) -> int:
        await asyncio.sleep(0.01)
        return item

    manager = llm_client.BatchManager()
    with pytest.raises(RuntimeError, match="the queue is gone"):
        await manager.process_batch(source(), processor)
    assert manager.summary.done == 1


async def test_asynchronous_items_are_taken_one_by_one() -> None:
    taken = 0

    async def source() -> AsyncIterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken - 1
            await asyncio.sleep(0)

    async def processor(item: int) -> int:
        return item

    seen = 0
    async with aclosing(llm_client.BatchManager(max_workers=3).process_stream(source(), processor)) as stream:
        async for index, result in stream:
            assert index == result
            assert taken <= seen + 4
            seen += 1
            if seen == 40:
                break
    assert seen == 40


async def test_a_cancelled_batch_can_be_cancelled_while_it_waits_for_its_source() -> None:
    waiting = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        waiting.set()
        await asyncio.sleep(SECONDS)
        yield 1

    async def processor(item: int) -> int:
        return item

    task = asyncio.ensure_future(llm_client.BatchManager().process_batch(source(), processor))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [other for other in asyncio.all_tasks() if other is not asyncio.current_task()] == []


# ---------------------------------------------------------------- the blocking face


def test_the_blocking_face_takes_plain_processors_only(tmp_path: Path) -> None:
    async def later(item: int) -> int:
        return item

    manager = llm_client.sync.BatchManager(checkpoint_file=tmp_path / "a.jsonl")
    for processor in (later, lambda item: later(item)):
        with pytest.raises(TypeError, match=r"llm_client\.sync, calls plain functions only"):
            manager.process_batch(range(100), processor)
    assert not (tmp_path / "failures.jsonl").exists()
    assert stored(tmp_path / "a.jsonl") == []


def test_the_blocking_face_takes_plain_iterables_only() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(TypeError, match="takes plain iterables only"):
        llm_client.sync.BatchManager().process_batch(source(), str)  # type: ignore[arg-type]


def test_a_stream_that_is_left_hangs_up(tmp_path: Path) -> None:
    with FakeAPI() as api:
        provider = llm_client.sync.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url, api_key="k")
        api.reply("one")
        for _ in range(3):
            api.stall(reply="never said")
        manager = llm_client.sync.BatchManager(4, tmp_path / "a.jsonl")
        stream = manager.process_stream([f"Question {n}" for n in range(4)], provider.complete)
        index, result = next(stream)
        assert result.ok
        api.wait_for_requests(4, SECONDS)
        stream.close()
        api.wait_for_hang_up(SECONDS, count=3)
        assert stored(tmp_path / "a.jsonl") == [index]
        provider.close()


def test_a_stream_that_is_dropped_gives_everything_free(tmp_path: Path) -> None:
    gate = threading.Event()

    def processor(item: int) -> int:
        if item:
            gate.wait(SECONDS)
        return item

    manager = llm_client.sync.BatchManager(3, tmp_path / "a.jsonl")
    stream = manager.process_stream(range(10), processor)
    assert next(stream) == (0, 0)
    del stream
    gc.collect()
    gate.set()
    assert llm_client.sync.BatchManager(3, tmp_path / "a.jsonl").process_batch(range(10), int) == list(range(10))


def test_the_context_reaches_the_workers() -> None:
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable")
    variable.set("seen")
    assert llm_client.sync.BatchManager(3).process_batch(range(5), lambda item: variable.get()) == ["seen"] * 5


def test_no_thread_is_left_behind() -> None:
    def ours() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("llm-client-worker")]

    before = set(ours())
    llm_client.sync.BatchManager(5).process_batch(range(50), str)
    give_up = time.monotonic() + SECONDS
    while set(ours()) - before:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_one_worker_needs_no_thread() -> None:
    names = llm_client.sync.BatchManager(1).process_batch(range(3), lambda item: threading.current_thread().name)
    assert set(names) == {threading.current_thread().name}


@pytest.mark.parametrize("wrong", [None, 3, object()])
def test_items_are_a_collection(wrong: Any) -> None:
    for face in (llm_client, llm_client.sync):
        with pytest.raises(TypeError, match="a list or another iterable of items"):
            face.BatchManager().process_stream(wrong, str)
