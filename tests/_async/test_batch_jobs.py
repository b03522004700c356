"""Batches whose state somebody else keeps: items that other processes work on, heartbeats, items given back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_client._core.batch_elsewhere import PER_WORKER
from llm_client._core.batch_errors import BatchStoppedError, CheckpointError, UnstorableResultError
from llm_client._core.batch_job import ELSEWHERE, MINE, Claim, ClaimState, Failure, Ticket
from llm_client._seam import _async as seam
from support._async import face


class SharedJob:
    """A job as a database would keep it; another process works on some items, and finishes them after a while.

    Args:
        elsewhere: For each item's index how often it is said to be worked on elsewhere.
        answers: What the other process found, by index; without one the item becomes ours.
    """

    beat_seconds: float | None = 0.01
    poll_seconds = 0.01
    uses_keys = True

    def __init__(self, elsewhere: dict[int, int] | None = None, answers: dict[int, bytes] | None = None) -> None:
        self.elsewhere = dict(elsewhere or {})
        self.answers = dict(answers or {})
        self.beats = 0
        self.recorded: list[int] = []
        self.failed: list[tuple[int, Failure]] = []
        self.released: list[int] = []
        self.calls: list[str] = []
        self.broken: Exception | None = None

    async def open(self) -> frozenset[str]:
        self.calls.append("open")
        return frozenset()

    async def claim(self, ticket: Ticket) -> Claim:
        assert len(ticket.key) == 32
        if self.elsewhere.get(ticket.index, 0) > 0:
            self.elsewhere[ticket.index] -= 1
            return ELSEWHERE
        answer = self.answers.get(ticket.index)
        return MINE if answer is None else Claim(ClaimState.DONE, answer)

    async def record(self, ticket: Ticket, payload: bytes) -> None:
        await seam.sleep(0.0)
        if self.broken is not None:
            raise self.broken
        assert payload.startswith(b'{"result":')
        self.recorded.append(ticket.index)

    async def record_failure(self, ticket: Ticket, failure: Failure) -> None:
        self.failed.append((ticket.index, failure))

    def release(self, ticket: Ticket) -> None:
        self.released.append(ticket.index)

    async def heartbeat(self) -> None:
        self.beats += 1
        if self.beats == 1:
            raise RuntimeError("the network was away for a moment")

    async def finish(self) -> None:
        self.calls.append("finish")

    async def close(self) -> None:
        self.calls.append("close")


def manager_of(job: SharedJob, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    manager = face.BatchManager(**options)
    monkeypatch.setattr(manager, "_job", lambda: job)
    return manager


async def read_into(read: dict[int, Any], stream: Any) -> None:
    async with seam.closing(stream):
        async for index, result in stream:
            read[index] = result


async def double(item: int) -> int:
    await seam.sleep(0.0)
    return 2 * item


async def test_what_is_worked_on_elsewhere_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job = SharedJob({2: 3, 5: 1}, {2: b'{"result":"found elsewhere"}'})
    manager = manager_of(job, monkeypatch, max_workers=3)
    assert await manager.process_batch(range(8), double) == [0, 2, "found elsewhere", 6, 8, 10, 12, 14]
    assert sorted(job.recorded) == [0, 1, 3, 4, 5, 6, 7]
    assert (manager.summary.done, manager.summary.from_checkpoint) == (8, 1)
    assert job.calls == ["open", "finish", "close"]
    assert job.released == []


async def test_the_heart_beats_while_items_are_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    job = SharedJob()

    async def until_three_beats(item: int) -> int:
        while job.beats < 3:
            await seam.sleep(0.005)
        return item

    assert await manager_of(job, monkeypatch).process_batch([1], until_three_beats) == [1]
    assert job.beats >= 3


async def test_failures_reach_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    async def processor(item: int) -> int:
        raise ValueError(f"no {item}")

    job = SharedJob()
    await manager_of(job, monkeypatch).process_batch([7], processor)
    ((index, failure),) = job.failed
    assert (index, failure.error, failure.kind, failure.item) == (0, "ValueError: no 7", "ValueError", 7)
    assert (job.recorded, job.released) == ([], [])


async def test_a_job_that_breaks_ends_the_batch_and_gets_back_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    job = SharedJob()
    job.broken = CheckpointError("the database is gone")
    manager = manager_of(job, monkeypatch, max_workers=2)
    with pytest.raises(CheckpointError, match="the database is gone"):
        await manager.process_batch(range(100), double)
    assert 1 <= len(job.released) < 100
    assert manager.summary.done == 0
    assert job.calls == ["open", "finish", "close"]


async def test_stop_ends_the_waiting_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    job = SharedJob({1: 10**9})
    job.poll_seconds = 0.001
    manager = manager_of(job, monkeypatch)

    async def stopping(item: int) -> int:
        manager.stop()
        return item

    with pytest.raises(BatchStoppedError, match="stopped before its end: 1 done"):
        await manager.process_batch([0, 1], stopping)
    assert job.recorded == [0]


async def test_what_is_worked_on_elsewhere_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken - 1

    workers, seen = 2, 0
    # Every second item is somebody else's for ever, but for the first few.
    job = SharedJob(dict.fromkeys(range(1, 100_000, 2), 10**9) | dict.fromkeys(range(1, 40, 2), 2))
    job.poll_seconds = 0.001
    manager = manager_of(job, monkeypatch, max_workers=workers)
    most = PER_WORKER * workers + 2 * workers
    indexes: set[int] = set()
    async with seam.closing(manager.process_stream(endless(), double)) as stream:
        async for index, result in stream:
            assert result == 2 * index
            indexes.add(index)
            seen += 1
            assert taken - seen <= most
            if set(range(40)) <= indexes:
                break
    assert taken < 40 + 2 * most


async def test_a_full_list_of_others_items_is_asked_for_before_more_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 6 * PER_WORKER
    job = SharedJob(dict.fromkeys(range(count), 1))
    job.poll_seconds = 0.001
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(count):
            assert len(taken) - len(job.recorded) <= PER_WORKER + 2
            taken.append(number)
            yield number

    manager = manager_of(job, monkeypatch, max_workers=1)
    assert await manager.process_batch(source(), double) == [2 * number for number in range(count)]
    assert sorted(job.recorded) == list(range(count))


async def test_what_cannot_be_recorded_reaches_the_reader_and_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    job = SharedJob()
    begun: list[int] = []

    async def processor(item: int) -> int:
        begun.append(item)
        while len(begun) < 8:
            await seam.sleep(0.001)
        job.broken = CheckpointError("the database is gone")
        return item

    manager = manager_of(job, monkeypatch, max_workers=8)
    read: dict[int, Any] = {}
    with pytest.raises(CheckpointError, match="the database is gone"):
        await read_into(read, manager.process_stream(range(100), processor))
    assert sorted(read.values()) == sorted(begun) == sorted(job.released)
    assert (manager.summary.done, manager.summary.failed) == (0, len(begun))


async def test_a_failure_that_cannot_be_recorded_reaches_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(SharedJob):
        async def record_failure(self, ticket: Ticket, failure: Failure) -> None:
            raise CheckpointError("the database is gone")

    async def processor(item: int) -> int:
        raise ValueError("no luck")

    job = Broken()
    manager = manager_of(job, monkeypatch, max_workers=1)
    read: dict[int, Any] = {}
    with pytest.raises(CheckpointError, match="the database is gone"):
        await read_into(read, manager.process_stream([7, 8], processor))
    assert read[0].error == "ValueError: no luck"
    assert job.released == [0]


async def test_what_cannot_be_stored_is_a_failure_and_not_given_back_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async def processor(item: int) -> object:
        return made

    job, made = SharedJob(), object()
    manager = manager_of(job, monkeypatch)
    read: dict[int, Any] = {}
    with pytest.raises(UnstorableResultError, match="result of item 0 cannot be stored"):
        await read_into(read, manager.process_stream([7], processor))
    assert read == {0: made}
    assert [index for index, _ in job.failed] == [0]
    assert job.released == []
