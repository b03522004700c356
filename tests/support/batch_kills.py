"""Batches that are killed at random moments, and what an API's journal must say about them afterwards."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_client._core.checkpoint import parse_line
from llm_client.testing import FakeAPI

from .processes import ROOT

PROGRAM = """
import asyncio, sys
import llm_client, llm_client.sync

face, file, url, items, workers, run = sys.argv[1:]
questions = [f"Question {number}" for number in range(int(items))]
options = dict(model="gpt-5.6-luna", base_url=url, api_key="k", attempts=1)
headers = {"x-run": run}

async def main():
    provider = llm_client.OpenAIProvider(**options)
    async def processor(question):
        return await provider.complete(question, extra_headers=headers)
    manager = llm_client.BatchManager(int(workers), file)
    results = await manager.process_batch(questions, processor)
    await provider.close()
    return results, manager.summary

def blocking():
    with_keys = llm_client.sync.OpenAIProvider(**options)
    manager = llm_client.sync.BatchManager(int(workers), file)
    results = manager.process_batch(questions, lambda question: with_keys.complete(question, extra_headers=headers))
    with_keys.close()
    return results, manager.summary

results, summary = asyncio.run(main()) if face == "async" else blocking()
for question, result in zip(questions, results, strict=True):
    assert result.ok, result
    assert question in result.content.splitlines(), (question, result)
print(summary.done, summary.from_checkpoint, summary.failed)
"""
SECONDS = 300.0


@dataclass
class Killing:
    """A batch that is killed again and again.

    Args:
        face: "async" or "sync".
        folder: For the checkpoint.
        api: Answers, and keeps the journal.
        items: How many there are.
        workers: How many are worked on at once.
        kills: How often it is killed.
        seed: Of the moments.
    """

    face: str
    folder: Path
    api: FakeAPI
    items: int
    workers: int
    kills: int
    seed: int
    complete: list[set[str]] = field(default_factory=list)
    """After each kill: the keys of all complete lines."""

    @property
    def file(self) -> Path:
        return self.folder / "answers.jsonl"

    def run(self) -> str:
        """Kill it so often, then let it end; returns what it printed."""
        rng = random.Random(self.seed)
        for number in range(self.kills):
            process = self._start(number)
            try:
                self._wait_for_the_moment(process, rng)
            finally:
                process.kill()
                _, errors = process.communicate(timeout=SECONDS)
            assert process.returncode in (-9, 0), errors
            self.complete.append(self._stored())
        process = self._start(self.kills)
        said, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, errors
        return said

    def _start(self, number: int) -> subprocess.Popen[str]:
        arguments = [self.face, str(self.file), self.api.openai_url, str(self.items), str(self.workers), str(number)]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _wait_for_the_moment(self, process: subprocess.Popen[str], rng: random.Random) -> None:
        """A random moment: while it starts, at a number of requests, or at a size of the file, and a little later."""
        kind = rng.random()
        give_up = time.monotonic() + SECONDS
        requests, size = len(self.api.requests), self._size()
        more = rng.randint(1, max(2, 8 * self.items // (5 * self.kills)))
        while process.poll() is None and kind > 0.1:
            reached = len(self.api.requests) - requests if kind < 0.55 else (self._size() - size) // 400
            if reached >= more:
                break
            assert time.monotonic() < give_up, "the batch makes no progress"
            time.sleep(0.0005)
        time.sleep(rng.uniform(0.0, 0.3 if kind <= 0.1 else 0.01))

    def _size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def _stored(self) -> set[str]:
        if not self.file.exists():
            return set()
        lines = self.file.read_bytes().split(b"\n")[1:-1]
        records = [parse_line(line) for line in lines]
        assert None not in records, "a complete line is no record"
        return {str(json.loads(line)["index"]) for line in lines}

    def judge(self, said: str) -> dict[str, Any]:
        """What the journal proves: nothing lost, nothing whose line was complete asked again, few others twice."""
        asked = [(request.headers["x-run"], request.text.removeprefix("Question ")) for request in self.api.requests]
        for number, complete in enumerate(self.complete):
            again = {item for run, item in asked if int(run) > number} & complete
            assert not again, f"asked again after kill {number}: {sorted(again)}"
            previous = self.complete[number - 1] if number else set()
            in_vain = [item for run, item in asked if int(run) == number and item not in complete - previous]
            assert len(in_vain) <= self.workers, f"kill {number} cost {len(in_vain)} requests"
        counts = Counter(item for _, item in asked)
        assert set(counts) == {str(number) for number in range(self.items)}
        assert said.split() == [str(self.items), str(len(self.complete[-1])), "0"]
        assert self._stored() == set(counts)
        return {
            "requests": len(asked),
            "items": self.items,
            "kills": self.kills,
            "extra": len(asked) - self.items,
            "stored": [len(complete) for complete in self.complete],
        }
