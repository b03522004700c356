"""One blocking connection as httpcore wants it: sockets, TLS and time limits, failing in our own words.

httpcore's own backend does not say whether a byte of the answer came, gives each step of a connect its own full time
limit, and spends more time on translating exceptions than on reading.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore

from .._core import faults
from .._core.http import TransportError
from .._core.targets import Target
from .failures import connect_failure
from .sockets import tune
from .tls_in_tls import TlsInTls


class Lost(Exception):
    """The connection failed under a read."""


class Wire(httpcore.NetworkBackend, httpcore.NetworkStream):
    """Makes one connection, and is that connection.

    Args:
        target: The server.
        proxy: host:port of the proxy, or None.
        proxy_secure: Whether the proxy itself wants TLS.
        sockets: Where the open socket stands for whoever has to close it from outside.
    """

    def __init__(self, target: Target, proxy: str | None, proxy_secure: bool, sockets: set[Any]) -> None:
        self.first = b""
        """The first bytes that came since the request began."""
        self.patience: float | None = None
        """A shorter limit for reads, in seconds, while set."""
        self.ended = False
        """Whether the server has said that nothing more will come."""
        self._address = target.address
        self._proxy = proxy
        self._sockets = sockets
        self._socket: Any = None
        self._cut = False
        self._timeout: float | None = None
        self._limit: float | None = None
        self._deadline: float | None = None
        # The handshakes still to come, each with the proxy or with the server.
        self._handshakes = [True] * proxy_secure + [False] * (target.scheme == "https")
        self._connected = False

    # ---------------------------------------------------------------- connecting

    @property
    def connected(self) -> bool:
        """Whether the way to the server is open, so that what follows is the exchange itself."""
        return self._connected

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Wire:
        self._limit = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._dial(host, port)
        except TransportError:
            raise
        except OSError as error:
            raise connect_failure(error, self._address, secure=False, proxy=self._proxy) from error
        self._refuse_if_cut()
        self._connected = not self._handshakes
        return self

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Wire:
        with_proxy = self._handshakes.pop(0)
        plain = self._socket
        self.first = b""
        if server_hostname is not None:
            server_hostname = server_hostname.strip("[]")
        try:
            plain.settimeout(self._left())
            if isinstance(plain, ssl.SSLSocket):
                self._socket = TlsInTls(plain, ssl_context, server_hostname)
            else:
                # Takes the descriptor over: the plain object is an empty shell from here on.
                self._socket = ssl_context.wrap_socket(plain, server_hostname=server_hostname)
        except BaseException as error:
            self.close()
            if not isinstance(error, OSError):
                raise
            if _timed_out(error):
                raise self._too_late() from error
            proxy = self._proxy if with_proxy else None
            raise connect_failure(error, self._address, secure=True, proxy=proxy) from error
        self._sockets.discard(plain)
        self._sockets.add(self._socket)
        self._timeout = -1.0
        self._refuse_if_cut()
        self._connected = not self._handshakes
        return self

    def _refuse_if_cut(self) -> None:
        if self._cut:
            raise Lost

    def _dial(self, host: str, port: int) -> None:
        failure: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left())
                sock.connect(address)
                tune(sock)
            except BaseException as error:
                sock.close()
                if not isinstance(error, OSError):
                    raise
                if _timed_out(error):
                    raise self._too_late() from error
                failure = failure or error
            else:
                self._socket = sock
                self._sockets.add(sock)
                self._timeout = -1.0
                return
        raise failure or OSError("no address")

    def _left(self) -> float | None:
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late()
        return left

    def _too_late(self) -> TransportError:
        return faults.connect_timed_out(faults.through(self._address, self._proxy), self._limit)

    # ---------------------------------------------------------------- the exchange

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._connected:
            timeout = self._left()
        elif self.patience is not None:
            timeout = self.patience
        if timeout != self._timeout:
            self._socket.settimeout(timeout)
            self._timeout = timeout
        try:
            data: bytes = self._socket.recv(max_bytes)
        except OSError as error:
            if not _timed_out(error):
                raise Lost from error
            if not self._connected:
                raise self._too_late() from error
            raise faults.read_timed_out(self._address, timeout) from error
        if not data:
            self.ended = True
        elif not self.first:
            self.first = data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._connected:
            timeout = self._left()
        if timeout != self._timeout:
            self._socket.settimeout(timeout)
            self._timeout = timeout
        try:
            sent = self._socket.send(buffer)
            if sent < len(buffer):
                rest = memoryview(buffer)[sent:]
                while rest:
                    rest = rest[self._socket.send(rest) :]
        except OSError as error:
            if not _timed_out(error):
                # httpcore goes on to read: a server may answer, and hang up, before it has read all of the request.
                raise httpcore.WriteError from error
            if not self._connected:
                raise self._too_late() from error
            raise faults.write_timed_out(self._address, timeout) from error

    def close(self) -> None:
        sock = self._socket
        if sock is not None:
            self._sockets.discard(sock)
            sock.close()

    def interrupt(self) -> None:
        """Let a read or write of another thread end at once; that thread closes the connection."""
        self._cut = True  # before the look at the socket: a connection in the making looks the other way round
        sock = self._socket
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def get_extra_info(self, info: str) -> Any:
        # httpcore asks before it uses an idle connection again: what can be read then is the end of the connection.
        return _readable(self._socket) if info == "is_readable" else None


def _timed_out(error: OSError) -> bool:
    # The time limit of a socket has no number; ETIMEDOUT, from probes that nobody answered, has.
    return isinstance(error, TimeoutError) and error.errno is None


def _readable(sock: Any) -> bool:
    number = sock.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
