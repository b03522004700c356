"""Ctrl-C: the first lets what is in flight end and be recorded, the second leaves at once; the file stays good."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import llm_client
import llm_client.sync
from llm_client._core.batch_errors import BatchStoppedError
from support.processes import ROOT

# Items 0 to 3 are held until the file "go" is there; the source is endless.
PROGRAM = """
import asyncio, itertools, os, sys, time
import llm_client, llm_client.sync

face, folder, source = sys.argv[1:]
path = lambda name: os.path.join(folder, name)

def note(what):
    with open(path("log"), "a") as file:
        file.write(what + "\\n")

def blocking(item):
    note(f"began {item}")
    while not os.path.exists(path("go")):
        time.sleep(0.005)
    note(f"ended {item}")
    return item

async def later(item):
    note(f"began {item}")
    while not os.path.exists(path("go")):
        await asyncio.sleep(0.005)
    note(f"ended {item}")
    return item

def slow_source():
    yield from range(4)
    note("waiting")
    while True:
        time.sleep(60)

async def slow_async_source():
    for item in range(4):
        yield item
    note("waiting")
    await asyncio.sleep(600)

def stream():
    manager = llm_client.sync.BatchManager(max_workers=5 if source == "slow" else 4, checkpoint_file=path("a.jsonl"))
    for index, _ in manager.process_stream(slow_source() if source == "slow" else itertools.count(), blocking):
        note(f"read {index}")

async def main():
    manager = llm_client.BatchManager(max_workers=5 if source == "slow" else 4, checkpoint_file=path("a.jsonl"))
    items = slow_async_source() if source == "slow" else itertools.count()
    async for index, _ in manager.process_stream(items, later):
        note(f"read {index}")

try:
    if face == "sync":
        stream()
    else:
        asyncio.run(main())
except KeyboardInterrupt:
    note("interrupted")
    sys.exit(7)
"""
SECONDS = 60.0


class Program:
    def __init__(self, face: str, folder: Path, source: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, face, str(folder), source],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stderr=subprocess.PIPE,
            text=True,
        )

    def log(self) -> list[str]:
        file = self.folder / "log"
        return file.read_text().splitlines() if file.exists() else []

    def wait_for(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < give_up, self.log()
            time.sleep(0.005)

    def began(self, count: int) -> None:
        self.wait_for(lambda: sum(line.startswith("began") for line in self.log()) >= count)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        _, errors = self.process.communicate(timeout=SECONDS)
        assert "Traceback" not in errors, errors
        return self.process.returncode

    def stored(self) -> list[int]:
        lines = (self.folder / "a.jsonl").read_bytes().splitlines(keepends=True)
        assert all(line.endswith(b"}\n") for line in lines)
        return sorted(json.loads(line)["index"] for line in lines[1:])


@pytest.mark.parametrize("source", ["endless", "slow"])
@pytest.mark.parametrize("face", ["async", "sync"])
def test_the_first_lets_everything_in_flight_end(tmp_path: Path, face: str, source: str) -> None:
    program = Program(face, tmp_path, source)
    program.began(4)
    if source == "slow":
        program.wait_for(lambda: "waiting" in program.log())
    program.interrupt()
    (tmp_path / "go").touch()
    assert program.end() == 7
    log = program.log()
    began = {line.split()[1] for line in log if line.startswith("began")}
    assert {line.split()[1] for line in log if line.startswith("ended")} == began
    assert {line.split()[1] for line in log if line.startswith("read")} == began
    assert log[-1] == "interrupted"
    assert program.stored() == sorted(map(int, began))


@pytest.mark.parametrize("face", ["async", "sync"])
def test_the_second_leaves_at_once(tmp_path: Path, face: str) -> None:
    program = Program(face, tmp_path, "endless")
    program.began(4)
    program.interrupt()
    # Sent again until it ends: two signals that come together are one.
    give_up = time.monotonic() + SECONDS
    while program.process.poll() is None and "interrupted" not in program.log():
        assert time.monotonic() < give_up
        time.sleep(0.05)
        program.interrupt()
    _, errors = program.process.communicate(timeout=SECONDS)
    log = program.log()
    assert not any(line.startswith("ended") for line in log), log
    assert program.stored() == [], errors
    (tmp_path / "go").touch()
    again = Program(face, tmp_path, "slow")
    again.wait_for(lambda: len(again.stored()) >= 4)
    again.interrupt()
    assert again.end() == 7
    assert again.stored() == [0, 1, 2, 3]


# ---------------------------------------------------------------- the handler itself


@pytest.fixture
def caught() -> Iterator[list[int]]:
    """The application's own handler of Ctrl-C; what it was called with."""
    numbers: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGINT, before)


