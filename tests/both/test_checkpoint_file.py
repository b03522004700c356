"""The checkpoint as a file: locks, disks that fail, and nothing half-written."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client._core.batch_codec import Codec
from llm_client._core.batch_errors import CheckpointError
from llm_client._core.checkpoint import HEADER, format_line
from llm_client._seam import checkpoint_file
from llm_client._seam.checkpoint_file import CheckpointFile
from llm_client._seam.failures_file import FailuresFile
from support.processes import ROOT, run_python


def line(index: int, text: str = "answer") -> bytes:
    return format_line(index, f"{index:032x}", Codec().encode(text))


def opened(path: Path, sync_every: float | None = None) -> CheckpointFile:
    return CheckpointFile(path, sync_every)


class Disk:
    """Stands in the place of `os` in the file's module: calls fail when it is told so."""

    def __init__(self) -> None:
        self.fails: dict[str, int] = {}
        self.takes: int | None = None
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        if name not in ("write", "ftruncate", "fsync", "pread"):
            return function

        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if name in self.fails:
                if name == "write" and self.takes:
                    taken, self.takes = self.takes, None
                    return function(arguments[0], arguments[1][:taken])
                raise OSError(self.fails[name], os.strerror(self.fails[name]))
            return function(*arguments)

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    broken = Disk()
    monkeypatch.setattr(checkpoint_file, "os", broken)
    return broken


def test_a_new_file_has_a_header_and_what_was_appended(tmp_path: Path) -> None:
    file = opened(tmp_path / "a.jsonl")
    file.append(line(1))
    file.close()
    assert (tmp_path / "a.jsonl").read_bytes() == HEADER + line(1)
    again = opened(tmp_path / "a.jsonl")
    assert len(again) == 1
    assert again.find(f"{1:032x}") == line(1)[:-1]
    assert again.find(f"{2:032x}") is None
    again.close()


def test_a_long_line_is_read_whole(tmp_path: Path) -> None:
    file = opened(tmp_path / "a.jsonl")
    file.append(line(1, "x" * 3_000_000))
    file.append(line(2, "y" * 65_536))
    file.close()
    again = opened(tmp_path / "a.jsonl")
    assert again.find(f"{1:032x}") == line(1, "x" * 3_000_000)[:-1]
    assert again.find(f"{2:032x}") == line(2, "y" * 65_536)[:-1]
    again.close()


