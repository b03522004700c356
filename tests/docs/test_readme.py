"""Every snippet of the README runs as it stands there, against the fake API."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_client.testing import FakeAPI
from support.snippets import Snippet, snippets

EXPECTED_OUTPUT = {
    "async def get_weather(city: str) -> str:": "['get_weather', 'search_web'] success",
    "class Echo(BaseProvider)": "HELLO",
    "Write a haiku": "tokens",
    "AgentConfig(tool_timeout=None": "count_orders says",
    "manager = BatchManager(": "30 What is 0 + 0? | 30 done",
    "OpenAIClient(": "Hello OK",
    "conversation.save(": "user:",
}


@pytest.mark.parametrize("snippet", snippets("README.md"), ids=str)
def test_a_snippet_runs(
    snippet: Snippet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeAPI() as api:
        for name, value in api.environment.items():
            monkeypatch.setenv(name, value)
        snippet.run()
    printed = capsys.readouterr().out
    for mark, expected in EXPECTED_OUTPUT.items():
        if mark in snippet.code:
            assert expected.lower() in printed.lower()
    assert "failed with" not in printed


def test_there_are_snippets_and_every_expectation_belongs_to_one() -> None:
    found = snippets("README.md")
    assert len(found) >= 10
    assert all(any(mark in snippet.code for snippet in found) for mark in EXPECTED_OUTPUT)
