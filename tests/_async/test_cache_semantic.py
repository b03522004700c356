"""QdrantCache: the exact question first, then the nearest one among those that differ in nothing else."""

from __future__ import annotations

import logging
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_client._core.log import forget_warnings
from llm_client._seam import _async as seam
from llm_client.testing import FakeAPI
from support._async import face

ANGLES = {
    "What is the capital of France?": 0.0,
    "Which city is France's capital?": 0.1,
    "What is the capital of Peru?": 0.4,
}


def embedder(text: str) -> list[float]:
    angle = ANGLES.get(text, 2.0)
    return [math.cos(angle), math.sin(angle), 0.0]


def provider(api: FakeAPI, cache: Any, **options: Any) -> Any:
    return face.OpenAIProvider(
        **{"model": "gpt-5.6-luna", "base_url": api.openai_url, "cache_backend": cache, **options}
    )


FIRST, NEAR, FAR = ANGLES


async def test_a_similar_question_is_answered_from_the_cache(api: FakeAPI) -> None:
    async with face.QdrantCache(":memory:", embedder=embedder) as cache:
        asked = provider(api, cache)
        api.reply("Paris")
        first = await asked.complete(FIRST, cache_response=True)
        exact = await asked.complete(FIRST, cache_response=True)
        near = await asked.complete(NEAR, cache_response=True)
        assert (first.cache_similarity, exact.cache_similarity) == (None, 1.0)
        assert (near.cached, near.content, near.usage.total_cost) == (True, "Paris", 0.0)
        assert near.cache_similarity == pytest.approx(math.cos(0.1), abs=1e-4)
        async with asked.stream(NEAR, cache_response=True) as events:
            streamed = [event async for event in events]
        assert streamed[-1].data.cache_similarity == near.cache_similarity
        api.reply("Lima")
        far = await asked.complete(FAR, cache_response=True)
        assert (far.cached, far.content) == (False, "Lima")
        assert len(api.requests) == 2
        await asked.close()


@pytest.mark.parametrize(("threshold", "hit"), [(0.999, False), (0.99, True), (0.9, True), (1.0, False)])
async def test_the_threshold_decides(api: FakeAPI, threshold: float, hit: bool) -> None:
    async with face.QdrantCache(":memory:", embedder=embedder, similarity_threshold=threshold) as cache:
        asked = provider(api, cache)
        api.reply("Paris")
        await asked.complete(FIRST, cache_response=True)
        if not hit:
            api.reply("Paris again")
        assert (await asked.complete(NEAR, cache_response=True)).cached is hit
        await asked.close()


@face.tool
def look(place: str) -> str:
    """Look at a place."""
    return place


async def test_nothing_else_may_differ(api: FakeAPI) -> None:
    async with face.QdrantCache(":memory:", embedder=embedder) as cache:
        asked = provider(api, cache)
        api.reply("Paris")
        await asked.complete(FIRST, cache_response=True)
        system, user = face.Message.system, face.Message.user
        others: list[dict[str, Any]] = [
            {"messages": [system("Answer in French."), user(NEAR)]},
            {"messages": [user("Hi"), face.Message.assistant("Hello"), user(NEAR)]},
            {"messages": NEAR, "tools": [look]},
            {"messages": NEAR, "max_tokens": 5},
            {"messages": [system("JSON"), user(NEAR)], "response_format": "json_object"},
            {"messages": NEAR, "cache_collection": "other"},
            {"messages": NEAR, "extra_body": {"x": 1}},
        ]
        for options in others:
            api.reply('{"a": 1}')
            assert not (await asked.complete(**options, cache_response=True)).cached, options
        other = provider(api, cache, model="gpt-5.6-sol")
        api.reply("other model")
        assert not (await other.complete(NEAR, cache_response=True)).cached
        assert (await asked.complete(NEAR, cache_response=True)).content == "Paris"
        await asked.close()
        await other.close()


async def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    from llm_client._core.cache_key import SemanticQuestion

    question, near = SemanticQuestion("f", FIRST), SemanticQuestion("f", NEAR)
    async with face.QdrantCache(tmp_path / "q", embedder=embedder, tenant="a") as cache:
        await cache.keep("default", "k" * 64, b"of a", question)
        assert await cache.find("default", near) is not None
    async with face.QdrantCache(tmp_path / "q", embedder=embedder, tenant="b") as cache:
        assert await cache.find("default", near) is None
        assert await cache.get("default", "k" * 64) is None
        assert await cache.purge() == 0
    async with face.QdrantCache(tmp_path / "q", embedder=embedder, tenant="a") as cache:
        assert await cache.get("default", "k" * 64) == b"of a"  # kept on disk
        assert await cache.purge("default", older_than=3600) == 0
        assert await cache.purge() == 1
        assert await cache.find("default", near) is None


