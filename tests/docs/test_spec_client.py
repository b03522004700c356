"""The specification's Batch Processing, Top-Level Exports and Migration from v1, as written and in blocking form.

`spec_client.md` is the specification's text, unchanged.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from llm_client.testing import FakeAPI, Reply
from support.blocking_form import blocking_form
from support.snippets import Snippet, snippets

BATCH, EXPORTS, MIGRATION = snippets("tests/docs/spec_client.md")
FACES = pytest.mark.parametrize("face_name", ["llm_client", "llm_client.sync"])


def types(block: Snippet, face_name: str) -> dict[str, Any]:
    """Run a block as a program for a face; returns its variables."""
    variables: dict[str, Any] = {"__name__": "__main__"}
    tree = ast.parse("\n" * (block.line - 1) + block.code, str(block.file))
    if face_name == "llm_client.sync":
        exec(compile(blocking_form(tree), str(block.file), "exec", dont_inherit=True), variables)
        return variables
    program = compile(tree, str(block.file), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    waiting = eval(program, variables)
    if waiting is not None:
        asyncio.run(waiting)
    return variables


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@FACES
def test_all_exports(face_name: str) -> None:
    found = {name: value for name, value in types(EXPORTS, face_name).items() if not name.startswith("__")}
    face = importlib.import_module(face_name)
    assert set(found) == set(face.__all__)
    assert len(found) == 53
    assert found["RequestManager"] is found["BatchManager"]


@FACES
def test_migration(
    face_name: str, api: FakeAPI, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in api.environment.items():
        monkeypatch.setenv(name, value)
    api.reply("The old one.")
    api.reply("The new one.")
    api.reply(Reply(tool_calls=[("my_tool", {"arg": "yes"})]))
    api.reply("The agent's.")
    types(MIGRATION, face_name)
    assert capsys.readouterr().out == "The old one.\nThe new one.\nThe agent's.\n"
    old, new, first, second = (request.body for request in api.requests)
    assert old == new == {"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}]}
    assert first["tools"][0]["function"]["description"] == "Tool description."
    assert second["messages"][-1]["content"] == "Result: yes"


@FACES
def test_batch(face_name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeAPI() as api:
        for name, value in api.environment.items():
            monkeypatch.setenv(name, value)

        @api.on_request
        def answer(request: Any) -> Reply:
            return Reply(f"Answer to {request.text}")

        results = types(BATCH, face_name)["results"]
        assert [result["output"] for result in results] == [f"Answer to Question {number}" for number in range(1000)]
        assert {(result["status"], result["error"]) for result in results} == {(200, "OK")}
        assert len(api.requests) == 1000
        lines = (folder / "batch_results.jsonl").read_text(encoding="utf-8").splitlines()
        assert len([line for line in lines if "Answer to" in line]) == 1000
        assert all(isinstance(json.loads(line), dict) for line in lines)
        # It resumes by itself: all answers are there.
        assert types(BATCH, face_name)["results"] == results
        assert len(api.requests) == 1000
