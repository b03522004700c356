"""Answers from a cache, answers shared with equal calls in flight: what stands before a provider's own calls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._core.cache_answers import as_events, as_hit, as_shared, shared_event
from .._core.cache_entry import Entry, decode_entry, encode_entry, is_worth_keeping
from .._core.cache_key import Question
from .._core.cache_names import DEFAULT_COLLECTION
from .._core.cache_options import CacheCall, CacheSettings
from .._core.cache_stats import CacheStats
from .._core.endpoint import Endpoint
from .._core.events import StreamEvent, StreamEventType
from .._core.results import CompletionResult
from .._core.retry import is_retryable
from .._core.structured import OutputForm
from .._seam import _async as seam
from .._seam.tally import Tally
from .cache.opening import open_cache
from .guarded_cache import GuardedCache
from .leasing import under_lease
from .shared_stream import SharedStream, find_stream

_INTERRUPTED = {
    "status": 503,
    "error": "the stream was interrupted: the equal call that it shared was stopped",
}


@dataclass(slots=True)
class Outcome:
    """How a call ended that others may share.

    Args:
        result: What the one who made it gets.
        data: The same as an entry; None where it is not worth keeping.
        again: How the next try ended, where this one failed.
    """

    result: CompletionResult
    data: bytes | None = None
    again: Outcome | None = None


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
        self._scope = (*scope, getattr(self.backend, "identity", None) or id(self.backend))
        self._tally = Tally(("hits", "misses", "coalesced", "errors", "saved_cost"))
        self.store = GuardedCache(self.backend, self._tally)

    def lend_account(self, account: Endpoint) -> None:
        """Offer the cache the server and key that it may ask for embeddings of OpenAI."""
        lend = getattr(self.backend, "lend_account", None)
        if lend is not None:
            lend(account)

    def stats(self) -> CacheStats:
        """What the cache has done so far."""
        counted = self._tally.values()
        counted["errors"] += getattr(self.backend, "errors", 0)
        return CacheStats(**counted, embedding_cost=getattr(self.backend, "embedding_cost", 0.0))

    async def warm(self, collection: str | None) -> int:
        """Have the cache bring entries to where they are found fastest; a cache that cannot, or fails, brings none."""
        return await self.store.warm(collection or self.collection or DEFAULT_COLLECTION)

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
            return (await self._ask(call, question, fetch)).result
        flight = ("complete", *self._scope, call.collection, call.mode, question.key)
        lead = partial(self._lead, call, question, form, fetch)
        first, led = await seam.shared_call(flight, lead)
        last = first
        if not led and not first.result.ok and is_retryable(first.result.status, {}):
            # One of those who waited tries once more; the others take what comes of that, also those who wake up
            # after it has failed.
            own: list[bool] = []
            last, _ = await seam.shared_call(flight, partial(_once_more, first, lead, own))
            first.again = last
            led = bool(own)
        if led:
            return last.result
        entry = None if last.data is None else decode_entry(last.data)
        self._tally.add(coalesced=1, saved_cost=_cost(last.result) if last.result.ok else 0.0)
        return as_shared(last.result, form, entry)

    async def look(self, call: CacheCall, question: Question, form: OutputForm) -> CompletionResult | None:
        """A stored answer, None where there is none or the caller wants a new one: for what is not asked at once.

        Args:
            call: What the caller said about the cache.
            question: What is asked.
            form: What the answer must look like.
        """
        found = await self._find(call, question, form) if call.reads else None
        return None if found is None else self._count_hit(found[0], found[1])

    async def keep(self, call: CacheCall, question: Question, result: CompletionResult) -> None:
        """Store an answer that came in another way than by `complete`, if it is worth it.

        Args:
            call: What the caller said about the cache.
            question: What was asked.
            result: The answer.
        """
        self._tally.add(misses=1)
        if is_worth_keeping(result):
            await self._store(call, question, encode_entry(result))

    async def _lead(self, call: CacheCall, question: Question, form: OutputForm, fetch: Callable[[], Any]) -> Outcome:
        if call.reads and self.store.leases:
            find = partial(self._find_for_all, call, question, form)
            ask = partial(self._ask, call, question, fetch)
            return await under_lease(self.backend, call.collection, question.key, find, ask)  # type: ignore[no-any-return]
        if call.reads:
            # An equal call may have ended between this caller's look into the cache and its own.
            found = await self._find_for_all(call, question, form)
            if found is not None:
                return found
        return await self._ask(call, question, fetch)

    async def _find_for_all(self, call: CacheCall, question: Question, form: OutputForm) -> Outcome | None:
        found = await self._find(call, question, form, exact=True)
        return None if found is None else Outcome(self._count_hit(found[0], found[1]), found[2])

    async def _ask(self, call: CacheCall, question: Question, fetch: Callable[[], Any]) -> Outcome:
        self._tally.add(misses=1)
        result: CompletionResult = await fetch()
        if not is_worth_keeping(result):
            return Outcome(result)
        data = encode_entry(result)
        await self._store(call, question, data)
        return Outcome(result, data)

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
        failed = None
        for again in (True, False):
            if call.coalesce:
                stream, led = find_stream(key, make, failed)
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
            failed = stream if stream.complete else None
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
        similarity = 1.0 if self.store.finds_similar else None
        data = await self.store.get(call.collection, question.key)
        if data is None and self.store.finds_similar and not exact:
            found = await self.store.find(call.collection, question)
            if found is not None:
                data, similarity = found
        entry = None if data is None else decode_entry(data)
        if data is None or entry is None:
            return None
        hit = as_hit(entry, form, similarity)
        return None if hit is None else (hit, entry, data)

    async def _store(self, call: CacheCall, question: Question, data: bytes | None) -> None:
        if data is not None and call.writes:
            await self.store.keep(call.collection, question, data)

    def count(self, **amounts: float) -> None:
        """Add to the counts of `stats`."""
        self._tally.add(**amounts)

    def _count_hit(self, hit: CompletionResult, entry: Entry) -> CompletionResult:
        self._tally.add(hits=1, saved_cost=entry.cost)
        return hit


async def _once_more(first: Outcome, lead: Callable[[], Any], own: list[bool]) -> Outcome:
    if first.again is None:
        own.append(True)
        first.again = await lead()
    return first.again


def _cost(result: CompletionResult) -> float:
    return result.usage.total_cost or 0.0


def _wants_retry(event: StreamEvent) -> bool:
    return event.type is StreamEventType.ERROR and is_retryable(event.data["status"], {})
