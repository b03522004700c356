"""The engines over an httpx client that the caller made: its mounts, proxies, hooks, certificates and time limits.

Only the client's public interface is used, and it is never closed here.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

from .._core import faults
from .._core.decoding import ACCEPTED, DecodeError, decoder_for
from .._core.http import DEFAULT_TIMEOUTS, HttpRequest, HttpResponse, TransportError
from .._core.targets import encode_header, read_headers, split_url
from .httpx_faults import HttpxFaults


class AsyncGivenTransport:
    """Sends requests through an httpx.AsyncClient.

    Args:
        client: The caller's client; it belongs to the event loop that first uses it.
        httpx: The module that it comes from.
    """

    def __init__(self, client: Any, httpx: Any) -> None:
        self._client = client
        self._httpx = httpx
        self._loop = OneLoop("http_client", "an httpx.AsyncClient")

    async def send(self, request: HttpRequest) -> HttpResponse:
        stream = await self.stream(request)
        try:
            return HttpResponse(stream.status, stream.headers, await stream.read_all())
        except BaseException:
            await stream.close()
            raise

    async def stream(self, request: HttpRequest) -> AsyncGivenByteStream:
        self._loop.check()
        call = _Call(self._client, self._httpx, request)
        while True:
            try:
                response = await self._client.send(call.build(asynchronous=True), stream=True, follow_redirects=False)
            except Exception as error:
                if call.is_stale(error):
                    continue
                raise call.describe(error) from error
            try:
                return AsyncGivenByteStream(response, call)
            except BaseException:
                await response.aclose()
                raise

    async def close(self) -> None:
        """Do nothing: the client is the caller's."""


class OneLoop:
    """The event loop that a caller's client belongs to: the one that first uses it.

    Args:
        argument: How it came here: "http_client" or "client".
        what: What it is.
    """

    def __init__(self, argument: str, what: str) -> None:
        self._argument = argument
        self._what = what
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None

    def check(self) -> None:
        """Refuse another loop.

        Raises:
            RuntimeError: The client belongs to another loop.
        """
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = weakref.ref(loop)
        elif self._loop() is not loop:
            raise RuntimeError(
                f"this {self._argument} is in use on another event loop, and {self._what} belongs to one: make a "
                f"provider with a client of its own for each loop, or leave {self._argument}= out"
            )


class GivenTransport:
    """Sends requests through an httpx.Client.

    Args:
        client: The caller's client.
        httpx: The module that it comes from.
    """

    def __init__(self, client: Any, httpx: Any) -> None:
        self._client = client
        self._httpx = httpx

    def send(self, request: HttpRequest) -> HttpResponse:
        stream = self.stream(request)
        try:
            return HttpResponse(stream.status, stream.headers, stream.read_all())
        except BaseException:
            stream.close()
            raise

    def stream(self, request: HttpRequest) -> GivenByteStream:
        call = _Call(self._client, self._httpx, request)
        while True:
            try:
                response = self._client.send(call.build(asynchronous=False), stream=True, follow_redirects=False)
            except Exception as error:
                if call.is_stale(error):
                    continue
                raise call.describe(error) from error
            try:
                return GivenByteStream(response, call)
            except BaseException:
                response.close()
                raise

    def close(self) -> None:
        """Do nothing: the client is the caller's."""


class AsyncGivenByteStream:
    """An answer that is still arriving through an httpx.AsyncClient."""

    def __init__(self, response: Any, call: HttpxFaults) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = read_headers(response.headers.raw)
        self._response = response
        self._call = call
        self._body = _Body(response, self.headers, call)
        self._chunks = None if self._body.known else response.aiter_raw()

    async def read(self) -> bytes:
        body = self._body
        if self._chunks is None or body.over:
            return body.rest()
        if body.failure is not None:
            raise body.failure
        try:
            async for data in self._chunks:
                if plain := body.feed(data):
                    return plain
            return body.finish()
        except BaseException as error:
            failure = body.failure = self._call.explain(error)
            await self.close()
            if failure is None:
                raise
            raise failure from error

    async def read_all(self) -> bytes:
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    async def finish(self) -> None:
        """Nothing more is wanted."""
        await self.close()

    async def close(self) -> None:
        self._body.failure = self._body.failure or faults.closed_here(self._call.address)
        await self._response.aclose()


