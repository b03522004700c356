"""A semantic cache: an answer is found by its very question, or by one that means the same."""

from __future__ import annotations

import base64
import os
import time
import uuid
import weakref
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from ..._core.cache_key import SemanticQuestion
from ..._core.cache_names import safe_name
from ..._core.cache_similar import may_be_same
from ..._core.endpoint import Endpoint
from ..._seam import _async as seam
from ..._seam._extras import require
from ..._seam._fork import ForkLock
from .base import BaseCache, seconds_of
from .embedder import Embedder

_SPACE = uuid.UUID("6c6c6d63-6163-4865-8000-000000000001")  # of the points' ids
_PREFIX = "llm_cache_"
_CANDIDATES = 8  # looked at where the nearest question's words do not allow a hit


class QdrantCache(BaseCache):
    """Entries in Qdrant: the exact question first, then the nearest one among those that differ in nothing else.

    Only the last user message may differ: model, system prompt, earlier turns, tools, format and all other parameters
    must be equal, and the similarity must reach the threshold. A lower threshold answers more questions from the cache,
    and more of them wrongly. No threshold alone is safe: embeddings see little difference between "in 2023" and "in
    2024", with and without a "not", or "A to B" and "B to A", often less than between a question and its paraphrase. So
    the words must allow it too: see `careful`. Use no embedder where a wrong answer is worse than paying again.

    Args:
        path: A folder for Qdrant's own engine inside this process, which one event loop of one process, or its blocking
            code, can use at a time; ":memory:" for none. Default, without a url: "./cache/qdrant".
        url: A server's address. Default: QDRANT_URL.
        api_key: The server's key. Default: QDRANT_API_KEY.
        embedder: Turns a text into a vector: a function of this face, a provider of embeddings, or "openai"
            (text-embedding-3-small, with the key and server of the OpenAI provider that the cache serves, else with
            OPENAI_API_KEY). Without one only exact questions are found.
        similarity_threshold: The least cosine similarity of two questions that mean the same.
        careful: Also let the words decide: no hit where numbers, symbols or the count of negations differ, where the
            same words stand in another order or only single words of the same sentence differ, nor for questions of
            more than 100 words. Gives up some hits, and nearly all wrong ones; False leaves it to the threshold.
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
        careful: bool = True,
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
        self.careful = careful
        self._place = str(place)
        self._tenant = tenant or ""
        self._engine = _engine(self._place, api_key, timeout, local=url is None)
        self._embedder = Embedder(embedder)

    def __repr__(self) -> str:
        return f"QdrantCache({self._place!r}, similarity_threshold={self.similarity_threshold})"

    @property
    def embedding_cost(self) -> float:
        """Dollars spent on embeddings so far."""
        return self._embedder.cost

    def lend_account(self, account: Endpoint) -> None:
        """Have the embedder "openai" use the key and server of the OpenAI provider that this cache serves."""
        self._embedder.lend(account)

    async def get(self, collection: str, key: str) -> bytes | None:
        """The value stored for this very question, None where there is none."""
        return await self._run(self._get, collection, key)  # type: ignore[no-any-return]

    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value that only its very question finds."""
        await self._run(self._put, collection, key, value)

    async def find(self, collection: str, question: SemanticQuestion) -> tuple[bytes, float] | None:
        """The value stored for the most similar question, and how similar it is; None where none is near enough."""
        vector = await self._embedder.vector(question.text)
        if vector is None:
            return None
        return await self._run(self._nearest, collection, question, vector)  # type: ignore[no-any-return]

    async def keep(self, collection: str, key: str, value: bytes, question: SemanticQuestion) -> None:
        """Store a value that similar questions find too."""
        vector = await self._embedder.vector(question.text)
        await self._run(self._put, collection, key, value, question, vector)

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
        await self._engine.close(self)
        await self._embedder.close()

    # ------------------------------------------------------------ Qdrant

    async def _run(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        client, calling = self._engine.open(self)
        if calling is None:
            return await operation(client, *arguments)
        async with calling:
            return await operation(client, *arguments)

    async def _get(self, client: Any, collection: str, key: str) -> bytes | None:
        name = _name(collection)
        if not await client.collection_exists(name):
            return None
        points = await client.retrieve(name, ids=[self._id(key)], with_payload=True)
        return _value(points[0].payload) if points else None

    async def _nearest(
        self, client: Any, collection: str, question: SemanticQuestion, vector: list[float]
    ) -> tuple[bytes, float] | None:
        from qdrant_client import models

        name = self._vector_name(collection, vector)
        if not await client.collection_exists(name):
            return None
        equal = {"fingerprint": question.fingerprint, "tenant": self._tenant}
        found = await client.query_points(
            name,
            query=vector,
            query_filter=models.Filter(
                must=[models.FieldCondition(key=key, match=models.MatchValue(value=equal[key])) for key in equal]
            ),
            limit=_CANDIDATES if self.careful else 1,
            score_threshold=self.similarity_threshold,
            with_payload=True,
        )
        for point in found.points:
            if not self.careful or may_be_same(point.payload.get("text", ""), question.text):
                value = await self._get(client, collection, point.payload["key"])
                return None if value is None else (value, min(1.0, float(point.score)))
        return None

    async def _put(
        self,
        client: Any,
        collection: str,
        key: str,
        value: bytes,
        question: SemanticQuestion | None = None,
        vector: list[float] | None = None,
    ) -> None:
        from qdrant_client import models

        payload = {"key": key, "tenant": self._tenant, "created": time.time()}
        stored = {**payload, "value": base64.b64encode(value).decode("ascii")}
        name = _name(collection)
        await _create(client, name, {})
        await client.upsert(name, points=[models.PointStruct(id=self._id(key), vector={}, payload=stored)])
        if question is None or vector is None:
            return
        name = self._vector_name(collection, vector)
        await _create(client, name, models.VectorParams(size=len(vector), distance=models.Distance.COSINE))
        similar = {**payload, "fingerprint": question.fingerprint, "text": question.text}
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
        return f"{_name(collection)}.{self._embedder.name}.{len(vector)}"

    def _id(self, key: str) -> str:
        return str(uuid.uuid5(_SPACE, f"{self._tenant}\0{key}"))


class _Engine:
    """The clients of one place, one for each loop, for all caches of this face that look there."""

    def __init__(self, place: str, api_key: str | None, timeout: float, *, local: bool) -> None:
        self._clients = seam.per_loop(partial(seam.qdrant_client, place, api_key, timeout))
        # Qdrant's engine inside the process is not made for several threads or tasks at once.
        self._calling = seam.Lock() if local else None
        self._users: weakref.WeakSet[Any] = weakref.WeakSet()

    def open(self, user: QdrantCache) -> tuple[Any, Any]:
        """The client, and the lock to hold while it is used, if any."""
        self._users.add(user)
        return self._clients.get(), self._calling

    async def close(self, user: QdrantCache) -> None:
        """Close the client of the current loop when nobody uses it any more."""
        self._users.discard(user)
        if not self._users:
            await self._clients.close()


_engines: weakref.WeakValueDictionary[str, _Engine] = weakref.WeakValueDictionary()
_opening = ForkLock()


def _engine(place: str, api_key: str | None, timeout: float, *, local: bool) -> _Engine:
    if not local or place == ":memory:":
        return _Engine(place, api_key, timeout, local=local)
    with _opening:
        # A folder opens only once: several providers of a program share it.
        engine = _engines.get(place)
        if engine is None:
            engine = _engines[place] = _Engine(place, api_key, timeout, local=True)
        return engine


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


def _value(payload: Any) -> bytes | None:
    try:
        return base64.b64decode(payload["value"], validate=True)
    except (KeyError, TypeError, ValueError):
        return None