def interrupting(item: int) -> int:
    if item == 1:
        signal.raise_signal(signal.SIGINT)
    return item


def test_an_applications_own_handler_is_called_when_the_batch_has_ended(caught: list[int]) -> None:
    handler = signal.getsignal(signal.SIGINT)
    seen = []
    stream = llm_client.sync.BatchManager(1).process_stream(range(100), interrupting)
    with pytest.raises(BatchStoppedError, match="2 done"):
        seen.extend(result for _, result in stream if not caught)
    assert seen == [0, 1]
    assert caught == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler


async def test_it_is_on_a_loop_as_well(caught: list[int]) -> None:
    async def processor(item: int) -> int:
        return interrupting(item)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(BatchStoppedError, match="done"):
        await llm_client.BatchManager(1).process_batch(range(100), processor)
    assert caught == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("presses", [1, 2])
async def test_a_handler_that_the_program_gave_its_loop_is_called_once_for_each_signal(presses: int) -> None:
    loop, calls, mark = asyncio.get_running_loop(), [], asyncio.Event()
    before = signal.getsignal(signal.SIGINT)
    marker_before = signal.getsignal(signal.SIGUSR1)

    async def processor(item: int) -> int:
        if item == 1:
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
        return item

    loop.add_signal_handler(signal.SIGINT, calls.append, "called")
    loop.add_signal_handler(signal.SIGUSR1, mark.set)
    try:
        with pytest.raises(BatchStoppedError, match="done"):
            await llm_client.BatchManager(1).process_batch(range(100), processor)
        signal.raise_signal(signal.SIGUSR1)  # a loop hears of signals one after the other: this is the last
        give_up = time.monotonic() + SECONDS
        while not mark.is_set():
            assert time.monotonic() < give_up
            await asyncio.sleep(0.001)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGUSR1)
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGUSR1, marker_before)
    assert calls == ["called"] * presses


def test_one_signal_stops_all_batches_and_is_delivered_when_the_last_has_ended(caught: list[int]) -> None:
    handler = signal.getsignal(signal.SIGINT)
    one = llm_client.sync.BatchManager(1).process_stream(range(100), int)
    two = llm_client.sync.BatchManager(1).process_stream(range(100), int)
    assert next(one) == next(two) == (0, 0)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(BatchStoppedError):
        list(one)
    assert caught == []
    with pytest.raises(BatchStoppedError):
        list(two)
    assert caught == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_second_signal_goes_to_the_applications_handler_at_once(caught: list[int]) -> None:
    stream = llm_client.sync.BatchManager(1).process_stream(range(100), int)
    next(stream)
    signal.raise_signal(signal.SIGINT)
    assert caught == []
    signal.raise_signal(signal.SIGINT)
    assert caught == [signal.SIGINT]
    stream.close()


def test_batches_may_end_in_any_order(caught: list[int]) -> None:
    handler = signal.getsignal(signal.SIGINT)
    for order in ((0, 1), (1, 0)):
        streams = [llm_client.sync.BatchManager(1).process_stream(range(9), int) for _ in order]
        for stream in streams:
            next(stream)
        for number in order:
            streams[number].close()
        assert signal.getsignal(signal.SIGINT) is handler


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert llm_client.sync.BatchManager(1).process_batch(range(5), interrupting) == list(range(5))
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def run() -> None:
        manager = llm_client.sync.BatchManager(2)
        seen.extend(manager.process_batch(range(3), lambda item: signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(SECONDS)
    assert seen == [before] * 3
