"""What a cache hit costs: each backend beside a bare file read, SQLite, Redis and diskcache, in one run.

    python benchmarks/cache.py [--hits 2000] [--size 2048]

Times are microseconds for one hit: wall, and CPU of this process. "answer" is `provider.complete(...)` from call to
result; "entry" is the cache's own `get`; "waiter" is one of 1,000 calls that join an equal one in flight, from call to
result. diskcache is measured where it is installed (the extra `bench` has it);
PostgreSQL and Redis come from LLM_CLIENT_TEST_PG_DSN and LLM_CLIENT_TEST_REDIS_URL, or are started from the wheels.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.servers import start_postgres, start_redis

MODEL = "gpt-5.6-luna"
KEY = "ab" * 32
ROUNDS = 20
WAITERS = 1000
QUESTION = "What is the capital of France, and since when?"


def timed(hits: int, once: Callable[[], Any]) -> tuple[float, float]:
    """Microseconds of wall and CPU time for one call, the best of all rounds."""
    rounds = []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(hits // ROUNDS):
            once()
        rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
    best = min(rounds)
    return best[0] / (hits // ROUNDS) * 1e6, best[1] / (hits // ROUNDS) * 1e6


async def timed_async(hits: int, once: Callable[[], Any]) -> tuple[float, float]:
    """As `timed`, for something to await."""
    rounds = []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(hits // ROUNDS):
            await once()
        rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
    best = min(rounds)
    return best[0] / (hits // ROUNDS) * 1e6, best[1] / (hits // ROUNDS) * 1e6


def show(name: str, result: tuple[float, float]) -> None:
    print(f"{name:44} {result[0]:9.1f} {result[1]:9.1f}", flush=True)


def bare(folder: Path, value: bytes, hits: int, redis_url: str) -> None:
    """What others, and the machine itself, take for the same bytes."""
    file = folder / "bare"
    file.write_bytes(value)

    def read() -> Any:
        with open(file, "rb") as opened:
            return orjson.loads(opened.read())

    show("bare file read and JSON decode", timed(hits, read))
    database = sqlite3.connect(folder / "bare.sqlite")
    database.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB)")
    database.execute("INSERT INTO entries VALUES (?, ?)", (KEY, value))
    database.commit()
    select = "SELECT value FROM entries WHERE key = ?"
    show("SQLite get and decode", timed(hits, lambda: orjson.loads(database.execute(select, (KEY,)).fetchone()[0])))
    database.close()
    client = importlib.import_module("redis").from_url(redis_url)
    client.set("bare", value)
    show("Redis get and decode (redis-py)", timed(hits, lambda: orjson.loads(client.get("bare"))))
    client.close()
    try:
        diskcache = importlib.import_module("diskcache")
    except ImportError:
        print("diskcache is not installed")
        return
    cache = diskcache.Cache(str(folder / "diskcache"))
    cache[KEY] = value
    show("diskcache get and decode", timed(hits, lambda: orjson.loads(cache[KEY])))
    cache.close()


def backends(face: Any, folder: Path, pg_dsn: str, redis_url: str) -> dict[str, Any]:
    """The caches of one face, each over its own store."""
    return {
        "FSCache": face.FSCache(folder / "fs"),
        "FSCache zlib": face.FSCache(folder / "zlib", compression="zlib"),
        "pg_redis, in Redis": face.HybridRedisPostgreSQLCache(pg_dsn, redis_url),
        "Qdrant in memory, exact": face.QdrantCache(":memory:"),
    }


def entry_of(cache: Any) -> bytes:
    """The entry that the provider has stored in a folder."""
    file = next(Path(cache.directory).rglob("*.entry"))
    found: bytes | None = llm_client.sync.FSCache(cache.directory).get("default", file.stem)
    assert found is not None
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hits", type=int, default=2000)
    options.add_argument("--size", type=int, default=2048, help="bytes of the stored entry, about")
    given = options.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {given.hits} hits, best of {ROUNDS} rounds")
    print(f"{'us for one hit':44} {'wall':>9} {'CPU':>9}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pg_dsn, redis_url = stack.enter_context(start_postgres()), stack.enter_context(start_redis())
        api = stack.enter_context(FakeAPI())
        # An answer's text stands in the entry twice, as content and in the vendor's JSON.
        api.by_default("x" * max(1, (given.size - 700) // 2))
        settings: dict[str, Any] = {"model": MODEL, "base_url": api.openai_url}
        measured = False
        for name, cache in backends(llm_client.sync, folder, pg_dsn, redis_url).items():
            blocking = llm_client.sync.OpenAIProvider(**settings, cache_backend=cache)
            blocking.complete(QUESTION, cache_response=True)
            if not measured:
                value = entry_of(cache)
                print(f"entry: {len(value)} bytes")
                bare(folder, value, given.hits, redis_url)
                measured = True
            cache.set("bench", KEY, value)
            show(f"{name}: entry, blocking", timed(given.hits, lambda cache=cache: cache.get("bench", KEY)))
            show(
                f"{name}: answer, blocking",
                timed(given.hits, lambda asked=blocking: asked.complete(QUESTION, cache_response=True)),
            )
            blocking.close()
            cache.close()
        asyncio.run(asynchronous(settings, folder, pg_dsn, redis_url, given.hits, value, api))


async def asynchronous(
    settings: dict[str, Any], folder: Path, pg_dsn: str, redis_url: str, hits: int, value: bytes, api: FakeAPI
) -> None:
    """The same for the asynchronous face."""
    for name, cache in backends(llm_client, folder, pg_dsn, redis_url).items():
        asked = llm_client.OpenAIProvider(**settings, cache_backend=cache)
        await asked.complete(QUESTION, cache_response=True)
        await cache.set("bench", KEY, value)
        show(f"{name}: entry, async", await timed_async(hits, lambda cache=cache: cache.get("bench", KEY)))
        show(
            f"{name}: answer, async",
            await timed_async(hits, lambda asked=asked: asked.complete(QUESTION, cache_response=True)),
        )
        if name == "FSCache":
            show(f"{name}: waiter, async", await waiters(asked, api))
        await asked.close()
        await cache.close()


async def waiters(asked: Any, api: FakeAPI) -> tuple[float, float]:
    """Microseconds for one of many calls that join an equal one in flight, the best of five rounds."""
    rounds = []
    for turn in range(5):
        api.hold()
        before = len(api.requests)
        leader = asyncio.create_task(asked.complete(f"{QUESTION} {turn}", cache_response=True))
        await asyncio.to_thread(api.wait_for_requests, before + 1)
        wall, cpu = time.perf_counter(), time.thread_time()
        calls = [asyncio.create_task(asked.complete(f"{QUESTION} {turn}", cache_response=True)) for _ in range(WAITERS)]
        await asyncio.sleep(0)
        joined = time.perf_counter() - wall, time.thread_time() - cpu
        api.release()
        await leader
        wall, cpu = time.perf_counter(), time.thread_time()
        results = await asyncio.gather(*calls)
        rounds.append((time.perf_counter() - wall + joined[0], time.thread_time() - cpu + joined[1]))
        if not all(result.coalesced for result in results) or len(api.requests) != before + 1:
            raise RuntimeError("the calls did not share one")
    best = min(rounds)
    return best[0] / WAITERS * 1e6, best[1] / WAITERS * 1e6


if __name__ == "__main__":
    main()
