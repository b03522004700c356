"""The pusher package behind two functions: one that sends, blocking, and one that closes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from .._core.exceptions import DeliveryError
from . import _extras


class PusherChannel:
    """One application at Pusher, or at a server that speaks its protocol; connects when it first sends.

    Args:
        app_id: The application's number.
        key: Its key.
        secret: Its secret, which signs every request and is never sent.
        cluster: The cluster at Pusher, such as "eu"; None where host is given.
        host: Another server: a name, host:port, or an http:// or https:// URL.
        timeout: Longest wait for a connection and for an answer, in seconds.

    Raises:
        ImportError: pusher is not installed.
        ValueError: An argument has the wrong form.
    """

    def __init__(
        self, app_id: str, key: str, secret: str, *, cluster: str | None, host: str | None, timeout: float
    ) -> None:
        module = _extras.load("pusher", "pusher")
        self._errors = _extras.load("pusher.errors", "pusher")
        server: dict[str, Any] = {"cluster": cluster}
        self._address = host or f"cluster {cluster}"
        if host is not None:
            address = urlsplit(host if "://" in host else f"https://{host}")
            server = {"host": address.hostname, "port": address.port, "ssl": address.scheme == "https"}
        self._client = module.Pusher(app_id=app_id, key=key, secret=secret, timeout=timeout, **server)

    def send(self, channel: str, name: str, data: str) -> None:
        """Send one event and wait until the server has taken it.

        Raises:
            DeliveryError: The server refused it, or could not be reached.
        """
        try:
            answer = self._client.trigger(channel, name, data)
        except self._errors.PusherError as error:
            status = _STATUS.get(type(error).__name__)
            raise DeliveryError(f"Pusher refused the event {name!r}: {error}", status=status) from error
        except OSError as error:  # requests' errors are of this kind
            raise DeliveryError(
                f"the event {name!r} did not reach Pusher at {self._address}: {error}", status=None
            ) from error
        except ValueError as error:
            raise DeliveryError(
                f"Pusher's answer to the event {name!r} cannot be read, or the event was not sent: {error}"
            ) from error
        problem = answer.get("error") if isinstance(answer, dict) else None
        if problem:
            code = answer.get("code")
            raise DeliveryError(
                f"Pusher refused the event {name!r}: {problem}", status=code if isinstance(code, int) else None
            )

    def close(self) -> None:
        """Close the connection."""
        # The package has no closing of its own; without this its sockets wait for the garbage collector.
        backend = getattr(getattr(self._client, "_pusher_client", None), "http", None)
        session = getattr(backend, "session", None)
        if session is not None:
            session.close()


_STATUS = {"PusherBadRequest": 400, "PusherBadAuth": 401, "PusherForbidden": 403}
