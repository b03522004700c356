"""The list of failures: several batches, also of several processes, write to it and none undoes another's lines."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from llm_client._core import files
from llm_client._core.batch_errors import CheckpointError
from llm_client._core.batch_job import Failure, Ticket
from llm_client._seam import failures_file
from llm_client._seam.failures_file import FailuresFile

SECONDS = 60.0


def failure(word: str = "no luck") -> Failure:
    return Failure(word, "ValueError")


def listed(path: Path) -> list[tuple[str, int]]:
    return [(line["checkpoint"], line["index"]) for line in map(json.loads, path.read_text().splitlines())]


def test_what_another_batch_writes_while_one_begins_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "failures.jsonl"
    mine, other = FailuresFile(path, tmp_path / "a.jsonl"), FailuresFile(path, tmp_path / "b.jsonl")
    mine.add(Ticket(0, "k"), failure())
    write = files.write_atomic
    threads: list[threading.Thread] = []

    def slow(*arguments: Any, **options: Any) -> None:
        threads.append(threading.Thread(target=other.add, args=(Ticket(1, "k"), failure())))
        threads[0].start()
        threads[0].join(0.2)  # it has to wait; were it able to write, its line would be lost below
        write(*arguments, **options)

    monkeypatch.setattr(files, "write_atomic", slow)
    mine.begin()
    threads[0].join(SECONDS)
    assert listed(path) == [("b.jsonl", 1)]


def test_batches_that_begin_and_fail_at_once_keep_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "failures.jsonl"

    def run(number: int) -> None:
        for index in range(30):
            own = FailuresFile(path, tmp_path / f"{number}.jsonl")
            own.begin()
            own.add(Ticket(index, "k"), failure())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(listed(path)) == [(f"{number}.jsonl", 29) for number in range(4)]


def test_of_a_shared_job_nothing_is_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "failures.jsonl"
    for index in range(2):
        own = FailuresFile(path, "job", shared=True)
        own.begin()
        own.add(Ticket(index, "k"), failure())
    assert [index for _, index in listed(path)] == [0, 1]


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "failures.jsonl"
    own = FailuresFile(path, tmp_path / "a.jsonl")
    own.add(Ticket(0, "k"), failure())
    before, write, calls = path.read_bytes(), os.write, []

    def torn(handle: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:10])

    with monkeypatch.context() as patch:
        patch.setattr(failures_file.os, "write", torn)
        with pytest.raises(CheckpointError, match="No space left"):
            own.add(Ticket(1, "k"), failure())
    assert path.read_bytes() == before


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(failures_file.fcntl, "flock", refuse)
    path = tmp_path / "failures.jsonl"
    own = FailuresFile(path, tmp_path / "a.jsonl")
    own.add(Ticket(0, "k"), failure())
    own.begin()
    own.add(Ticket(1, "k"), failure())
    assert listed(path) == [("a.jsonl", 1)]
