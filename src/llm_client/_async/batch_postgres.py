"""The state of a batch in PostgreSQL: any number of processes, on any number of machines, work on one job."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from .._core import batch_sql, jsons
from .._core.batch_errors import CheckpointError
from .._core.batch_job import Claim, Failure, Ticket
from .._core.checkpoint import parse_line
from .._core.log import logger
from .._seam import _async as seam
from .._seam.failures_file import FailuresFile

_log = logger("batch")

LEASE_SECONDS = 60.0
"""How long items stay taken that nobody says a word about: what a killed process costs the others."""
_SERVER_SECONDS = 10.0
_OPENING_SECONDS = 30.0
"""Shorter than what follows: nothing has been paid yet, and a wrong address is no server that comes back."""
_PATIENCE_SECONDS = 120.0
_CONNECTIONS = 8


class PostgresJobs:
    """Makes the `Job` of each run; the connections are kept between them.

    Args:
        dsn: PostgreSQL's address.
        job: The job's name; equal for all processes that work on it.
        failures: A file that lists this process's failures as well; None for none.
        lease: Seconds for which an item stays taken without a heartbeat.

    Raises:
        ImportError: psycopg is not installed.
        TypeError: The job's name is no text.
        ValueError: It cannot be used, or the address cannot be read.
    """

    def __init__(
        self,
        dsn: str,
        job: str = "default",
        failures: str | os.PathLike[str] | None = None,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self._job = batch_sql.check_job(job)
        self._failures = failures
        self._lease = lease
        make = partial(seam.pg_pool, dsn, max_size=_CONNECTIONS, timeout=_SERVER_SECONDS)
        make()  # finds out now whether psycopg is there; a pool opens at first use
        _check_address(dsn)
        self._pools = seam.per_loop(make)

    def begin(self) -> PostgresJob:
        """The job of one run."""
        failures = None if self._failures is None else FailuresFile(self._failures, self._job, shared=True)
        return PostgresJob(self._pools, self._job, failures, self._lease)


class PostgresJob:
    """A `Job` for many processes; see `PostgresJobs`.

    A server that is away for a while is waited for, above all with an answer that has been paid.
    """

    uses_keys = True

    def __init__(self, pools: Any, job: str, failures: FailuresFile | None, lease: float) -> None:
        self.beat_seconds: float | None = lease / 3
        self.poll_seconds = min(1.0, lease / 3)
        self._pools = pools
        self._job = job
        self._owner = uuid4().hex
        self._lease = lease
        self._failures = failures
        self._released: deque[str] = deque()
        self._closed = False

    async def open(self) -> frozenset[str]:
        await self._with_patience(self._pools.get().probe, _OPENING_SECONDS)
        if not (await self._ask(batch_sql.IS_MADE))[0][0]:
            await self._with_patience(self._create)
        await self._ask(batch_sql.JOIN, version=batch_sql.VERSION)
        for (version,) in await self._ask(batch_sql.GET_VERSION):
            batch_sql.check_version(version)
        if self._failures is not None:
            await seam.offload(self._failures.begin)
        return frozenset(name for (name,) in await self._ask(batch_sql.GET_TYPES))

    async def claim(self, ticket: Ticket) -> Claim:
        await self._give_back()
        ((mine, result),) = await self._ask(batch_sql.CLAIM, key=ticket.key, lease=self._lease)
        return batch_sql.claim_of(mine, None if result is None else bytes(result))

    async def record(self, ticket: Ticket, payload: bytes) -> None:
        if self._closed:
            return
        # The line's form, because it names the types of the user's that a result holds.
        line = parse_line(b'{"key":"k",%s' % payload[1:]) if b'"types"' in payload else None
        types = [] if line is None else list(line.types)
        try:
            await self._ask(batch_sql.RECORD, key=ticket.key, result=payload, types=types)
        except CheckpointError as error:
            if self._failures is not None:
                self._failures.rescue(ticket, payload, error)
            raise

    async def record_failure(self, ticket: Ticket, failure: Failure) -> None:
        if self._closed:
            return
        if self._failures is not None:
            self._failures.add(ticket, failure)
        await self._ask(batch_sql.RECORD_FAILURE, key=ticket.key, failure=jsons.dumps(failure.to_dict()))

    def release(self, ticket: Ticket) -> None:
        self._released.append(ticket.key)

    async def heartbeat(self) -> None:
        await self._give_back()
        await self._ask(batch_sql.HEARTBEAT, patience=0.0, lease=self._lease)

    async def finish(self) -> None:
        await self._give_back()
        await self._pools.close()

    async def close(self) -> None:
        # The connections stay: closing them waits, and a finalizer may be calling. They end with the loop or process,
        # and what was in flight is free when its lease ends.
        self._closed = True

    async def _give_back(self) -> None:
        keys = []
        while self._released:
            keys.append(self._released.popleft())
        if keys:
            await self._ask(batch_sql.RELEASE, keys=keys)

    async def _create(self) -> None:
        async with self._pools.get().connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (batch_sql.CREATING,))
            for statement in batch_sql.CREATE:
                await connection.execute(statement)

    async def _ask(self, statement: str, *, patience: float | None = None, **values: Any) -> list[Any]:
        values = {"job": self._job, "owner": self._owner, **values}

        async def ask() -> list[Any]:
            async with self._pools.get().connection() as connection:
                cursor = await connection.execute(statement, values)
                return await cursor.fetchall() if cursor.description is not None else []

        found: list[Any] = await self._with_patience(ask, patience)
        return found

    async def _with_patience(self, act: Callable[[], Any], patience: float | None = None) -> Any:
        from psycopg import Error, OperationalError
        from psycopg.errors import InsufficientPrivilege

        patience = _PATIENCE_SECONDS if patience is None else patience
        began, pause = seam.now(), 0.1
        while True:
            try:
                return await act()
            except OperationalError as error:
                waited = seam.now() - began
                if waited > patience:
                    raise CheckpointError(
                        f"PostgreSQL, which keeps the batch {self._job!r}, could not be reached for {waited:.0f} s "
                        f"({_in_one_line(error)}); what it was told before is kept: start again when it is back"
                    ) from error
                if pause == 0.1:
                    _log.warning("the batch waits for PostgreSQL: %s", _in_one_line(error))
                await seam.sleep(pause)
                pause = min(pause * 2, 5.0)
            except InsufficientPrivilege as error:
                raise CheckpointError(
                    f"PostgreSQL may not keep the batch {self._job!r} for this user: {_in_one_line(error)}. The tables "
                    "llm_client_batch and llm_client_batch_item are made by the first run of a user who may CREATE; "
                    "others need SELECT, INSERT and UPDATE on them"
                ) from error
            except Error as error:
                raise CheckpointError(
                    f"PostgreSQL cannot keep the batch {self._job!r}: {_in_one_line(error)}"
                ) from error


def _check_address(dsn: str) -> None:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(dsn)
        is_good = all(not port or port.isdecimal() for port in str(parts.get("port") or "").split(","))
        is_good = is_good and "@" not in str(parts.get("host") or "")
    except ProgrammingError:
        is_good = False
    if not is_good:  # raised here: the reason may quote a part of the password, and shall not be the error's context
        raise ValueError(
            "the address of PostgreSQL cannot be read: expected postgresql://user:password@host:port/database, where "
            "/ @ : % and # in a password are percent-encoded (%2F for a slash)"
        )


def _in_one_line(error: Any) -> str:
    return f"{type(error).__name__}: {' '.join((error.diag.message_primary or str(error)).split())}"
