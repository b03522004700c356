"""The specification's Rate Limiting section, as written and in blocking form."""

from __future__ import annotations

import asyncio
import re
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.snippets import snippets

SECTION = snippets("tests/docs/spec_rate_limiting.md")


class Completions:
    """The API client of the specification's sample; an answer of 300 tokens."""

    def __init__(self, face: Any) -> None:
        self.create: Any = self._answer if face is llm_client.sync else self._answer_later

    def _answer(self, *arguments: Any) -> Any:
        return SimpleNamespace(usage=SimpleNamespace(completion_tokens=300))

    async def _answer_later(self, *arguments: Any) -> Any:
        return self._answer()


def in_blocking_form(code: str) -> str:
    """What a reader of the blocking face would write."""
    return re.sub(r"\b(await|async) ", "", code).replace("from llm_client import", "from llm_client.sync import")


def run(code: str, face: Any) -> dict[str, Any]:
    """Run the block in either face; returns its variables."""
    names: dict[str, Any] = {
        "OpenAIProvider": face.OpenAIProvider,
        "GPT5": face.GPT5,
        "client": SimpleNamespace(completions=Completions(face)),
    }
    body = textwrap.indent(code, "    ")
    if face is llm_client.sync:
        exec(f"def main():\n{in_blocking_form(body)}\n    return locals()", names)
        found: dict[str, Any] = names["main"]()
        return found
    exec(f"async def main():\n{body}\n    return locals()", names)
    return asyncio.run(names["main"]())  # type: ignore[no-any-return]


@pytest.mark.parametrize("face", [llm_client, llm_client.sync], ids=lambda face: face.__name__)
def test_the_block_runs_as_written(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(SECTION) == 1
    with FakeAPI() as api:
        for name, value in api.environment.items():
            monkeypatch.setenv(name, value)
        found = run(SECTION[0].code, face)
    assert type(found["limiter"]) is face.Limiter
    assert found["ctx"].output_tokens == 300
    assert found["limiter"]._limits.expected_output > 0 or found["limiter"].limits == {}
    assert 9400 < found["bucket"].tokens < 10_000
