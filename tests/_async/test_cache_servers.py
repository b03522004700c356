"""PostgreSQL and Redis as a cache, on real servers that stop, stand still and come back."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_client._seam import _async as seam
from llm_client.testing import FakeAPI
from support._async import face
from support.servers import free_port, start_postgres, start_redis

KEY = "cd" * 32
NAMES = ["default", "../../x", "a/b", '"; drop table x; --', "x" * 300, "\U0001f600", "A", "a", "x" * 40]


def unique(name: str) -> str:
    return f"{name}-{face.__name__}-{time.monotonic_ns()}"


def cache_of(pg_dsn: str, redis_url: str, **options: Any) -> Any:
    return face.HybridRedisPostgreSQLCache(pg_dsn, redis_url, **{"timeout": 20.0, "retry_after": 0.1, **options})


async def eventually(ask: Any, wanted: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while (got := await ask()) != wanted:
        assert time.monotonic() < end, f"still {got!r}"
        await seam.sleep(0.02)


async def test_values_are_in_both_servers_and_the_truth_is_postgres(pg_dsn: str, redis_url: str) -> None:
    cache, client = cache_of(pg_dsn, redis_url), seam.redis_from_url(redis_url)
    name = unique("both")
    assert await cache.get(name, KEY) is None
    await cache.set(name, KEY, b"value" * 100)
    assert await cache.get(name, KEY) == b"value" * 100
    await client.flushall()
    assert await cache.get(name, KEY) == b"value" * 100
    assert len(await client.keys("llm_cache:*")) == 1  # copied back into Redis
    await cache.set(name, KEY, b"new")
    assert await cache.get(name, KEY) == b"new"
    assert await cache.delete(name, KEY)
    assert await cache.get(name, KEY) is None
    assert not await cache.delete(name, KEY)
    assert cache.errors == 0
    await client.aclose()
    await cache.close()


async def test_redis_forgets_in_time(pg_dsn: str, redis_url: str) -> None:
    cache, client = cache_of(pg_dsn, redis_url, redis_ttl_seconds=100), seam.redis_from_url(redis_url)
    await client.flushall()
    await cache.set(unique("ttl"), KEY, b"value")
    keys = await client.keys("llm_cache:*")
    left = await client.pttl(keys[0])
    assert 90_000 < left <= 100_000
    await client.aclose()
    await cache.close()


@pytest.mark.parametrize("name", NAMES)
async def test_any_collection_name_is_a_table_of_its_own(pg_dsn: str, redis_url: str, name: str) -> None:
    cache = cache_of(pg_dsn, redis_url)
    await cache.purge(name)
    for other in NAMES:
        if other != name:
            await cache.set(other, KEY, b"other")
    assert await cache.get(name, KEY) is None
    await cache.set(name, KEY, b"value")
    assert await cache.get(name, KEY) == b"value"
    assert await cache.purge(name) == 1
    assert await cache.get(name, KEY) is None
    await cache.close()


async def test_tables_are_made_once_under_concurrency(pg_dsn: str, redis_url: str) -> None:
    cache, name = cache_of(pg_dsn, redis_url), unique("many")
    work = [partial(cache.set, name, f"{number:064d}", b"%d" % number) for number in range(40)]
    assert await seam.gather(work) == [None] * 40
    values = await seam.gather([partial(cache.get, name, f"{number:064d}") for number in range(40)])
    assert values == [b"%d" % number for number in range(40)]
    assert cache.errors == 0
    assert await cache.purge(name) == 40
    await cache.close()


async def test_warming_fills_redis_and_purging_goes_by_age(pg_dsn: str, redis_url: str) -> None:
    cache, client, name = cache_of(pg_dsn, redis_url), seam.redis_from_url(redis_url), unique("warm")
    assert await cache.warm(name) == 0
    for number in range(5):
        await cache.set(name, f"{number:064d}", b"value")
    await client.flushall()
    assert await cache.warm(name) == 5
    assert len(await client.keys("llm_cache:*")) == 5
    assert await cache.purge(name, older_than=3600) == 0
    assert await cache.purge(name, older_than=0) == 5
    assert await client.keys("llm_cache:*") == []
    await client.aclose()
    await cache.close()


@pytest.mark.parametrize("compress", [True, False])
async def test_compression_makes_rows_smaller(pg_dsn: str, redis_url: str, compress: bool) -> None:
    cache, name = cache_of(pg_dsn, redis_url, compress_pg=compress), unique("size")
    await cache.set(name, KEY, b"the same words, " * 1000)
    async with cache._tables._pools.get().connection() as connection:
        cursor = await connection.execute(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE 'llm_cache_x_size%' ORDER BY tablename"
        )
        tables = [row[0] for row in await cursor.fetchall()]
        sizes = []
        for table in tables:
            cursor = await connection.execute(f'SELECT max(length(value)) FROM "{table}"')
            row = await cursor.fetchone()
            sizes.append(row[0] or 0)
    assert (min(size for size in sizes if size) < 1000) if compress else (max(sizes) > 16_000)
    await cache.purge(name)
    await cache.close()


# ---------------------------------------------------------------- servers that fail


@pytest.mark.parametrize("missing", ["postgres", "redis", "both"])
async def test_calls_go_on_without_servers(
    missing: str, pg_dsn: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    dsn = pg_dsn if missing == "redis" else "postgresql://nobody@127.0.0.1:1/x"
    url = redis_url if missing == "postgres" else "redis://127.0.0.1:1/0"
    with FakeAPI() as api, caplog.at_level(logging.WARNING, logger="llm_client.cache"):
        # A PostgreSQL that is not there is waited for until the time is up, one that is there may be slow.
        cache = cache_of(dsn, url, timeout=20.0 if missing == "redis" else 3.0, retry_after=60.0)
        asked = face.OpenAIProvider(
            model="gpt-5.6-luna", base_url=api.openai_url, cache_backend=cache, cache_collection=unique("down")
        )
        results = [await asked.complete("Hi", cache_response=True) for _ in range(4)]
        assert all(result.ok for result in results)
        # Without both, what PostgreSQL is still to be told is kept in memory, and found there.
        assert [result.cached for result in results] == [False] + [True] * 3
        assert asked.cache_stats.errors == (2 if missing == "both" else 1)
        await asked.close()
        await cache.close()
    warnings = [record.getMessage() for record in caplog.records if record.name == "llm_client.cache"]
    assert len(warnings) == (2 if missing == "both" else 1), warnings
    assert all(message.startswith("the cache goes on without") for message in warnings)


async def test_servers_that_come_back_are_used_again(caplog: pytest.LogCaptureFixture) -> None:
    ports = free_port(), free_port()
    cache = cache_of(f"postgresql://test@127.0.0.1:{ports[0]}/postgres", f"redis://127.0.0.1:{ports[1]}/0", timeout=1.5)
    ask = partial(cache.get, "default", KEY)
    await cache.set("default", KEY, b"waits")
    assert await ask() == b"waits"
    assert await cache.get("default", KEY[::-1]) is None
    with caplog.at_level(logging.INFO, logger="llm_client.cache"), start_postgres(ports[0]):
        with start_redis(ports[1]):

            async def store() -> bool:
                await cache.set("default", KEY, b"kept")
                return all(f"the cache uses {server} again" in caplog.text for server in ("PostgreSQL", "Redis"))

            await eventually(store, True)
        await eventually(ask, b"kept")  # PostgreSQL alone
        await cache.set("default", KEY, b"newer")
        with start_redis(ports[1]):
            await eventually(ask, b"newer")
    assert await ask() in (None, b"newer")
    await cache.close()


async def test_answers_stored_during_an_outage_reach_postgres_when_it_is_back() -> None:
    port = free_port()
    with start_redis() as url:
        cache = cache_of(f"postgresql://test@127.0.0.1:{port}/postgres", url, timeout=1.5)
        client = seam.redis_from_url(url)
        for number in range(5):
            await cache.set("default", f"{number:064d}", b"%d" % number)
        await client.flushall()
        assert await cache.get("default", f"{3:064d}") == b"3"
        with start_postgres(port) as dsn:

            async def saved() -> int:
                await cache.get("default", KEY)
                return len(await other._tables.newest("default", 10))

            other = cache_of(dsn, url)
            await eventually(saved, 5)
            await client.flushall()
            assert await other.get("default", f"{4:064d}") == b"4"
            await other.close()
            await cache.close()
        await client.aclose()


async def test_what_redis_missed_is_not_read_from_it(redis_url: str, pg_dsn: str) -> None:
    cache, client, name = cache_of(pg_dsn, redis_url), seam.redis_from_url(redis_url), unique("stale")
    await cache.set(name, KEY, b"old")
    await client.config_set("maxmemory", "1")  # Redis refuses writes from here on, and still answers reads
    try:
        await cache.set(name, KEY, b"new")
    finally:
        await client.config_set("maxmemory", "0")
    assert cache.errors == 1

    async def works() -> bytes | None:
        return await cache.get(name, KEY)

    await eventually(works, b"new")
    await cache.purge(name)
    await client.aclose()
    await cache.close()


@contextmanager
def standing_still(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("which", ["postgres", "redis"])
async def test_a_server_that_stands_still_holds_up_one_call_and_only_for_a_moment(which: str) -> None:
    with ExitStack() as stack:
        dsn, url = stack.enter_context(start_postgres()), stack.enter_context(start_redis())
        cache, client = cache_of(dsn, url, timeout=2.0, retry_after=1.0), seam.redis_from_url(url)
        await cache.set("default", KEY, b"value")
        pids = await _processes(cache, client, which)
        if which == "postgres":
            await client.flushall()
        with standing_still(pids):
            began = time.monotonic()
            got = await cache.get("default", KEY)
            first = time.monotonic() - began
            assert got == (None if which == "postgres" else b"value")
            assert 1.0 < first < 20.0
            began = time.monotonic()
            for _ in range(20):
                await cache.get("default", KEY)
            assert time.monotonic() - began < 20.0
            assert cache.errors >= 1
        await eventually(partial(cache.get, "default", KEY), b"value")
        await client.aclose()
        await cache.close()


async def _processes(cache: Any, client: Any, which: str) -> list[int]:
    if which == "redis":
        info = await client.info("server")
        return [info["process_id"]]
    async with cache._tables._pools.get().connection() as connection:
        cursor = await connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        backends = [row[0] for row in await cursor.fetchall()]
        cursor = await connection.execute("SHOW data_directory")
        row = await cursor.fetchone()
    postmaster = int(Path(row[0], "postmaster.pid").read_text().split()[0])
    return [postmaster, *backends]


async def test_a_paid_answer_survives_a_cache_that_stands_still(pg_dsn: str) -> None:
    with start_redis() as url, FakeAPI() as api:
        client = seam.redis_from_url(url)
        info = await client.info("server")
        cache = cache_of(pg_dsn, url, timeout=0.3)
        asked = face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url, cache_backend=cache)
        with standing_still([info["process_id"]]):
            result = await asked.complete(unique("paid"), cache_response=True)
        assert result.ok
        await asked.close()
        await client.aclose()
        await cache.close()


# ---------------------------------------------------------------- through a provider


async def test_a_provider_makes_the_cache_from_its_arguments(
    pg_dsn: str, redis_url: str, api: FakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_DSN", pg_dsn)
    name = unique("provider")
    for arguments in ({"redis_url": redis_url}, {"pg_dsn": pg_dsn, "redis_url": redis_url}):
        asked = face.OpenAIProvider(
            model="gpt-5.6-luna", base_url=api.openai_url, cache_backend="pg_redis", redis_ttl_seconds=86400,
            compress_pg=True, cache_collection=name, **arguments,
        )  # fmt: skip
        if not api.requests:
            api.reply("Hello.")
        result = await asked.complete("Hi", cache_response=True)
        async with asked.stream("Hi", cache_response=True) as events:
            streamed = [event async for event in events]
        assert (result.content, streamed[-1].data.content, streamed[-1].data.cached) == ("Hello.", "Hello.", True)
        assert await asked.warm_cache() == 1
        assert await asked.warm_cache("never used") == 0
        await asked.close()
    assert len(api.requests) == 1
