"""A cache that never fails a call: what goes wrong in it is a miss, counted, with one warning for each outage."""

from __future__ import annotations

from functools import partial
from typing import Any

from .._core.cache_key import Question
from .._core.log import logger
from .._seam import _async as seam
from .._seam.tally import Tally
from .cache.base import BaseCache

_log = logger("cache")


class GuardedCache:
    """A cache behind a guard.

    Args:
        backend: Any object with `get` and `set` of this face; None keeps nothing.
        tally: Counts "errors".

    Raises:
        TypeError: The backend belongs to the other face.
    """

    def __init__(self, backend: Any, tally: Tally) -> None:
        if backend is not None:
            for name in ("get", "set"):
                seam.check_face(getattr(backend, name), f"{name}() of the cache")
        self.backend = backend
        self.leases = hasattr(backend, "acquire")
        self.finds_similar = getattr(type(backend), "find", BaseCache.find) is not BaseCache.find
        self._tally = tally
        self._failing: dict[str, bool] = {}

    async def get(self, collection: str, key: str) -> bytes | None:
        """The value under a key; None also where the cache fails."""
        if self.backend is None:
            return None
        return await self._guarded("be read", partial(self.backend.get, collection, key))  # type: ignore[no-any-return]

    async def find(self, collection: str, question: Question) -> tuple[bytes, float] | None:
        """The value of a similar question, in caches that know any; None also where the cache fails."""
        apart = question.take_apart() if self.finds_similar else None
        if apart is None:
            return None
        found = partial(self.backend.find, collection, apart)
        return await self._guarded("be read", found)  # type: ignore[no-any-return]

    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value; a cache that fails stores nothing."""
        if self.backend is not None:
            await self._guarded("be written", partial(self.backend.set, collection, key, value))

    async def keep(self, collection: str, question: Question, value: bytes) -> None:
        """Store an answer, where similar questions find it too if the cache knows any."""
        apart = question.take_apart() if self.finds_similar else None
        if apart is None:
            await self.set(collection, question.key, value)
        else:
            await self._guarded("be written", partial(self.backend.keep, collection, question.key, value, apart))

    async def warm(self, collection: str) -> int:
        """Bring entries to where they are found fastest; 0 where the cache cannot, or fails."""
        if not hasattr(self.backend, "warm"):
            return 0
        return await self._guarded("be warmed", partial(self.backend.warm, collection)) or 0

    async def _guarded(self, what: str, operation: Any) -> Any:
        try:
            value = await operation()
        except Exception as error:
            self._tally.add(errors=1)
            if not self._failing.get(what):
                self._failing[what] = True
                reason = f"{type(error).__name__}: {error}"
                _log.warning("the cache could not %s; calls go on without it: %s", what, reason)
            return None
        if self._failing and self._failing.pop(what, False):
            _log.info("the cache can %s again", what)
        return value
