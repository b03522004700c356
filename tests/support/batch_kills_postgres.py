"""Three processes that share one job in PostgreSQL, killed at random moments, and what the API's journal must say."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg

from llm_client._core.batch_identity import Identities
from llm_client.testing import FakeAPI

from .processes import ROOT

PROGRAM = """
import asyncio, sys
import llm_client, llm_client.sync

face, dsn, job, url, items, workers, run, lease = sys.argv[1:]
questions = [f"Question {number}" for number in range(int(items))]
options = dict(model="gpt-5.6-luna", base_url=url, api_key="k", attempts=1)
batch = dict(max_workers=int(workers), checkpoint=dsn, job=job, lease_seconds=float(lease))
headers = {"x-run": run}

async def main():
    provider = llm_client.OpenAIProvider(**options)
    async def processor(question):
        return await provider.complete(question, extra_headers=headers)
    manager = llm_client.BatchManager(**batch)
    results = await manager.process_batch(questions, processor)
    await provider.close()
    return results, manager.summary

def blocking():
    provider = llm_client.sync.OpenAIProvider(**options)
    manager = llm_client.sync.BatchManager(**batch)
    results = manager.process_batch(questions, lambda question: provider.complete(question, extra_headers=headers))
    provider.close()
    return results, manager.summary

results, summary = asyncio.run(main()) if face == "async" else blocking()
for question, result in zip(questions, results, strict=True):
    assert result.ok, result
    assert question in result.content.splitlines(), (question, result)
print(summary.done, summary.failed)
"""
SECONDS = 300.0
LEASE_SECONDS = 10.0
"""Long enough for heartbeats on a busy machine: an item that two ask because one of them was starved is no kill's."""


@dataclass
class SharedKilling:
    """A job of three processes, of which one is killed again and again.

    Args:
        dsn: The database.
        job: The job's name.
        api: Answers, and keeps the journal.
        items: How many there are.
        workers: How many each process works on at once.
        kills: How often one of them is killed, and another started.
        seed: Of the moments and the victims.
    """

    dsn: str
    job: str
    api: FakeAPI
    items: int
    workers: int
    kills: int
    seed: int
    complete: list[set[str]] = field(default_factory=list)
    """After each kill: the items whose answers were stored."""
    victims: list[int] = field(default_factory=list)
    started: int = 0

    def run(self) -> list[str]:
        """Kill so often, then let the three end; returns what they printed."""
        rng = random.Random(self.seed)
        living = [self._start() for _ in range(3)]
        try:
            for _ in range(self.kills):
                self._wait_for_the_moment(rng)
                number, process = living.pop(rng.randrange(3))
                process.kill()
                process.communicate(timeout=SECONDS)
                self.victims.append(number)
                self.complete.append(self._stored())
                living.append(self._start())
            said = []
            for _, process in living:
                words, errors = process.communicate(timeout=SECONDS)
                assert process.returncode == 0, errors
                said.append(words)
            return said
        finally:
            for _, process in living:
                process.kill()
                process.wait()

    def _start(self) -> tuple[int, subprocess.Popen[str]]:
        number = self.started
        self.started += 1
        arguments = [
            "async" if number % 2 else "sync", self.dsn, self.job, self.api.openai_url,
            str(self.items), str(self.workers), str(number), str(LEASE_SECONDS),
        ]  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return number, process

    def _wait_for_the_moment(self, rng: random.Random) -> None:
        """After a random number of further requests."""
        wanted = len(self.api.requests) + rng.randint(1, max(2, self.items // (2 * self.kills)))
        give_up = time.monotonic() + SECONDS
        while len(self.api.requests) < min(wanted, self.items):
            assert time.monotonic() < give_up, "the batch makes no progress"
            time.sleep(0.0005)
        time.sleep(rng.uniform(0.0, 0.01))

    def _stored(self) -> set[str]:
        identities = Identities()
        keys = {identities.of(f"Question {number}"): str(number) for number in range(self.items)}
        query = "SELECT key FROM llm_client_batch_item WHERE job = %s AND result IS NOT NULL"
        with psycopg.connect(self.dsn) as connection:
            if connection.execute("SELECT to_regclass('llm_client_batch_item')").fetchone() == (None,):
                return set()
            return {keys[key] for (key,) in connection.execute(query, (self.job,)).fetchall()}

    def judge(self, said: list[str]) -> dict[str, Any]:
        """What the journal proves: nothing lost, nothing whose answer was stored asked again, few others twice."""
        asked = [
            (int(request.headers["x-run"]), request.text.removeprefix("Question ")) for request in self.api.requests
        ]
        for number, complete in enumerate(self.complete):
            # Whoever was started after that kill has number + 3 or a higher one.
            again = {item for run, item in asked if run > number + 2} & complete
            assert not again, f"asked again after kill {number}: {sorted(again)}"
        for number, victim in enumerate(self.victims):
            in_vain = [item for run, item in asked if run == victim and item not in self.complete[number]]
            assert len(in_vain) <= self.workers, f"kill {number} cost {len(in_vain)} requests"
        counts = Counter(item for _, item in asked)
        assert set(counts) == {str(number) for number in range(self.items)}
        assert len(asked) - self.items <= self.workers * self.kills
        assert [words.split() for words in said] == [[str(self.items), "0"]] * 3
        return {"requests": len(asked), "items": self.items, "kills": self.kills, "extra": len(asked) - self.items}
