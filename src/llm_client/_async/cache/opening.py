"""From a constructor's arguments to a cache."""

from __future__ import annotations

import os
from typing import Any

from ..._core.cache_options import CacheSettings
from .fs import FSCache


def open_cache(settings: CacheSettings) -> Any:
    """The cache that is meant, None for none; nothing is connected or created yet.

    Raises:
        ConfigurationError: An address is missing; names variable and argument.
        ImportError: A package is missing.
        TypeError: The backend is nothing that can keep answers.
        ValueError: The backend's name is unknown, or a setting out of range.
    """
    arguments = settings.complete(os.environ)
    if settings.backend == "fs":
        return FSCache(**arguments)
    if settings.backend == "pg_redis":
        from .pg_redis import HybridRedisPostgreSQLCache

        return HybridRedisPostgreSQLCache(**arguments)
    if settings.backend == "qdrant":
        from .qdrant import QdrantCache

        return QdrantCache(**arguments)
    return settings.backend
