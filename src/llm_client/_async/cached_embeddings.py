"""Embeddings from a cache: each input is looked up by itself, and only what is missing is asked for, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .._core.cache_options import CacheCall
from .._core.cache_vectors import StoredVector, decode_vector, encode_vector, joined, to_stored
from .._core.results import EmbeddingResult
from .._seam import _async as seam
from .caching import Caching

_AT_ONCE = 16


async def embed_cached(
    cache: Caching, call: CacheCall, inputs: Sequence[Any], keys: Sequence[str], fetch: Callable[[list[Any]], Any]
) -> EmbeddingResult:
    """The embeddings of some inputs.

    Args:
        cache: Where they may be.
        call: What the caller said about the cache.
        inputs: Texts, or texts as token numbers.
        keys: Of each input; equal for equal ones.
        fetch: Asks for the embeddings of some inputs, and returns an EmbeddingResult.
    """
    found: list[StoredVector | None] = [None] * len(inputs)
    if call.reads:
        found = await _look_up(cache, call, keys)
    missing: dict[str, int] = {}  # by key its place in what is asked for
    asked: list[Any] = []
    for position, key in enumerate(keys):
        if found[position] is None and key not in missing:
            missing[key] = len(asked)
            asked.append(inputs[position])
    hits = [stored for stored in found if stored is not None]
    cache.count(hits=len(hits), misses=len(asked), saved_cost=sum(stored.cost or 0.0 for stored in hits))
    if not asked:
        return joined(found, None, ())
    result: EmbeddingResult = await fetch(asked)
    if result.ok and call.writes:
        new = to_stored(result, [len(item) for item in asked])
        await _at_once(
            [partial(cache.store.set, call.collection, key, encode_vector(new[at])) for key, at in missing.items()]
        )
    return joined(found, result, [missing.get(key, 0) for key in keys])


async def _look_up(cache: Caching, call: CacheCall, keys: Sequence[str]) -> list[StoredVector | None]:
    different = list(dict.fromkeys(keys))
    values = await _at_once([partial(cache.store.get, call.collection, key) for key in different])
    stored = {key: None if data is None else decode_vector(data) for key, data in zip(different, values, strict=True)}
    return [stored[key] for key in keys]


async def _at_once(work: list[Callable[[], Any]]) -> list[Any]:
    if len(work) == 1:
        return [await work[0]()]
    outcomes = await seam.gather(work, _AT_ONCE)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return list(outcomes)
