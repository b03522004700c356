"""The seam's clients against real servers: PostgreSQL, Valkey, and Qdrant's local engine."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_client._seam import _async as seam


async def test_the_pool_opens_at_first_use_and_commits_by_itself(pg_dsn: str) -> None:
    pool = seam.pg_pool(pg_dsn)
    async with pool.connection() as connection:
        await connection.execute("CREATE TEMP TABLE seen (n int)")
        await connection.execute("INSERT INTO seen VALUES (1), (2)")
        cursor = await connection.execute("SELECT sum(n) FROM seen")
        assert await cursor.fetchone() == (3,)
        assert connection.autocommit
    await pool.close()


async def test_the_pool_serves_more_callers_than_it_has_connections(pg_dsn: str) -> None:
    pools = seam.per_loop(partial(seam.pg_pool, pg_dsn, max_size=2))

    async def ask(number: int) -> int:
        async with pools.get().connection() as connection:
            cursor = await connection.execute("SELECT %s::int, pg_sleep(0.01)", (number,))
            row = await cursor.fetchone()
        assert row is not None
        answer: int = row[0]
        return answer

    assert await seam.gather([partial(ask, number) for number in range(10)]) == list(range(10))
    await pools.close()
    assert await ask(11) == 11  # a closed owner opens anew
    await pools.close()


async def test_the_pool_survives_a_connection_that_the_server_ended(pg_dsn: str) -> None:
    pool = seam.pg_pool(pg_dsn, max_size=1)
    async with pool.connection() as connection:
        pid = connection.info.backend_pid
    other = seam.pg_pool(pg_dsn, max_size=1)
    async with other.connection() as connection:
        await connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        end = time.monotonic() + 10
        while time.monotonic() < end:
            cursor = await connection.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (pid,))
            if await cursor.fetchone() == (0,):
                break
    async with pool.connection() as connection:
        assert connection.info.backend_pid != pid
    await other.close()
    await pool.close()


async def test_a_pool_without_a_server_fails_in_time() -> None:
    pool = seam.pg_pool("postgresql://nobody@127.0.0.1:1/nowhere", timeout=0.3)
    began = seam.now()
    with pytest.raises(Exception, match="couldn't get a connection after"):
        async with pool.connection():
            pass
    assert seam.now() - began < 5
    await pool.close()


async def test_redis_keeps_bytes_until_they_expire(redis_url: str) -> None:
    clients = seam.per_loop(partial(seam.redis_from_url, redis_url))
    client: Any = clients.get()
    await client.set("seam", b"\x00\xff", px=50)
    assert await client.get("seam") == b"\x00\xff"
    end = time.monotonic() + 10
    while await client.get("seam") is not None:
        assert time.monotonic() < end
    await clients.close()
    assert await clients.get().ping() is True
    await clients.close()


async def test_redis_without_a_server_fails_in_time() -> None:
    client: Any = seam.redis_from_url("redis://127.0.0.1:1/0", timeout=0.3)
    began = seam.now()
    with pytest.raises(Exception, match="connecting to"):
        await client.ping()
    assert seam.now() - began < 10
    await client.aclose()


@pytest.mark.parametrize("place", [":memory:", "folder"])
async def test_qdrant_s_local_engine_finds_what_was_stored(place: str, tmp_path: Path) -> None:
    from qdrant_client import models  # takes half a second to import

    client: Any = seam.qdrant_client(place if place == ":memory:" else str(tmp_path / place))
    await client.create_collection("seam", models.VectorParams(size=2, distance=models.Distance.COSINE))
    assert await client.collection_exists("seam")
    await client.upsert("seam", [models.PointStruct(id=1, vector=[1.0, 0.0], payload={"n": 1})])
    found = await client.query_points("seam", query=[0.9, 0.1], limit=1)
    assert found.points[0].payload == {"n": 1}
    await client.close()


async def test_making_a_client_of_a_qdrant_server_asks_the_server_nothing() -> None:
    client: Any = seam.qdrant_client("http://127.0.0.1:1", timeout=0.3)
    with pytest.raises(Exception, match=r"refused|failed"):
        await client.collection_exists("seam")
    await client.close()
