"""TLS through a TLS connection, for https addresses behind an https proxy: the standard library wraps sockets only."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_RECORD = 1 << 14


class TlsInTls:
    """The part of a socket's interface that a connection needs.

    Args:
        outer: The secured connection to the proxy, with its time limit set.
        context: For the inner handshake, which is done at once.
        name: Host name that the inner certificate must be for.
    """

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, name: str | None) -> None:
        self._outer = outer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._run(self._inner.do_handshake)

    def settimeout(self, seconds: float | None) -> None:
        self._outer.settimeout(seconds)

    def fileno(self) -> int:
        return self._outer.fileno()

    def recv(self, limit: int) -> bytes:
        try:
            return self._run(lambda: self._inner.read(limit))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def send(self, data: bytes | memoryview) -> int:
        return self._run(lambda: self._inner.write(data[:_RECORD]))

    def shutdown(self, how: int) -> None:
        self._outer.shutdown(how)

    def close(self) -> None:
        self._outer.close()

    def _run(self, step: Callable[[], _T]) -> _T:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._outer.recv(_RECORD)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._outer.sendall(data)
