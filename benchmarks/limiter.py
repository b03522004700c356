"""What a limiter costs where there is nothing to wait for, and how it keeps order: `python benchmarks/limiter.py`.

Prints two tables in Markdown, with aiolimiter in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aiolimiter import AsyncLimiter

import llm_client
import llm_client.sync

PLENTY = 1e9


async def microseconds(rows: dict[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """What one call of each costs; the best of five rounds in which they take turns, so that load meets them all."""
    best = dict.fromkeys(rows, float("inf"))
    for _ in range(5):
        for name, take in rows.items():
            started = time.perf_counter()
            for _ in range(times):
                await take()
            best[name] = min(best[name], (time.perf_counter() - started) / times * 1e6)
    return best


async def in_order(acquire: Callable[[], Any], waiters: int) -> tuple[float, int, float]:
    """Let many wait at once; returns seconds in all, how many overtook another, and seconds of CPU."""
    order: list[int] = []

    async def one(number: int) -> None:
        await acquire()
        order.append(number)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[one(number) for number in range(waiters)])
    overtook = sum(number != place for place, number in enumerate(order))
    return time.perf_counter() - started, overtook, time.process_time() - cpu


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100_000)
    parser.add_argument("--waiters", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=5000.0, help="what is given out to the waiters, each second")
    options = parser.parse_args()
    theirs, bucket, limiter = AsyncLimiter(PLENTY, 1), llm_client.TokenBucket(PLENTY, PLENTY), llm_client.Limiter()
    print("| uncontended | µs for each |\n|---|---:|")
    uncontended: dict[str, Callable[[], Any]] = {
        "aiolimiter `acquire()`": theirs.acquire,
        "`TokenBucket.acquire()`": bucket.acquire,
        "`Limiter.enter()`, four limits": partial(limiter.enter, 100),
    }
    for row, cost in (await microseconds(uncontended, options.times // 4)).items():
        print(f"| {row} | {cost:.2f} |")
    blocking = llm_client.sync.TokenBucket(PLENTY, PLENTY)
    started = time.perf_counter()
    for _ in range(options.times):
        blocking.acquire()
    print(f"| `sync.TokenBucket.acquire()` | {(time.perf_counter() - started) / options.times * 1e6:.2f} |")
    print(f"\n| {options.waiters:,} waiters at {options.rate:g}/s | seconds | out of order | CPU seconds |")
    print("|---|---:|---:|---:|")
    per = 0.01
    rows = {
        "aiolimiter": AsyncLimiter(options.rate * per, per).acquire,
        "`TokenBucket`": llm_client.TokenBucket(options.rate * per, options.rate).acquire,
    }
    for name, acquire in rows.items():
        seconds, overtook, cpu = await in_order(acquire, options.waiters)
        print(f"| {name} | {seconds:.2f} | {overtook} | {cpu:.2f} |")


if __name__ == "__main__":
    asyncio.run(main())
