"""A server of raw sockets that breaks the rules of HTTP on purpose, each time in the scripted way.

It runs on threads, so that it serves both faces, and it never sleeps: scripts wait for what the client does.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

PATIENCE = 10.0
"""Seconds after which a script gives up on a client that does not do what the test expects."""


class Peer:
    """The server's side of one connection."""

    def __init__(self, sock: socket.socket, server: FaultServer) -> None:
        self.sock = sock
        self.server = server
        self._buffer = b""

    def request(self) -> bytes:
        """Read one whole request, head and body, and note it in `server.requests`; b"" if the client hung up."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return b""
        head, _, _ = self._buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(self._buffer) < len(head) + 4 + length:
            if not self._fill():
                return b""
        request, self._buffer = self._buffer[: len(head) + 4 + length], self._buffer[len(head) + 4 + length :]
        self.server.requests.append(request)
        return request

    def head(self) -> bytes:
        """Read no more than the head of a request."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return b""
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.server.requests.append(head + b"\r\n\r\n")
        return head

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, body: bytes = b"ok", status: str = "200 OK", headers: str = "") -> None:
        """Send a whole, well-formed answer."""
        self.send(f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)

    def begin(self, headers: str = "transfer-encoding: chunked\r\n") -> None:
        """Send the head of an answer."""
        self.send(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode())

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self) -> None:
        """End the connection with a reset instead of a proper close."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_closed(self) -> None:
        """Read until the client hangs up."""
        while self._fill():
            self._buffer = b""
        self.server.hung_up.set()

    def secure(self, context: ssl.SSLContext) -> None:
        """Go on in TLS."""
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def _fill(self) -> bytes:
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        self._buffer += data
        return data


Script = Callable[[Peer], None]


class FaultServer:
    """Serves each connection with its script, the last script serving all further ones.

    Args:
        scripts: What to do on the first connection, the second, and so on.
        context: Speak TLS from the first byte.
        host: Address to listen on.
    """

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.hung_up = threading.Event()
        self.connections = 0
        self.open = 0
        self._scripts = scripts
        self._context = context
        self._host = host
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._peers: set[Peer] = set()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, 0))
        self._listener.listen(256)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self.port}"
        self.url = f"{'http' if context is None else 'https'}://{self.address}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        self._closing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            with suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while not self._closing:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            sock.settimeout(PATIENCE)
            peer = Peer(sock, self)
            with self._lock:
                self._peers.add(peer)
                self.open += 1
            thread = threading.Thread(target=self._serve, args=(peer, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer, script: Script) -> None:
        try:
            if self._context is not None:
                peer.secure(self._context)
            script(peer)
        except OSError:
            pass  # the client went away, or the handshake was meant to fail
        finally:
            with suppress(OSError):
                peer.sock.close()
            with self._lock:
                self._peers.discard(peer)
                self.open -= 1


def always(body: bytes = b"ok", status: str = "200 OK", headers: str = "") -> Script:
    """A script that gives the same answer to every request of the connection."""

    def serve(peer: Peer) -> None:
        while peer.request():
            peer.answer(body, status, headers)
        peer.server.hung_up.set()

    return serve


def tunnel(peer: Peer) -> None:
    """A proxy's script: open the tunnel that CONNECT asks for and carry bytes both ways."""
    head = peer.request()
    target = head.split(b" ")[1].decode().rpartition(":")
    with socket.create_connection((target[0].strip("[]"), int(target[2])), PATIENCE) as onward:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_carry, args=(onward, peer.sock), daemon=True)
        back.start()
        _carry(peer.sock, onward)
        back.join(PATIENCE)


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


class FullBacklog:
    """An address where connections are neither taken nor refused: a listener whose queue is full."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._waiting: list[socket.socket] = []

    def __enter__(self) -> FullBacklog:
        # The queue takes one or two more than it was told to; the first connection that hangs shows that it is full.
        while True:
            sock = socket.socket()
            self._waiting.append(sock)
            sock.settimeout(0.2)
            try:
                sock.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return self

    def __exit__(self, *error: object) -> None:
        for sock in [*self._waiting, self._listener]:
            sock.close()


def closed_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
