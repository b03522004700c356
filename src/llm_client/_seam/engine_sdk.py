"""The engines over an official SDK client that the caller made: its URLs, credentials, signatures and HTTP settings.

Requests go through the client's own `post()`, which each SDK's README documents for endpoints that it does not know, so
that Azure's deployments, Bedrock's signatures and Vertex's addresses are the SDK's business. What comes back is its raw
HTTP answer. Its retries are off: ours are the only ones. It is never closed here.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from .._core import jsons
from .._core.decoding import ACCEPTED, DecodeError
from .._core.endpoint import Endpoint
from .._core.faults import not_decodable
from .._core.http import DEFAULT_TIMEOUTS, HttpRequest, HttpResponse
from .._core.targets import split_url
from .._core.wire.aws_stream import AwsStreamDecoder, is_aws_stream
from .engine_given import AsyncGivenByteStream, GivenByteStream, OneLoop
from .httpx_faults import HttpxFaults

_SDKS = ("openai", "anthropic")
_TITLES = {"openai": "OpenAI", "anthropic": "Anthropic"}
# The SDKs set these themselves, and would send ours a second time under another spelling.
_OWN_HEADERS = {"content-type": "application/json", "accept": "application/json"}
# What our dialect's version of the Messages API is called on clouds that want it in the body. The SDKs' newer releases
# would ask for a later one, which refuses parameters that this one takes.
_CLOUD_VERSIONS = {"AnthropicBedrock": "bedrock-2023-05-31", "AnthropicVertex": "vertex-2023-10-16"}


def client_endpoint(client: Any, vendor: str, *, asynchronous: bool) -> Endpoint:
    """Where an SDK client's requests go.

    Args:
        client: What the caller passed as `client=`.
        vendor: "openai" or "anthropic".
        asynchronous: Whether it must be asynchronous.

    Raises:
        TypeError: It is no client of that vendor's SDK, or of the other colour.
    """
    wanted = f"{'Async' if asynchronous else ''}{_TITLES[vendor]}"
    found = client.__qualname__ if isinstance(client, type) else type(client).__qualname__
    sdk = _sdk_of(client)
    if sdk is None or not callable(getattr(client, "post", None)):
        what = "the class " if isinstance(client, type) else ""
        raise TypeError(f"client is a client of the {vendor} package, such as {vendor}.{wanted}(), not {what}{found}")
    if sdk != vendor:
        raise TypeError(
            f"client is {sdk}.{found}, this provider needs one of the {vendor} package: use {_TITLES[sdk]}Provider"
        )
    if inspect.iscoroutinefunction(client.post) != asynchronous:
        face = "llm_client.sync" if asynchronous else "llm_client"
        raise TypeError(
            f"client is {sdk}.{found}, which belongs to the other face: use {face}.{_TITLES[vendor]}Provider with it, "
            f"or an {vendor}.{wanted} here"
        )
    key = getattr(client, "api_key", None)
    return Endpoint(str(client.base_url).rstrip("/"), key if isinstance(key, str) and key else None)


def _sdk_of(client: Any) -> str | None:
    # Users derive classes of their own, and each SDK has a dozen of clients: what counts is where the first one stands.
    for kind in type(client).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in _SDKS and hasattr(kind, "with_options"):
            return package
    return None


class AsyncSdkTransport:
    """Sends requests through an asynchronous SDK client.

    Args:
        client: The caller's client; it belongs to the event loop that first uses it.
        vendor: Whose SDK it is of: "openai" or "anthropic".
    """

    def __init__(self, client: Any, vendor: str) -> None:
        self._client = client
        self._vendor = vendor
        self._base_url = str(client.base_url).rstrip("/")
        self._loop = OneLoop("client", f"a client of the {vendor} package")

    async def send(self, request: HttpRequest) -> HttpResponse:
        stream = await self.stream(request)
        try:
            pieces = []
            while piece := await stream.read():
                pieces.append(piece)
            return HttpResponse(stream.status, stream.headers, b"".join(pieces))
        except BaseException:
            await stream.close()
            raise

    async def stream(self, request: HttpRequest) -> AsyncSdkByteStream:
        self._loop.check()
        call = _Call(self._client, self._vendor, request)
        try:
            response = await self._client.post(**call.arguments(self._base_url))
        except Exception as error:
            response = call.answer_in(error)
        try:
            return AsyncSdkByteStream(response, call)
        except BaseException:
            await response.aclose()
            raise

    async def close(self) -> None:
        """Do nothing: the client is the caller's."""


class SdkTransport:
    """Sends requests through a blocking SDK client.

    Args:
        client: The caller's client.
        vendor: Whose SDK it is of: "openai" or "anthropic".
    """

    def __init__(self, client: Any, vendor: str) -> None:
        self._client = client
        self._vendor = vendor
        self._base_url = str(client.base_url).rstrip("/")

    def send(self, request: HttpRequest) -> HttpResponse:
        stream = self.stream(request)
        try:
            pieces = []
            while piece := stream.read():
                pieces.append(piece)
            return HttpResponse(stream.status, stream.headers, b"".join(pieces))
        except BaseException:
            stream.close()
            raise

    def stream(self, request: HttpRequest) -> SdkByteStream:
        call = _Call(self._client, self._vendor, request)
        try:
            response = self._client.post(**call.arguments(self._base_url))
        except Exception as error:
            response = call.answer_in(error)
        try:
            return SdkByteStream(response, call)
        except BaseException:
            response.close()
            raise

    def close(self) -> None:
        """Do nothing: the client is the caller's."""


