"""The sentences that a failed exchange is reported with.

Every engine builds its errors here, out of the kind of failure and the address alone, so that the same fault reads
the same whichever engine met it, and so that no query, header or credential can slip into a message.
"""

from __future__ import annotations

from .http import TransportError

CONNECTION_CLOSED = "it closed the connection"
NOT_HTTP = "its answer is not valid HTTP"


def through(address: str, proxy: str | None) -> str:
    """How an address reads when a proxy stands before it."""
    return address if proxy is None else f"{address} through the proxy {proxy}"


def not_connected(address: str, reason: str) -> TransportError:
    """The server could not be reached."""
    return TransportError("connect", f"could not connect to {address}: {reason}")


def connect_timed_out(address: str, seconds: float | None) -> TransportError:
    """The server, or the proxy before it, was not reached within the limit."""
    return TransportError("timeout", f"no connection to {address} within {_span(seconds)}")


def read_timed_out(address: str, seconds: float | None) -> TransportError:
    """The server was silent for longer than the limit."""
    return TransportError("timeout", f"{address} sent nothing for {_span(seconds)}")


def write_timed_out(address: str, seconds: float | None) -> TransportError:
    """The server stopped taking the request for longer than the limit."""
    return TransportError("timeout", f"{address} took nothing of the request for {_span(seconds)}")


def disconnected(address: str) -> TransportError:
    """The connection ended before the answer began."""
    return TransportError("disconnected", f"{address} closed the connection before it answered")


def truncated(address: str) -> TransportError:
    """The connection ended, or stopped making sense, within the answer."""
    return TransportError("truncated", f"the answer from {address} broke off before its end")


def not_http(address: str) -> TransportError:
    """What came back is not an HTTP/1.1 answer, or its headers are beyond all measure."""
    return TransportError("protocol", f"the answer from {address} is not valid HTTP")


def closed_here(address: str) -> TransportError:
    """Somebody in this process closed the transport during the exchange."""
    return TransportError("disconnected", f"close() was called during the exchange with {address}")


def not_trusted(address: str, reason: str) -> TransportError:
    """The TLS handshake failed."""
    return TransportError("tls", f"no secure connection to {address}: {reason}")


def proxy_failed(proxy: str, reason: str) -> TransportError:
    """The proxy could not be reached or does not behave like one."""
    return TransportError("proxy", f"the proxy {proxy} failed: {reason}")


def proxy_refused(proxy: str, address: str, status: int) -> TransportError:
    """The proxy answered the request for a tunnel with an error status."""
    hint = " (it wants credentials: put them in the proxy's URL)" if status == 407 else ""
    return TransportError("proxy", f"the proxy {proxy} refused a connection to {address}: status {status}{hint}")


def not_decodable(address: str, reason: str) -> TransportError:
    """The body does not follow its content encoding."""
    return TransportError("decode", f"the answer from {address} cannot be decoded: {reason}")


def _span(seconds: float | None) -> str:
    return "the time limit" if seconds is None else f"{seconds:g} s"
