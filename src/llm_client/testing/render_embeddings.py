"""OpenAI embeddings: given vectors, or vectors made from the words of a text.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from collections.abc import Sequence
from typing import Any

from .rendering import Draft

_DIMENSIONS = {"text-embedding-3-large": 3072}
_DEFAULT_DIMENSIONS = 1536
_PLACES_PER_WORD = 8


def embeddings_object(draft: Draft) -> dict[str, Any]:
    """The list of embeddings, as numbers or in base64 as the request asks."""
    dimensions = draft.body.get("dimensions")
    if not isinstance(dimensions, int) or dimensions < 1:
        dimensions = _DIMENSIONS.get(draft.prompt.model, _DEFAULT_DIMENSIONS)
    vectors: Sequence[Sequence[float]] | None = draft.reply.embeddings
    if vectors is None:
        vectors = [embed_text(text, dimensions) for text in draft.prompt.inputs]
    as_base64 = draft.body.get("encoding_format") == "base64"
    tokens = draft.counts.input
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _to_base64(vector) if as_base64 else list(vector)}
            for index, vector in enumerate(vectors)
        ],
        "model": draft.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def embed_text(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 for a text: the same in every run, and near to those of texts that share its words.

    Args:
        text: Any text.
        dimensions: Numbers in the vector.
    """
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [text]:
        digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
        for place in range(_PLACES_PER_WORD):
            (number,) = struct.unpack_from("<I", digest, place * 4)
            vector[(number >> 1) % dimensions] += 1.0 if number & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0.0:  # all words cancelled out, which happens only in very few dimensions
        vector[0] = length = 1.0
    # Rounded to what 32 bits hold, so that numbers and base64 give the same vector.
    return list(struct.unpack(f"<{dimensions}f", struct.pack(f"<{dimensions}f", *(v / length for v in vector))))


def _to_base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
