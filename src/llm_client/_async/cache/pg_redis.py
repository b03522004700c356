"""A cache for many machines: PostgreSQL holds the truth, Redis what is asked for often."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from functools import partial
from typing import Any

from ..._core.cache_frame import DamagedEntry, seal, unseal
from ..._core.cache_names import safe_key, safe_name
from ..._core.cache_options import address
from ..._seam import _async as seam
from ..._seam._extras import require
from ..._seam.layer import Layer
from .base import BaseCache, seconds_of
from .pg_table import PgTables

_WARMED = 1000
_BATCH = 500
_MOST_STALE = 10_000
_MOST_UNSAVED = 256
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class HybridRedisPostgreSQLCache(BaseCache):
    """Entries in PostgreSQL, one table for each collection, with Redis (or Valkey) before it.

    Either server may be down, slow, restarting or out of memory: calls go on with the other one, or without, one
    warning is logged, and the server is used again when it is back.

    Args:
        pg_dsn: PostgreSQL's connection string. Default: PG_DSN.
        redis_url: Redis's address. Default: REDIS_URL.
        redis_ttl_seconds: How long Redis keeps an entry; PostgreSQL keeps it until it is purged.
        compress_pg: Compress what goes into PostgreSQL.
        timeout: Longest wait in seconds for either server.
        retry_after: Seconds for which a server that failed is not asked.

    Raises:
        ConfigurationError: An address is missing; names variable and argument.
        ImportError: psycopg or redis is not installed.
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        pg_dsn: str | None = None,
        redis_url: str | None = None,
        *,
        redis_ttl_seconds: float = 86400,
        compress_pg: bool = True,
        timeout: float = 2.0,
        retry_after: float = 5.0,
    ) -> None:
        dsn = address(pg_dsn, os.environ, "PG_DSN", "pg_dsn", "PostgreSQL")
        url = address(redis_url, os.environ, "REDIS_URL", "redis_url", "Redis")
        for name, value in (("redis_ttl_seconds", redis_ttl_seconds), ("timeout", timeout)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise ValueError(f"{name} is a number of seconds above 0, got {value!r}")
        for module, extra in (("psycopg", "postgres"), ("psycopg_pool", "postgres"), ("redis", "redis")):
            require(module, extra)
        self.identity = f"pg_redis:{dsn}|{url}"
        self._tables = PgTables(dsn, timeout)
        self._clients = seam.per_loop(partial(seam.redis_from_url, url, timeout))
        self._ttl = max(1, round(redis_ttl_seconds * 1000))
        self._compression: Any = "zlib" if compress_pg else None
        self._pg = Layer("PostgreSQL", retry_after)
        self._redis = Layer("Redis", retry_after)
        # What PostgreSQL could not be told: answers that were paid for, kept here until it is back.
        self._unsaved: dict[str, tuple[str, str, bytes]] = {}
        # What Redis could not be told: it may hold an older value, so PostgreSQL is asked.
        self._stale: dict[str, None] = {}

    @property
    def errors(self) -> int:
        """How many operations of either server failed."""
        return self._pg.errors + self._redis.errors

    def __repr__(self) -> str:
        return "HybridRedisPostgreSQLCache()"  # the addresses may hold passwords

    async def get(self, collection: str, key: str) -> bytes | None:
        """The value stored under a key, None where there is none or where neither server can be asked."""
        name, key = _place(collection, key), safe_key(key)
        content = await self._get_fast(name)
        if content is not None:
            return content
        unsaved = self._unsaved.get(name)
        if unsaved is not None:
            return unseal(unsaved[2])[0]
        if not self._pg.is_up():
            return None
        try:
            data = await self._tables.get(collection, key)
        except Exception as error:
            self._pg.failed(error)
            return None
        await self._pg_works()
        if data is None:
            return None
        try:
            content, _ = unseal(data)
        except DamagedEntry:
            return None
        await self._set_fast(name, content)
        return content

    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value in both servers, or in the one that can be reached."""
        name, key = _place(collection, key), safe_key(key)
        data = seal(value, time.time(), self._compression)
        if await self._save(collection, key, data):
            self._unsaved.pop(name, None)
            await self._pg_works()
        else:
            self._unsaved.pop(name, None)
            while len(self._unsaved) >= _MOST_UNSAVED:
                self._unsaved.pop(next(iter(self._unsaved), ""), None)
            self._unsaved[name] = (collection, key, data)
        await self._set_fast(name, value)

    async def delete(self, collection: str, key: str) -> bool:
        """Remove an entry; tells whether PostgreSQL had it.

        Raises:
            Exception: A server cannot be asked.
        """
        self._unsaved.pop(_place(collection, key), None)
        await self._clients.get().delete(_place(collection, key))
        return await self._tables.delete(collection, safe_key(key))

    async def purge(self, collection: str | None = None, *, older_than: float | timedelta | None = None) -> int:
        """Remove many entries from both servers.

        Args:
            collection: Which; None for all.
            older_than: Age in seconds, or a timedelta; None for all ages.

        Returns:
            How many PostgreSQL had.

        Raises:
            Exception: A server cannot be asked.
        """
        age = seconds_of(older_than)
        for place, (unsaved, _, _) in list(self._unsaved.items()):
            if age is None and collection in (None, unsaved):
                self._unsaved.pop(place, None)
        names = await self._tables.names() if collection is None else [safe_name(collection)]
        removed = 0
        client: Any = self._clients.get()
        for name in names:
            keys = await self._tables.purge(name, age)
            removed += len(keys)
            for start in range(0, len(keys), _BATCH):
                await client.delete(*[f"llm_cache:{name}:{key}" for key in keys[start : start + _BATCH]])
        return removed

    async def warm(self, collection: str) -> int:
        """Copy the newest entries, at most 1,000, from PostgreSQL into Redis; returns how many.

        Raises:
            Exception: A server cannot be asked.
        """
        rows = await self._tables.newest(collection, _WARMED)
        client: Any = self._clients.get()
        warmed = 0
        for start in range(0, len(rows), _BATCH):
            pipeline = client.pipeline(transaction=False)
            for key, data in rows[start : start + _BATCH]:
                try:
                    content, created = unseal(data)
                except DamagedEntry:
                    continue
                pipeline.set(_place(collection, key), seal(content, created), px=self._ttl)
                warmed += 1
            await pipeline.execute()
        return warmed

    async def acquire(self, collection: str, key: str, token: str, seconds: float) -> bool:
        """Take the lease on a question that is about to be asked; without Redis everybody has it.

        Args:
            collection: As in `get`.
            key: As in `get`.
            token: Who takes it.
            seconds: How long it lasts unless it is renewed.

        Returns:
            Whether it was taken; else another process has it.
        """
        if not self._redis.is_up():
            return True
        client: Any = self._clients.get()
        try:
            taken = await client.set(_lease(collection, key), token, nx=True, px=round(seconds * 1000))
        except Exception as error:
            self._redis.failed(error)
            return True
        self._redis.worked()
        return bool(taken)

    async def renew(self, collection: str, key: str, token: str, seconds: float) -> None:
        """Make a lease last longer, where this token still has it."""
        await self._change_lease(_RENEW, collection, key, token, round(seconds * 1000))

    async def release(self, collection: str, key: str, token: str) -> None:
        """Give a lease back, where this token still has it."""
        await self._change_lease(_RELEASE, collection, key, token, 0)

    async def _change_lease(self, script: str, collection: str, key: str, token: str, milliseconds: int) -> None:
        if not self._redis.is_up():
            return
        client: Any = self._clients.get()
        try:
            await client.eval(script, 1, _lease(collection, key), token, milliseconds)
        except Exception as error:
            self._redis.failed(error)

    async def close(self) -> None:
        """Close the connections of the current loop or process; a closed cache that is used opens new ones."""
        await self._tables.close()
        await self._clients.close()

    async def _save(self, collection: str, key: str, data: bytes) -> bool:
        if not self._pg.is_up():
            return False
        try:
            await self._tables.set(collection, key, data)
        except Exception as error:
            self._pg.failed(error)
            return False
        return True

    async def _pg_works(self) -> None:
        self._pg.worked()
        while self._unsaved:
            try:
                name, entry = self._unsaved.popitem()
            except KeyError:  # another thread was faster
                return
            if not await self._save(*entry):
                self._unsaved.setdefault(name, entry)
                return

    async def _get_fast(self, name: str) -> bytes | None:
        if name in self._stale or not self._redis.is_up():
            return None
        client: Any = self._clients.get()
        try:
            data = await client.get(name)
        except Exception as error:
            self._redis.failed(error)
            return None
        self._redis.worked()
        if data is None:
            return None
        try:
            return unseal(data)[0]
        except DamagedEntry:
            return None

    async def _set_fast(self, name: str, content: bytes) -> None:
        if self._redis.is_up():
            client: Any = self._clients.get()
            try:
                await client.set(name, seal(content, time.time()), px=self._ttl)
            except Exception as error:
                self._redis.failed(error)
            else:
                self._redis.worked()
                self._stale.pop(name, None)
                return
        self._mark_stale(name)

    def _mark_stale(self, name: str) -> None:
        if len(self._stale) >= _MOST_STALE:
            oldest = next(iter(self._stale), None)
            if oldest is not None:
                self._stale.pop(oldest, None)
        self._stale[name] = None


def _lease(collection: str, key: str) -> str:
    return f"llm_lease:{safe_name(collection)}:{safe_key(key)}"


def _place(collection: str, key: str) -> str:
    return f"llm_cache:{safe_name(collection)}:{safe_key(key)}"
