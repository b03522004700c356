"""The web examples on real servers, and raw connections to them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .snippets import ROOT

EXAMPLES = ROOT / "examples"
START_SECONDS = 30.0
THREADS = 60
"""How many streams a gunicorn worker serves at once; it keeps as many threads once it needed them."""


@dataclass(frozen=True)
class Site:
    """A running server.

    Args:
        url: Its address, with a slash at the end.
        port: Of 127.0.0.1.
        workers: The processes that serve.
    """

    url: str
    port: int
    workers: tuple[int, ...]

    def open_stream(self, prompt: str = "hi") -> socket.socket:
        """A connection on which the stream was asked for."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(f"GET /stream?prompt={prompt} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return connection

    def sockets(self) -> int:
        """How many sockets the serving processes hold open."""
        found = 0
        for process in self.workers:
            for entry in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found += os.readlink(entry).startswith("socket:")
        return found

    def threads(self) -> int:
        """How many threads the serving processes have."""
        return sum(len(list(Path(f"/proc/{process}/task").iterdir())) for process in self.workers)


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Read up to a mark, and perhaps beyond."""
    data = b""
    while mark not in data:
        piece = connection.recv(65536)
        assert piece, f"the server hung up after {data!r}"
        data += piece
    return data


@contextlib.contextmanager
def serving(kind: str, environment: dict[str, str], app_dir: Path = EXAMPLES, app: str | None = None) -> Iterator[Site]:
    """Run an example.

    Args:
        kind: "fastapi" under uvicorn, "flask" or "django" under gunicorn with threads.
        environment: Variables of the server beside this process's own.
        app_dir: Where the application is imported from; the examples can be imported as well.
        app: Another application than the example's.
    """
    port = free_port()
    if kind == "fastapi":
        command = ["-m", "uvicorn", app or "fastapi_sse:app", "--port", str(port), "--log-level", "warning"]
    else:
        app = app or {"flask": "flask_sse:app", "django": "django_view:application"}[kind]
        command = [
            "-m", "gunicorn", app, "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
            "--threads", str(THREADS), "--log-level", "warning", "--graceful-timeout", "1",
            "--worker-tmp-dir", tempfile.gettempdir(),
        ]  # fmt: skip
    search = os.pathsep.join([str(app_dir), str(EXAMPLES)])
    variables = {**os.environ, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1", **environment}
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(
            [sys.executable, *command], env=variables, stdout=log, stderr=subprocess.STDOUT, cwd=app_dir
        ) as process:
            try:
                wait_for_page(url, process)
                yield Site(url, port, children_of(process.pid) or (process.pid,))
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
        log.seek(0)
        said = log.read().decode(errors="replace")
    assert "Traceback" not in said, said
    assert "never awaited" not in said, said


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(process: int) -> tuple[int, ...]:
    """The processes that a process has started."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return tuple(found)


def wait_for_page(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert b"EventSource" in answer.read()
                return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, f"the server ended with {process.returncode}"
            assert time.monotonic() < give_up, "the server did not answer in time"
            time.sleep(0.02)
