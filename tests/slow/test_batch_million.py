"""A million items through `process_stream`: resident memory within 50 MB of the start, every result its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.batch_memory import run

ITEMS = int(os.environ.get("ITEMS", "1000000"))


@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_million_items(face: str) -> None:
    found = run(face, ITEMS, None)
    print(f"\n{face}: {found}")
    assert found["growth"] < 50


@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_million_items_with_a_checkpoint(tmp_path: Path, face: str) -> None:
    first = run(face, ITEMS, str(tmp_path / "a.jsonl"))
    again = run(face, ITEMS, str(tmp_path / "a.jsonl"))
    print(f"\n{face}: {first}, again {again}")
    assert first["growth"] < 50
    assert again["stored"] == ITEMS
    assert again["growth"] < 50  # with where each answer stands in the file
