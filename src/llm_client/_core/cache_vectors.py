"""Embeddings as a cache keeps them: one entry for each input. Pure."""

from __future__ import annotations

import binascii
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import jsons
from .cache_entry import free_of_charge
from .results import EmbeddingResult
from .usage import Usage

_VERSION = 1


@dataclass(frozen=True, slots=True)
class StoredVector:
    """The embedding of one input.

    Args:
        vector: Its numbers, as they came.
        tokens: Its share of the request's input tokens.
        cost: Its share of the request's cost in dollars; None where nobody knows.
        model: The model as the API named it.
    """

    vector: list[float]
    tokens: int
    cost: float | None
    model: str | None


def encode_vector(stored: StoredVector) -> bytes:
    """An embedding as bytes: single precision where that is exact, as it is for what OpenAI sends."""
    numbers = array("f", stored.vector)
    if numbers.tolist() != stored.vector:
        numbers = array("d", stored.vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    packed = binascii.b2a_base64(numbers.tobytes(), newline=False).decode("ascii")
    return jsons.dumps(
        {
            "v": _VERSION,
            "form": numbers.typecode,
            "vector": packed,
            "tokens": stored.tokens,
            "cost": stored.cost,
            "model": stored.model,
        }
    )


def decode_vector(data: bytes) -> StoredVector | None:
    """The embedding that these bytes hold; None where they hold none that this version can read."""
    try:
        value: Any = jsons.loads_wire(data)
        if value["v"] != _VERSION or value["form"] not in ("f", "d"):
            return None
        numbers = array(value["form"], binascii.a2b_base64(value["vector"]))
        if sys.byteorder == "big":
            numbers.byteswap()
        return StoredVector(numbers.tolist(), value["tokens"], value["cost"], value["model"])
    except (ValueError, KeyError, TypeError):
        return None


def to_stored(result: EmbeddingResult, sizes: Sequence[int]) -> list[StoredVector]:
    """The embeddings of a request, one by one; tokens and cost are shared out by the size of the inputs.

    Args:
        result: A successful one.
        sizes: Of each input: its characters, or its tokens.
    """
    whole = sum(sizes) or 1
    tokens, cost = result.usage.input_tokens, result.usage.total_cost
    stored, given, passed = [], 0, 0
    for vector, size in zip(result.embeddings, sizes, strict=True):
        passed += size
        upto = tokens * passed // whole  # so that all shares together are the whole
        stored.append(StoredVector(vector, upto - given, None if cost is None else cost * size / whole, result.model))
        given = upto
    return stored


def joined(
    found: Sequence[StoredVector | None], asked: EmbeddingResult | None, where: Sequence[int]
) -> EmbeddingResult:
    """Stored and new embeddings as one result.

    Args:
        found: For each input what was stored, None where it was asked for.
        asked: The result of those; None where there were none.
        where: For each input its place among those that were asked for.
    """
    hits = [stored for stored in found if stored is not None]
    tokens = sum(stored.tokens for stored in hits)
    usage = free_of_charge(Usage(input_tokens=tokens))
    if asked is None:
        return EmbeddingResult([stored.vector for stored in hits], usage, hits[0].model, cached=True)
    if not asked.ok:
        return asked
    vectors = [
        asked.embeddings[where[position]] if stored is None else stored.vector for position, stored in enumerate(found)
    ]
    return EmbeddingResult(
        vectors,
        asked.usage + usage if hits else asked.usage,
        asked.model,
        request_id=asked.request_id,
        attempts=asked.attempts,
    )
