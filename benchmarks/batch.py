"""What a batch costs beside the call: BatchManager against a semaphore, `gather` and a line written to a file.

The calls take no time, so that all there is to see is the cost of each item. `peers.py` measures live calls.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import llm_client
import llm_client.sync

ITEMS = 20_000
WORKERS = 50
ROUNDS = 5
GOAL = 60.0

ANSWER = llm_client.CompletionResult(
    content="The capital of Japan is Tokyo.",
    model="gpt-5-nano",
    finish_reason="stop",
    usage=llm_client.Usage(20, 8, input_cost=1e-6, output_cost=3e-6, total_cost=4e-6),
)
REQUESTS = [{"messages": [{"role": "user", "content": f"Question {number}"}]} for number in range(ITEMS)]


async def processor(item: dict[str, Any]) -> llm_client.CompletionResult:
    await asyncio.sleep(0)
    return ANSWER


def blocking(item: dict[str, Any]) -> llm_client.CompletionResult:
    return ANSWER


async def bare(file: Path) -> None:
    """What people write by hand."""
    semaphore = asyncio.Semaphore(WORKERS)
    with open(file, "w", encoding="utf-8") as out:

        async def one(index: int, item: dict[str, Any]) -> Any:
            async with semaphore:
                result = await processor(item)
                out.write(json.dumps({"index": index, "result": result.to_dict()}) + "\n")
                out.flush()
                return result

        await asyncio.gather(*[one(index, item) for index, item in enumerate(REQUESTS)])


def bare_threads(file: Path) -> None:
    """The same with threads."""
    lock = threading.Lock()
    with open(file, "w", encoding="utf-8") as out, ThreadPoolExecutor(WORKERS) as executor:

        def one(pair: tuple[int, dict[str, Any]]) -> Any:
            result = blocking(pair[1])
            with lock:
                out.write(json.dumps({"index": pair[0], "result": result.to_dict()}) + "\n")
                out.flush()
            return result

        list(executor.map(one, enumerate(REQUESTS)))


def manager(file: Path | None) -> None:
    asyncio.run(llm_client.BatchManager(WORKERS, file).process_batch(REQUESTS, processor))


def manager_blocking(file: Path | None) -> None:
    llm_client.sync.BatchManager(WORKERS, file).process_batch(REQUESTS, blocking)


async def call_alone() -> None:
    for item in REQUESTS:
        await processor(item)


def measure(run: Callable[[], Any]) -> tuple[float, float]:
    """Microseconds an item: by the clock, and of the processor."""
    clock, cpu = time.perf_counter(), time.process_time()
    run()
    return (time.perf_counter() - clock) / ITEMS * 1e6, (time.process_time() - cpu) / ITEMS * 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        number = iter(range(10**6))

        def new() -> Path:
            return Path(folder, f"{next(number)}.jsonl")

        stored = new()
        manager(stored)
        rows: dict[str, Callable[[], Any]] = {
            "the call alone": lambda: asyncio.run(call_alone()),
            "async: semaphore, gather, file": lambda: asyncio.run(bare(new())),
            "async: BatchManager, no checkpoint": lambda: manager(None),
            "async: BatchManager, checkpoint": lambda: manager(new()),
            "async: BatchManager, all from the checkpoint": lambda: manager(stored),
            "blocking: threads, lock, file": lambda: bare_threads(new()),
            "blocking: BatchManager, no checkpoint": lambda: manager_blocking(None),
            "blocking: BatchManager, checkpoint": lambda: manager_blocking(new()),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
        for _ in range(ROUNDS):
            for name, run in rows.items():
                found[name].append(measure(run))
    print(f"{ITEMS} items, {WORKERS} workers, median of {ROUNDS} rounds, microseconds an item\n")
    print(f"{'':46}{'clock':>8}{'CPU':>8}")
    for name, times in found.items():
        clock, cpu = (statistics.median(values) for values in zip(*times, strict=True))
        print(f"{name:46}{clock:8.1f}{cpu:8.1f}")
    print(f"\ngoal: at most {GOAL:.0f} us an item beside the call")


if __name__ == "__main__":
    main()
