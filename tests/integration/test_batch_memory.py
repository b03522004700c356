"""A batch of 50,000 items through `process_stream` holds no more than its workers need."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.batch_memory import run

ITEMS = 50_000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("face", ["async", "sync"])
def test_memory_stays_flat(tmp_path: Path, face: str) -> None:
    bare = run(face, ITEMS, None)
    first = run(face, ITEMS, str(tmp_path / "a.jsonl"))
    print(f"\n{face}: {bare} {first}")
    assert bare["growth"] < 20
    assert first["growth"] < 25
    assert first["stored"] == 0
