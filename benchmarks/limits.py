"""How well limits that nobody configured are found and used: `python benchmarks/limits.py`.

A fake API in a process of its own counts strictly and, in half of the rows, announces nothing. Prints a table in
Markdown. A minute is scaled down (`--window`); "429 later" are refusals after the first second where the server
announces its limits, else after the limit was found. "Before retry-after" are requests that arrived before a pause was
over of which the program knew, as its own `on_attempt` saw it. A row is void where the server itself was too busy to be
fair.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import llm_client  # noqa: E402
import llm_client.sync  # noqa: E402
from llm_client._core.results import Attempt  # noqa: E402
from llm_client.testing import FakeAPI  # noqa: E402
from support.hidden_limits import HiddenLimits, Kind  # noqa: E402

VOID_ABOVE = 0.7
LATENCY = 0.01
ON_THE_WAY = 0.05


@dataclass(frozen=True)
class Case:
    """One row.

    Args:
        crowd: "tasks" (200) or "threads" (64).
        kind: How the server counts.
        headers: Whether it announces its limits.
        retry_after: Whether its refusals say how long to wait.
        tokens: Whether tokens are the tighter limit.
    """

    crowd: str
    kind: Kind
    headers: bool
    retry_after: bool
    tokens: bool = False


CASES = [
    Case(crowd, kind, headers, retry_after)
    for crowd in ("tasks", "threads")
    for kind in ("sliding", "fixed")
    for headers, retry_after in ((True, True), (False, True), (False, False))
] + [Case("tasks", "sliding", headers, True, tokens=True) for headers in (True, False)]


def serve(options: argparse.Namespace) -> None:
    """The server's process: serves until its input ends, then prints what it saw."""
    case = Case(**json.loads(options.serve))
    limits = limits_of(case, options)
    with FakeAPI(latency=LATENCY, default="Yes.") as api:
        limits.install(api)
        print(api.openai_url, flush=True)
        sys.stdin.read()
    print(json.dumps({"log": limits.log, "passed": limits.passed, "pauses": limits.pauses}), flush=True)


def limits_of(case: Case, options: argparse.Namespace) -> HiddenLimits:
    requests = round(options.rate * options.window)
    tokens = requests * 40 if case.tokens else None  # a question of the crowd has 8 to 100 tokens
    if case.tokens:
        requests *= 4
    return HiddenLimits(case.kind, requests, tokens, options.window, headers=case.headers, retry_after=case.retry_after)


