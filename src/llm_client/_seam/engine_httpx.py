"""The blocking engine: httpx's own connections, kept in a pool of ours.

httpx's client spends more than half of its time on values that nobody here looks at, and its pool asks every open
connection about its state for each request. So this engine drives the connections of httpcore, the engine inside
httpx, itself: an idle one is taken from the end of a queue, or a new one is made. Queues, sets and dictionaries are
used only by operations that are atomic, so no lock is needed, and none can be left held by a fork.
"""

from __future__ import annotations

import atexit
import os
import socket
import time
import weakref
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import httpcore

from .._core import faults
from .._core.decoding import DecodeError, decode_body, decoder_for
from .._core.http import HttpRequest, HttpResponse, Timeouts, TransportError
from .._core.targets import Proxy, Target, encode_header, proxy_for, read_headers, split_url, wire_headers
from . import _interrupt, tls
from ._fork import keep_forever, on_fork
from .sockets import KEEP_ALIVE, PATIENCE
from .wire import Lost, Wire

_WITH_BODY = ("POST", "PUT", "PATCH")


class HttpxTransport:
    """Sends requests over connections of this process; any number of threads may share it.

    Args:
        base_url: Where most requests will go.
    """

    def __init__(self, base_url: str) -> None:
        split_url(base_url)
        self._pool = _Pool()
        self._finalizer = weakref.finalize(self, self._pool.retire)
        _transports.add(self)

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and read the whole answer.

        Raises:
            TransportError: There was no answer, or not all of one.
        """
        exchange = _Exchange(self._pool, request)
        body = exchange.read_all()
        coding = exchange.headers.get("content-encoding")
        if coding:
            try:
                body = decode_body(coding, body)
            except DecodeError as error:
                raise faults.not_decodable(exchange.address, str(error)) from error
        return HttpResponse(exchange.status, exchange.headers, body)

    def stream(self, request: HttpRequest) -> HttpxByteStream:
        """Send a request and return as soon as the headers of the answer are there.

        Raises:
            TransportError: There was no answer.
        """
        return HttpxByteStream(_Exchange(self._pool, request))

    def close(self) -> None:
        """Close what belongs to this process; using the transport again opens new connections."""
        pool = self._renew()
        pool.retire()
        pool.interrupt()

    def _renew(self) -> _Pool:
        old, self._pool = self._pool, _Pool()
        # The finalizer closes idle connections when nobody has called close(): at exit, or when the transport goes.
        self._finalizer.detach()
        self._finalizer = weakref.finalize(self, self._pool.retire)
        return old

    def forget(self) -> None:
        """Drop, in the child of a fork, what belongs to the parent."""
        self._renew().abandon()


class HttpxByteStream:
    """An answer that is still arriving; `status` and `headers` are there already."""

    def __init__(self, exchange: _Exchange) -> None:
        self.status = exchange.status
        self.headers: Mapping[str, str] = exchange.headers
        self._exchange = exchange
        self._at_end = False
        try:
            self._decoder = decoder_for(exchange.headers.get("content-encoding"))
        except DecodeError as error:
            raise exchange.fail(faults.not_decodable(exchange.address, str(error))) from error

    def read(self) -> bytes:
        """Wait for the next decoded bytes, as many as are there; b"" at the end.

        Raises:
            TransportError: The answer broke off, came too slowly or cannot be decoded.
        """
        decoder = self._decoder
        if decoder is None:
            return self._exchange.read()
        if self._at_end:
            return b""
        try:
            while data := self._exchange.read():
                if plain := decoder.feed(data):
                    return plain
            self._at_end = True
            return decoder.finish()
        except DecodeError as error:
            raise self._exchange.fail(faults.not_decodable(self._exchange.address, str(error))) from error

    def finish(self) -> None:
        """Nothing more is wanted: take the end of the answer if it is about to come, else hang up."""
        self._exchange.finish()

    def close(self) -> None:
        """Hang up, unless the answer was read to its end."""
        self._exchange.hang_up()

    def __del__(self) -> None:
        # Closing a socket neither waits nor locks, so it may happen wherever a half-read stream is dropped.
        self._exchange.hang_up()


class _Connection:
    """A connection, and what is known of it besides."""

    __slots__ = ("http", "idle_since", "proxy", "wire")

    def __init__(self, http: Any, wire: Wire, proxy: Proxy | None) -> None:
        self.http = http
        self.wire = wire
        self.proxy = proxy
        self.idle_since = 0.0


class _Pool:
    """The connections of one transport in one process."""

    def __init__(self) -> None:
        self.closed = False
        self.interrupted = False
        self._sockets: set[Any] = set()
        self._idle: dict[tuple[str, str, int], deque[_Connection]] = {}
        _pools.add(self)

    def take(self, target: Target) -> _Connection | None:
        """Return the idle connection that was used last, or None."""
        queue = self._idle.get((target.scheme, target.host, target.port))
        while queue and (connection := _take_last(queue)) is not None:
            if time.monotonic() - connection.idle_since < KEEP_ALIVE and not connection.http.has_expired():
                return connection
            connection.wire.close()
        return None

    def give_back(self, target: Target, connection: _Connection) -> None:
        """Keep a connection whose answer was read to its end, if it can be used again."""
        if self.closed or not connection.http.is_idle():
            connection.wire.close()
            return
        now = connection.idle_since = time.monotonic()
        queue = self._idle.setdefault((target.scheme, target.host, target.port), deque())
        queue.append(connection)
        while (oldest := _first(queue)) is not None and now - oldest.idle_since >= KEEP_ALIVE:
            with suppress(ValueError, IndexError):  # another thread was quicker, and closes it as well
                queue.remove(oldest)
            oldest.wire.close()
        self._sweep()

    def make(self, target: Target) -> _Connection:
        """Return a new connection, which connects with its first request."""
        proxy = proxy_for(target, os.environ)
        proxy_secure = proxy is not None and proxy.url.startswith("https:")
        wire = Wire(target, proxy.address if proxy else None, proxy_secure, self._sockets)
        context = tls.client_context() if target.scheme == "https" else None
        origin = _url(target.url, proxied=proxy is not None).origin
        if proxy is None:
            return _Connection(httpcore.HTTPConnection(origin, context, network_backend=wire), wire, None)
        maker = httpcore.HTTPProxy(
            proxy.url,
            proxy_headers=[(b"proxy-authorization", proxy.authorization.encode())] if proxy.authorization else None,
            ssl_context=context,
            proxy_ssl_context=tls.client_context() if proxy_secure else None,
            network_backend=wire,
        )
        return _Connection(maker.create_connection(origin), wire, proxy)

    def retire(self) -> None:
        """Close what is idle, and what becomes idle from now on."""
        self.closed = True
        for queue in list(self._idle.values()):
            while (connection := _take_last(queue)) is not None:
                connection.wire.close()

    def _sweep(self) -> None:
        # close() may have come between the look at `closed` and the return of a connection.
        if self.closed:
            self.retire()

    def interrupt(self) -> None:
        """Make exchanges that are under way in other threads fail; they close their sockets themselves."""
        self.interrupted = True
        for sock in list(self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Close this process's copies of sockets that a parent goes on using, without a word to the servers."""
        self.closed = True
        for sock in list(self._sockets):
            sock.close()

    def leave_open(self) -> None:
        """Leave sockets that are in the middle of an answer to the system, which closes them when the process ends.

        Closing them here would disturb threads that are still reading; finalizing them would warn.
        """
        for sock in list(self._sockets):
            keep_forever(sock)


