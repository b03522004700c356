"""Every example runs: without a key it prints what the documentation shows, and with an address it asks there."""

from __future__ import annotations

import pytest

import build_examples
from llm_client.testing import FakeAPI
from support.qdrant_server import start_qdrant
from support.snippets import ROOT

PAGE = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", build_examples.NAMES)
def test_the_documentation_shows_what_an_example_prints(name: str) -> None:
    printed = build_examples.run(name)
    assert printed.startswith("no ")
    assert "fake API on this machine" in printed.splitlines()[0]
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    assert f"```text\n{lines}\n```\n" in PAGE
    shown = PAGE.split(f'??? example "examples/{name}.py"')[1].split("````py\n")[1].split("    ````\n")[0]
    source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    assert [line.removeprefix("    ") for line in shown.splitlines()] == source.splitlines()


@pytest.mark.parametrize("name", build_examples.NAMES)
def test_an_example_asks_the_address_it_is_given(name: str) -> None:
    with FakeAPI() as api:
        printed = build_examples.run(name, **api.environment)
        assert api.requests
    assert printed.splitlines()[0].startswith("asking http://127.0.0.1:")


@pytest.mark.parametrize("name", ["basic_completions_fs_cache", "embeddings_with_cache", "rate_limiting"])
def test_with_servers_no_part_is_left_out(name: str, pg_dsn: str, redis_url: str) -> None:
    with start_qdrant() as qdrant_url:
        printed = build_examples.run(name, PG_DSN=pg_dsn, REDIS_URL=redis_url, QDRANT_URL=qdrant_url)
    assert "left out" not in printed
    assert "left out" in build_examples.run(name)


def test_every_example_is_known() -> None:
    files = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert files == {*build_examples.NAMES, *build_examples.SERVERS, "demo", "offline"}