@contextmanager
def server(case: Case, options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """A server's address, and what stops it and tells what it saw."""
    arguments = [sys.executable, __file__, "--serve", json.dumps(case.__dict__)]
    arguments += ["--rate", str(options.rate), "--window", str(options.window)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    watched = psutil.Process(process.pid)
    before, started = watched.cpu_times(), time.monotonic()

    def stop() -> dict[str, Any]:
        after, seconds = watched.cpu_times(), time.monotonic() - started
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        seen: dict[str, Any] = json.loads(process.stdout.read())
        seen["cpu"] = (after.user + after.system - before.user - before.system) / seconds
        return seen

    try:
        yield url, stop
    finally:
        process.kill()
        process.wait()


def question(number: int, case: Case) -> str:
    return "word " * (number * 7 % 60) if case.tokens else f"Question {number}"


def notes_refusals(told: list[float]) -> Callable[[Attempt], None]:
    """What notes the moments in which the program learns that it was refused."""

    def note(attempt: Attempt) -> None:
        if attempt.status == 429:
            told.append(time.monotonic())

    return note


def before_retry_after(seen: dict[str, Any], told: list[float]) -> int:
    """How many requests arrived in a pause of which the program knew; both processes read the same clock."""
    pauses = [(known, until) for known, (_, until) in zip(sorted(told), seen["pauses"], strict=False)]
    return sum(any(known + ON_THE_WAY < at < until - 0.002 for known, until in pauses) for at, _ in seen["log"])


async def crowd_of_tasks(
    url: str, case: Case, tasks: int, seconds: float, limiter: llm_client.Limiter, told: list[float]
) -> tuple[float | None, float]:
    """Ask with many tasks; returns when limits were known, and the longest wait for an answer, both in seconds."""
    end = time.monotonic() + seconds
    started = time.monotonic()
    longest = 0.0
    async with llm_client.OpenAIProvider(
        "gpt-4o", base_url=url, limiter=limiter, cache_backend=None, on_attempt=notes_refusals(told)
    ) as provider:

        async def one(number: int) -> None:
            nonlocal longest
            while time.monotonic() < end:
                asked = time.monotonic()
                await provider.complete(question(number, case))
                longest = max(longest, time.monotonic() - asked)
                number += 200

        async def watch() -> float | None:
            while time.monotonic() < end:
                if limiter.limits:
                    return time.monotonic() - started
                await asyncio.sleep(0.02)
            return None

        found, *_ = await asyncio.gather(watch(), *[one(number) for number in range(tasks)])
    return found, longest


def crowd_of_threads(
    url: str, case: Case, threads: int, seconds: float, limiter: llm_client.sync.Limiter, told: list[float]
) -> tuple[float | None, float]:
    """The same with threads."""
    started = time.monotonic()
    end = started + seconds
    found: list[float] = []
    longest = [0.0] * threads

    def one(number: int) -> None:
        asked_by = number
        while time.monotonic() < end:
            asked = time.monotonic()
            provider.complete(question(number, case))
            longest[asked_by] = max(longest[asked_by], time.monotonic() - asked)
            if not found and limiter.limits:
                found.append(time.monotonic() - started)
            number += threads

    with llm_client.sync.OpenAIProvider(
        "gpt-4o", base_url=url, limiter=limiter, cache_backend=None, on_attempt=notes_refusals(told)
    ) as provider:
        crew = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
    return (found[0] if found else None), max(longest)


def run(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """One row's figures."""
    seconds = options.windows * options.window
    told: list[float] = []
    with server(case, options) as (url, stop):
        if case.crowd == "tasks":
            limiter = llm_client.Limiter(window=options.window)
            found, longest = asyncio.run(crowd_of_tasks(url, case, 200, seconds, limiter, told))
        else:
            blocking = llm_client.sync.Limiter(window=options.window)
            found, longest = crowd_of_threads(url, case, 64, seconds, blocking, told)
        seen = stop()
        seen["too_early"] = before_retry_after(seen, told)
    return figures(case, options, seen, found, longest)


def figures(
    case: Case, options: argparse.Namespace, seen: dict[str, Any], found: float | None, longest: float
) -> dict[str, Any]:
    log = seen["log"]
    begin = log[0][0]
    end = begin + options.windows * options.window
    log = [(at, passed) for at, passed in log if at < end]
    passed = [(1, tokens) for at, tokens in seen["passed"] if at < end]
    later_from = begin + (1.0 if case.headers else max(found or 0.0, options.window))
    later = [good for at, good in log if at > later_from]
    allowed = [limit * options.windows for limit in limits_of(case, options).limits]
    share = max(sum(amounts) / limit for amounts, limit in zip(zip(*passed, strict=True), allowed, strict=True))
    return {
        "share": share,
        "refused": 1 - len(passed) / len(log),
        "later": later.count(False) / max(1, len(later)),
        "found": found,
        "too_early": seen["too_early"],
        "longest": longest,
        "cpu": seen["cpu"],
        "requests": len(log),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=300.0, help="what the server allows, requests a second")
    parser.add_argument("--window", type=float, default=3.0, help="seconds that stand for a minute")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose description contains this")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options)
        return
    print(
        f"One minute = {options.window:g} s, {options.windows} windows, {options.rate:g} requests a second allowed.\n"
    )
    print(
        "| crowd | server | tells | used of what is allowed | 429 in all | 429 later | found after (s) "
        "| before retry-after | longest wait (s) | server's CPU |"
    )
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for case in CASES:
        tells = "headers" if case.headers else "retry-after" if case.retry_after else "nothing"
        limited = "tokens" if case.tokens else "requests"
        name = f"| {case.crowd} | {case.kind}, {limited} | {tells} |"
        if options.only not in name:
            continue
        row = run(case, options)
        found = "-" if row["found"] is None else f"{row['found']:.2f}"
        void = " (void)" if row["cpu"] > VOID_ABOVE else ""
        print(
            f"{name} {row['share']:.1%} | {row['refused']:.2%} | {row['later']:.2%} | {found} "
            f"| {row['too_early']} | {row['longest']:.2f} | {row['cpu']:.0%}{void} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
