"""What the errors of an httpx client mean, in the words that all engines share."""

from __future__ import annotations

from typing import Any

from .._core import faults
from .._core.decoding import DecodeError
from .._core.http import TransportError
from .._core.targets import Target
from .failures import connect_failure


class HttpxFaults:
    """Describes what goes wrong in one exchange.

    Args:
        httpx: The module that the client comes from: httpx, or its successor httpx2.
        target: Where the request goes.
        limits: The time limits in force, as that module's Timeout.
    """

    def __init__(self, httpx: Any, target: Target, limits: Any) -> None:
        self._httpx = httpx
        self._target = target
        self.limits = limits

    @property
    def address(self) -> str:
        """The server's host:port, for messages."""
        return self._target.address

    def describe(self, error: Exception) -> Exception:
        """Say what an error before the body means."""
        httpx, address, limits = self._httpx, self._target.address, self.limits
        if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
            return faults.connect_timed_out(address, limits.connect)
        if isinstance(error, httpx.WriteTimeout):
            return faults.write_timed_out(address, limits.write)
        if isinstance(error, httpx.TimeoutException):
            return faults.read_timed_out(address, limits.read)
        if isinstance(error, httpx.ProxyError):
            status = str(error)[:3]
            return faults.proxy_failed("of http_client", f"status {status}" if status.isdigit() else faults.NOT_HTTP)
        if isinstance(error, httpx.ConnectError):
            return connect_failure(error, address, secure=self._target.scheme == "https")
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
            return ValueError(f"the request cannot be sent: {error}")
        if self.is_lost(error):
            return faults.disconnected(address)
        return faults.not_http(address) if isinstance(error, httpx.RemoteProtocolError) else error

    def explain(self, error: BaseException) -> TransportError | None:
        """Say what an error within the body means; None if it is clear in itself."""
        httpx, address = self._httpx, self._target.address
        if isinstance(error, DecodeError):
            return faults.not_decodable(address, str(error))
        if isinstance(error, httpx.TimeoutException):
            return faults.read_timed_out(address, self.limits.read)
        if isinstance(error, httpx.StreamError):
            return faults.closed_here(address)
        if isinstance(error, httpx.RemoteProtocolError) and not self.is_lost(error):
            return faults.not_http(address)
        if isinstance(error, httpx.TransportError):
            return faults.truncated(address)
        return None

    def is_lost(self, error: Exception) -> bool:
        """Whether the connection went away, rather than never came about."""
        httpx = self._httpx
        if isinstance(error, httpx.RemoteProtocolError):
            return "disconnected" in str(error) or "closed connection" in str(error)
        return isinstance(error, httpx.NetworkError) and not isinstance(error, httpx.ConnectError)
