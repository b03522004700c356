"""A disk that is full: the answer that was paid for is returned, nothing half is left, and the cache comes back."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.full_disk import injected_disk, small_disk

ANSWER = "word " * 2000


class Blocking:
    """One question after the other, blocking."""

    def __init__(self, **settings: Any) -> None:
        self.provider = llm_client.sync.OpenAIProvider(**settings)

    def ask(self, question: str) -> Any:
        return self.provider.complete(question, cache_response=True)

    def read(self, question: str) -> Any:
        with self.provider.stream(question, cache_response=True) as events:
            return list(events)[-1].data


class Asynchronous:
    """One question after the other, each on a loop of its own."""

    def __init__(self, **settings: Any) -> None:
        self.provider = llm_client.OpenAIProvider(**settings)

    def ask(self, question: str) -> Any:
        return asyncio.run(self.provider.complete(question, cache_response=True))

    def read(self, question: str) -> Any:
        async def main() -> Any:
            async with self.provider.stream(question, cache_response=True) as events:
                return [event async for event in events][-1].data

        return asyncio.run(main())


@pytest.mark.parametrize("kind", [Blocking, Asynchronous])
@pytest.mark.parametrize("disk", [small_disk, injected_disk])
def test_a_full_disk_costs_no_answer(
    api: FakeAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: Any, disk: Any
) -> None:
    api.by_default(ANSWER)
    with disk(tmp_path / "disk") as place:
        caller = kind(model="gpt-5.6-luna", base_url=api.openai_url, cache_dir=place.folder / "cache")
        assert not caller.ask("before").cached
        with caplog.at_level(logging.INFO, logger="llm_client.cache"):
            place.fill()
            for question in ("one", "two", "one"):
                result = caller.ask(question)
                assert (result.ok, result.cached, result.content) == (True, False, ANSWER)
            assert (caller.read("one").content, caller.provider.cache_stats.errors) == (ANSWER, 4)
            assert caller.ask("before").cached  # what is there can be read
            warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
            assert len(warnings) == 1
            assert "the cache could not be written" in warnings[0]
            assert "No space left on device" in warnings[0]
            files = [path.name for path in (place.folder / "cache").rglob("*") if path.is_file()]
            assert len(files) == 1  # the entry from before, and no half of another
            place.free()
            assert not caller.ask("one").cached
            assert caller.ask("one").cached
        assert [record.getMessage() for record in caplog.records][-1] == "the cache can be written again"
