"""Caches, and what custom ones are made of."""

from ._async.cache.base import BaseCache, Cache
from ._async.cache.fs import FSCache
from ._async.cache.pg_redis import HybridRedisPostgreSQLCache
from ._async.cache.qdrant import QdrantCache
from ._core.cache_key import SemanticQuestion
from ._core.cache_stats import CacheStats

__all__ = [
    "BaseCache",
    "Cache",
    "CacheStats",
    "FSCache",
    "HybridRedisPostgreSQLCache",
    "QdrantCache",
    "SemanticQuestion",
]
