"""The plugin that turns skipped tests into failed ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("import pytest\ndef test(): pytest.skip('no server')\n", "1 failed"),
        ("import pytest\n@pytest.mark.skip(reason='no server')\ndef test(): assert True\n", "1 error"),
        ("import pytest\npytest.importorskip('no_such_module', reason='no server')\n", "1 error"),
        ("import pytest\n@pytest.mark.xfail\ndef test(): assert False\n", "1 xfailed"),
        ("def test(): assert True\n", "1 passed"),
    ],
)
def test_a_skip_is_a_failure_that_says_why(tmp_path: Path, source: str, outcome: str) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
        "-p",
        "support.no_skips",
    ]
    result = subprocess.run(
        [*command, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome in result.stdout
    if "failed" in outcome.split() or "error" in outcome.split():
        assert result.returncode in (1, 2)
        assert "no server" in result.stdout
        assert "this run allows no skipped tests" in result.stdout
    else:
        assert result.returncode == 0