def test_the_file_is_locked_in_this_process_and_for_others(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    file = opened(path)
    with pytest.raises(CheckpointError, match="in use by another batch"):
        opened(path)
    program = f"""
        from llm_client._seam.checkpoint_file import CheckpointFile
        try:
            CheckpointFile({str(path)!r}, None)
        except ValueError as error:
            print(error)
    """
    assert "in use by another batch, in this process or another one" in run_python(program)
    file.close()
    opened(path).close()


def test_the_lock_ends_with_its_process_also_where_children_live_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    program = f"""
        import os, sys, time
        from llm_client._seam.checkpoint_file import CheckpointFile
        file = CheckpointFile({str(path)!r}, None)
        child = os.fork()
        if child == 0:
            print(os.getpid(), flush=True)
            sys.stdin.read()  # lives until the test lets it go
            os._exit(0)
        time.sleep(600)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", "\n".join(text[8:] for text in program.splitlines())],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        child = int(process.stdout.readline())
        with pytest.raises(CheckpointError, match="in use"):
            opened(path)
        process.kill()
        process.wait(30)
        os.kill(child, 0)  # it is still there
        opened(path).close()
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("takes", [None, 10])
def test_a_line_that_cannot_be_written_leaves_no_trace(
    tmp_path: Path, disk: Disk, error: int, takes: int | None
) -> None:
    file = opened(tmp_path / "a.jsonl")
    file.append(line(1))
    disk.fails["write"], disk.takes = error, takes
    with pytest.raises(CheckpointError, match=r"cannot be written: .* What was recorded before is intact"):
        file.append(line(2))
    assert (tmp_path / "a.jsonl").read_bytes() == HEADER + line(1)
    disk.fails.clear()
    file.append(line(3))
    file.close()
    assert (tmp_path / "a.jsonl").read_bytes() == HEADER + line(1) + line(3)


def test_where_half_a_line_cannot_be_taken_back_nothing_follows_it(tmp_path: Path, disk: Disk) -> None:
    file = opened(tmp_path / "a.jsonl")
    file.append(line(1))
    disk.fails.update(write=errno.EIO, ftruncate=errno.EIO)
    disk.takes = 10
    with pytest.raises(CheckpointError, match="cannot be written"):
        file.append(line(2))
    disk.fails.clear()
    with pytest.raises(CheckpointError, match="cannot be written"):
        file.append(line(3))
    file.close()
    assert (tmp_path / "a.jsonl").read_bytes() == HEADER + line(1) + line(2)[:10]
    again = opened(tmp_path / "a.jsonl")
    assert len(again) == 1
    again.close()
    assert (tmp_path / "a.jsonl").read_bytes() == HEADER + line(1)


def test_the_disk_is_waited_for_by_policy(tmp_path: Path, disk: Disk) -> None:
    for number, (every, due) in enumerate([(None, False), (0.0, True), (3600.0, False)]):
        file = opened(tmp_path / f"{number}.jsonl", every)
        disk.calls.clear()
        assert file.append(line(1)) is due
        file.sync()
        assert disk.calls.count("fsync") == (0 if every is None else 1)
        file.sync()  # nothing new
        assert disk.calls.count("fsync") == (0 if every is None else 1)
        file.close()


def test_a_disk_that_cannot_keep_it_is_an_error(tmp_path: Path, disk: Disk) -> None:
    file = opened(tmp_path / "a.jsonl", 0.0)
    file.append(line(1))
    disk.fails["fsync"] = errno.EIO
    with pytest.raises(CheckpointError, match="cannot be made durable"):
        file.sync()
    disk.fails["pread"] = errno.EIO
    file.close()


def test_a_file_that_can_no_longer_be_read_is_an_error(tmp_path: Path, disk: Disk) -> None:
    file = opened(tmp_path / "a.jsonl")
    file.append(line(1))
    file.close()
    again = opened(tmp_path / "a.jsonl")
    disk.fails["pread"] = errno.EIO
    with pytest.raises(CheckpointError, match="cannot be read"):
        again.find(f"{1:032x}")
    again.close()


def test_after_closing_nothing_is_written(tmp_path: Path) -> None:
    file = opened(tmp_path / "a.jsonl", 0.0)
    file.close()
    assert file.append(line(1)) is False
    file.sync()
    file.close()
    assert (tmp_path / "a.jsonl").read_bytes() == HEADER


def test_closing_waits_for_nobody_and_writes_into_no_other_file(tmp_path: Path) -> None:
    lines = 400
    file = opened(tmp_path / "a.jsonl", 0.001)
    begun = threading.Barrier(5)

    def write(first: int) -> None:
        begun.wait(30)
        for index in range(first, first + lines):
            if file.append(line(index)):
                file.sync()

    threads = [threading.Thread(target=write, args=(number * lines,)) for number in range(4)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    file.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)  # may get the same number
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert os.fstat(other).st_size == 0
    os.close(other)
    again = opened(tmp_path / "a.jsonl")
    data = (tmp_path / "a.jsonl").read_bytes()
    assert data.startswith(HEADER)
    assert data.endswith(b"\n")
    assert len(again) == data.count(b"\n") - 1
    again.close()


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    file = opened(tmp_path / "a.jsonl")
    threads = [
        threading.Thread(
            target=lambda first: [file.append(line(index)) for index in range(first, first + 200)], args=(n,)
        )
        for n in range(0, 1600, 200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    file.close()
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    assert sorted(lines[1:]) == sorted(line(index) for index in range(1600))


# ---------------------------------------------------------------- whole batches on failing disks

FULL = """
    import asyncio, json, resource, signal, sys
    import llm_client, llm_client.sync
    from llm_client.exceptions import CheckpointError
    face, path, limit = sys.argv[1:] if len(sys.argv) > 1 else ARGUMENTS
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    asked = []
    def blocking(item):
        asked.append(item)
        return "answer to " + str(item)
    async def later(item):
        return blocking(item)
    try:
        if face == "sync":
            llm_client.sync.BatchManager(max_workers=4, checkpoint_file=path).process_batch(range(1000), blocking)
        else:
            asyncio.run(llm_client.BatchManager(max_workers=4, checkpoint_file=path).process_batch(range(1000), later))
    except CheckpointError as error:
        print(len(asked), error)
"""


@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_full_disk_ends_the_batch_and_what_was_recorded_is_intact(tmp_path: Path, face: str) -> None:
    path = tmp_path / "a.jsonl"
    said = run_python(FULL.replace("ARGUMENTS", repr((face, str(path), 3000))))
    asked, _, words = said.partition(" ")
    assert "cannot be written: [Errno 27]" in words
    assert "What was recorded before is intact" in words
    assert 10 < int(asked) < 100
    data = path.read_bytes()
    assert len(data) <= 3000
    assert data.endswith(b"}\n")
    stored = data.count(b"\n") - 1
    assert int(asked) - stored <= 4
    manager = llm_client.sync.BatchManager(checkpoint_file=path)
    assert manager.process_batch(range(1000), lambda item: f"answer to {item}") == [
        f"answer to {number}" for number in range(1000)
    ]
    assert manager.summary.from_checkpoint == stored


@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_device_that_is_full_is_said_so(face: str) -> None:
    said = run_python(FULL.replace("ARGUMENTS", repr((face, "/dev/full", 0))))
    assert said.startswith("0 the checkpoint '/dev/full' cannot be written: [Errno 28] No space left on device")


@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_broken_disk_ends_the_batch_and_what_was_recorded_is_intact(tmp_path: Path, disk: Disk, face: str) -> None:
    path = tmp_path / "a.jsonl"
    asked: list[int] = []

    def blocking(item: int) -> int:
        asked.append(item)
        if item == 20:
            disk.fails["write"], disk.takes = errno.EIO, 7
        return item

    async def later(item: int) -> int:
        return blocking(item)

    def run() -> None:
        if face == "sync":
            llm_client.sync.BatchManager(4, path).process_batch(range(1000), blocking)
        else:
            asyncio.run(llm_client.BatchManager(4, path).process_batch(range(1000), later))

    with pytest.raises(CheckpointError, match="Input/output error"):
        run()
    disk.fails.clear()
    data = path.read_bytes()
    assert data.endswith(b"}\n")
    stored = data.count(b"\n") - 1
    assert 10 < stored <= len(asked) < 1000
    manager = llm_client.sync.BatchManager(4, path)
    assert manager.process_batch(range(1000), lambda item: item) == list(range(1000))
    assert manager.summary.from_checkpoint == stored


async def test_a_batch_that_is_cancelled_while_it_opens_its_file_gives_it_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    reading, gate, ended = threading.Event(), threading.Event(), threading.Event()
    read, begin = CheckpointFile._read, FailuresFile.begin

    def slowly(file: CheckpointFile) -> frozenset[str]:
        reading.set()
        gate.wait(30)
        return read(file)

    def begin_and_end(failures: FailuresFile) -> None:
        begin(failures)
        ended.set()

    monkeypatch.setattr(CheckpointFile, "_read", slowly)
    monkeypatch.setattr(FailuresFile, "begin", begin_and_end)
    task = asyncio.ensure_future(llm_client.BatchManager(checkpoint_file=path).process_batch([1], str))
    await asyncio.to_thread(reading.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    assert await asyncio.to_thread(ended.wait, 30)
    opened(path).close()


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        llm_client.sync.BatchManager(checkpoint_file=tmp_path).process_batch([1], str)
