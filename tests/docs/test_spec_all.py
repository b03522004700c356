"""All of the specification's Python blocks, as written and in blocking form: both run, and both ask the same.

What a block promises beyond that is tested beside the part of the specification that it stands in (`test_spec_*.py`).
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_client.testing import FakeAPI
from support.blocking_form import blocking_form
from support.snippets import ROOT, Snippet, snippets

ALL = 42
"""Python blocks in the specification."""
SPECIFICATION = ROOT.parent / "shared" / "spec" / "specification.md"


def _all_blocks() -> list[Snippet]:
    """The blocks of all parts of the specification in this folder; parts may overlap."""
    parts = sorted(path.relative_to(ROOT).as_posix() for path in Path(__file__).parent.glob("spec_*.md"))
    by_text = {snippet.code: snippet for part in parts for snippet in snippets(part)}
    return list(by_text.values())


BLOCKS = _all_blocks()


def test_no_block_is_missing() -> None:
    assert len(BLOCKS) == ALL


def test_every_block_stands_in_the_specification() -> None:
    # The parts must stand by themselves where only this project is checked out.
    if SPECIFICATION.exists():
        text = "\n".join(line.rstrip() for line in SPECIFICATION.read_text(encoding="utf-8").splitlines())
        assert text.count("\n```python\n") == ALL
        assert [str(block) for block in BLOCKS if f"```python\n{block.code}```" not in text] == []


class Completions:
    """The API client of the rate limiting sample."""

    def __init__(self, *, blocking: bool) -> None:
        self.create: Any = self._answer if blocking else self._answer_later

    def _answer(self, *arguments: Any) -> Any:
        return SimpleNamespace(usage=SimpleNamespace(completion_tokens=300))

    async def _answer_later(self, *arguments: Any) -> Any:
        return self._answer()


def taken_for_granted(face: Any, *, blocking: bool) -> dict[str, Any]:
    """What blocks use and only other blocks, or none, define."""

    def tool1(query: str) -> str:
        """The first."""
        return f"first: {query}"

    def tool2(query: str) -> str:
        """The second."""
        return f"second: {query}"

    def tool3(query: str) -> str:
        """The third."""
        return f"third: {query}"

    provider = face.OpenAIProvider("gpt-5.6-luna")
    conversation = face.Conversation("You are helpful.")
    for number in range(3):
        conversation.add_user(f"Question {number}")
    events = face.StreamEvent(face.StreamEventType.TOKEN, "Hello")
    return {
        **{name: getattr(face, name) for name in face.__all__},
        "__name__": "__main__",
        "AsyncIterator": importlib.import_module("collections.abc").AsyncIterator,
        "Iterator": importlib.import_module("collections.abc").Iterator,
        "api_response": SimpleNamespace(usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
        "agent": face.Agent(provider, [tool1]),
        "client": SimpleNamespace(completions=Completions(blocking=blocking)),
        "conv": conversation,
        "event": events,
        "json": json,
        "my_async_function": tool1,
        "my_tool": tool1,
        "prompt": "Say hello",
        "provider": provider,
        "time": time,
        "tool1": tool1,
        "tool2": tool2,
        "tool3": tool3,
        "Usage": lambda *given: face.Usage(1, 2),  # one block writes Usage(...)
    }


def run(block: Snippet, *, blocking: bool) -> set[str]:
    """Run a block in one form; returns the names that it defines."""
    face = importlib.import_module("llm_client.sync" if blocking else "llm_client")
    names = taken_for_granted(face, blocking=blocking)
    before = dict(names)
    tree = ast.parse("\n" * (block.line - 1) + block.code, str(block.file))
    if blocking:
        exec(compile(blocking_form(tree), str(block.file), "exec", dont_inherit=True), names)
    else:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        waiting = eval(compile(tree, str(block.file), "exec", flags, dont_inherit=True), names)
        if waiting is not None:
            asyncio.run(waiting)
    changed = {name for name, value in names.items() if before.get(name) is not value}
    return changed - {"__builtins__", "asyncio"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_runs_in_both_forms(
    block: Snippet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    for blocking in (False, True):
        folder = tmp_path / str(blocking)
        folder.mkdir()
        monkeypatch.chdir(folder)
        with FakeAPI() as api:
            for name, value in api.environment.items():
                monkeypatch.setenv(name, value)
            defined = run(block, blocking=blocking)
            assert {request.status for request in api.requests} <= {200}
            # Batches ask in any order, and a call's id is another each time.
            asked = sorted(json.dumps(request.body, sort_keys=True) for request in api.requests)
        assert "Error:" not in capsys.readouterr().out
        seen.append((defined, len(asked), asked if "tool_call_id" not in "".join(asked) else None))
    as_written, blocking_one = seen
    assert as_written == blocking_one
    if "await provider." in block.code or "await client.get_response" in block.code or "await agent." in block.code:
        assert as_written[1] > 0
