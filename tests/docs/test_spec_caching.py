"""The specification's Caching section, as written and in blocking form, on servers of this test."""

from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.qdrant_server import start_qdrant
from support.snippets import Snippet, snippets

SECTION = snippets("tests/docs/spec_caching.md")
CONSTRUCTOR = "provider = OpenAIProvider("


def in_blocking_form(code: str) -> str:
    """What a reader of the blocking face would write."""
    return re.sub(r"\bawait ", "", code)


def run(code: str, face: Any, provider: Any = None) -> dict[str, Any]:
    """Run a block in either face; returns its variables."""
    names: dict[str, Any] = {"OpenAIProvider": face.OpenAIProvider}
    body = textwrap.indent(code, "    ")
    argument = "" if provider is None else "provider"
    if face is llm_client.sync:
        exec(f"def main({argument}):\n{in_blocking_form(body)}\n    return locals()", names)
        found: dict[str, Any] = names["main"](*([] if provider is None else [provider]))
        return found
    exec(f"async def main({argument}):\n{body}\n    return locals()", names)
    return asyncio.run(names["main"](*([] if provider is None else [provider])))  # type: ignore[no-any-return]


def close(face: Any, provider: Any) -> None:
    if face is llm_client.sync:
        provider.close()
    else:
        asyncio.run(provider.close())


def test_the_section_is_whole() -> None:
    assert [CONSTRUCTOR in snippet.code for snippet in SECTION] == [True, True, True, False]


# qdrant-client's own remark about the specification's http:// address.
@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
@pytest.mark.parametrize("face", [llm_client, llm_client.sync], ids=lambda face: face.__name__)
@pytest.mark.parametrize("number", range(3))
def test_the_blocks_run_as_written(
    number: int, face: Any, pg_dsn: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeAPI() as api, start_qdrant(api_key="your-api-key") as qdrant_url:
        for name, value in api.environment.items():
            monkeypatch.setenv(name, value)
        code = _with_servers(SECTION[number], pg_dsn, redis_url, qdrant_url)
        first = run(code, face)
        provider = first["provider"]
        assert type(provider.cache).__name__ == ["FSCache", "HybridRedisPostgreSQLCache", "QdrantCache"][number]
        for asked in (1, 2):
            options = run(SECTION[3].code, face, provider)
            assert options["result"].ok
            assert options["result"].cached is (asked == 2)
        # The first block asks a question of its own.
        assert len(api.requests) == (2 if number == 0 else 1)
        assert provider.cache_stats.errors == 0
        if number == 0:
            assert run(code, face)["result"].cached
        elif number == 1:
            assert _purge(face, provider) == 1
        close(face, provider)


def _purge(face: Any, provider: Any) -> int:
    if face is llm_client.sync:
        return provider.cache.purge("custom")  # type: ignore[no-any-return]
    return asyncio.run(provider.cache.purge("custom"))


def _with_servers(snippet: Snippet, pg_dsn: str, redis_url: str, qdrant_url: str) -> str:
    code = snippet.code.replace("postgresql://user:pass@localhost/db", pg_dsn)
    code = code.replace("redis://localhost:6379", redis_url)
    return code.replace("http://localhost:6333", qdrant_url)
