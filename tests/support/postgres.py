"""What PostgreSQL does to those who use it: stands still, or does not let them make tables."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Standstill:
    """All processes of a server, stopped and continued.

    Args:
        dsn: Its address; it runs on this machine.
    """

    def __init__(self, dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            folder = connection.execute("SHOW data_directory").fetchone()
        assert folder is not None
        self._postmaster = int(Path(folder[0], "postmaster.pid").read_text().split()[0])

    def begin(self) -> None:
        """Stop them: first the one that makes the others."""
        os.kill(self._postmaster, signal.SIGSTOP)
        for pid in self._children():
            _send(pid, signal.SIGSTOP)

    def end(self) -> None:
        """Let them go on; more than once does no harm."""
        for pid in [*self._children(), self._postmaster]:
            _send(pid, signal.SIGCONT)

    def _children(self) -> list[int]:
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            if parent == self._postmaster:
                found.append(int(status.parent.name))
        return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has ended meanwhile
        os.kill(pid, number)


@contextmanager
def user_who_makes_no_tables(dsn: str) -> Iterator[tuple[str, str]]:
    """A database of its own: its owner's address, and that of a user who has no rights in it."""
    name = f"x{uuid4().hex}"
    parts = conninfo_to_dict(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hush'")
        where = f"{parts['host']}:{parts['port']}/{name}"
        owner = f"postgresql://{parts['user']}:{parts.get('password', 'x')}@{where}"
        try:
            with psycopg.connect(make_conninfo(dsn, dbname=name)) as inside:
                inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            yield owner, f"postgresql://{name}:hush@{where}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            connection.execute(f"DROP ROLE {name}")


def grant_batches(owner: str, user: str) -> None:
    """Let a user share batches whose tables are there."""
    with psycopg.connect(owner) as connection:
        tables = "llm_client_batch, llm_client_batch_item"
        connection.execute(f"GRANT SELECT, INSERT, UPDATE ON {tables} TO {conninfo_to_dict(user)['user']}")
