"""`make demo` without a key: both faces, streamed, tool calls visible."""

from __future__ import annotations

import os
import subprocess
import sys

from support.snippets import ROOT


def test_the_demo_shows_both_faces_calling_tools() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(ROOT / "examples" / "demo.py")],
        capture_output=True, text=True, check=True, timeout=60, env=environment,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    start_async, start_blocking = lines.index("async:"), lines.index("blocking:")
    assert start_async < start_blocking
    for part in (lines[start_async:start_blocking], lines[start_blocking:]):
        assert 'tool get_weather({"city":"Tokyo"})' in part
        assert 'tool get_time({"city":"Tokyo"})' in part
        assert any("sunny" in line and "14:30" in line for line in part)
        assert any("success" in line for line in part)
    assert "fake API" in lines[0]
