"""Python programs in processes of their own, where any warning is an error and any output on stderr a failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

_SLOW = re.compile(r"Executing <.*> took [\d.]+ seconds$")
ROOT = Path(__file__).resolve().parents[2]


def run_python(program: str, *, timeout: float = 60.0, python: str = sys.executable, strict: bool = True) -> str:
    """Run a program and return what it printed; anything on stderr is a failure.

    Args:
        program: Its source; indentation common to all lines is removed.
        timeout: Seconds after which it counts as hanging.
        python: The interpreter.
        strict: Run in development mode with warnings as errors.
    """
    options = ["-X", "dev", "-W", "error"] if strict else []
    result = subprocess.run(
        [python, *options, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}", "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert result.returncode == 0, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    # Development mode also reports slow callbacks, which only says that the machine was busy.
    complaints = [line for line in result.stderr.splitlines() if not _SLOW.match(line)]
    assert not complaints, result.stderr
    return result.stdout
