"""The async engine: aiohttp, one session per event loop."""

from __future__ import annotations

import asyncio
import atexit
import os
import weakref
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any

import aiohttp
import yarl
from aiohttp.http_exceptions import HttpProcessingError

from .._core import faults
from .._core.decoding import DecodeError, decode_body
from .._core.http import HttpRequest, HttpResponse, Timeouts, TransportError
from .._core.targets import Proxy, Target, proxy_for, read_headers, split_url, wire_headers
from . import tls
from ._fork import keep_forever
from ._loops import PerLoop
from .exchange_aiohttp import PARSER_LIMITS, ParsedAnswer, QuickExchange, request_head
from .failures import connect_failure, find
from .sockets import KEEP_ALIVE, tune
from .streams_aiohttp import AiohttpByteStream, QuickByteStream
from .upload import Upload

_WITH_BODY = ("POST", "PUT", "PATCH")
_connects: ContextVar[object] = ContextVar("llm_client_connects", default=None)


class AiohttpTransport:
    """Sends requests over connections of the running event loop; any number of loops may share it.

    Args:
        base_url: Where most requests will go.
    """

    def __init__(self, base_url: str) -> None:
        split_url(base_url)
        self._sessions = PerLoop(_Session, drop=_Session.drop)

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and read the whole answer.

        Raises:
            TransportError: There was no answer, or not all of one.
        """
        session = self._sessions.get()
        target = split_url(request.url)
        response = await session.ask(request, target, whole=True)
        if response.__class__ is QuickExchange:
            if response.failure is not None:
                raise session.describe_body(response.failure, target, request.timeouts) from response.failure
            body, headers = response.body(), response.headers
        else:
            try:
                body = await response.read()
            except Exception as error:
                raise session.describe_body(error, target, request.timeouts) from error
            headers = read_headers(response.raw_headers)
        coding = headers.get("content-encoding")
        if coding:
            try:
                body = decode_body(coding, body)
            except DecodeError as error:
                raise faults.not_decodable(target.address, str(error)) from error
        return HttpResponse(response.status, headers, body)

    async def stream(self, request: HttpRequest) -> AiohttpByteStream | QuickByteStream:
        """Send a request and return as soon as the headers of the answer are there.

        Raises:
            TransportError: There was no answer.
        """
        session = self._sessions.get()
        target = split_url(request.url)
        response = await session.ask(request, target, whole=False)
        if response.__class__ is QuickExchange:
            return QuickByteStream(response, session, target, request.timeouts)
        return AiohttpByteStream(response, session, target, request.timeouts)

    async def close(self) -> None:
        """Close what belongs to the running loop; using the transport again opens new connections."""
        await self._sessions.close()


class _NotConnected(Exception):
    """No connection came about; the reason is `__cause__`."""


class _Connector(aiohttp.TCPConnector):
    """Knows its connections, and tells failures on the way to a server from those of the exchange."""

    def __init__(self, *, force_close: bool = False) -> None:
        super().__init__(
            limit=0,
            force_close=force_close,
            keepalive_timeout=None if force_close else KEEP_ALIVE,
            resolver=aiohttp.ThreadedResolver(),
        )
        self.transports: weakref.WeakSet[Any] = weakref.WeakSet()
        self.keys: dict[tuple[str, str | None, int | None], Any] = {}
        """Under which key the idle connections of a scheme, host and port are kept."""
        self._bodies: dict[Any, aiohttp.StreamReader] = {}

    def expect_body(self, response: Any) -> None:
        """Make sure that whoever reads the body hears of the connection's end.

        When a body stops being HTTP, aiohttp's parser closes the connection without a word to the reader, which
        would wait for ever: the end of the connection stops the timer, too.
        """
        connection = response.connection
        if connection is not None:
            self._bodies[connection.protocol] = response.content

    def _connection_ended(self, protocol: Any, ended: asyncio.Future[None]) -> None:
        ended.exception()
        body = self._bodies.pop(protocol, None)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(HttpProcessingError())

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        _connects.set(object())
        try:
            protocol = await super()._create_connection(req, traces, timeout)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise _NotConnected from error
        transport = protocol.transport
        if transport is not None:
            self.transports.add(transport)
            self.keys[(req.url.scheme, req.url.raw_host, req.url.port)] = req.connection_key
            sock = transport.get_extra_info("socket")
            if sock is not None:
                tune(sock)
            ended = protocol.closed
            if ended is not None:
                ended.add_done_callback(partial(self._connection_ended, protocol))
        return protocol


class _Session:
    """What one event loop has open for one transport."""

    def __init__(self) -> None:
        self._closed = False
        self._client = _new_client(_Connector())
        self._spare: aiohttp.ClientSession | None = None
        self._ways: dict[tuple[str, str, int], dict[str, Any]] = {}
        _sessions.add(self)

    async def close(self) -> None:
        self._closed = True
        await self._client.close()
        if self._spare is not None:
            await self._spare.close()

    def drop(self) -> None:
        """Let go of everything without the loop, which is closed, or will never run again."""
        self._closed = True
        for client in (self._client, self._spare):
            connector = None if client is None else client.connector
            if client is None or not isinstance(connector, _Connector):
                continue
            client.detach()
            # Their finalizers would warn, and call a loop that is no more.
            keep_forever(connector)
            for transport in list(connector.transports):
                keep_forever(transport)
                sock = transport.get_extra_info("socket")
                if sock is not None:
                    getattr(sock, "_sock", sock).close()

    async def ask(self, request: HttpRequest, target: Target, *, whole: bool) -> Any:
        """Send the request and return when the headers of the answer are there.

        Args:
            request: What to send.
            target: Where to.
            whole: Whether nobody wants to see the body before all of it is there.

        Returns:
            A QuickExchange, or what has the form of aiohttp's ClientResponse.
        """
        headers = wire_headers(request, target)
        before = _connects.get()
        quick = None if request.once else await self._ask_quickly(request, target, headers, whole=whole)
        if quick is not None and quick is not _STALE:
            return quick
        if not request.once and quick is None:
            try:
                return await self._request(self._client, request, target, headers)
            except _NotConnected as error:
                raise self._describe_connect(error.__cause__ or error, target) from error
            except Exception as error:
                if self._closed:
                    raise faults.closed_here(target.address) from error
                if _connects.get() is not before or not _may_be_stale(error):
                    raise self._describe_head(error, target, request.timeouts) from error
        # The server had given up the idle connection. A session that never keeps any cannot meet another such one.
        if self._spare is None:
            self._spare = _new_client(_Connector(force_close=True))
        try:
            return await self._request(self._spare, request, target, headers)
        except _NotConnected as error:
            raise self._describe_connect(error.__cause__ or error, target) from error
        except Exception as error:
            raise self._describe_head(error, target, request.timeouts) from error

    async def _ask_quickly(self, request: HttpRequest, target: Target, headers: dict[str, str], *, whole: bool) -> Any:
        """Use an idle connection, if there is one and the request is of the usual kind.

        Returns:
            As `ask`; None if nothing was done; `_STALE` if the server had given the connection up.
        """
        connector, body = self._client.connector, request.body
        if not isinstance(connector, _Connector) or request.method != "POST" or not body or len(body) > Upload.SMALL:
            return None
        place = (target.scheme, target.host, target.port)
        key, way = connector.keys.get(place), self._ways.get(place)
        if key is None or way is None or (way["proxy"] is not None and target.scheme == "http"):
            return None
        head = request_head(target.path, tuple(headers.items()))
        connection: Any = None if head is None else await connector._get(key, [])
        if head is None or connection is None:
            return None
        if connection.protocol.should_close or connection.transport.is_closing():
            connection.close()
            return None
        exchange = QuickExchange(connection, connector._loop, request.timeouts.read, whole=whole)
        try:
            handed_on = await exchange.ask(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        except Exception as error:
            exchange.failure = error
        failure = exchange.failure
        if failure is not None and not exchange.status:
            if self._closed:
                raise faults.closed_here(target.address) from failure
            if not exchange.touched and not isinstance(failure, asyncio.TimeoutError):
                return _STALE
            raise self._describe_head(failure, target, request.timeouts) from failure
        if exchange.status:
            return exchange
        response = ParsedAnswer(exchange, *handed_on)
        connector.expect_body(response)
        return response

    async def _request(
        self, client: aiohttp.ClientSession, request: HttpRequest, target: Target, headers: dict[str, str]
    ) -> aiohttp.ClientResponse:
        way = self._ways.get((target.scheme, target.host, target.port))
        if way is None:
            way = self._ways[(target.scheme, target.host, target.port)] = _way_to(target)
        if "authorization" in way:
            headers = {**headers, "proxy-authorization": way["authorization"]}
        unwanted = [name for name in ("user-agent", "content-type") if name not in headers]
        body: Any = request.body
        if body is not None and len(body) > Upload.SMALL:
            body = Upload(body, request.timeouts.read)
        try:
            response = await client.request(
                request.method,
                _url(target.url),
                data=body,
                headers=headers,
                allow_redirects=False,
                skip_auto_headers=unwanted or None,
                timeout=_limits(request.timeouts),
                **way["options"],
            )
        except Exception as error:
            if isinstance(body, Upload) and body.stalled:
                raise faults.write_timed_out(target.address, request.timeouts.read) from error
            raise
        connector = client.connector
        if isinstance(connector, _Connector):
            connector.expect_body(response)
        return response

    def _describe_connect(self, error: BaseException, target: Target) -> TransportError:
        if self._closed:
            return faults.closed_here(target.address)
        proxy: Proxy | None = self._ways[(target.scheme, target.host, target.port)]["proxy"]
        if proxy is None:
            return connect_failure(error, target.address, secure=target.scheme == "https")
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return faults.proxy_refused(proxy.address, target.address, error.status)
        if isinstance(error, aiohttp.ClientConnectorError):
            at_proxy = isinstance(error, aiohttp.ClientProxyConnectionError) or (
                f"{error.host}:{error.port}" == proxy.address and target.address != proxy.address
            )
            secure = target.scheme == "https"
            return connect_failure(error, target.address, secure=secure, proxy=proxy.address if at_proxy else None)
        not_http = isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError))
        return faults.proxy_failed(proxy.address, faults.NOT_HTTP if not_http else faults.CONNECTION_CLOSED)

    def _describe_head(self, error: Exception, target: Target, timeouts: Timeouts) -> Exception:
        known = find(error, TransportError)
        if known is not None:
            return known
        if self._closed:
            return faults.closed_here(target.address)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            proxy: Proxy | None = self._ways[(target.scheme, target.host, target.port)]["proxy"]
            return faults.connect_timed_out(
                faults.through(target.address, proxy.address if proxy else None), timeouts.connect
            )
        if isinstance(error, asyncio.TimeoutError):
            return faults.read_timed_out(target.address, timeouts.read)
        if isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError)):
            return faults.not_http(target.address)
        if isinstance(error, (aiohttp.ClientError, OSError)):
            return faults.disconnected(target.address)
        return error

    def describe_body(self, error: Exception, target: Target, timeouts: Timeouts) -> Exception:
        """Say what an error within the body means."""
        if self._closed:
            return faults.closed_here(target.address)
        if isinstance(error, asyncio.TimeoutError):
            return faults.read_timed_out(target.address, timeouts.read)
        if isinstance(error, HttpProcessingError):
            return faults.not_http(target.address)
        if isinstance(error, (aiohttp.ClientError, OSError)):
            return faults.truncated(target.address)
        return error


def _new_client(connector: _Connector) -> aiohttp.ClientSession:
    client = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        **PARSER_LIMITS,
    )
    # aiohttp would repeat a GET after any lost connection, even a new one: repeating is for us to decide.
    client._retry_connection = False
    return client


def _way_to(target: Target) -> dict[str, Any]:
    proxy = proxy_for(target, os.environ)
    way: dict[str, Any] = {"proxy": proxy, "options": {}}
    if target.scheme == "https" or (proxy is not None and proxy.url.startswith("https:")):
        way["options"]["ssl"] = tls.client_context()
    if proxy is not None:
        way["options"]["proxy"] = _url(proxy.url)
        if proxy.authorization is not None and target.scheme == "https":
            way["options"]["proxy_headers"] = {"proxy-authorization": proxy.authorization}
        elif proxy.authorization is not None:
            way["authorization"] = proxy.authorization
    return way


def _may_be_stale(error: Exception) -> bool:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else part of an answer had come
    return isinstance(error, aiohttp.ClientConnectionError) and not isinstance(error, asyncio.TimeoutError)


@lru_cache(maxsize=1024)
def _url(url: str) -> yarl.URL:
    return yarl.URL(url, encoded=True)


@lru_cache(maxsize=256)
def _limits(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=timeouts.connect, sock_connect=None, sock_read=timeouts.read)


_STALE = object()
_sessions: weakref.WeakSet[_Session] = weakref.WeakSet()


def _at_exit() -> None:
    # A loop that was never closed, as in a notebook: the system closes the sockets, and nobody wants to be told.
    for session in list(_sessions):
        session.drop()


atexit.register(_at_exit)
