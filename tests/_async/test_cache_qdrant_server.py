"""QdrantCache over HTTP: the same as in this process, and a server that is away is a miss."""

from __future__ import annotations

import pytest

from llm_client._core.cache_key import SemanticQuestion
from llm_client.testing import FakeAPI
from support._async import face
from support.qdrant_server import start_qdrant

KEY = "ef" * 32


def embedder(text: str) -> list[float]:
    return [1.0, len(text) / 100]


# qdrant-client's own remark about http://; the server is on this machine.
@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
async def test_entries_are_stored_found_and_removed_on_a_server() -> None:
    with start_qdrant(api_key="secret") as url:
        cache = face.QdrantCache(url=url, api_key="secret", embedder=embedder)
        assert await cache.get("default", KEY) is None
        question, near = SemanticQuestion("f", "How old is it?"), SemanticQuestion("f", "What age has it?")
        assert await cache.find("default", question) is None
        await cache.keep("default", KEY, b"value", question)
        assert await cache.get("default", KEY) == b"value"
        found = await cache.find("default", near)
        assert found is not None
        assert found[0] == b"value"
        assert 0.999 < found[1] <= 1.0
        assert await cache.find("default", SemanticQuestion("g", "How old is it?")) is None
        assert await cache.purge("default", older_than=60) == 0
        assert await cache.delete("default", KEY)
        assert await cache.find("default", near) is None
        await cache.set("other", KEY, b"value")
        assert await cache.purge() == 1
        await cache.close()
        with pytest.raises(Exception, match="401"):
            async with face.QdrantCache(url=url, api_key="wrong") as refused:
                await refused.get("default", KEY)


async def test_a_server_that_is_away_is_a_miss(api: FakeAPI) -> None:
    api.reply("yes")
    asked = face.OpenAIProvider(
        model="gpt-5.6-luna", base_url=api.openai_url, cache_backend="qdrant", qdrant_url="http://127.0.0.1:1"
    )
    result = await asked.complete("Hi", cache_response=True)
    assert (result.content, asked.cache_stats.errors) == ("yes", 3)
    await asked.close()