class _Exchange:
    """One request and its answer on one connection, which goes back to the pool after the last byte."""

    __slots__ = (
        "_at_end",
        "_chunks",
        "_connection",
        "_failure",
        "_pool",
        "_response",
        "_target",
        "_watch",
        "address",
        "headers",
        "status",
    )

    status: int
    headers: dict[str, str]
    _chunks: Generator[bytes, None, None]
    _response: Any

    def __init__(self, pool: _Pool, request: HttpRequest) -> None:
        self._connection: _Connection | None = None
        self._failure: TransportError | None = None
        self._at_end = False
        self._pool = pool
        self._watch = _interrupt.current.get()
        self._target = target = split_url(request.url)
        self.address = target.address
        headers = wire_headers(request, target)
        connection = None if request.once else pool.take(target)
        if connection is None or not self._ask(connection, request, headers, may_be_stale=True):
            self._ask(pool.make(target), request, headers, may_be_stale=False)

    def read(self) -> bytes:
        """The next bytes as they came over the wire, b"" at the end."""
        try:
            for data in self._chunks:
                if data:
                    return data
        except BaseException as error:
            self._give_up(error)
            raise
        if self._connection is not None:
            self._settle()
        elif not self._at_end:
            raise self._failure or faults.closed_here(self.address)
        return b""

    def finish(self) -> None:
        """Read the end, which lets the connection serve again, if it comes within `PATIENCE`; else hang up."""
        if self._connection is None:
            return
        self._connection.wire.patience = PATIENCE
        try:
            self.read()
        except TransportError:
            return  # it did not come, and the connection is closed
        self.hang_up()

    def read_all(self) -> bytes:
        """All bytes as they came over the wire."""
        try:
            body = b"".join(self._chunks)
        except BaseException as error:
            self._give_up(error)
            raise
        self._settle()
        return body

    def fail(self, failure: TransportError) -> TransportError:
        """Hang up, and let every further read fail for this reason."""
        self._failure = failure
        self.hang_up()
        return failure

    def hang_up(self) -> None:
        """Close the connection, unless it has gone back to the pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._release(connection.wire)
            connection.wire.close()

    def _release(self, wire: Wire) -> bool:
        return self._watch is None or self._watch.release(wire)

    def _ask(
        self, connection: _Connection, request: HttpRequest, headers: dict[str, str], *, may_be_stale: bool
    ) -> bool:
        """Send the request and read the headers; False when an idle connection turned out to be dead."""
        wire = connection.wire
        wire.first = b""
        try:
            if self._watch is not None:
                self._watch.watch(wire)
            response = connection.http.handle_request(_encode(request, self._target, headers, connection.proxy))
        except BaseException as error:
            self._release(wire)
            wire.close()
            if isinstance(error, httpcore.LocalProtocolError):
                raise ValueError(f"the request cannot be sent: {error}") from error
            if not isinstance(error, (Lost, httpcore.RemoteProtocolError, httpcore.ProxyError)):
                raise
            if self._pool.interrupted:
                raise faults.closed_here(self.address) from error
            if may_be_stale and not wire.first and not isinstance(error, httpcore.ProxyError):
                return False
            raise _describe(error, connection, self.address) from error
        self._connection = connection
        self._response = response
        self._chunks = iter(response.stream)
        self.status = response.status
        self.headers = read_headers(response.headers)
        return True

    def _settle(self) -> None:
        connection, self._connection = self._connection, None
        self._at_end = True
        if connection is not None:
            connection.wire.patience = None
            self._response.stream.close()
            if self._release(connection.wire):
                self._pool.give_back(self._target, connection)
            else:
                connection.wire.close()

    def _give_up(self, error: BaseException) -> None:
        """Close the connection after an error within the body; say what it means if it is not clear in itself."""
        closed_here = self._connection is None or self._pool.interrupted
        ended = self._connection is not None and self._connection.wire.ended
        self.hang_up()
        if isinstance(error, TransportError):
            self._failure = error
        elif isinstance(error, (Lost, httpcore.RemoteProtocolError)):
            if closed_here:
                self._failure = self._failure or faults.closed_here(self.address)
            elif isinstance(error, Lost) or ended:
                self._failure = faults.truncated(self.address)
            else:
                self._failure = faults.not_http(self.address)
            raise self._failure from error


def _first(queue: deque[_Connection]) -> _Connection | None:
    try:
        return queue[0]
    except IndexError:
        return None


def _take_last(queue: deque[_Connection]) -> _Connection | None:
    try:
        return queue.pop()
    except IndexError:
        return None


def _encode(request: HttpRequest, target: Target, headers: dict[str, str], proxy: Proxy | None) -> httpcore.Request:
    encoded = [encode_header(name, value) for name, value in headers.items()]
    if "content-length" not in headers and (request.body is not None or request.method in _WITH_BODY):
        encoded.append((b"content-length", b"%d" % len(request.body or b"")))
    return httpcore.Request(
        request.method,
        _url(target.url, proxied=proxy is not None),
        headers=encoded,
        content=request.body,
        extensions=_limits(request.timeouts),
    )


def _describe(error: Exception, connection: _Connection, address: str) -> TransportError:
    wire, proxy = connection.wire, connection.proxy
    if proxy is not None and isinstance(error, httpcore.ProxyError):
        return faults.proxy_refused(proxy.address, address, int(str(error)[:3]))
    strange = bool(wire.first) and not b"HTTP/".startswith(wire.first[:5])
    broke_off = not strange and (isinstance(error, Lost) or wire.ended)
    if proxy is not None and not wire.connected:
        return faults.proxy_failed(proxy.address, faults.CONNECTION_CLOSED if broke_off else faults.NOT_HTTP)
    return faults.disconnected(address) if broke_off else faults.not_http(address)


@lru_cache(maxsize=1024)
def _url(url: str, *, proxied: bool) -> httpcore.URL:
    target = split_url(url)
    # A proxy is told the host as it stands in a URL, a socket wants it without brackets.
    host = f"[{target.host}]" if proxied and ":" in target.host else target.host
    return httpcore.URL(scheme=target.scheme, host=host, port=target.port, target=target.path)


@lru_cache(maxsize=256)
def _limits(timeouts: Timeouts) -> dict[str, Any]:
    limits = {"connect": timeouts.connect, "read": timeouts.read, "write": timeouts.read, "pool": None}
    return {"timeout": limits}


_transports: weakref.WeakSet[HttpxTransport] = weakref.WeakSet()
_pools: weakref.WeakSet[_Pool] = weakref.WeakSet()


def _forget_connections() -> None:
    for transport in list(_transports):
        transport.forget()


on_fork(_forget_connections)


def _at_exit() -> None:
    for pool in list(_pools):
        pool.leave_open()


atexit.register(_at_exit)
