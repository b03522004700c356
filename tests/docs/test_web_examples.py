"""The web examples as programs, without a key: each starts its own fake API and answers a browser's requests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest

from support.snippets import ROOT
from support.web import free_port, wait_for_page


@pytest.mark.parametrize("name", ["fastapi_sse", "flask_sse", "django_view"])
def test_an_example_runs_without_a_key(name: str) -> None:
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")],
        env={**environment, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            wait_for_page(f"http://127.0.0.1:{port}/", process)
            question = urllib.parse.quote("What is the weather in Tokyo?")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/stream?prompt={question}", timeout=30) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                assert answer.headers["x-accel-buffering"] == "no"
                text = answer.read().decode()
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        said = process.stdout.read().decode() if process.stdout else ""
    assert "event: tool_call_end" in text
    assert "sunny, 22 degrees" in text
    assert text.rstrip().split("\n\n")[-1].startswith("event: done\n")
    assert f"open http://127.0.0.1:{port}" in said
