"""Caches, and what custom ones are made of."""

from .._core.cache_key import SemanticQuestion
from .._core.cache_stats import CacheStats
from .._sync.cache.base import BaseCache, Cache
from .._sync.cache.fs import FSCache
from .._sync.cache.pg_redis import HybridRedisPostgreSQLCache
from .._sync.cache.qdrant import QdrantCache

__all__ = [
    "BaseCache",
    "Cache",
    "CacheStats",
    "FSCache",
    "HybridRedisPostgreSQLCache",
    "QdrantCache",
    "SemanticQuestion",
]
