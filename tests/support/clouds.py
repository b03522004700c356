"""Bedrock's and Vertex's way of serving Claude, in front of a FakeAPI: their paths and bodies, Amazon's framing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import struct
import threading
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from llm_client.testing import FakeAPI

_BEDROCK = re.compile(r"^/model/(?P<model>[^/]+)/invoke(?P<stream>-with-response-stream)?$")
_VERTEX = re.compile(
    r"^/v1/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/(?P<model>[^/:]+):(?P<stream>streamR|r)awPredict$"
)
_COUNT = "/publishers/anthropic/models/count-tokens:rawPredict"


@dataclass(frozen=True)
class Received:
    """What the cloud received.

    Args:
        path: With its query.
        headers: Names in lower case.
        raw: The body's bytes.
    """

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Cloud:
    """A cloud's address for Claude; the answers are those of the FakeAPI behind it.

    Args:
        api: Where the answers come from.
    """

    def __init__(self, api: FakeAPI) -> None:
        self.requests: list[Received] = []
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                received = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
                cloud.requests.append(received)
                cloud._relay(api, received, self)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Cloud:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _relay(self, api: FakeAPI, received: Received, handler: BaseHTTPRequestHandler) -> None:
        path = received.path.split("?")[0]
        body = received.body
        target = "/v1/messages"
        bedrock, vertex = _BEDROCK.match(path), _VERTEX.match(path)
        if path.endswith(_COUNT):
            target = "/v1/messages/count_tokens"
        elif bedrock is not None:
            assert not {"model", "stream"} & body.keys()
            body.update(model=unquote(bedrock["model"]), stream=bool(bedrock["stream"]))
        elif vertex is not None:
            assert "model" not in body
            assert body.get("stream", False) == (vertex["stream"] == "streamR")
            body["model"] = unquote(vertex["model"])
        else:
            _answer(handler, 404, "application/json", b'{"message": "no such path"}')
            return
        assert body.pop("anthropic_version")
        onward = http.client.HTTPConnection("127.0.0.1", api.port)
        onward.request(
            "POST", target, json.dumps(body), {"content-type": "application/json", "anthropic-version": "2023-06-01"}
        )
        response = onward.getresponse()
        data = response.read()
        onward.close()
        kind = response.headers["content-type"]
        if bedrock and kind.startswith("text/event-stream"):
            data = b"".join(map(_framed, data.decode().split("\n\n")))
            kind = "application/vnd.amazon.eventstream"
        _answer(handler, response.status, kind, data)


def _answer(handler: BaseHTTPRequestHandler, status: int, kind: str, data: bytes) -> None:
    handler.send_response(status)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def _framed(event: str) -> bytes:
    data = "".join(line[6:] for line in event.split("\n") if line.startswith("data: "))
    return chunk(data.encode()) if data else b""


def chunk(data: bytes) -> bytes:
    """One event of Claude's in Amazon's framing, with Bedrock's padding."""
    payload = json.dumps({"bytes": base64.b64encode(data).decode(), "p": "abcdef"}).encode()
    return frame({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload)


def frame(headers: dict[str, str | int], payload: bytes) -> bytes:
    """One message in Amazon's framing; numbers go out as 64-bit integers."""
    block = b""
    for name, value in headers.items():
        block += bytes([len(name)]) + name.encode()
        if isinstance(value, int):
            block += b"\x05" + struct.pack("!q", value)
        else:
            block += b"\x07" + struct.pack("!H", len(value.encode())) + value.encode()
    start = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    message = start + struct.pack("!I", zlib.crc32(start)) + block + payload
    return message + struct.pack("!I", zlib.crc32(message))


def signature_of(received: Received, secret: str) -> str:
    """The signature that AWS computes for a request out of what it received.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    scheme, _, rest = received.headers["authorization"].partition(" ")
    assert scheme == "AWS4-HMAC-SHA256"
    fields = dict(part.split("=", 1) for part in rest.split(", "))
    _, date, region, service, _ = fields["Credential"].split("/")
    place = urlsplit(received.path)
    names = fields["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            "POST",
            quote(place.path, safe="/-_.~"),
            place.query,
            *(f"{name}:{' '.join(received.headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(received.raw).hexdigest(),
        ]
    )
    scope = f"{date}/{region}/{service}/aws4_request"
    moment = received.headers["x-amz-date"]
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
