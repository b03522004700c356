"""Ctrl-C in a batch whose state is in PostgreSQL: what is in flight is recorded, and a dead server holds up nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from support.postgres import Standstill
from support.processes import ROOT
from support.servers import start_postgres

# The items are endless, and each is held until the file "go" is there.
PROGRAM = """
import asyncio, itertools, os, sys, time
import llm_client, llm_client.sync

face, folder, dsn, job = sys.argv[1:]
path = lambda name: os.path.join(folder, name)
options = dict(max_workers=4, checkpoint=dsn, job=job)

def note(what):
    with open(path("log"), "a") as file:
        file.write(what + "\\n")

def blocking(item):
    note(f"began {item}")
    while not os.path.exists(path("go")):
        time.sleep(0.005)
    return item

async def later(item):
    note(f"began {item}")
    while not os.path.exists(path("go")):
        await asyncio.sleep(0.005)
    return item

def stream():
    for _ in llm_client.sync.BatchManager(**options).process_stream(itertools.count(), blocking):
        pass

async def main():
    async for _ in llm_client.BatchManager(**options).process_stream(itertools.count(), later):
        pass

try:
    stream() if face == "sync" else asyncio.run(main())
except KeyboardInterrupt:
    note("interrupted")
    sys.exit(7)
"""
SECONDS = 60.0


class Program:
    """A batch in a process of its own, stopped when the `with` block ends."""

    def __init__(self, face: str, folder: Path, dsn: str) -> None:
        self.folder, self.dsn, self.job = folder, dsn, f"job {uuid4().hex}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, face, str(folder), dsn, self.job],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def began(self) -> set[str]:
        file = self.folder / "log"
        lines = file.read_text().splitlines() if file.exists() else []
        return {line.split()[1] for line in lines if line.startswith("began")}

    def wait_for(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < give_up, self.began()
            time.sleep(0.005)

    def stored(self) -> tuple[set[str], int]:
        """The answers, and how many items somebody works on."""
        query = "SELECT convert_from(result, 'UTF8')::json->>'result', owner FROM llm_client_batch_item WHERE job = %s"
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute(query, (self.job,)).fetchall()
        return {result for result, _ in rows if result is not None}, sum(owner is not None for _, owner in rows)


@pytest.mark.parametrize("face", ["async", "sync"])
def test_the_first_lets_everything_in_flight_be_recorded(tmp_path: Path, pg_dsn: str, face: str) -> None:
    with Program(face, tmp_path, pg_dsn) as program:
        program.wait_for(lambda: len(program.began()) == 4)
        program.process.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        _, errors = program.process.communicate(timeout=SECONDS)
        assert program.process.returncode == 7, errors
        assert "Traceback" not in errors
        assert program.stored() == (program.began(), 0)


@pytest.mark.parametrize("face", ["async", "sync"])
def test_the_second_leaves_although_the_server_stands_still(tmp_path: Path, face: str) -> None:
    with start_postgres() as dsn:
        server = Standstill(dsn)
        try:
            with Program(face, tmp_path, dsn) as program:
                program.wait_for(lambda: len(program.began()) == 4)
                server.begin()
                (tmp_path / "go").touch()
                give_up = time.monotonic() + SECONDS  # half of how long a server is waited for
                while program.process.poll() is None:
                    assert time.monotonic() < give_up
                    program.process.send_signal(signal.SIGINT)  # until it ends: two that come together are one
                    time.sleep(0.05)
                assert program.began() == {"0", "1", "2", "3"}
                server.end()
                stored, taken = program.stored()
                assert stored <= program.began()
                assert len(stored) + taken == 4
        finally:
            server.end()
