"""How well a fleet that shares its limits finds and uses them: `python benchmarks/limits_shared.py`.

8 processes x 50 tasks ask one fake API that counts strictly, each with a `Limiter(redis_url=...)`. Prints a table in
Markdown with the columns of `limits.py`; "least and most served" compares the processes, "asked for room" is how long
the one round trip to Redis took, median and 99th part in a hundred. A row is void where the server was too busy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from limits import VOID_ABOVE, Case, figures, question, server  # noqa: E402

import llm_client  # noqa: E402
from support.servers import start_redis  # noqa: E402

CASES = [
    Case("tasks", kind, headers, retry_after, tokens)  # type: ignore[arg-type]
    for tokens in (False, True)
    for kind in ("sliding", "fixed")
    for headers, retry_after in ((True, True), (False, True), (False, False))
]


async def work(options: argparse.Namespace) -> None:
    """One process of the fleet: says that it is ready, starts when it is told to, and prints what it saw."""
    case = Case(**json.loads(options.work))
    limiter = llm_client.Limiter(window=options.window, redis_url=options.redis, redis_timeout=2.0)
    waits: list[float] = []
    served = 0
    longest = 0.0
    found: float | None = None
    async with llm_client.OpenAIProvider("gpt-4o", base_url=options.url, limiter=limiter, cache_backend=None) as asked:
        print("ready", flush=True)
        start = float(sys.stdin.readline())
        end = start + options.windows * options.window

        async def one(number: int) -> None:
            nonlocal served, longest
            while time.monotonic() < end:
                begun = time.monotonic()
                answer = await asked.complete(question(number, case))
                served += answer.ok
                longest = max(longest, time.monotonic() - begun)
                number += 400

        async def watch() -> None:
            nonlocal found
            while time.monotonic() < end:
                if found is None and limiter.limits:
                    found = time.monotonic() - start
                begun = time.monotonic()
                await limiter.tell()
                waits.append(time.monotonic() - begun)
                await asyncio.sleep(0.02)

        await asyncio.sleep(max(0.0, start - time.monotonic()))
        await asyncio.gather(watch(), *[one(options.number * 50 + task) for task in range(50)])
    said = {"served": served, "longest": longest, "found": found, "waits": waits, "limits": limiter.limits}
    await limiter.close()
    print(json.dumps(said), flush=True)


def run(case: Case, options: argparse.Namespace, redis_url: str) -> dict[str, Any]:
    """One row's figures."""
    with server(case, options) as (url, stop):
        fleet = []
        for number in range(options.processes):
            arguments = [sys.executable, __file__, "--work", json.dumps(case.__dict__), "--number", str(number)]
            arguments += ["--url", url, "--redis", redis_url, "--rate", str(options.rate)]
            arguments += ["--window", str(options.window), "--windows", str(options.windows)]
            fleet.append(subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        try:
            for process in fleet:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            start = time.monotonic() + 0.3
            for process in fleet:
                assert process.stdin is not None
                process.stdin.write(f"{start}\n")
                process.stdin.flush()
            said = [json.loads(process.communicate()[0]) for process in fleet]
        finally:
            for process in fleet:
                process.kill()
                process.wait()
        seen = stop()
    found = min((one["found"] for one in said if one["found"] is not None), default=None)
    row = figures(case, options, seen, found, max(one["longest"] for one in said))
    served = [one["served"] for one in said]
    waits = sorted(wait for one in said for wait in one["waits"])
    return {**row, "least": min(served), "most": max(served), "median": statistics.median(waits),
            "late": waits[len(waits) * 99 // 100]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=300.0, help="what the server allows, requests a second")
    parser.add_argument("--window", type=float, default=3.0, help="seconds that stand for a minute")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--only", default="", help="rows whose description contains this")
    for hidden in ("--work", "--url", "--redis"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        asyncio.run(work(options))
        return
    print(
        f"One minute = {options.window:g} s, {options.windows} windows, {options.rate:g} requests a second allowed, "
        f"{options.processes} processes x 50 tasks on {os.cpu_count()} cores.\n"
    )
    print(
        "| server | tells | used of what is allowed | 429 in all | 429 later | found after (s) | before retry-after "
        "| longest wait (s) | least and most served | server's CPU |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for case in CASES:
        tells = "headers" if case.headers else "retry-after" if case.retry_after else "nothing"
        name = f"| {case.kind}, {'tokens' if case.tokens else 'requests'} | {tells} |"
        if options.only not in name:
            continue
        with start_redis() as redis_url:
            row = run(case, options, redis_url)
        found = "-" if row["found"] is None else f"{row['found']:.2f}"
        void = " (void)" if row["cpu"] > VOID_ABOVE else ""
        print(
            f"{name} {row['share']:.1%} | {row['refused']:.2%} | {row['later']:.2%} | {found} | {row['too_early']} "
            f"| {row['longest']:.2f} | {row['least']} - {row['most']} | {row['cpu']:.0%}{void} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
