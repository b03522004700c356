"""A server of Pusher's HTTP API on loopback, as strict as the real one: signatures, sizes, names."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

APP_ID, KEY, SECRET = "7", "the-key", "the-secret"
MAX_DATA = 10_240


class PusherServer:
    """What came, in order, and what to answer instead of `{}`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answers: list[tuple[int, str]] = []
        self.delay: Callable[[], None] = lambda: None
        self.url = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """What goes into PusherStreamer."""
        return {"app_id": APP_ID, "key": KEY, "secret": SECRET, "host": self.url}

    @property
    def messages(self) -> list[tuple[str, Any]]:
        """Name and decoded data of each event."""
        return [(event["name"], json.loads(event["data"])) for event in self.events]

    def text_of(self, name: str) -> str:
        """The data of all events of a name, joined."""
        return "".join(data for found, data in self.messages if found == name)

    def judge(self, method: str, target: str, body: bytes) -> tuple[int, str]:
        """Status and body of the answer to one request."""
        path, query = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        signature = query.pop("auth_signature", "")
        signed = "\n".join([method, path, "&".join(f"{key}={query[key]}" for key in sorted(query))])
        expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if query.get("auth_key") != KEY or not hmac.compare_digest(signature, expected):
            return 401, "Invalid signature: you should have sent HmacSHA256Hex(...)"
        if query.get("body_md5") != hashlib.md5(body).hexdigest():
            return 401, "Invalid body_md5"
        if abs(time.time() - int(query.get("auth_timestamp", "0"))) > 600:
            return 401, "Timestamp expired"
        if (method, path) != ("POST", f"/apps/{APP_ID}/events"):
            return 404, "Unknown app"
        event = json.loads(body)
        if len(event["data"].encode()) > MAX_DATA:
            return 413, f"The data content of this event exceeds the allowed maximum ({MAX_DATA} bytes)"
        self.delay()
        if self.answers:
            return self.answers.pop(0)
        self.events.append(event)
        return 200, "{}"


@contextmanager
def pusher_server() -> Iterator[PusherServer]:
    """Run one for the length of a `with` block."""
    judge = PusherServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, text = judge.judge("POST", self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    judge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
