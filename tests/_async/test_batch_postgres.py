"""A batch whose state is in PostgreSQL: several processes, here several managers, share one job."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from llm_client._core.batch_errors import CheckpointError
from llm_client._core.batch_job import ClaimState, Ticket
from llm_client._core.results import CompletionResult
from llm_client._core.usage import Usage
from llm_client._seam import _async as seam
from llm_client.exceptions import LLMClientError
from support._async import face


class Counter:
    """A processor that counts what it is asked."""

    def __init__(self, wait: float = 0.0) -> None:
        self.asked: list[Any] = []
        self._wait = wait
        self._lock = threading.Lock()

    async def __call__(self, item: Any) -> CompletionResult:
        with self._lock:
            self.asked.append(item)
        if self._wait:
            await seam.sleep(self._wait)
        return CompletionResult(content=f"answer {item}", usage=Usage(3, 4))


def manager(pg_dsn: str, job: str, **options: Any) -> Any:
    return face.BatchManager(max_workers=4, checkpoint=pg_dsn, job=job, **options)


def name() -> str:
    return f"job {uuid4().hex}"


async def test_what_is_in_the_database_is_not_asked_again(pg_dsn: str) -> None:
    job, processor = name(), Counter()
    first = manager(pg_dsn, job)
    results = await first.process_batch([1, 2, 3, 2], processor)
    assert [result.content for result in results] == ["answer 1", "answer 2", "answer 3", "answer 2"]
    again = manager(pg_dsn, job)
    results = await again.process_batch([4, 3, 2, 1], processor)
    assert [result.content for result in results] == ["answer 4", "answer 3", "answer 2", "answer 1"]
    assert results[3].usage == Usage(3, 4)
    assert sorted(processor.asked) == [1, 2, 2, 3, 4]
    assert (again.summary.done, again.summary.from_checkpoint) == (4, 3)
    other = manager(pg_dsn, name())
    await other.process_batch([1], processor)
    assert processor.asked.count(1) == 2


async def test_several_share_the_work_and_each_has_all_results(pg_dsn: str) -> None:
    job, items = name(), list(range(60))
    processors = [Counter(0.005) for _ in range(3)]
    work = [partial(manager(pg_dsn, job).process_batch, items, processor) for processor in processors]
    for results in await seam.gather(work):
        assert [result.content for result in results] == [f"answer {item}" for item in items]
    asked = [item for processor in processors for item in processor.asked]
    assert sorted(asked) == items


async def test_failures_are_kept_and_tried_by_the_next_run(pg_dsn: str) -> None:
    job = name()

    async def ill(item: int) -> int:
        if item == 2:
            raise ValueError("two is ill")
        return item

    results = await manager(pg_dsn, job).process_batch([1, 2, 3], ill)
    assert [result.ok if hasattr(result, "ok") else result for result in results] == [1, False, 3]
    pool = seam.pg_pool(pg_dsn)
    async with pool.connection() as connection:
        query = "SELECT convert_from(failure, 'UTF8')::json->>'error', owner FROM llm_client_batch_item WHERE job = %s"
        cursor = await connection.execute(query + " AND failure IS NOT NULL", (job,))
        assert await cursor.fetchall() == [("ValueError: two is ill", None)]
    await pool.close()

    async def well(item: int) -> int:
        return item * 10

    assert await manager(pg_dsn, job).process_batch([1, 2, 3], well) == [1, 20, 3]


async def test_what_a_dead_process_had_taken_is_free_after_its_lease(pg_dsn: str) -> None:
    job, processor = name(), Counter()
    dead = manager(pg_dsn, job, lease_seconds=1.0)._postgres.begin()
    await dead.open()
    living = manager(pg_dsn, job, lease_seconds=1.0)._postgres.begin()
    await living.open()
    ticket = Ticket(0, "k")
    assert (await dead.claim(ticket)).state is ClaimState.MINE
    assert (await living.claim(ticket)).state is ClaimState.ELSEWHERE
    while (claim := await living.claim(ticket)).state is ClaimState.ELSEWHERE:
        await seam.sleep(0.05)
    assert claim.state is ClaimState.MINE
    # The one that was thought dead has an answer after all: the first one stays, and is everybody's.
    await dead.record(ticket, b'{"result":"first"}')
    await living.record(ticket, b'{"result":"second"}')
    for job_of_one in (dead, living):
        assert (await job_of_one.claim(ticket)).payload == b'{"result":"first"}'
        await job_of_one.finish()
        await job_of_one.close()
    assert processor.asked == []


async def test_a_heartbeat_keeps_what_was_taken(pg_dsn: str) -> None:
    job = name()
    owner, other = (manager(pg_dsn, job, lease_seconds=30.0)._postgres.begin() for _ in range(2))
    await owner.open()
    ticket = Ticket(0, "k")
    await owner.claim(ticket)
    pool = seam.pg_pool(pg_dsn)
    left = "SELECT extract(epoch FROM lease_until - now()) FROM llm_client_batch_item WHERE job = %s"
    async with pool.connection() as connection:
        await connection.execute("UPDATE llm_client_batch_item SET lease_until = now() WHERE job = %s", (job,))
        await owner.heartbeat()
        cursor = await connection.execute(left, (job,))
        assert (await cursor.fetchone())[0] > 20
    await pool.close()
    assert (await other.claim(ticket)).state is ClaimState.ELSEWHERE
    owner.release(ticket)
    await owner.finish()
    assert (await other.claim(ticket)).state is ClaimState.MINE
    await other.finish()


async def test_a_job_of_a_newer_version_is_refused(pg_dsn: str) -> None:
    job = name()
    await manager(pg_dsn, job).process_batch([1], Counter())
    pool = seam.pg_pool(pg_dsn)
    async with pool.connection() as connection:
        await connection.execute("UPDATE llm_client_batch SET version = 99 WHERE job = %s", (job,))
    await pool.close()
    processor = Counter()
    with pytest.raises(CheckpointError, match="newer version"):
        await manager(pg_dsn, job).process_batch([1], processor)
    assert processor.asked == []


async def test_arguments_are_checked(pg_dsn: str) -> None:
    with pytest.raises(ValueError, match="two names of one thing"):
        face.BatchManager(checkpoint=pg_dsn, checkpoint_file="x.jsonl")
    with pytest.raises(ValueError, match="1 to 200"):
        face.BatchManager(checkpoint=pg_dsn, job="")
    with pytest.raises(TypeError, match="job must be a name"):
        face.BatchManager(checkpoint=pg_dsn, job=7)
    assert issubclass(CheckpointError, LLMClientError)