class GivenByteStream:
    """An answer that is still arriving through an httpx.Client."""

    def __init__(self, response: Any, call: HttpxFaults) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = read_headers(response.headers.raw)
        self._response = response
        self._call = call
        self._body = _Body(response, self.headers, call)
        self._chunks = None if self._body.known else response.iter_raw()

    def read(self) -> bytes:
        body = self._body
        if self._chunks is None or body.over:
            return body.rest()
        if body.failure is not None:
            raise body.failure
        try:
            for data in self._chunks:
                if plain := body.feed(data):
                    return plain
            return body.finish()
        except BaseException as error:
            failure = body.failure = self._call.explain(error)
            self.close()
            if failure is None:
                raise
            raise failure from error

    def read_all(self) -> bytes:
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Nothing more is wanted."""
        self.close()

    def close(self) -> None:
        self._body.failure = self._body.failure or faults.closed_here(self._call.address)
        self._response.close()


class _Body:
    """Decodes what comes, and remembers how it ended."""

    def __init__(self, response: Any, headers: Mapping[str, str], call: HttpxFaults) -> None:
        self._call = call
        self._known: bytes = b""
        self.over = False
        self.failure: TransportError | None = None
        self.known = bool(response.is_stream_consumed)
        if self.known:
            # A hook has read it, or a mock made it whole: then httpx has decoded it, and there is no stream any more.
            self._known = response.content
            self._decoder = None
            return
        try:
            self._decoder = decoder_for(headers.get("content-encoding"))
        except DecodeError as error:
            raise faults.not_decodable(call.address, str(error)) from error

    def feed(self, data: bytes) -> bytes:
        return data if self._decoder is None else self._decoder.feed(data)

    def finish(self) -> bytes:
        self.over = True
        return b"" if self._decoder is None else self._decoder.finish()

    def rest(self) -> bytes:
        data, self._known = self._known, b""
        return data


class _Call(HttpxFaults):
    """One request through a client, and what its errors mean."""

    def __init__(self, client: Any, httpx: Any, request: HttpRequest) -> None:
        self._client = client
        self._request = request
        super().__init__(httpx, split_url(request.url), self._time_limits(client, httpx, request))
        self._repeated = False
        self._connected = False
        self._seen = False

    def build(self, *, asynchronous: bool) -> Any:
        """Make the client's own request, with its default headers, cookies and parameters."""
        headers = {"accept-encoding": ACCEPTED, **self._request.headers}
        for name, value in headers.items():
            encode_header(name, value)
        self._connected = self._seen = False
        return self._client.build_request(
            self._request.method,
            self._request.url,
            headers=headers,
            content=self._request.body,
            timeout=self.limits,
            extensions={"trace": self._trace_async if asynchronous else self._trace},
        )

    def is_stale(self, error: Exception) -> bool:
        """Whether an idle connection turned out to be dead, so that the request may be sent once more."""
        if self._request.once or self._repeated or not self._seen or self._connected or not self.is_lost(error):
            return False
        self._repeated = True
        return True

    @staticmethod
    def _time_limits(client: Any, httpx: Any, request: HttpRequest) -> Any:
        own = client.timeout
        # httpx's default of five seconds is too short for a model, so only another setting counts as the caller's.
        if request.timeouts == DEFAULT_TIMEOUTS and own != httpx.Timeout(5.0):
            return own
        wanted = request.timeouts
        return httpx.Timeout(connect=wanted.connect, read=wanted.read, write=wanted.read, pool=None)

    def _trace(self, event: str, info: object) -> None:
        self._seen = True
        if event.startswith("connection.connect"):
            self._connected = True

    async def _trace_async(self, event: str, info: object) -> None:
        self._trace(event, info)
