"""Answers of the async engine that are still arriving."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

from .._core import faults
from .._core.decoding import DecodeError, decoder_for
from .._core.http import Timeouts
from .._core.targets import Target, read_headers
from .exchange_aiohttp import QuickExchange
from .sockets import PATIENCE


class AiohttpByteStream:
    """An answer that is still arriving; `status` and `headers` are there already."""

    def __init__(self, response: Any, session: Any, target: Target, timeouts: Timeouts) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = read_headers(response.raw_headers)
        self._response = response
        self._content = response.content
        self._session = session
        self._target = target
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._failure: Exception | None = None
        self._waiting_since: float | None = None
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None
        self._at_end = False
        try:
            self._decoder = decoder_for(self.headers.get("content-encoding"))
        except DecodeError as error:
            hang_up(response)
            raise faults.not_decodable(target.address, str(error)) from error
        self._watch()

    async def read(self) -> bytes:
        """Wait for the next decoded bytes, as many as are there; b"" at the end.

        Raises:
            TransportError: The answer broke off, came too slowly or cannot be decoded.
        """
        decoder = self._decoder
        if decoder is None:
            return await self._read()
        if self._at_end:
            return b""
        try:
            while data := await self._read():
                if plain := decoder.feed(data):
                    return plain
            self._at_end = True
            return decoder.finish()
        except DecodeError as error:
            failure = self._failure = faults.not_decodable(self._target.address, str(error))
            await self.close()
            raise failure from error

    async def finish(self) -> None:
        """Nothing more is wanted: take the end of the answer if it is about to come, else hang up."""
        # aiohttp reads on by itself, and lets go of the connection when the end has come.
        for seconds in (0.0, PATIENCE / 10, PATIENCE):
            if self._response.connection is None:
                break
            await asyncio.sleep(seconds)
        await self.close()

    async def close(self) -> None:
        """Hang up, unless the answer was read to its end."""
        self._stop_watching()
        if self._response.connection is not None:
            self._failure = self._failure or faults.closed_here(self._target.address)
            hang_up(self._response)

    async def _read(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        self._waiting_since = self._loop.time()
        try:
            data: bytes = await self._content.readany()
        except Exception as error:
            return self._fail(error)
        except BaseException:
            await self.close()
            raise
        self._waiting_since = None
        if not data:
            self._stop_watching()
        return data

    def _fail(self, error: Exception) -> bytes:
        """Keep the failure for the next read if there are bytes left from before it."""
        if self._expired:
            failure: Exception = faults.read_timed_out(self._target.address, self._timeouts.read)
        else:
            failure = self._failure or self._session.describe_body(error, self._target, self._timeouts)
        self._failure = failure
        self._stop_watching()
        hang_up(self._response)
        # aiohttp forgets what it has received as soon as the connection breaks; a blocking socket would still give it.
        rest: bytes = self._content._read_nowait(-1)
        if rest:
            return rest
        raise failure from error

    # ---------------------------------------------------------------- the longest silence

    def _watch(self) -> None:
        # aiohttp would set and cancel a timer for every piece; looking at the clock now and then costs a tenth.
        connection = self._response.connection
        protocol = None if connection is None else connection.protocol
        if protocol is None:
            return
        protocol.read_timeout = None
        protocol.start_timeout()
        if self._timeouts.read is not None:
            self._timer = self._loop.call_later(self._timeouts.read, _look, weakref.ref(self))

    def look(self) -> None:
        """Hang up if the server has been silent for too long, else look again when that could be so."""
        limit = self._timeouts.read
        if limit is None or self._timer is None:
            return
        since, now = self._waiting_since, self._loop.time()
        left = limit if since is None else since + limit - now
        if left <= 0:
            self._expired = True
            hang_up(self._response)
        else:
            self._timer = self._loop.call_later(left, _look, weakref.ref(self))

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __del__(self) -> None:
        response = self.__dict__.get("_response")
        if response is not None and response.connection is not None and not self._loop.is_closed():
            # May run on any thread, and within any call: the loop itself has to do the rest.
            self._loop.call_soon_threadsafe(hang_up, response)


class QuickByteStream:
    """As AiohttpByteStream, of an exchange without aiohttp's reader.

    Args:
        exchange: The exchange, whose head has been read.
        session: Knows what errors mean.
        target: Where the answer comes from.
        timeouts: For messages.
    """

    def __init__(self, exchange: QuickExchange, session: Any, target: Target, timeouts: Timeouts) -> None:
        self.status = exchange.status
        self.headers: Mapping[str, str] = exchange.headers
        self._exchange = exchange
        self._session = session
        self._target = target
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._failure: Exception | None = None
        self._at_end = False
        try:
            self._decoder = decoder_for(self.headers.get("content-encoding"))
        except DecodeError as error:
            exchange.hang_up()
            raise faults.not_decodable(target.address, str(error)) from error

    async def read(self) -> bytes:
        """Wait for the next decoded bytes, as many as are there; b"" at the end.

        Raises:
            TransportError: The answer broke off, came too slowly or cannot be decoded.
        """
        decoder = self._decoder
        if decoder is None:
            return await self._read()
        if self._at_end:
            return b""
        try:
            while data := await self._read():
                if plain := decoder.feed(data):
                    return plain
            self._at_end = True
            return decoder.finish()
        except DecodeError as error:
            failure = self._failure = faults.not_decodable(self._target.address, str(error))
            self._exchange.hang_up()
            raise failure from error

    async def _read(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        exchange = self._exchange
        try:
            data = await exchange.read()
        except BaseException:
            await self.close()
            raise
        if not data and exchange.failure is not None:
            failure = self._session.describe_body(exchange.failure, self._target, self._timeouts)
            self._failure = failure
            raise failure from exchange.failure
        return data

    async def finish(self) -> None:
        """Nothing more is wanted: take the end of the answer if it is about to come, else hang up."""
        for seconds in (0.0, PATIENCE / 10, PATIENCE):
            if self._exchange.ended:
                break
            await asyncio.sleep(seconds)
        await self.close()

    async def close(self) -> None:
        """Hang up, unless the answer was read to its end."""
        if not self._exchange.ended:
            self._failure = self._failure or faults.closed_here(self._target.address)
            self._exchange.hang_up()

    def __del__(self) -> None:
        exchange = self.__dict__.get("_exchange")
        if exchange is not None and not exchange.ended and not self._loop.is_closed():
            # May run on any thread, and within any call: the loop itself has to do the rest.
            self._loop.call_soon_threadsafe(exchange.hang_up)


def hang_up(response: Any) -> None:
    """Break a connection off, and forget it."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def _look(stream: weakref.ref[AiohttpByteStream]) -> None:
    alive = stream()
    if alive is not None:
        alive.look()
