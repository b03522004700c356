"""Every Python block of the documentation runs as it stands there, against the fake API."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_client.testing import FakeAPI
from support.snippets import ROOT, Snippet, snippets

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
SNIPPETS = [snippet for page in PAGES for snippet in snippets(page)]

EXPECTED_OUTPUT = {
    "await agent.run(": "success 2 ",
    "with agent.stream(": "tool_result",
    "context: ToolContext[Shop]": "count_orders says 3",
    "conversation.unanswered_calls()": "answered call '1'",
    "print(again.cached": "True",
    "hit.cache_similarity": "True 1.0",
    "class Memory(BaseCache)": "True",
    "threads.map(": "10",
}
"""What a block with this text prints, so that one that does nothing is noticed."""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Blocks may configure logging; what other tests see must not change."""
    logger, root = logging.getLogger("llm_client"), logging.getLogger()
    before = logger.level, root.level, root.handlers[:]
    yield
    logger.setLevel(before[0])
    root.setLevel(before[1])
    root.handlers[:] = before[2]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_a_block_runs(
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
            assert expected in printed
    assert "failed with" not in printed


def test_every_guide_has_blocks_and_every_expectation_belongs_to_one() -> None:
    with_blocks = {snippet.file.name for snippet in SNIPPETS}
    assert {Path(page).name for page in PAGES if "/guides/" in page} <= with_blocks
    assert all(any(mark in snippet.code for snippet in SNIPPETS) for mark in EXPECTED_OUTPUT)


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page for page in PAGES if page.removeprefix("docs/") not in navigation]
