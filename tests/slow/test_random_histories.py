"""100,000 random sequences in process: the vendors' strict rules refuse nothing, and every window keeps its promises.

    SEED=... SEQUENCES=... pytest tests/slow/test_random_histories.py

The seed is printed; a failure names the sequence, which runs alone with FIRST=<number> SEQUENCES=1.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import time
from typing import Any

import llm_client.sync
from support.in_process import HOST, InProcessServer
from support.sequences import TARGETS, Answers, Halted, Run, Target, Walk, tools, watched

SEED = int(os.environ.get("SEED", "20261122"))
SEQUENCES = int(os.environ.get("SEQUENCES", "100000"))
FIRST = int(os.environ.get("FIRST", "0"))


def provider(target: Target) -> Any:
    if target.api == "messages":
        return llm_client.sync.AnthropicProvider(
            model=target.model, base_url=HOST, api_key="k", attempts=1, max_tokens=3000
        )
    return llm_client.sync.OpenAIProvider(
        model=target.model, base_url=f"{HOST}/v1", api_key="k", attempts=1, use_responses_api=target.api == "responses"
    )


def carry_out(run: Run, asked: Any) -> None:
    agent = llm_client.sync.Agent(asked, tools=TOOLS, conversation=run.conversation, config=run.config)
    try:
        if not run.streaming:
            agent.run(run.prompt, **run.target.options)
            return
        with agent.stream(run.prompt, **run.target.options) as events:
            for number, _ in enumerate(events):
                if number == run.stop_after:
                    return
    except Halted:
        return


TOOLS = llm_client.sync.ToolRegistry(tools())


def walk(first: int, count: int) -> tuple[int, int, list[str]]:
    """Sequences and requests that were made, and what was wrong."""
    logging.getLogger("llm_client").setLevel(logging.CRITICAL)
    providers = [(target, provider(target)) for target in TARGETS]
    wrong: list[str] = []
    requests = 0
    with watched() as problems:
        for number in range(first, first + count):
            rng = random.Random(SEED * 1_000_003 + number)
            server = InProcessServer(Answers(rng))
            for _, asked in providers:
                server.serve(asked)
            for run in Walk(rng):
                carry_out(run, next(asked for target, asked in providers if target is run.target))
            requests += server.count
            wrong += [f"sequence {number}: {answer!r} for {body!r}" for body, answer in server.refused]
            wrong += [f"sequence {number}: {problem}" for problem in problems]
            problems.clear()
            if len(wrong) > 10:
                break
    return count, requests, wrong


def test_no_sequence_leads_to_a_refusal() -> None:
    started = time.monotonic()
    processes = max(1, min(os.cpu_count() or 1, SEQUENCES // 500))
    share = -(-SEQUENCES // (processes * 10))
    jobs = [(start, min(share, FIRST + SEQUENCES - start)) for start in range(FIRST, FIRST + SEQUENCES, share)]
    if processes == 1:
        outcomes = [walk(*job) for job in jobs]
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            outcomes = pool.starmap(walk, jobs, chunksize=1)
    sequences, requests = (sum(counts) for counts in zip(*(outcome[:2] for outcome in outcomes), strict=True))
    wrong = [line for outcome in outcomes for line in outcome[2]]
    print(f"\nseed {SEED}: {sequences} sequences, {requests} requests, {time.monotonic() - started:.0f} s")
    assert not wrong, "\n".join(wrong[:5])
    assert requests > SEQUENCES
