"""A batch in a PostgreSQL that stands still, is not there, refuses, or loses its answers on the way."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from llm_client._core.batch_errors import CheckpointError
from llm_client._core.batch_job import ClaimState, Ticket
from llm_client._seam import _async as seam
from support._async import face
from support.postgres import Standstill, grant_batches, user_who_makes_no_tables
from support.servers import start_postgres


def manager(dsn: str, **options: Any) -> Any:
    return face.BatchManager(max_workers=4, checkpoint=dsn, job=f"job {uuid4().hex}", **options)


def constants() -> Any:
    """The module that says how long a server is waited for."""
    return sys.modules[f"{face.BatchManager.__module__}_postgres"]


async def double(item: int) -> int:
    return item * 2


class OnWaiting(logging.Handler):
    """Calls a function when a batch says that it waits."""

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__()
        self.waited = 0
        self._function = function

    def emit(self, record: logging.LogRecord) -> None:
        if "waits for PostgreSQL" in record.getMessage():
            self.waited += 1
            self._function()


async def test_a_server_that_stands_still_is_waited_for_and_no_paid_answer_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants(), "_SERVER_SECONDS", 1.0)
    monkeypatch.setattr(constants(), "_OPENING_SECONDS", 120.0)  # a busy machine may need some tries
    logger, asked, lock = logging.getLogger("llm_client.batch"), [], threading.Lock()
    with start_postgres() as dsn:
        server = Standstill(dsn)
        waiting = OnWaiting(server.end)
        logger.addHandler(waiting)

        async def processor(item: int) -> int:
            with lock:
                asked.append(item)
            if item == 5:
                server.begin()
            return item * 2

        try:
            asked_of = manager(dsn)
            assert await asked_of.process_batch(range(12), processor) == [item * 2 for item in range(12)]
        finally:
            logger.removeHandler(waiting)
            server.end()
        assert waiting.waited >= 1
        assert sorted(asked) == list(range(12))
        assert (asked_of.summary.done, asked_of.summary.failed) == (12, 0)


async def test_a_claim_whose_answer_was_lost_is_made_again(pg_dsn: str) -> None:
    mine, other = (manager(pg_dsn)._postgres.begin() for _ in range(2))
    other._job = mine._job
    await mine.open()
    await other.open()
    ticket = Ticket(0, "k")
    assert (await mine.claim(ticket)).state is ClaimState.MINE
    # The answer got lost, and it asks again: heartbeats would keep the item from everybody, and it for ever.
    assert (await mine.claim(ticket)).state is ClaimState.MINE
    assert (await other.claim(ticket)).state is ClaimState.ELSEWHERE
    await mine.record(ticket, b'{"result":1}')
    assert (await mine.claim(ticket)).payload == b'{"result":1}'
    await mine.finish()
    await other.finish()


async def test_a_server_that_is_not_there_is_named_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants(), "_OPENING_SECONDS", 0.0)
    asked: list[int] = []
    with pytest.raises(CheckpointError, match=r"could not be reached.*127\.0\.0\.1") as raised:
        await manager("postgresql://user:hush@127.0.0.1:1/x").process_batch([1], asked.append)
    assert "hush" not in f"{raised.value} {raised.value.__cause__!r} {raised.value.__context__!r}"
    assert asked == []


async def test_a_database_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, pg_dsn: str) -> None:
    monkeypatch.setattr(constants(), "_OPENING_SECONDS", 0.0)
    with pytest.raises(CheckpointError, match="no_such_database"):
        await manager(f"{pg_dsn.rpartition('/')[0]}/no_such_database").process_batch([1], double)


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://user:hu/sh@127.0.0.1/x", "postgresql://user:x@hush@127.0.0.1/x", "postgresql://127.0.0.1/x?hush=1"],
)
async def test_an_address_that_cannot_be_read_is_refused_without_being_quoted(dsn: str) -> None:
    with pytest.raises(ValueError, match="percent-encoded") as raised:
        manager(dsn)
    assert "hu" not in f"{raised.value} {raised.value.__cause__!r} {raised.value.__context__!r}"


async def test_who_may_not_make_the_tables_is_told_who_may(pg_dsn: str) -> None:
    with user_who_makes_no_tables(pg_dsn) as (owner, user):
        with pytest.raises(CheckpointError, match="made by the first run of a user who may CREATE"):
            await manager(user).process_batch([1], double)
        assert await manager(owner).process_batch([1], double) == [2]
        with pytest.raises(CheckpointError, match="need SELECT, INSERT and UPDATE"):
            await manager(user).process_batch([1], double)
        grant_batches(owner, user)
        work = [partial(manager(user).process_batch, [number], double) for number in range(2)]
        assert await seam.gather(work) == [[0], [2]]