class AsyncSdkByteStream:
    """An answer that is still arriving through an asynchronous SDK client."""

    def __init__(self, response: Any, call: _Call) -> None:
        self._inner = AsyncGivenByteStream(response, call)
        self.status = self._inner.status
        self.headers: Mapping[str, str] = self._inner.headers
        self._frames = _Frames(self.headers, call)

    async def read(self) -> bytes:
        while data := await self._inner.read():
            try:
                plain = self._frames.feed(data)
            except BaseException:
                await self.close()
                raise
            if plain:
                return plain
        return self._frames.finish()

    async def finish(self) -> None:
        """Nothing more is wanted."""
        await self.close()

    async def close(self) -> None:
        await self._inner.close()


class SdkByteStream:
    """An answer that is still arriving through a blocking SDK client."""

    def __init__(self, response: Any, call: _Call) -> None:
        self._inner = GivenByteStream(response, call)
        self.status = self._inner.status
        self.headers: Mapping[str, str] = self._inner.headers
        self._frames = _Frames(self.headers, call)

    def read(self) -> bytes:
        while data := self._inner.read():
            try:
                plain = self._frames.feed(data)
            except BaseException:
                self.close()
                raise
            if plain:
                return plain
        return self._frames.finish()

    def finish(self) -> None:
        """Nothing more is wanted."""
        self.close()

    def close(self) -> None:
        self._inner.close()


class _Frames:
    """Passes bytes on, out of Amazon's framing where they come in it."""

    def __init__(self, headers: Mapping[str, str], call: _Call) -> None:
        self._decoder = AwsStreamDecoder() if is_aws_stream(headers) else None
        self._call = call

    def feed(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data
        try:
            return self._decoder.feed(data)
        except DecodeError as error:
            raise not_decodable(self._call.address, str(error)) from error

    def finish(self) -> bytes:
        if self._decoder is None:
            return b""
        try:
            return self._decoder.finish()
        except DecodeError as error:
            raise not_decodable(self._call.address, str(error)) from error


class _Call(HttpxFaults):
    """One request through an SDK client, and what its errors mean."""

    def __init__(self, client: Any, vendor: str, request: HttpRequest) -> None:
        self._request = request
        self._sdk = sys.modules[vendor]
        # The SDKs' newer versions stand on httpx2; their URLs are of the module that their answers are of.
        httpx = sys.modules[type(client.base_url).__module__.partition(".")[0]]
        self._given = request.timeouts != DEFAULT_TIMEOUTS
        limits = client.timeout
        if self._given:
            wanted = request.timeouts
            limits = httpx.Timeout(connect=wanted.connect, read=wanted.read, write=wanted.read, pool=None)
        elif not hasattr(limits, "read"):
            limits = httpx.Timeout(limits)
        kinds = [kind.__name__.removeprefix("Async") for kind in type(client).__mro__]
        self._version = next((_CLOUD_VERSIONS[kind] for kind in kinds if kind in _CLOUD_VERSIONS), None)
        super().__init__(httpx, split_url(request.url), limits)

    def arguments(self, base_url: str) -> dict[str, Any]:
        """What the client's `post()` is called with.

        Args:
            base_url: The client's: the rest of the request's URL is the path that it knows.
        """
        headers = {
            name: value for name, value in self._request.headers.items() if _OWN_HEADERS.get(name.lower()) != value
        }
        options: dict[str, Any] = {
            "max_retries": 0,
            "follow_redirects": False,
            "headers": {"accept-encoding": ACCEPTED, **headers},
        }
        if self._given:
            options["timeout"] = self.limits
        body = jsons.loads(self._request.body or b"{}")
        if self._version is not None:
            body.setdefault("anthropic_version", self._version)
        return {
            "path": self._request.url[len(base_url) :],
            "cast_to": self._httpx.Response,
            "body": body,
            "options": options,
            "stream": True,
        }

    def answer_in(self, error: Exception) -> Any:
        """The answer that an SDK's exception was made of.

        Raises:
            TransportError: There was none.
            Exception: The error itself, where it tells of something else, such as missing credentials.
        """
        if isinstance(error, self._sdk.APIStatusError):
            return error.response
        if isinstance(error, self._sdk.APIConnectionError):
            self._raise_cause(error)
        raise error

    def _raise_cause(self, error: Exception) -> NoReturn:
        cause = error.__cause__
        if not isinstance(cause, Exception):
            raise error
        # An httpx client of the caller's own may be of the other module.
        module = sys.modules.get(type(cause).__module__.partition(".")[0])
        if module is not None and hasattr(module, "TransportError") and hasattr(module, "ConnectTimeout"):
            self._httpx = module
        raise self.describe(cause) from error
