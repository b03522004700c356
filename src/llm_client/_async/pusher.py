"""Streams on a Pusher channel, for browsers that listen there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, NoReturn

from .._core.buffer import StreamBuffer
from .._core.events import StreamEvent
from .._core.exceptions import ConfigurationError, DeliveryError
from .._core.options import check_number
from .._core.pusher_batch import Message, PusherBatch, check_channel
from .._seam import _async as seam
from .._seam.pusher_channel import PusherChannel


class PusherStreamer:
    """Sends the events of a stream to a Pusher channel, as the events `token`, `meta`, `done` and so on.

    Pieces of text are sent together: a message goes out when the next event finds it older than 50 ms or above 8 KB,
    and at the end. Messages are sent one after another, so that their order holds. The data of each is what SSEAdapter
    sends, always as JSON; what exceeds Pusher's 10 KB comes in several messages, text simply as more text, everything
    else as events named `part` (see `emit`).

    Args:
        channel: Name of the channel; a private one begins with "private-", and your server authorises who listens.
        app_id: The application's number. Default: the environment variable PUSHER_APP_ID.
        key: Its key. Default: PUSHER_KEY.
        secret: Its secret. Default: PUSHER_SECRET.
        cluster: The cluster, such as "eu". Default: PUSHER_CLUSTER.
        host: Another server of the same protocol instead of a cluster: a name, host:port, or an http:// URL.
        full: Send all of results, as SSEAdapter's argument of this name.
        timeout: Longest wait for a connection and for an answer, in seconds.

    Raises:
        ConfigurationError: Something that it needs is neither given nor in the environment.
        ValueError: An argument has the wrong form.
    """

    def __init__(
        self,
        channel: str,
        *,
        app_id: str | int | None = None,
        key: str | None = None,
        secret: str | None = None,
        cluster: str | None = None,
        host: str | None = None,
        full: bool = False,
        timeout: float = 5.0,
    ) -> None:
        self.channel = check_channel(channel)
        check_number("timeout", timeout, low=0.0)
        self._app_id = _setting("app_id", app_id, "PUSHER_APP_ID")
        if not (self._app_id.isascii() and self._app_id.isdigit()):
            raise ValueError(f"app_id is the application's number, got {self._app_id!r}")
        self._key = _setting("key", key, "PUSHER_KEY", "PUSHER_AUTH_KEY")
        self._secret = _setting("secret", secret, "PUSHER_SECRET", "PUSHER_AUTH_SECRET")
        self._host = host
        self._cluster = None if host is not None else _setting("cluster", cluster, *_CLUSTER)
        self._timeout = timeout
        self._batch = PusherBatch(full=full)
        self._lock = seam.Lock()
        self._connection: PusherChannel | None = None

    def __repr__(self) -> str:
        return f"PusherStreamer({self.channel!r}, app_id={self._app_id!r})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a PusherStreamer cannot be pickled or copied: it holds a secret and a connection")

    async def __aenter__(self) -> PusherStreamer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self._hang_up()

    async def consume(self, stream: AsyncIterator[StreamEvent]) -> Any:
        """Send a whole stream: `start`, its events, and at last `end` with {"ok": true or false}.

        Args:
            stream: A provider's or an agent's, of this face.

        Returns:
            What DONE carries, a CompletionResult or an AgentResult; after an ERROR a CompletionResult with `ok` False
            and what came so far.

        Raises:
            DeliveryError: An event was refused, or Pusher could not be reached; the stream is closed.
            ImportError: pusher is not installed.
            TypeError: The stream belongs to the other face.
        """
        buffer = StreamBuffer()
        async with seam.closing(seam.check_stream(stream)) as events:
            await self.push("start", {})
            try:
                async for event in events:
                    buffer.add(event)
                    await self.emit(event)
            except DeliveryError:
                raise
            except Exception:
                # The page must not wait for ever; what went wrong is the caller's to know.
                await self.push("error", {"status": 500, "error": "the stream broke off with an internal error"})
                await self.push("end", {"ok": False})
                raise
        buffer.ended()
        result = buffer.get_result()
        await self.push("end", {"ok": result.ok})
        return result

    async def emit(self, event: StreamEvent) -> None:
        """Send one event; text waits until there is enough of it, or another event, or `flush` or `close`.

        Raises:
            DeliveryError: It was refused, or Pusher could not be reached.
            ImportError: pusher is not installed.
            TypeError: The event's data holds something that JSON cannot.
        """
        async with self._lock:
            await self._send(self._batch.add(event, seam.now()))

    async def push(self, name: str, data: Any) -> None:
        """Send an event of your own at once, after the text that waits.

        Data that exceeds a message comes as several events named `part`, each with {"event", "id", "part", "parts",
        "text"}: the texts of all parts of one id, joined in order, are the event's data as JSON.

        Args:
            name: Name of the event.
            data: Anything that JSON can hold.

        Raises:
            DeliveryError: It was refused, or Pusher could not be reached.
            ImportError: pusher is not installed.
            TypeError: The data holds something that JSON cannot.
        """
        async with self._lock:
            await self._send([*self._batch.flush(), *self._batch.message(name, data)])

    async def flush(self) -> None:
        """Send the text that waits.

        Raises:
            DeliveryError: It was refused, or Pusher could not be reached.
        """
        async with self._lock:
            await self._send(self._batch.flush())

    async def close(self) -> None:
        """Send the text that waits, and close the connection; using the streamer again opens a new one.

        Raises:
            DeliveryError: It was refused, or Pusher could not be reached.
        """
        try:
            await self.flush()
        finally:
            self._hang_up()

    async def _send(self, messages: list[Message]) -> None:
        for name, data in messages:
            if self._connection is None:
                self._connection = await seam.offload(self._connect)
            await seam.offload(self._connection.send, self.channel, name, data)

    def _connect(self) -> PusherChannel:
        return PusherChannel(
            self._app_id, self._key, self._secret, cluster=self._cluster, host=self._host, timeout=self._timeout
        )

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


# The later ones are version 1's spellings, like those with AUTH above.
_CLUSTER = ("PUSHER_CLUSTER", "PUSHER_APP_CLUSTER", "PUSHER_AUTH_CLUSTER")


def _setting(argument: str, value: Any, variable: str, *older: str) -> str:
    names = (variable, *older)
    found = next((os.environ[name] for name in names if os.environ.get(name)), None) if value is None else str(value)
    if not found:
        raise ConfigurationError(
            f"PusherStreamer needs {argument}: pass {argument}=..., or set the environment variable {variable}"
            " (a .env file will do)"
        )
    return found.strip()
