"""Batches whose processor runs in an executor: on threads, in processes, on whatever has `submit`."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.batch_cluster import ask, double


def test_the_blocking_manager_takes_an_executor(tmp_path: Path) -> None:
    names: set[str] = set()

    def processor(item: int) -> int:
        names.add(threading.current_thread().name.split("_")[0])
        return double(item)

    with ThreadPoolExecutor(3, thread_name_prefix="ours") as executor:
        manager = llm_client.sync.BatchManager(5, tmp_path / "a.jsonl", executor=executor)
        results = manager.process_batch(range(20), processor)
    assert [result for result in results if isinstance(result, int)] == [2 * n for n in range(20) if n != 13]
    assert isinstance(results[13].exception, ValueError)
    assert names == {"ours"}
    assert (manager.summary.done, manager.summary.failed) == (19, 1)


async def test_the_asynchronous_manager_takes_one_too(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as executor:
        manager = llm_client.BatchManager(5, tmp_path / "a.jsonl", executor=executor)
        results = await manager.process_batch(range(10), double)
    assert results == [2 * n for n in range(10)]


@pytest.mark.timeout(240)
def test_processes_do_the_work_and_the_submitter_writes(tmp_path: Path) -> None:
    with FakeAPI() as api:
        items = [{"url": api.openai_url, "question": f"Question {n}"} for n in range(24)]
        context = multiprocessing.get_context("spawn")
        for asked in (24, 0):
            with ProcessPoolExecutor(2, mp_context=context) as executor:
                manager = llm_client.sync.BatchManager(6, tmp_path / "a.jsonl", executor=executor)
                results = manager.process_batch(items, ask)
            assert [result.content for result in results] == [f"Question {n}" for n in range(24)]
            assert manager.summary.from_checkpoint == 24 - asked
        assert len(api.requests) == 24
        assert len({request.headers["x-process"] for request in api.requests}) <= 2


class Dropping(Executor):
    """Cancels what it is given, as a cluster that is shut down does."""

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_calls_that_an_executor_drops_are_failures() -> None:
    results = llm_client.sync.BatchManager(2, executor=Dropping()).process_batch([1, 2], double)
    assert [type(result.exception) for result in results] == [CancelledError, CancelledError]


async def test_calls_that_an_executor_drops_are_failures_on_a_loop() -> None:
    results = await llm_client.BatchManager(2, executor=Dropping()).process_batch([1, 2], double)
    assert [result.ok for result in results] == [False, False]
    assert "dropped" in results[0].error


@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_batch_that_is_left_takes_back_what_the_executor_has_not_begun(tmp_path: Path, face: str) -> None:
    begun: list[int] = []
    second, gate = threading.Event(), threading.Event()

    def processor(item: int) -> int:
        begun.append(item)
        if len(begun) > 1:
            second.set()
            gate.wait(30)
        return item

    options: dict[str, Any] = {"max_workers": 3, "checkpoint_file": tmp_path / "a.jsonl"}
    with ThreadPoolExecutor(1) as executor:
        if face == "sync":
            stream = llm_client.sync.BatchManager(executor=executor, **options).process_stream(range(10), processor)
            next(stream)
            assert second.wait(30)
            stream.close()
        else:

            async def first_only() -> None:
                manager = llm_client.BatchManager(executor=executor, **options)
                async with aclosing(manager.process_stream(range(10), processor)) as stream:
                    await anext(stream)
                    assert await asyncio.to_thread(second.wait, 30)

            asyncio.run(first_only())
        gate.set()
    assert len(begun) == 2
    assert not (tmp_path / "failures.jsonl").exists()
    assert len((tmp_path / "a.jsonl").read_bytes().splitlines()) == 2


def test_executors_take_plain_functions_only() -> None:
    async def later(item: int) -> int:
        return item

    with ThreadPoolExecutor(1) as executor:
        for face in (llm_client, llm_client.sync):
            with pytest.raises(TypeError, match="an executor calls plain functions, and later"):
                face.BatchManager(executor=executor).process_stream([1], later)
    with pytest.raises(TypeError, match=r"executor is a concurrent\.futures\.Executor, got an int"):
        llm_client.sync.BatchManager(executor=3).process_stream([1], double)  # type: ignore[arg-type]
