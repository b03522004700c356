"""HTTP/1.1 as a server speaks it: reading one request, writing the head of an answer and the frames of its body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from .server import Connection

_HEAD_LIMIT = 65536
_BODY_LIMIT = 256 * 1024 * 1024


class BadHttp(Exception):
    """What arrived is not an HTTP request that this server can read."""


@dataclass(slots=True)
class HttpMessage:
    """One request as it came over the wire: header names in lower case, body whole."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    version: str

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to use the connection again."""
        words = {word.strip().lower() for word in self.headers.get("connection", "").split(",")}
        return "close" not in words and (self.version != "HTTP/1.0" or "keep-alive" in words)


def read_request(connection: Connection) -> HttpMessage | None:
    """Read the next request; None when the client closed the connection instead.

    Raises:
        BadHttp: The bytes are no request; the connection can only be closed.
    """
    head, rest = _read_until(connection, b"", b"\r\n\r\n", _HEAD_LIMIT)
    if head is None:
        return None
    request_line, *lines = head.decode("latin-1").split("\r\n")
    parts = request_line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadHttp(f"{request_line[:80]!r} is not an HTTP/1.1 request line.")
    headers = _parse_headers(lines)
    if headers.get("expect", "").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, rest = _read_chunked(connection, rest)
    else:
        body, rest = _read_exactly(connection, rest, _content_length(headers))
    if rest:
        connection.unread(rest)
    return HttpMessage(parts[0], parts[1], headers, body, parts[2])


def _parse_headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadHttp(f"{line[:80]!r} is not a header line.")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _content_length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()) or int(text) > _BODY_LIMIT:
        raise BadHttp(f"content-length {text[:40]!r} is not a number of bytes up to {_BODY_LIMIT}.")
    return int(text)


def _read_until(connection: Connection, data: bytes, mark: bytes, limit: int) -> tuple[bytes | None, bytes]:
    searched = 0
    while (end := data.find(mark, searched)) < 0:
        if len(data) > limit:
            raise BadHttp(f"No end of the head within {limit} bytes.")
        searched = max(0, len(data) - len(mark) + 1)
        more = connection.receive()
        if not more:
            return None, b""
        data += more
    return data[:end], data[end + len(mark) :]


def _read_exactly(connection: Connection, data: bytes, length: int) -> tuple[bytes, bytes]:
    pieces, have = [data], len(data)
    while have < length:
        more = connection.receive()
        if not more:
            raise BadHttp(f"The client closed the connection after {have} of {length} bytes of the body.")
        pieces.append(more)
        have += len(more)
    joined = b"".join(pieces)
    return joined[:length], joined[length:]


def _read_chunked(connection: Connection, data: bytes) -> tuple[bytes, bytes]:
    pieces: list[bytes] = []
    while True:
        line, data = _read_until(connection, data, b"\r\n", _HEAD_LIMIT)
        if line is None:
            raise BadHttp("The client closed the connection inside a chunked body.")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise BadHttp(f"{line[:40]!r} is not the size of a chunk.") from None
        if size == 0:
            break
        piece, data = _read_exactly(connection, data, size + 2)
        pieces.append(piece[:-2])
    while True:
        trailer, data = _read_until(connection, data, b"\r\n", _HEAD_LIMIT)
        if not trailer:
            return b"".join(pieces), data


def response_head(status: int, headers: dict[str, str]) -> bytes:
    """The status line and the headers, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {status} {reason(status)}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def reason(status: int) -> str:
    """The phrase that goes with a status."""
    if status == 529:
        return "Overloaded"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
