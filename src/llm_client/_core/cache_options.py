"""What the constructors and the calls of a provider say about its cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .cache_names import DEFAULT_COLLECTION, check_collection
from .exceptions import ConfigurationError

_BACKENDS = ("fs", "pg_redis", "qdrant")
_CALL_OPTIONS = frozenset({"cache_response", "cache_collection", "rewrite_cache", "regen_cache", "coalesce"})


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where a provider keeps answers.

    Args:
        backend: "fs", "pg_redis", "qdrant", None for none, or a cache object.
        directory: The folder of "fs", and of "qdrant" without a server.
        collection: Where a call does not name one; None for "default".
        pg_dsn: PostgreSQL's connection string.
        redis_url: Redis's or Valkey's address.
        redis_ttl_seconds: How long Redis keeps an entry.
        compress_pg: Compress what goes into PostgreSQL.
        qdrant_url: Qdrant's address.
        qdrant_api_key: Qdrant's key.
    """

    backend: Any = "fs"
    directory: str | os.PathLike[str] = "./cache"
    collection: str | None = None
    pg_dsn: str | None = None
    redis_url: str | None = None
    redis_ttl_seconds: float = 86400
    compress_pg: bool = True
    qdrant_url: str | None = None
    qdrant_api_key: str | None = None

    def complete(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """The arguments of the cache that is meant, with what the environment adds; empty for no cache and an object.

        Raises:
            ConfigurationError: An address is missing; names variable and argument.
            TypeError: The backend is nothing that can keep answers, or the collection no string.
            ValueError: The backend's or the collection's name cannot be one.
        """
        if self.collection is not None:
            check_collection(self.collection)
        if self.backend is None:
            return {}
        if not isinstance(self.backend, str):
            if isinstance(self.backend, type) or not (hasattr(self.backend, "get") and hasattr(self.backend, "set")):
                raise TypeError(
                    "cache_backend is 'fs', 'pg_redis', 'qdrant', None or an object with get() and set(), such as "
                    f"FSCache(...); got {self.backend!r}"
                )
            return {}
        if self.backend == "fs":
            return {"directory": self.directory}
        if self.backend == "pg_redis":
            return {
                "pg_dsn": address(self.pg_dsn, environment, "PG_DSN", "pg_dsn", "PostgreSQL"),
                "redis_url": address(self.redis_url, environment, "REDIS_URL", "redis_url", "Redis"),
                "redis_ttl_seconds": self.redis_ttl_seconds,
                "compress_pg": self.compress_pg,
            }
        if self.backend == "qdrant":
            url = self.qdrant_url or environment.get("QDRANT_URL")
            if not url:
                return {"path": os.path.join(self.directory, "qdrant")}
            return {"url": url, "api_key": self.qdrant_api_key or environment.get("QDRANT_API_KEY")}
        raise ValueError(
            f"cache_backend is one of {', '.join(map(repr, _BACKENDS))}, None or a cache object; got {self.backend!r}"
        )


def address(given: str | None, environment: Mapping[str, str], variable: str, argument: str, server: str) -> str:
    """A server's address, from an argument or the environment.

    Raises:
        ConfigurationError: There is none; names variable and argument.
    """
    value = given or environment.get(variable)
    if not value:
        raise ConfigurationError(
            f"this cache needs the address of {server}: set the environment variable {variable} (a .env "
            f"file will do) or pass {argument}=..."
        )
    return value


@dataclass(frozen=True, slots=True)
class CacheCall:
    """What one call says about the cache.

    Args:
        collection: Where to look and to store.
        mode: "read": look, store what had to be asked; "rewrite": ask and store; "regen": ask, store nothing.
        coalesce: Share the answer with equal calls in flight.
    """

    collection: str
    mode: str
    coalesce: bool

    @property
    def reads(self) -> bool:
        """Whether a stored answer will do."""
        return self.mode == "read"

    @property
    def writes(self) -> bool:
        """Whether the answer is to be stored."""
        return self.mode != "regen"


def cache_call(options: Mapping[str, Any], collection: str | None) -> CacheCall | None:
    """What the options of a call say about the cache; None where it has no part in the call.

    Args:
        options: Those of `complete()`, `stream()` or `embed()`.
        collection: The provider's own.

    Raises:
        TypeError: An option has the wrong type.
        ValueError: A collection's name cannot be one, or two options contradict each other.
    """
    if _CALL_OPTIONS.isdisjoint(options):
        return None
    for name in ("cache_response", "rewrite_cache", "regen_cache", "coalesce"):
        if not isinstance(options.get(name), (bool, type(None))):
            raise TypeError(f"{name} is True or False, got {options[name]!r}")
    given = options.get("cache_collection")
    if given is not None:
        check_collection(given)
    rewrite, regen = options.get("rewrite_cache"), options.get("regen_cache")
    if rewrite and regen:
        raise ValueError(
            "rewrite_cache=True asks anew and overwrites the stored answer, regen_cache=True asks anew and leaves it "
            "as it is: pass one of them"
        )
    if not options.get("cache_response"):
        return None
    mode = "rewrite" if rewrite else "regen" if regen else "read"
    coalesce = options.get("coalesce")
    return CacheCall(given or collection or DEFAULT_COLLECTION, mode, coalesce is None or coalesce)
