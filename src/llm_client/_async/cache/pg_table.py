"""Entries in PostgreSQL: one table for each collection."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..._core.cache_names import safe_name
from ..._seam import _async as seam

_PREFIX = "llm_cache_"
# One number for all processes: tables are created one after the other, since CREATE TABLE IF NOT EXISTS can fail where
# two sessions run it at the same time.
_CREATING = 0x6C6C6D63


class PgTables:
    """The tables of a database.

    Args:
        dsn: PostgreSQL's connection string.
        timeout: Longest wait in seconds, for a connection and for an answer.
    """

    def __init__(self, dsn: str, timeout: float) -> None:
        self._pools = seam.per_loop(partial(seam.pg_pool, dsn, timeout=timeout))

    async def get(self, collection: str, key: str) -> bytes | None:
        """The value under a key; None where there is none.

        Raises:
            psycopg.Error: The server cannot be asked.
        """
        rows = await self._rows("SELECT value FROM {} WHERE key = %s", collection, (key,))
        return bytes(rows[0][0]) if rows else None

    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value; the table is made where it is missing.

        Raises:
            psycopg.Error: The server cannot be asked, or refuses.
        """
        from psycopg.errors import UndefinedTable

        text = (
            "INSERT INTO {} (key, value) VALUES (%s, %s) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value, created_at = now()"
        )
        try:
            await self._execute(text, collection, (key, value))
        except UndefinedTable:
            await self._create(collection)
            await self._execute(text, collection, (key, value))

    async def delete(self, collection: str, key: str) -> bool:
        """Remove an entry; tells whether it was there."""
        return bool(await self._rows("DELETE FROM {} WHERE key = %s RETURNING key", collection, (key,)))

    async def newest(self, collection: str, limit: int) -> list[tuple[str, bytes]]:
        """The newest entries, at most so many."""
        text = "SELECT key, value FROM {} ORDER BY created_at DESC LIMIT %s"
        return [(key, bytes(value)) for key, value in await self._rows(text, collection, (limit,))]

    async def purge(self, table: str, older_than: float | None) -> list[str]:
        """Remove the entries of a table that are older than some seconds, or all; returns their keys."""
        text = "DELETE FROM {} WHERE %s::float8 IS NULL OR created_at < now() - make_interval(secs => %s) RETURNING key"
        return [key for (key,) in await self._rows(text, table, (older_than, older_than), named=True)]

    async def names(self) -> list[str]:
        """The collections that have a table, by their safe names."""
        async with self._pools.get().connection() as connection:
            cursor = await connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND starts_with(tablename, %s)",
                (_PREFIX,),
            )
            rows = await cursor.fetchall()
        return sorted(name[len(_PREFIX) :] for (name,) in rows)

    async def close(self) -> None:
        """Close the connections of the current loop or process."""
        await self._pools.close()

    async def _rows(self, text: str, collection: str, values: tuple[Any, ...], *, named: bool = False) -> list[Any]:
        from psycopg.errors import UndefinedTable

        try:
            async with self._pools.get().connection() as connection:
                cursor = await connection.execute(_query(text, collection, named), values)
                return await cursor.fetchall()
        except UndefinedTable:
            return []  # nothing was ever stored

    async def _execute(self, text: str, collection: str, values: tuple[Any, ...]) -> None:
        async with self._pools.get().connection() as connection:
            await connection.execute(_query(text, collection, False), values)

    async def _create(self, collection: str) -> None:
        table = (
            "CREATE TABLE IF NOT EXISTS {} (key text PRIMARY KEY, value bytea NOT NULL, "
            "created_at timestamptz NOT NULL DEFAULT now())"
        )
        index = "CREATE INDEX IF NOT EXISTS {index} ON {table} (created_at)"
        async with self._pools.get().connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATING,))
            await connection.execute(_query(table, collection, False))
            name = safe_name(collection)
            await connection.execute(_index_query(index, name))


def _query(text: str, collection: str, named: bool) -> Any:
    from psycopg import sql

    name = collection if named else safe_name(collection)
    return sql.SQL(text).format(sql.Identifier(_PREFIX + name))


def _index_query(text: str, name: str) -> Any:
    from psycopg import sql

    # "i" in front, and not a suffix behind: a name of full length has no room for one.
    return sql.SQL(text).format(index=sql.Identifier(f"i{name}_at"[:63]), table=sql.Identifier(_PREFIX + name))
