"""A batch whose work is done by a Dask cluster of several processes; the checkpoint is written by whoever submitted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_client.testing import FakeAPI
from support.processes import ROOT

PROGRAM = """
import sys
from distributed import Client, LocalCluster
import llm_client, llm_client.sync
from support.batch_cluster import ask

def main():
    url, file, items = sys.argv[1:]
    questions = [{"url": url, "question": f"Question {number}"} for number in range(int(items))]
    with LocalCluster(n_workers=3, threads_per_worker=2, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            manager = llm_client.sync.BatchManager(12, file, executor=client.get_executor(), fsync="always")
            results = manager.process_batch(questions, ask)
    assert [result.content for result in results] == [question["question"] for question in questions]
    print(manager.summary.done, manager.summary.from_checkpoint, manager.summary.failed)

if __name__ == "__main__":
    main()
"""


@pytest.mark.timeout(300)
def test_a_cluster_does_the_work(tmp_path: Path) -> None:
    program, file = tmp_path / "program.py", tmp_path / "answers.jsonl"
    program.write_text(PROGRAM)

    def run(items: int) -> str:
        done = subprocess.run(
            [sys.executable, str(program), api.openai_url, str(file), str(items)],
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    with FakeAPI(latency=0.02) as api:
        assert run(40) == "40 0 0"
        assert run(60) == "60 40 0"
        processes = {request.headers["x-process"] for request in api.requests}
        assert len(api.requests) == 60
    assert 2 <= len(processes) <= 6
    assert len(file.read_bytes().splitlines()) == 61
