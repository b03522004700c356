"""A semantic cache: an answer is found by its very question, or by one that means the same."""

from __future__ import annotations

import base64
import math
import os
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from ..._core.cache_key import SemanticQuestion
from ..._core.cache_names import safe_name
from ..._core.log import logger, warn_once
from ..._seam import _async as seam
from ..._seam._extras import require
from .base import BaseCache, seconds_of

_log = logger("cache")
_SPACE = uuid.UUID("6c6c6d63-6163-4865-8000-000000000001")  # of the points' ids
_REMEMBERED = 256
_PREFIX = "llm_cache_"


class QdrantCache(BaseCache):
    """Entries in Qdrant: the exact question first, then the nearest one among those that differ in nothing else.

    Only the last user message may differ: model, system prompt, earlier turns, tools, format and all other parameters
    must be equal, and the similarity must reach the threshold. A lower threshold answers more questions from the cache,
    and more of them wrongly: embeddings see little difference between "in 2023" and "in 2024", or with and without a
    "not". Raise it, or use no embedder, where that matters.

    Args:
        path: A folder for Qdrant's own engine inside this process, which one process at a time can use; ":memory:" for
            none. Default, without a url: "./cache/qdrant".
        url: A server's address. Default: QDRANT_URL.
        api_key: The server's key. Default: QDRANT_API_KEY.
        embedder: Turns a text into a vector: a function of this face, a provider of embeddings, or "openai"
            (text-embedding-3-small, with OPENAI_API_KEY). Without one only exact questions are found.
        similarity_threshold: The least cosine similarity of two questions that mean the same.
        tenant: Entries of other tenants in the same collection are never found.
        timeout: Longest wait in seconds for the server.

    Raises:
        ImportError: qdrant-client is not installed.
        TypeError: The embedder is none, or belongs to the other face.
        ValueError: The threshold is out of range, or both path and url are given.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        embedder: Any = None,
        similarity_threshold: float = 0.97,
        tenant: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        if path is not None and url is not None:
            raise ValueError("pass path=... for an engine in this process or url=... for a server, not both")
        if isinstance(similarity_threshold, bool) or not isinstance(similarity_threshold, (int, float)):
            raise TypeError(f"similarity_threshold is a number, got {type(similarity_threshold).__name__}")
        if not 0 < similarity_threshold <= 1:
            raise ValueError(f"similarity_threshold is above 0 and at most 1, got {similarity_threshold!r}")
        require("qdrant_client", "qdrant")
        if path is None:
            url = url or os.environ.get("QDRANT_URL")
            api_key = api_key or os.environ.get("QDRANT_API_KEY")
        place = url or (path if path == ":memory:" else os.path.abspath(path or os.path.join("cache", "qdrant")))
        self.similarity_threshold = similarity_threshold
        self.embedding_cost = 0.0
        self._place = str(place)
        self._tenant = tenant or ""
        self._clients = seam.per_loop(partial(seam.qdrant_client, self._place, api_key, timeout))
        self._embedder, self._embedder_name = _read_embedder(embedder)
        self._vectors: dict[str, list[float]] = {}  # of the latest questions: a miss needs its vector twice
        self._calling = seam.Lock()
        # Qdrant's engine inside the process is not made for several threads or tasks at once.
        self._local = url is None

    def __repr__(self) -> str:
        return f"QdrantCache({self._place!r}, similarity_threshold={self.similarity_threshold})"

    async def get(self, collection: str, key: str) -> bytes | None:
        """The value stored for this very question, None where there is none."""
        return await self._run(self._get, collection, key)  # type: ignore[no-any-return]

    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value that only its very question finds."""
        await self._run(self._put, collection, key, value, None, None)

    async def find(self, collection: str, question: SemanticQuestion) -> tuple[bytes, float] | None:
        """The value stored for the most similar question, and how similar it is; None where none is near enough."""
        vector = await self._vector(question.text)
        if vector is None:
            return None
        return await self._run(self._nearest, collection, question.fingerprint, vector)  # type: ignore[no-any-return]

    async def keep(self, collection: str, key: str, value: bytes, question: SemanticQuestion) -> None:
        """Store a value that similar questions find too."""
        vector = await self._vector(question.text)
        await self._run(self._put, collection, key, value, question.fingerprint, vector)

    async def delete(self, collection: str, key: str) -> bool:
        """Remove an entry; tells whether it was there."""
        if await self.get(collection, key) is None:
            return False
        await self._run(self._remove, collection, key)
        return True

    async def purge(self, collection: str | None = None, *, older_than: float | timedelta | None = None) -> int:
        """Remove many entries of this tenant.

        Args:
            collection: Which; None for all.
            older_than: Age in seconds, or a timedelta; None for all ages.

        Returns:
            How many were removed.
        """
        age = seconds_of(older_than)
        return await self._run(self._purge, collection, age)  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Close the connections of the current loop or process; a closed cache that is used opens new ones."""
        await self._clients.close()

    # ------------------------------------------------------------ vectors

    async def _vector(self, text: str) -> list[float] | None:
        if self._embedder is None:
            message = "QdrantCache has no embedder: only the very same question is found; pass embedder=..."
            warn_once(_log, ("qdrant", "no embedder"), message)
            return None
        known = self._vectors.get(text)
        if known is not None:
            return known
        made = await seam.resolve(self._embedder(text), "the embedder")
        vector = self._read_vector(made)
        while len(self._vectors) >= _REMEMBERED:
            self._vectors.pop(next(iter(self._vectors), ""), None)
        self._vectors[text] = vector
        return vector

    def _read_vector(self, made: Any) -> list[float]:
        if hasattr(made, "raise_for_error"):
            made.raise_for_error()
            self.embedding_cost += made.usage.total_cost or 0.0
            made = made.embedding
        vector = [float(number) for number in made]
        length = math.sqrt(sum(number * number for number in vector))
        if not vector or not math.isfinite(length) or length == 0.0:
            raise ValueError("the embedder made no vector that has a direction")
        return vector

    # ------------------------------------------------------------ Qdrant

    async def _run(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        client = self._clients.get()
        if not self._local:
            return await operation(client, *arguments)
        async with self._calling:
            return await operation(client, *arguments)

    async def _get(self, client: Any, collection: str, key: str) -> bytes | None:
        name = _name(collection)
        if not await client.collection_exists(name):
            return None
        points = await client.retrieve(name, ids=[self._id(key)], with_payload=True)
        return _value(points[0].payload) if points else None

    async def _nearest(
        self, client: Any, collection: str, fingerprint: str, vector: list[float]
    ) -> tuple[bytes, float] | None:
        from qdrant_client import models

        name = self._vector_name(collection, vector)
        if not await client.collection_exists(name):
            return None
        equal = {"fingerprint": fingerprint, "tenant": self._tenant}
        found = await client.query_points(
            name,
            query=vector,
            query_filter=models.Filter(
                must=[models.FieldCondition(key=key, match=models.MatchValue(value=equal[key])) for key in equal]
            ),
            limit=1,
            score_threshold=self.similarity_threshold,
            with_payload=True,
        )
        if not found.points:
            return None
        nearest = found.points[0]
        value = await self._get(client, collection, nearest.payload["key"])
        return None if value is None else (value, min(1.0, float(nearest.score)))

    async def _put(
        self,
        client: Any,
        collection: str,
        key: str,
        value: bytes,
        fingerprint: str | None,
        vector: list[float] | None,
    ) -> None:
        from qdrant_client import models

        payload = {"key": key, "tenant": self._tenant, "created": time.time()}
        stored = {**payload, "value": base64.b64encode(value).decode("ascii")}
        name = _name(collection)
        await _create(client, name, {})
        await client.upsert(name, points=[models.PointStruct(id=self._id(key), vector={}, payload=stored)])
        if vector is None:
            return
        name = self._vector_name(collection, vector)
        await _create(client, name, models.VectorParams(size=len(vector), distance=models.Distance.COSINE))
        similar = {**payload, "fingerprint": fingerprint}
        await client.upsert(name, points=[models.PointStruct(id=self._id(key), vector=vector, payload=similar)])

    async def _remove(self, client: Any, collection: str, key: str) -> None:
        from qdrant_client import models

        for name in await _names(client, collection):
            await client.delete(name, points_selector=models.PointIdsList(points=[self._id(key)]))

    async def _purge(self, client: Any, collection: str | None, age: float | None) -> int:
        from qdrant_client import models

        conditions: list[Any] = [models.FieldCondition(key="tenant", match=models.MatchValue(value=self._tenant))]
        if age is not None:
            conditions.append(models.FieldCondition(key="created", range=models.Range(lt=time.time() - age)))
        chosen = models.Filter(must=conditions)
        removed = 0
        for name in await _names(client, collection):
            if "." not in name:
                removed += (await client.count(name, count_filter=chosen, exact=True)).count
            await client.delete(name, points_selector=models.FilterSelector(filter=chosen))
        return removed

    def _vector_name(self, collection: str, vector: list[float]) -> str:
        # Vectors of different embedders cannot be compared.
        return f"{_name(collection)}.{self._embedder_name}.{len(vector)}"

    def _id(self, key: str) -> str:
        return str(uuid.uuid5(_SPACE, f"{self._tenant}\0{key}"))


def _name(collection: str) -> str:
    return _PREFIX + safe_name(collection)


async def _names(client: Any, collection: str | None) -> list[str]:
    # Entries lie in a collection without vectors; beside it stands one for each embedder.
    listed = await client.get_collections()
    names = [item.name for item in listed.collections]
    if collection is None:
        return [name for name in names if name.startswith(_PREFIX)]
    own = _name(collection)
    return [name for name in names if name == own or name.startswith(f"{own}.")]


async def _create(client: Any, name: str, vectors: Any) -> None:
    if await client.collection_exists(name):
        return
    try:
        await client.create_collection(name, vectors_config=vectors)
    except Exception:
        if not await client.collection_exists(name):  # else another process was faster
            raise


def _read_embedder(embedder: Any) -> tuple[Callable[[str], Any] | None, str]:
    if embedder is None:
        return None, "none"
    if embedder == "openai":
        from ..providers.openai import OpenAIProvider

        embedder = OpenAIProvider(model="text-embedding-3-small", cache_backend=None)
    if isinstance(embedder, str):
        raise ValueError(f"embedder is 'openai', a function or a provider of embeddings, got {embedder!r}")
    if hasattr(embedder, "embed"):
        return embedder.embed, safe_name(f"m{getattr(embedder, 'model', '') or 'provider'}")[:40]
    if not callable(embedder) or isinstance(embedder, type):
        raise TypeError(f"embedder is a function or a provider of embeddings, got {type(embedder).__name__}")
    name = getattr(embedder, "__qualname__", None) or type(embedder).__qualname__
    return embedder, safe_name(f"f{name}")[-24:]


def _value(payload: Any) -> bytes | None:
    try:
        return base64.b64decode(payload["value"], validate=True)
    except (KeyError, TypeError, ValueError):
        return None
