"""Reads the exceptions of sockets and of TLS: what to call the failure that they stand for."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import TypeVar

from .._core import faults
from .._core.http import TransportError

_E = TypeVar("_E", bound=BaseException)

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ECONNRESET: "connection reset",
    errno.ETIMEDOUT: "connection timed out",
    errno.EADDRNOTAVAIL: "no local address free",
    errno.EMFILE: "too many open files",
}
_CLOSED = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)

# OpenSSL's verification codes, see X509_V_ERR_* in its x509_vfy.h.
_UNTRUSTED = {2, 18, 19, 20, 21, 27}
_WRONG_NAME = {62, 64}
_EXPIRED = {10}
# What OpenSSL calls bytes that are not TLS differs from version to version.
_NOT_TLS = {
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came from, nearest first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def find(error: BaseException, kind: type[_E]) -> _E | None:
    """Return the nearest exception of a type among an exception and those that it came from."""
    return next((each for each in chain(error) if isinstance(each, kind)), None)


def connect_failure(error: BaseException, address: str, *, secure: bool, proxy: str | None = None) -> TransportError:
    """Describe why no connection came about.

    Args:
        error: What the socket, TLS or the engine raised.
        address: host:port of the server.
        secure: Whether TLS was wanted.
        proxy: host:port of the proxy, when it was the proxy that could not be reached.
    """
    # The innermost one: an engine's own exception may be an SSLError as well, but an empty one.
    tls = [each for each in chain(error) if isinstance(each, ssl.SSLError)]
    if tls:
        return faults.not_trusted(proxy or address, tls_reason(tls[-1]))
    known = find(error, socket.gaierror) or next((each for each in chain(error) if _is_numbered(each)), None)
    reason = _os_reason(known or error)
    if proxy is not None:
        return faults.proxy_failed(proxy, reason)
    if secure and any(isinstance(each, _CLOSED) for each in chain(error)):
        return faults.not_trusted(address, "the server closed the connection during the handshake")
    return faults.not_connected(address, reason)


def tls_reason(error: ssl.SSLError) -> str:
    """Say in words that do not depend on the version of OpenSSL why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code in _UNTRUSTED:
            return "its certificate is not signed by a known authority (SSL_CERT_FILE names your own)"
        if code in _WRONG_NAME:
            return "its certificate is for another host name"
        if code in _EXPIRED:
            return "its certificate has expired"
        return f"its certificate was not accepted: {error.verify_message}"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "the server closed the connection during the handshake"
    if error.reason in _NOT_TLS:
        return "the server does not speak TLS (should the URL begin with http://?)"
    return (error.reason or "handshake failed").lower().replace("_", " ")


def _is_numbered(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno is not None


def _os_reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "the name cannot be resolved"
    if isinstance(error, OSError) and error.errno is not None:
        return _REASONS.get(error.errno) or os.strerror(error.errno).lower()
    return type(error).__name__
