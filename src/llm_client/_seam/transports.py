"""What a transport is, for each face, and which engine a face gets. Importing this imports no engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol

from .._core.endpoint import Endpoint
from .._core.http import HttpRequest, HttpResponse


class AsyncByteStream(Protocol):
    """An answer that is still arriving; header names are in lower case."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Wait for the next decoded bytes, as many as are there; b"" at the end.

        Raises:
            TransportError: The answer broke off, came too slowly or cannot be decoded.
        """
        ...

    async def finish(self) -> None:
        """Nothing more is wanted: let the connection serve again if the end is about to come, else hang up."""
        ...

    async def close(self) -> None:
        """Hang up at once, unless the answer was read to its end."""
        ...


class AsyncTransport(Protocol):
    """Sends requests; one connection pool per event loop."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and read the whole answer.

        Raises:
            TransportError: There was no answer, or not all of one.
            ValueError: The request cannot be sent as it is.
        """
        ...

    async def stream(self, request: HttpRequest) -> AsyncByteStream:
        """Send a request and return as soon as the headers of the answer are there.

        Raises:
            TransportError: There was no answer.
            ValueError: The request cannot be sent as it is.
        """
        ...

    async def close(self) -> None:
        """Close what belongs to the running loop; using the transport again opens anew."""
        ...


class ByteStream(Protocol):
    """The blocking form of AsyncByteStream."""

    status: int
    headers: Mapping[str, str]

    def read(self) -> bytes:
        """Wait for the next decoded bytes, as many as are there; b"" at the end.

        Raises:
            TransportError: The answer broke off, came too slowly or cannot be decoded.
        """
        ...

    def finish(self) -> None:
        """Nothing more is wanted: let the connection serve again if the end is about to come, else hang up."""
        ...

    def close(self) -> None:
        """Hang up at once, unless the answer was read to its end."""
        ...


class Transport(Protocol):
    """The blocking form of AsyncTransport: one connection pool per process, for any number of threads."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and read the whole answer.

        Raises:
            TransportError: There was no answer, or not all of one.
            ValueError: The request cannot be sent as it is.
        """
        ...

    def stream(self, request: HttpRequest) -> ByteStream:
        """Send a request and return as soon as the headers of the answer are there.

        Raises:
            TransportError: There was no answer.
            ValueError: The request cannot be sent as it is.
        """
        ...

    def close(self) -> None:
        """Close what belongs to this process; using the transport again opens anew."""
        ...


def open_async_transport(
    base_url: str, http_client: Any = None, client: Any = None, vendor: str = "openai"
) -> AsyncTransport:
    """Return a transport for the async face; it connects when it is first used.

    Args:
        base_url: Where most requests will go.
        http_client: An httpx.AsyncClient to use instead of our own engine; it stays the caller's to close.
        client: A client of a vendor's SDK to use instead, which `client_endpoint` has accepted.
        vendor: Whose SDK that is: "openai" or "anthropic".

    Raises:
        TypeError: http_client is something else.
        ValueError: base_url is no http or https URL.
    """
    if client is not None:
        from .engine_sdk import AsyncSdkTransport

        return AsyncSdkTransport(client, vendor)
    if http_client is None:
        from .engine_aiohttp import AiohttpTransport

        return AiohttpTransport(base_url)
    httpx = _httpx_of(http_client, "AsyncClient", "Client", "llm_client.sync")
    from .engine_given import AsyncGivenTransport

    return AsyncGivenTransport(http_client, httpx)


def open_blocking_transport(
    base_url: str, http_client: Any = None, client: Any = None, vendor: str = "openai"
) -> Transport:
    """Return a transport for the blocking face; it connects when it is first used.

    Args:
        base_url: Where most requests will go.
        http_client: An httpx.Client to use instead of our own engine; it stays the caller's to close.
        client: A client of a vendor's SDK to use instead, which `client_endpoint` has accepted.
        vendor: Whose SDK that is: "openai" or "anthropic".

    Raises:
        TypeError: http_client is something else.
        ValueError: base_url is no http or https URL.
    """
    if client is not None:
        from .engine_sdk import SdkTransport

        return SdkTransport(client, vendor)
    if http_client is None:
        from .engine_httpx import HttpxTransport

        return HttpxTransport(base_url)
    httpx = _httpx_of(http_client, "Client", "AsyncClient", "llm_client")
    from .engine_given import GivenTransport

    return GivenTransport(http_client, httpx)


def async_client_endpoint(client: Any, vendor: str) -> Endpoint:
    """Where the requests of a vendor's own SDK client go; for the async face.

    Args:
        client: The client that the caller made.
        vendor: "openai" or "anthropic".

    Raises:
        TypeError: It is no client of that vendor's SDK, or belongs to the blocking face.
    """
    from .engine_sdk import client_endpoint

    return client_endpoint(client, vendor, asynchronous=True)


def blocking_client_endpoint(client: Any, vendor: str) -> Endpoint:
    """Where the requests of a vendor's own SDK client go; for the blocking face.

    Args:
        client: The client that the caller made.
        vendor: "openai" or "anthropic".

    Raises:
        TypeError: It is no client of that vendor's SDK, or belongs to the async face.
    """
    from .engine_sdk import client_endpoint

    return client_endpoint(client, vendor, asynchronous=False)


def _httpx_of(client: Any, wanted: str, other: str, other_face: str) -> Any:
    """Return the module that a client comes from: httpx, or its successor of the same interface, httpx2."""
    for name in ("httpx", "httpx2"):
        # A client of a module that nobody has imported cannot exist.
        module = sys.modules.get(name)
        if module is None:
            continue
        if isinstance(client, getattr(module, wanted)):
            return module
        if isinstance(client, getattr(module, other)):
            raise TypeError(f"http_client is a {name}.{other}, this face needs a {name}.{wanted}: use {other_face}")
    found = client.__qualname__ if isinstance(client, type) else type(client).__qualname__
    raise TypeError(f"http_client must be an httpx.{wanted}, not {found}")
