"""A headless Chromium and its tabs, spoken to through its DevTools protocol."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import websocket

START_SECONDS = 40.0
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-port=0", "--remote-allow-origins=*", "--no-proxy-server",
]  # fmt: skip

REPORTING = """
    let number = 0;
    const Original = window.EventSource;
    window.EventSource = class extends Original {
      constructor(...given) {
        super(...given);
        for (const kind of KINDS) {
          super.addEventListener(kind, (event) => {
            const body = JSON.stringify({number: number++, kind, data: event.data, clock: performance.now()});
            fetch(COLLECTOR, {method: "POST", mode: "no-cors", body});
          });
        }
      }
    };
"""
"""Put into the page before its own script: posts each event's arrival back, at once."""

KINDS = ["open", "token", "reasoning", "tool_call_start", "tool_call_end", "meta", "usage", "done", "error"]


@dataclass(frozen=True)
class Arrival:
    """An event as the page got it.

    Args:
        number: Its place, as the page counts.
        kind: The event's name.
        data: Its data.
        clock: Milliseconds by the page's clock.
        seen: When the page's report came in, by this process's `time.time()`.
    """

    number: int
    kind: str
    data: str | None
    clock: float
    seen: float


@dataclass
class Collector:
    """What pages report."""

    url: str = ""
    arrivals: list[Arrival] = field(default_factory=list)

    def of(self, kind: str) -> list[Arrival]:
        """Those of one kind, in the page's order."""
        return sorted((found for found in self.arrivals if found.kind == kind), key=lambda found: found.number)

    def wait_for(self, kind: str, seconds: float = 30.0, count: int = 1) -> list[Arrival]:
        """Wait until so many events of a kind were reported."""
        wait_until(lambda: len(self.of(kind)) >= count, seconds, lambda: f"no {kind}: {self.arrivals}")
        return self.of(kind)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector for the length of a `with` block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            seen = time.time()
            report = json.loads(self.rfile.read(int(self.headers["content-length"])))
            data = report.get("data")
            collector.arrivals.append(Arrival(report["number"], report["kind"], data, report["clock"], seen))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Tab:
    """One page of the browser."""

    def __init__(self, browser: str, collector: Collector) -> None:
        request = urllib.request.Request(f"{browser}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=20) as answer:
            target = json.load(answer)
        self._browser = browser
        self._id = target["id"]
        self._numbers = itertools.count(1)
        self._socket = websocket.create_connection(target["webSocketDebuggerUrl"], timeout=20)
        self._call("Page.enable")
        script = REPORTING.replace("KINDS", json.dumps(KINDS)).replace("COLLECTOR", json.dumps(collector.url))
        self._call("Page.addScriptToEvaluateOnNewDocument", source="{" + script + "}")

    def open(self, url: str) -> None:
        """Go to an address."""
        self._call("Page.navigate", url=url)

    def text_of(self, element: str) -> str:
        """The text of an element, by its id."""
        found = self._call(
            "Runtime.evaluate", expression=f"document.getElementById({json.dumps(element)})?.textContent ?? ''"
        )
        return str(found["result"]["value"])

    def close(self) -> None:
        """Close the page, as a user does who has seen enough."""
        self._socket.close()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self._browser}/json/close/{self._id}", timeout=20):
            pass

    def _call(self, method: str, **arguments: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": arguments}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]


@contextlib.contextmanager
def chromium() -> Iterator[str]:
    """Run a browser for the length of a `with` block; yields the address of its DevTools."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert binary, "Chromium is not installed: run `bash scripts/e2e_setup.sh`, or `make e2e`"
    with tempfile.TemporaryDirectory(prefix="llm-chromium-", ignore_cleanup_errors=True) as home:
        command = [binary, *OPTIONS, f"--user-data-dir={home}", "about:blank"]
        with (
            (Path(home) / "log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,
        ):
            try:
                port_file = Path(home) / "DevToolsActivePort"
                wait_until(
                    lambda: process.poll() is not None or (port_file.exists() and port_file.read_text().count("\n")),
                    START_SECONDS,
                    lambda: (Path(home) / "log").read_text(errors="replace"),
                )
                assert process.poll() is None, (Path(home) / "log").read_text(errors="replace")
                yield f"http://127.0.0.1:{port_file.read_text().split()[0]}"
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def wait_until(condition: Callable[[], Any], seconds: float, what: Callable[[], str]) -> None:
    """Wait for a state, looking often."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, what()
        time.sleep(0.01)
