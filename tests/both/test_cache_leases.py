"""Equal questions of several processes: one upstream call, and no waiting for a holder that has died."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import pytest

from llm_client.testing import FakeAPI
from support.processes import ROOT

PROGRAM = """
    import asyncio, sys
    import llm_client, llm_client.sync

    face, url, dsn, redis, collection = sys.argv[1:]
    settings = dict(
        model="gpt-5.6-luna", base_url=url, cache_backend="pg_redis", pg_dsn=dsn, redis_url=redis,
        cache_collection=collection, attempts=1,
    )

    async def main():
        async with llm_client.OpenAIProvider(**settings) as provider:
            return await provider.complete("Hi", cache_response=True)

    if face == "async":
        result = asyncio.run(main())
    else:
        with llm_client.sync.OpenAIProvider(**settings) as provider:
            result = provider.complete("Hi", cache_response=True)
    print(result.content, result.cached)
"""


class Programs:
    """Processes that ask the same question."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.running: list[subprocess.Popen[str]] = []

    def start(self, face: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), face, *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        self.running.append(process)
        return process

    def finish(self) -> list[str]:
        said = []
        for process in self.running:
            out, err = process.communicate(timeout=90)
            assert process.returncode == 0, err
            said.append(out.strip())
        return said


@pytest.fixture
def programs(api: FakeAPI, pg_dsn: str, redis_url: str) -> Iterator[Any]:
    started = Programs(api.openai_url, pg_dsn, redis_url, f"leases-{time.monotonic_ns()}")
    yield started
    for process in started.running:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_eight_processes_make_one_call(api: FakeAPI, programs: Programs) -> None:
    api.reply("Hello.")
    api.hold()
    for number in range(8):
        programs.start("async" if number % 2 else "sync")
    api.wait_for_requests(1, timeout=90)
    api.release()
    said = programs.finish()
    assert sorted(said) == ["Hello. False"] + ["Hello. True"] * 7
    assert len(api.requests) == 1


def test_a_holder_that_dies_costs_one_more_call(api: FakeAPI, programs: Programs) -> None:
    api.reply("Hello.", times=2)
    api.hold()
    holder = programs.start("sync")
    api.wait_for_requests(1, timeout=90)
    for number in range(3):
        programs.start("async" if number % 2 else "sync")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    programs.running.remove(holder)
    api.wait_for_requests(2, timeout=90)
    api.release()
    assert sorted(programs.finish()) == ["Hello. False"] + ["Hello. True"] * 2
    assert len(api.requests) == 2


def test_a_failed_call_is_tried_again_by_one_process(api: FakeAPI, programs: Programs) -> None:
    api.fail(500, "broken")
    api.reply("Hello.")
    api.hold()
    for number in range(3):
        programs.start("async" if number % 2 else "sync")
    api.wait_for_requests(1, timeout=90)
    api.release()
    assert sorted(programs.finish()) == ["False", "Hello. False", "Hello. True"]
    assert len(api.requests) == 2


def test_a_lease_is_renewed_while_the_call_lasts(api: FakeAPI, programs: Programs) -> None:
    api.reply("Hello.")
    api.hold()
    programs.start("sync")
    api.wait_for_requests(1, timeout=90)
    programs.start("async")
    # Longer than a lease: without renewal the second process would ask too.
    end = time.monotonic() + 6.5
    while time.monotonic() < end:
        assert len(api.requests) == 1
        time.sleep(0.1)
    api.release()
    assert sorted(programs.finish()) == ["Hello. False", "Hello. True"]
    assert len(api.requests) == 1
