"""What the vendors' providers have in common where their cache is concerned."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..._core.cache_key import Question, SemanticQuestion, request_key, without_question
from ..._core.cache_names import check_collection
from ..._core.cache_stats import CacheStats
from ..._core.endpoint import Endpoint
from ..._core.wire.request import CompletionRequest, Dialect
from ..caching import Caching
from .base import BaseProvider


class CachedProvider(BaseProvider):
    """A provider with a cache; not used by itself."""

    _dialect: Dialect
    _endpoint: Endpoint
    _cache: Caching

    @property
    def cache(self) -> Any:
        """The cache object, None where there is none."""
        return self._cache.backend

    @property
    def cache_stats(self) -> CacheStats:
        """What the cache has done for this provider so far."""
        return self._cache.stats()

    async def warm_cache(self, cache_collection: str | None = None) -> int:
        """Have the cache bring stored answers to where they are found fastest, such as from PostgreSQL into Redis.

        Args:
            cache_collection: Which part of the cache; the provider's own unless given.

        Returns:
            How many answers; 0 where the cache has nothing to warm, or fails.
        """
        if cache_collection is not None:
            check_collection(cache_collection)
        return await self._cache.warm(cache_collection)

    def _question(self, request: CompletionRequest, body: Mapping[str, Any], headers: Mapping[str, str]) -> Question:
        key = request_key(self._dialect.NAME, self._endpoint.base_url, body, headers)
        return Question(key, partial(self._take_apart, request, headers))

    def _take_apart(self, request: CompletionRequest, headers: Mapping[str, str]) -> SemanticQuestion | None:
        bare = without_question(request)
        if bare is None:
            return None
        request, text = bare
        body = self._dialect.build_request(request)
        return SemanticQuestion(request_key(self._dialect.NAME, self._endpoint.base_url, body, headers), text)
