"""Embeddings: each text is looked up by itself, a batch asks for what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_client.testing import FakeAPI
from support._async import face

MODEL = "text-embedding-3-small"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def asked() -> Any:
    with FakeAPI() as api:
        provider = face.OpenAIProvider(model=MODEL, base_url=api.openai_url)
        provider.api = api
        yield provider


async def test_a_batch_asks_only_for_what_is_missing(asked: Any) -> None:
    first = await asked.embed(["one", "two"], cache_response=True)
    mixed = await asked.embed(["two", "three", "one", "three"], cache_response=True)
    assert asked.api.last_request.body["input"] == ["three"]
    assert not mixed.cached
    assert (mixed.embeddings[0], mixed.embeddings[2]) == (first.embeddings[1], first.embeddings[0])
    assert mixed.embeddings[1] == mixed.embeddings[3]
    plain = await asked.embed(["two", "three", "one", "three"])
    assert plain.embeddings == mixed.embeddings
    again = await asked.embed(["three", "one"], cache_response=True)
    assert (again.cached, again.usage.total_cost) == (True, 0.0)
    assert again.embeddings == [mixed.embeddings[1], mixed.embeddings[2]]
    assert len(asked.api.requests) == 3
    stats = asked.cache_stats
    assert (stats.hits, stats.misses) == (4, 3)
    assert stats.saved_cost > 0
    await asked.close()


async def test_a_hit_keeps_its_token_count(asked: Any) -> None:
    first = await asked.embed("some text to embed", cache_response=True)
    again = await asked.embed("some text to embed", cache_response=True)
    assert again.usage.input_tokens == first.usage.input_tokens
    assert (again.cached, again.model, again.embedding) == (True, first.model, first.embedding)
    await asked.close()


@pytest.mark.parametrize("change", [{"dimensions": 8}, {"user": "u"}, {"cache_collection": "x"}, {"inputs": "two"}])
async def test_another_question_is_another_entry(asked: Any, change: dict[str, Any]) -> None:
    question = {"inputs": "one", "cache_response": True}
    await asked.embed(**question)
    assert not (await asked.embed(**{**question, **change})).cached
    assert (await asked.embed(**{**question, **change})).cached
    await asked.close()


async def test_the_flags_hold_for_embeddings(asked: Any) -> None:
    await asked.embed("one", cache_response=True, regen_cache=True)
    assert not (await asked.embed("one", cache_response=True, rewrite_cache=True)).cached
    assert (await asked.embed("one", cache_response=True)).cached
    assert not (await asked.embed("one")).cached
    assert len(asked.api.requests) == 3
    await asked.close()


async def test_failures_are_not_stored(asked: Any) -> None:
    asked.api.fail(400, "no")
    failed = await asked.embed(["one", "two"], cache_response=True)
    assert (failed.ok, failed.error, failed.embeddings) == (False, "no", [])
    assert not (await asked.embed(["one", "two"], cache_response=True)).cached
    await asked.close()
