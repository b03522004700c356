"""Answers from a cache, answers shared with equal calls in flight: what stands before a provider's own calls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Hashable
from functools import partial
from typing import Any

from .._core.cache_answers import as_events, as_hit, as_shared, shared_event
from .._core.cache_entry import Entry, decode_entry, encode_entry, is_worth_keeping
from .._core.cache_key import Question
from .._core.cache_options import CacheCall, CacheSettings
from .._core.cache_stats import CacheStats
from .._core.events import StreamEvent, StreamEventType
from .._core.log import logger
from .._core.results import CompletionResult
from .._core.retry import is_retryable
from .._core.structured import OutputForm
from .._seam import _async as seam
from .._seam.tally import Tally
from .cache.base import BaseCache
from .cache.opening import open_cache
from .shared_stream import SharedStream, find_stream

_log = logger("cache")
_INTERRUPTED = {
    "status": 503,
    "error": "the stream was interrupted: the equal call that it shared was stopped",
}


class Caching:
    """One provider's cache, whatever it is, made safe: what fails in it is a miss.

    Args:
        settings: Where answers are kept.
        scope: What keeps this provider's calls in flight apart from those of others: its server and key.

    Raises:
        ConfigurationError: An address is missing.
        ImportError: A package is missing.
        TypeError: The backend is nothing that can keep answers, or belongs to the other face.
        ValueError: A name is unknown.
    """

    def __init__(self, settings: CacheSettings, scope: tuple[Hashable, ...]) -> None:
        self.backend: Any = open_cache(settings)
        self.collection = settings.collection
        self._owned = isinstance(settings.backend, str)
        if self.backend is not None:
            for name in ("get", "set"):
                seam.check_face(getattr(self.backend, name), f"{name}() of the cache")
        self._scope = (*scope, getattr(self.backend, "identity", None) or id(self.backend))
        find = getattr(type(self.backend), "find", BaseCache.find)
        self._finds_similar = find is not BaseCache.find
        self._tally = Tally(("hits", "misses", "coalesced", "errors", "saved_cost"))
        self._failing: dict[str, bool] = {}

    def stats(self) -> CacheStats:
        """What the cache has done so far."""
        counted = self._tally.values()
        counted["errors"] += getattr(self.backend, "errors", 0)
        return CacheStats(**counted, embedding_cost=getattr(self.backend, "embedding_cost", 0.0))

    async def warm(self, collection: str | None) -> int:
        """Have the cache bring entries to where they are found fastest; a cache that cannot, or fails, brings none."""
        warm = getattr(self.backend, "warm", None)
        if warm is None:
            return 0
        try:
            warmed: int = await warm(collection or self.collection or "default")
        except Exception as error:
            self._failed("be warmed", error)
            return 0
        return warmed

    async def close(self) -> None:
        """Close the cache if the provider made it; one that was passed in may serve others."""
        if self._owned:
            await self.backend.close()

    # ------------------------------------------------------------ whole answers

    async def complete(
        self, call: CacheCall, question: Question, form: OutputForm, fetch: Callable[[], Any]
    ) -> CompletionResult:
        """A stored answer, or that of an equal call in flight, or a new one.

        Args:
            call: What the caller said about the cache.
            question: What is asked.
            form: What the answer must look like.
            fetch: Asks the model, and returns a CompletionResult.
        """
        if call.reads:
            found = await self._find(call, question, form)
            if found is not None:
                return self._count_hit(found[0], found[1])
        if not call.coalesce:
            return (await self._ask(call, question, fetch))[0]
        flight = ("complete", *self._scope, call.collection, call.mode, question.key)
        lead = partial(self._lead, call, question, form, fetch)
        (result, data), led = await seam.shared_call(flight, lead)
        if not led and not result.ok and is_retryable(result.status, {}):
            # One of those who waited tries once more; the others wait for that.
            (result, data), led = await seam.shared_call(flight, lead)
        if led:
            return result
        entry = None if data is None else decode_entry(data)
        self._tally.add(coalesced=1, saved_cost=_cost(result) if result.ok else 0.0)
        return as_shared(result, form, None if entry is None else entry.result())

    async def _lead(
        self, call: CacheCall, question: Question, form: OutputForm, fetch: Callable[[], Any]
    ) -> tuple[CompletionResult, bytes | None]:
        if call.reads:
            # An equal call may have ended between this caller's look into the cache and its own.
            found = await self._find(call, question, form, exact=True)
            if found is not None:
                return self._count_hit(found[0], found[1]), found[2]
        return await self._ask(call, question, fetch)

    async def _ask(
        self, call: CacheCall, question: Question, fetch: Callable[[], Any]
    ) -> tuple[CompletionResult, bytes | None]:
        self._tally.add(misses=1)
        result: CompletionResult = await fetch()
        if not is_worth_keeping(result):
            return result, None
        data = encode_entry(result)
        await self._store(call, question, data)
        return result, data

    # ------------------------------------------------------------ streams

    async def stream(
        self, call: CacheCall, question: Question, form: OutputForm, fetch: Callable[[], Any]
    ) -> AsyncIterator[StreamEvent]:
        """As `complete`, for the events of a stream.

        Args:
            call: What the caller said about the cache.
            question: What is asked.
            form: What the answer must look like.
            fetch: Opens the upstream stream, and returns a generator of its events.
        """
        if call.reads:
            found = await self._find(call, question, form)
            if found is not None:
                for event in as_events(found[1], self._count_hit(found[0], found[1]), time.time()):
                    yield event
                return
        make = partial(self._new_stream, call, question, form, fetch)
        key = ("stream", *self._scope, call.collection, call.mode, question.key)
        for again in (True, False):
            if call.coalesce:
                stream, led = find_stream(key, make)
            else:
                stream, led = make(), True
                stream.enter()
            position = 0
            try:
                while await stream.next(position, alone=not call.coalesce):
                    event = stream.events[position]
                    if not led and again and position == 0 and _wants_retry(event):
                        break
                    position += 1
                    yield event if led else self._shared(event, form)
            finally:
                await stream.leave()
            if led or (position and stream.complete):
                return
            if position:
                break
        # What came cannot be continued with another answer.
        yield StreamEvent(StreamEventType.ERROR, dict(_INTERRUPTED))

    def _new_stream(
        self, call: CacheCall, question: Question, form: OutputForm, fetch: Callable[[], Any]
    ) -> SharedStream:
        return SharedStream(self._upstream(call, question, form, fetch), partial(self._keep, call, question))

    async def _upstream(
        self, call: CacheCall, question: Question, form: OutputForm, fetch: Callable[[], Any]
    ) -> AsyncIterator[StreamEvent]:
        if call.reads and call.coalesce:
            found = await self._find(call, question, form, exact=True)
            if found is not None:
                for event in as_events(found[1], self._count_hit(found[0], found[1]), time.time()):
                    yield event
                return
        self._tally.add(misses=1)
        async with seam.closing(fetch()) as events:
            async for event in events:
                yield event

    async def _keep(self, call: CacheCall, question: Question, events: list[StreamEvent]) -> None:
        last = events[-1]
        if last.type is StreamEventType.DONE and is_worth_keeping(last.data) and not last.data.cached:
            await self._store(call, question, encode_entry(last.data, events))

    def _shared(self, event: StreamEvent, form: OutputForm) -> StreamEvent:
        if event.type is StreamEventType.DONE:
            self._tally.add(coalesced=1, saved_cost=_cost(event.data))
        return shared_event(event, form)

    # ------------------------------------------------------------ the cache itself

    async def _find(
        self, call: CacheCall, question: Question, form: OutputForm, *, exact: bool = False
    ) -> tuple[CompletionResult, Entry, bytes] | None:
        if self.backend is None:
            return None
        similarity = 1.0 if self._finds_similar else None
        try:
            data = await self.backend.get(call.collection, question.key)
            if data is None and self._finds_similar and not exact:
                apart = question.take_apart()
                found = None if apart is None else await self.backend.find(call.collection, apart)
                if found is not None:
                    data, similarity = found
        except Exception as error:
            self._failed("be read", error)
            return None
        if self._failing:
            self._works("be read")
        entry = None if data is None else decode_entry(data)
        if data is None or entry is None:
            return None
        hit = as_hit(entry, form, similarity)
        return None if hit is None else (hit, entry, data)

    async def _store(self, call: CacheCall, question: Question, data: bytes | None) -> None:
        if self.backend is None or data is None or not call.writes:
            return
        try:
            apart = question.take_apart() if self._finds_similar else None
            if apart is None:
                await self.backend.set(call.collection, question.key, data)
            else:
                await self.backend.keep(call.collection, question.key, data, apart)
        except Exception as error:
            self._failed("be written", error)
            return
        if self._failing:
            self._works("be written")

    async def get_value(self, collection: str, key: str) -> bytes | None:
        """What is stored under a key of another kind; None also where the cache fails."""
        if self.backend is None:
            return None
        try:
            data: bytes | None = await self.backend.get(collection, key)
        except Exception as error:
            self._failed("be read", error)
            return None
        if self._failing:
            self._works("be read")
        return data

    async def set_value(self, collection: str, key: str, value: bytes) -> None:
        """Store a value of another kind; a cache that fails stores nothing."""
        if self.backend is None:
            return
        try:
            await self.backend.set(collection, key, value)
        except Exception as error:
            self._failed("be written", error)
            return
        if self._failing:
            self._works("be written")

    def count(self, **amounts: float) -> None:
        """Add to the counts of `stats`."""
        self._tally.add(**amounts)

    def _count_hit(self, hit: CompletionResult, entry: Entry) -> CompletionResult:
        self._tally.add(hits=1, saved_cost=entry.cost)
        return hit

    def _failed(self, what: str, error: Exception) -> None:
        self._tally.add(errors=1)
        if not self._failing.get(what):
            self._failing[what] = True
            _log.warning("the cache could not %s; calls go on without it: %s: %s", what, type(error).__name__, error)

    def _works(self, what: str) -> None:
        if self._failing.pop(what, False):
            _log.info("the cache can %s again", what)


def _cost(result: CompletionResult) -> float:
    return result.usage.total_cost or 0.0


def _wants_retry(event: StreamEvent) -> bool:
    return event.type is StreamEventType.ERROR and is_retryable(event.data["status"], {})
