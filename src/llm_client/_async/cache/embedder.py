"""From a question to its vector, whichever way the user wants that done."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..._core.cache_names import safe_name
from ..._core.endpoint import Endpoint
from ..._core.log import logger, warn_once
from ..._seam import _async as seam

_log = logger("cache")
_MODEL = "text-embedding-3-small"
_REMEMBERED = 256


class Embedder:
    """What makes vectors for a semantic cache.

    Args:
        given: A function of this face, a provider of embeddings, "openai", or None for no vectors at all.

    Raises:
        TypeError: It is nothing that makes vectors.
        ValueError: It is another word than "openai".
    """

    def __init__(self, given: Any) -> None:
        self.cost = 0.0
        self._embed, self.name = _read(given)
        self._openai = given == "openai"
        self._account: Endpoint | None = None
        self._own: Any = None
        self._vectors: dict[str, list[float]] = {}  # of the latest questions: a miss needs its vector twice

    def lend(self, account: Endpoint) -> None:
        """Have "openai" use the key of the provider that the cache serves; the first one that comes."""
        if self._account is None:
            self._account = account

    async def vector(self, text: str) -> list[float] | None:
        """The vector of a text; None where there is no embedder.

        Raises:
            ConfigurationError: "openai" has no key.
            ValueError: The embedder made no vector that has a direction.
            Exception: The embedder failed.
        """
        if self._embed is None and not self._openai:
            message = "QdrantCache has no embedder: only the very same question is found; pass embedder=..."
            warn_once(_log, ("qdrant", "no embedder"), message)
            return None
        known = self._vectors.get(text)
        if known is not None:
            return known
        embed = self._embed or self._open().embed
        vector = self._read_vector(await seam.resolve(embed(text), "the embedder"))
        while len(self._vectors) >= _REMEMBERED:
            self._vectors.pop(next(iter(self._vectors), ""), None)
        self._vectors[text] = vector
        return vector

    async def close(self) -> None:
        """Close what was opened here."""
        if self._own is not None:
            await self._own.close()

    def _open(self) -> Any:
        if self._own is None:
            from ..providers.openai import OpenAIProvider

            key = None if self._account is None else self._account.api_key
            url = None if self._account is None else self._account.base_url
            self._own = OpenAIProvider(model=_MODEL, api_key=key, base_url=url, cache_backend=None)
        return self._own

    def _read_vector(self, made: Any) -> list[float]:
        if hasattr(made, "raise_for_error"):
            made.raise_for_error()
            self.cost += made.usage.total_cost or 0.0
            made = made.embedding
        vector = [float(number) for number in made]
        length = math.sqrt(sum(number * number for number in vector))
        if not vector or not math.isfinite(length) or length == 0.0:
            raise ValueError("the embedder made no vector that has a direction")
        return vector


def _read(embedder: Any) -> tuple[Callable[[str], Any] | None, str]:
    if embedder is None:
        return None, "none"
    if embedder == "openai":
        return None, _provider_name(_MODEL)
    if isinstance(embedder, str):
        raise ValueError(f"embedder is 'openai', a function or a provider of embeddings, got {embedder!r}")
    if hasattr(embedder, "embed"):
        return embedder.embed, _provider_name(getattr(embedder, "model", ""))
    if not callable(embedder) or isinstance(embedder, type):
        raise TypeError(f"embedder is a function or a provider of embeddings, got {type(embedder).__name__}")
    name = getattr(embedder, "__qualname__", None) or type(embedder).__qualname__
    return embedder, safe_name(f"f{name}")[-24:]


def _provider_name(model: Any) -> str:
    return safe_name(f"m{model or 'provider'}")[:40]
