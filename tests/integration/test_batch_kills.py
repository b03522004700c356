"""A batch killed at random moments: no answer is lost, none is paid twice but those that were in flight."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_client.testing import FakeAPI
from support.batch_kills import Killing
from support.batch_kills_postgres import SharedKilling

SEED = int(os.environ.get("SEED", "20261122"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("face", ["async", "sync"])
def test_ten_kills(tmp_path: Path, face: str) -> None:
    with FakeAPI(latency=0.004) as api:
        killing = Killing(face, tmp_path, api, items=300, workers=8, kills=10, seed=SEED)
        found = killing.judge(killing.run())
    print(f"\nseed {SEED}: {found}")
    assert found["extra"] <= 80


@pytest.mark.timeout(600)
def test_ten_kills_of_three_processes_that_share_a_job(pg_dsn: str) -> None:
    with FakeAPI(latency=0.004) as api:
        killing = SharedKilling(pg_dsn, f"kills {os.getpid()}", api, items=300, workers=6, kills=10, seed=SEED)
        found = killing.judge(killing.run())
    print(f"\nseed {SEED}: {found}")
    assert found["extra"] <= 60
