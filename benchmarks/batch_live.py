"""5,000 live calls at 50 workers: BatchManager with a checkpoint against the vendor's SDK and what people add by hand.

By hand that is a semaphore, `gather` and a line written to a file for every answer; in the blocking form threads and a
lock. Both ask one server of canned bytes in a process of its own, and take turns: A B A B.

    python benchmarks/batch_live.py [CALLS] [PAIRS]
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import compare
import openai

import llm_client
import llm_client.sync

CALLS = 5000
WORKERS = 50
PAIRS = 5
MODEL = "gpt-5.6-luna"
HEADS = ("BatchManager", "the SDK by hand")


def asked(count: int) -> list[list[dict[str, Any]]]:
    return [[{"role": "user", "content": f"Question {number}"}] for number in range(count)]


async def our_async(url: str, count: int, file: Path) -> None:
    async with llm_client.OpenAIProvider(model=MODEL, base_url=url, api_key="none") as provider:
        results = await llm_client.BatchManager(WORKERS, file).process_batch(asked(count), provider.complete)
    assert len(results) == count
    assert all(result.ok for result in results)


async def sdk_async(url: str, count: int, file: Path) -> None:
    semaphore = asyncio.Semaphore(WORKERS)
    with open(file, "w", encoding="utf-8") as out:
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

            async def one(index: int, messages: Any) -> Any:
                async with semaphore:
                    result = await client.chat.completions.create(model=MODEL, messages=messages)
                    out.write(json.dumps({"index": index, "result": result.to_dict()}) + "\n")
                    out.flush()
                    return result

            results = await asyncio.gather(*[one(index, messages) for index, messages in enumerate(asked(count))])
    assert len(results) == count
    assert all(result.choices for result in results)


def our_blocking(url: str, count: int, file: Path) -> None:
    with llm_client.sync.OpenAIProvider(model=MODEL, base_url=url, api_key="none") as provider:
        results = llm_client.sync.BatchManager(WORKERS, file).process_batch(asked(count), provider.complete)
    assert len(results) == count
    assert all(result.ok for result in results)


def sdk_blocking(url: str, count: int, file: Path) -> None:
    lock = threading.Lock()
    with (
        open(file, "w", encoding="utf-8") as out,
        openai.OpenAI(base_url=url, api_key="none") as client,
        ThreadPoolExecutor(WORKERS) as executor,
    ):

        def one(pair: tuple[int, Any]) -> Any:
            result = client.chat.completions.create(model=MODEL, messages=pair[1])
            with lock:
                out.write(json.dumps({"index": pair[0], "result": result.to_dict()}) + "\n")
                out.flush()
            return result

        results = list(executor.map(one, enumerate(asked(count))))
    assert len(results) == count
    assert all(result.choices for result in results)


Work = Callable[[str, int, Path], Any]
FACES: dict[str, tuple[Work, Work]] = {
    "async": (
        lambda url, count, file: asyncio.run(our_async(url, count, file)),
        lambda url, count, file: asyncio.run(sdk_async(url, count, file)),
    ),
    "blocking": (our_blocking, sdk_blocking),
}


def measure(work: Work, url: str, count: int, file: Path) -> tuple[float, float]:
    """Microseconds a call: by the clock, and of this process's processor time."""
    clock, cpu = time.perf_counter(), time.process_time()
    work(url, count, file)
    found = (time.perf_counter() - clock) / count * 1e6, (time.process_time() - cpu) / count * 1e6
    assert file.read_bytes().count(b"\n") >= count
    return found


def report(face: str, ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> None:
    """Both rows: medians, and how many times ours theirs is, over the pairs."""
    for kind, what in enumerate(("clock", "CPU")):
        mine, other = [pair[kind] for pair in ours], [pair[kind] for pair in theirs]
        ratios = [b / a for a, b in zip(mine, other, strict=True)]
        print(
            f"{face:10}{what:7}{statistics.median(mine):14.0f}{statistics.median(other):18.0f}"
            f"{statistics.median(ratios):9.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else PAIRS
    bench = compare.Bench(pairs, 1, 0.0)
    url = f"{bench.url}/plain/v1"
    print(f"{count} calls, {WORKERS} workers, median of {pairs} pairs, microseconds a call")
    print(f"openai {openai.__version__}, Python {sys.version.split()[0]}\n")
    print(f"{'':17}{HEADS[0]:>14}{HEADS[1]:>18}{'ratio':>9}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            number = iter(range(10**6))
            for face, works in FACES.items():
                found: tuple[list[tuple[float, float]], ...] = ([], [])
                for work in works:
                    work(url, min(count, 200), Path(folder, f"{next(number)}.jsonl"))  # imports, and opens connections
                for _ in range(pairs):
                    for work, times in zip(works, found, strict=True):
                        times.append(measure(work, url, count, Path(folder, f"{next(number)}.jsonl")))
                report(face, *found)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
