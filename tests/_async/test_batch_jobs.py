"""Batches whose state somebody else keeps: items that other processes work on, heartbeats, items given back."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.batch_errors import BatchStoppedError, CheckpointError
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
