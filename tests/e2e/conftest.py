"""Servers that others wrote, for the end-to-end tests."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_CLI = HERE / "node" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def aimock() -> Iterator[str]:
    """The base address of a running aimock."""
    assert _CLI.exists(), "aimock is not installed: run `bash scripts/e2e_setup.sh`, or `make e2e`"
    port = _free_port()
    command = ["node", str(_CLI), "-p", str(port), "-f", str(HERE / "aimock.json"), "--strict", "--log-level", "warn"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/health", process)
            yield url
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, f"aimock ended: {process.stdout and process.stdout.read()!r}"
            assert time.monotonic() < deadline, "aimock did not answer within 20 s"
            time.sleep(0.05)
