"""A batch of 2,000 items, killed 100 times at random moments: SEED=... pytest tests/slow/test_batch_kills.py"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_client.testing import FakeAPI
from support.batch_kills import Killing
from support.batch_kills_postgres import SharedKilling

SEED = int(os.environ.get("SEED", "20261122"))


@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_hundred_kills(tmp_path: Path, face: str) -> None:
    with FakeAPI(latency=0.004) as api:
        killing = Killing(face, tmp_path, api, items=2000, workers=10, kills=100, seed=SEED)
        found = killing.judge(killing.run())
    print(f"\n{face}, seed {SEED}: {found}")
    assert found["extra"] <= 1000


def test_a_hundred_kills_of_three_processes_that_share_a_job(pg_dsn: str) -> None:
    with FakeAPI(latency=0.004) as api:
        killing = SharedKilling(pg_dsn, f"kills {os.getpid()}", api, items=2000, workers=10, kills=100, seed=SEED)
        found = killing.judge(killing.run())
    print(f"\nshared, seed {SEED}: {found}")
    assert found["extra"] <= 1000
