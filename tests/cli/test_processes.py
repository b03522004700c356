"""`llm-client` as programs of their own: what only a process can show."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_client.testing import FakeAPI, Reply
from support.snippets import ROOT

PROGRAM = [sys.executable, "-X", "dev", "-W", "error", "-m", "llm_client"]


@pytest.fixture
def environment(api: FakeAPI, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        **api.environment,
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_STATE_HOME": str(tmp_path),
        "PYTHONIOENCODING": "utf-8",
    }


def complaints(stderr: bytes) -> str:
    """What a program said, but for what development mode says of a busy machine."""
    lines = stderr.decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Executing <"))


def test_a_question_from_a_pipe(api: FakeAPI, environment: dict[str, str], tmp_path: Path) -> None:
    api.reply("Grüße, 世界")
    done = subprocess.run(
        [*PROGRAM, "ask", "-"], input=b"Hello", capture_output=True, timeout=60, env=environment, cwd=tmp_path,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.decode(), complaints(done.stderr)) == (0, "Grüße, 世界\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "models", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr is not None
    with process, process.stderr:
        said = process.stderr.read().decode()
    assert "Traceback" not in said
    assert "Exception" not in said


@pytest.mark.parametrize("face", [[], ["--sync"]], ids=["async", "sync"])
def test_ctrl_c_ends_without_a_traceback(api: FakeAPI, environment: dict[str, str], face: list[str]) -> None:
    api.reply(Reply("on and on ", endless=True, chunk_delay=0.01))
    with subprocess.Popen(
        [*PROGRAM, "ask", "Count", *face], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"o", process.stderr.read()
        process.send_signal(signal.SIGINT)
        said = complaints(process.stderr.read())
        assert process.wait(60) == 130
    assert said == "\n"


def test_the_installed_script(api: FakeAPI, environment: dict[str, str]) -> None:
    script = shutil.which("llm-client", path=str(Path(sys.executable).parent))
    assert script is not None, "llm-client is not installed: run pip install -e ."
    done = subprocess.run(
        [script, "--version"], capture_output=True, text=True, timeout=60, env=environment, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout[:11]) == (0, "llm-client ")


def test_a_batch_goes_on_after_ctrl_c(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(f'"question {number}"\n' for number in range(200)))
    command = [*PROGRAM, "batch", "in.jsonl", "-o", "out.jsonl", "--workers"]
    with FakeAPI(latency=0.1) as api:
        options: dict[str, Any] = {"cwd": tmp_path, "env": {**environment, **api.environment}}
        with subprocess.Popen([*command, "2"], stderr=subprocess.PIPE, **options) as process:
            api.wait_for_requests(3, timeout=60)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = process.stderr.read().decode()
            assert process.wait(60) == 130
        assert "start the same command again" in said
        assert "Traceback" not in said
        assert not (tmp_path / "out.jsonl").exists()
        assert len(api.requests) < 200
        done = subprocess.run([*command, "50"], timeout=100, check=False, capture_output=True, text=True, **options)
        assert done.returncode == 0, done.stderr
        # What was in flight when it was stopped has ended, and was kept.
        assert len(api.requests) == 200
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in lines] == list(range(1, 201))
