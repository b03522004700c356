"""The fake API as a program of its own, for tests of what happens to threads and loops in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .processes import ROOT


@contextmanager
def fake_process() -> Iterator[str]:
    """Start `python -m llm_client.testing` and yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_client.testing", "--port", "0", "--quiet"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        assert greeting.startswith("FakeAPI is listening on http://"), greeting
        yield greeting.split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=20)
