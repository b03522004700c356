"""Random sequences over HTTP on both faces: a strict server refuses nothing, and every window keeps its promises.

    SEED=... SEQUENCES=... pytest tests/both/test_random_histories.py

tests/slow has many more of them, in process. The seed is printed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.sequences import TARGETS, Answers, Halted, Run, Target, Walk, tools, watched

SEED = int(os.environ.get("SEED", "20261122"))
SEQUENCES = int(os.environ.get("SEQUENCES", "2000"))


def provider(face: Any, target: Target, api: FakeAPI) -> Any:
    if target.api == "messages":
        return face.AnthropicProvider(
            model=target.model, base_url=api.anthropic_url, api_key="k", attempts=1, max_tokens=3000
        )
    return face.OpenAIProvider(
        model=target.model,
        base_url=api.openai_url,
        api_key="k",
        attempts=1,
        use_responses_api=target.api == "responses",
    )


def run_blocking(run: Run, agent: Any) -> None:
    with suppress(Halted):
        if not run.streaming:
            agent.run(run.prompt, **run.target.options)
            return
        with agent.stream(run.prompt, **run.target.options) as events:
            for number, _ in enumerate(events):
                if number == run.stop_after:
                    return


async def run_async(run: Run, agent: Any) -> None:
    if run.streaming:
        with suppress(Halted):
            async with agent.stream(run.prompt, **run.target.options) as events:
                number = 0
                async for _ in events:
                    if number == run.stop_after:
                        return
                    number += 1
        return
    task = asyncio.ensure_future(_until_halted(run, agent))
    if run.stop_after is not None:
        for _ in range(run.stop_after * 2):
            await asyncio.sleep(0)
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _until_halted(run: Run, agent: Any) -> None:
    # Inside the task: what ends the program would end the loop as well.
    with suppress(Halted):
        await agent.run(run.prompt, **run.target.options)


def walks(first: int, folder: Path) -> Any:
    for number in range(first, SEQUENCES, 2):
        rng = random.Random(SEED * 1_000_003 + number)
        yield rng, Walk(rng, steps=3, folder=folder, runs=0.15)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    # Thousands of warnings about limits that are too small by intent.
    caplog.set_level(logging.CRITICAL, "llm_client")


def judge(api: FakeAPI, problems: list[str]) -> int:
    finished = api.take_finished()
    refused = [request for request in finished if request.status == 400 or request.error]
    assert not refused, f"seed {SEED}: refused {[(request.body, request.error) for request in refused]!r}"
    assert not problems, f"seed {SEED}: {problems}"
    return len(finished)


def test_the_blocking_face(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requests = 0
    registry = llm_client.sync.ToolRegistry(tools())
    with FakeAPI(strict_rules=True) as api, watched() as problems:
        providers = {id(target): provider(llm_client.sync, target, api) for target in TARGETS}
        for rng, walk in walks(0, tmp_path):
            api.on_request(Answers(rng))
            for run in walk:
                asked = providers[id(run.target)]
                agent = llm_client.sync.Agent(asked, registry, conversation=run.conversation, config=run.config)
                run_blocking(run, agent)
            requests += judge(api, problems)
        for asked in providers.values():
            asked.close()
    with capsys.disabled():
        print(f"\nseed {SEED}, blocking: {SEQUENCES // 2} sequences, {requests} requests")
    assert requests > SEQUENCES / 2


async def test_the_async_face(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requests = 0
    registry = llm_client.ToolRegistry(tools())
    with FakeAPI(strict_rules=True) as api, watched() as problems:
        providers = {id(target): provider(llm_client, target, api) for target in TARGETS}
        for rng, walk in walks(1, tmp_path):
            api.on_request(Answers(rng))
            for run in walk:
                asked = providers[id(run.target)]
                await run_async(
                    run, llm_client.Agent(asked, registry, conversation=run.conversation, config=run.config)
                )
            requests += judge(api, problems)
        for asked in providers.values():
            await asked.close()
    with capsys.disabled():
        print(f"\nseed {SEED}, async: {SEQUENCES // 2} sequences, {requests} requests")
    assert requests > SEQUENCES / 3
