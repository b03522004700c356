"""The specification's Batch Processing section, as written and in blocking form."""

from __future__ import annotations

import asyncio
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.snippets import snippets

SECTION = snippets("tests/docs/spec_batch.md")


def run(code: str, face: Any) -> dict[str, Any]:
    """Run the block in either face; returns its variables."""
    names: dict[str, Any] = {}
    body = textwrap.indent(code, "    ")
    if face is llm_client.sync:
        body = re.sub(r"\b(await|async) ", "", body).replace("from llm_client import", "from llm_client.sync import")
        exec(f"def main():\n{body}\n    return locals()", names)
        found: dict[str, Any] = names["main"]()
        found["client"].close()
        return found
    exec(f"async def main():\n{body}\n    await client.close()\n    return locals()", names)
    return asyncio.run(names["main"]())  # type: ignore[no-any-return]


@pytest.mark.parametrize("face", [llm_client, llm_client.sync], ids=lambda face: face.__name__)
def test_the_block_runs_as_written_and_goes_on_where_it_ended(
    face: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len(SECTION) == 1
    monkeypatch.chdir(tmp_path)
    with FakeAPI() as api:
        for name, value in api.environment.items():
            monkeypatch.setenv(name, value)
        found = run(SECTION[0].code, face)
        assert [result["output"] for result in found["results"]] == [f"Question {number}" for number in range(1000)]
        assert found["manager"].summary.done == 1000
        assert len(api.requests) == 1000
        lines = Path("batch_results.jsonl").read_bytes().splitlines(keepends=True)
        assert len(lines) == 1001
        assert sorted(json.loads(line)["index"] for line in lines[1:]) == list(range(1000))
        Path("batch_results.jsonl").write_bytes(b"".join(lines[:901]) + lines[901][:40])
        again = run(SECTION[0].code, face)
        assert again["results"] == found["results"]
        assert again["manager"].summary.from_checkpoint == 900
        assert len(api.requests) == 1100