async def test_without_an_embedder_only_the_very_question_is_found_and_one_warning(
    api: FakeAPI, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_warnings()
    monkeypatch.chdir(tmp_path)
    asked = provider(api, "qdrant", cache_collection="llm_cache")
    with caplog.at_level(logging.WARNING, logger="llm_client.cache"):
        for question in (FIRST, NEAR):
            api.reply("yes")
            assert not (await asked.complete(question, cache_response=True)).cached
            assert (await asked.complete(question, cache_response=True)).cached
    assert [record.getMessage()[:30] for record in caplog.records] == ["QdrantCache has no embedder: o"]
    assert await asked.warm_cache() == 0
    await asked.close()


async def test_an_embedding_provider_and_its_cost(api: FakeAPI) -> None:
    vectors = face.OpenAIProvider(model="text-embedding-3-small", base_url=api.openai_url, cache_backend=None)
    async with face.QdrantCache(":memory:", embedder=vectors) as cache:
        asked = provider(api, cache)
        api.reply(embeddings=[embedder(FIRST)])
        api.reply("Paris")
        await asked.complete(FIRST, cache_response=True)
        api.reply(embeddings=[embedder(NEAR)])
        assert (await asked.complete(NEAR, cache_response=True)).cached
        assert asked.cache_stats.embedding_cost > 0
        assert [request.endpoint for request in api.requests] == ["embeddings", "chat", "embeddings"]
        await asked.close()
    await vectors.close()


async def test_openai_makes_the_vectors_on_the_same_key(api: FakeAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with face.QdrantCache(":memory:", embedder="openai") as cache:
        asked = provider(api, cache, api_key="sk-of-this-provider")
        api.reply(embeddings=[embedder(FIRST)])
        api.reply("Paris")
        await asked.complete(FIRST, cache_response=True)
        api.reply(embeddings=[embedder(NEAR)])
        hit = await asked.complete(NEAR, cache_response=True)
        assert (hit.cached, hit.content) == (True, "Paris")
        assert [request.endpoint for request in api.requests] == ["embeddings", "chat", "embeddings"]
        assert {request.headers["authorization"] for request in api.requests} == {"Bearer sk-of-this-provider"}
        assert api.requests[0].body["model"] == "text-embedding-3-small"
        assert asked.cache_stats.embedding_cost > 0
        await asked.close()


async def test_openai_without_any_key_is_a_miss_that_names_it(
    api: FakeAPI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("LLM_CLIENT_DISABLE_DOTENV", "1")
    async with face.QdrantCache(":memory:", embedder="openai") as cache:
        asked = face.AnthropicProvider(base_url=api.anthropic_url, cache_backend=cache)
        api.reply("yes")
        assert (await asked.complete(FIRST, cache_response=True)).content == "yes"
        assert "set the environment variable OPENAI_API_KEY" in caplog.text
        await asked.close()


async def test_several_providers_of_a_program_share_a_folder(
    api: FakeAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = provider(api, "qdrant"), provider(api, "qdrant")
    api.reply("Paris")
    assert not (await one.complete(FIRST, cache_response=True)).cached
    assert (await other.complete(FIRST, cache_response=True)).cached
    await one.close()
    assert (await other.complete(FIRST, cache_response=True)).cached
    await other.close()
    assert (await one.complete(FIRST, cache_response=True)).cached
    assert (one.cache_stats.errors, other.cache_stats.errors) == (0, 0)
    await one.close()


async def test_an_embedder_that_fails_is_a_miss(api: FakeAPI) -> None:
    def broken(text: str) -> list[float]:
        raise ConnectionError("no vectors today")

    for wrong in (broken, lambda text: [], lambda text: [0.0, 0.0], lambda text: [float("nan")]):
        async with face.QdrantCache(":memory:", embedder=wrong) as cache:
            asked = provider(api, cache)
            api.reply("yes")
            assert (await asked.complete(FIRST, cache_response=True)).content == "yes"
            assert asked.cache_stats.errors == 2
            await asked.close()


async def test_any_collection_name_and_value_is_contained() -> None:
    async with face.QdrantCache(":memory:") as cache:
        names = ["default", "../../x", "a/b", '"; drop table x; --', "x" * 300, "\U0001f600", "A", "a"]
        for number, name in enumerate(names):
            assert await cache.get(name, "k" * 64) is None
            await cache.set(name, "k" * 64, b"\x00\xff%d" % number)
        for number, name in enumerate(names):
            assert await cache.get(name, "k" * 64) == b"\x00\xff%d" % number
        assert await cache.delete("a", "k" * 64)
        assert not await cache.delete("a", "k" * 64)
        assert await cache.purge() == len(names) - 1


async def test_many_at_once() -> None:
    async with face.QdrantCache(":memory:", embedder=embedder) as cache:
        work = [partial(cache.set, "default", f"{number:064d}", b"%d" % number) for number in range(30)]
        assert await seam.gather(work) == [None] * 30
        read = [partial(cache.get, "default", f"{number:064d}") for number in range(30)]
        assert await seam.gather(read) == [b"%d" % number for number in range(30)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"similarity_threshold": 0}, ValueError),
        ({"similarity_threshold": 1.1}, ValueError),
        ({"similarity_threshold": "high"}, TypeError),
        ({"embedder": 5}, TypeError),
        ({"embedder": "cohere"}, ValueError),
        ({"path": "a", "url": "http://x"}, ValueError),
    ],
)
async def test_wrong_settings_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        face.QdrantCache(**options)
