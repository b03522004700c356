"""One exchange on an idle connection of aiohttp's, without its request, response and reader objects.

aiohttp makes connections, keeps them, and serves the first exchange on each. A further one is the usual case, and there
most of aiohttp's time goes into objects that nobody here looks at: a request, a task that writes it, a response, a
parser that calls back for each chunk. This protocol takes the connection's place for that exchange, and gives it back.

It reads well-formed answers whose length is known or which come in chunks. Whatever else an answer is (interim, without
a body, up to the end of the connection, not HTTP at all), aiohttp's own parser gets it from its first byte.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from functools import lru_cache
from typing import Any

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from .._core.targets import encode_header

_HEAD = re.compile(
    rb"HTTP/1\.1 [2-5][0-9][0-9](?: [\t\x20-\x7e]*)?\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)*\r\n"
)
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})(?:;[\t\x20-\x7e]*)?\r\n")
_SIZE_BEGUN = re.compile(rb"[0-9a-fA-F]{0,15}|[0-9a-fA-F]{1,15}(?:;[\t\x20-\x7e]*)?\r?")
_TRAILERS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)*\r\n")
_LONGEST_HEAD = 1 << 16
_LONGEST_SIZE = 4096
_WITHOUT_BODY = (204, 205, 304)
_ENOUGH = 1 << 18

_MAX_HEADER = 100 * 1024
PARSER_LIMITS: dict[str, Any] = {"max_line_size": _MAX_HEADER, "max_field_size": _MAX_HEADER}
"""What aiohttp's parser may meet in headers."""
if "max_headers" in inspect.signature(aiohttp.ClientSession).parameters:
    PARSER_LIMITS["max_headers"] = 1000

_IN_HEAD, _COUNTED, _CHUNKED, _HANDED_ON, _ENDED = range(5)


class QuickExchange(asyncio.Protocol):
    """Sends one request over an idle connection and takes its answer.

    Args:
        connection: aiohttp's, as its connector gave it; released, or closed, when the exchange has ended.
        loop: The running loop.
        limit: The longest silence in seconds, or None.
        whole: Whether nobody wants to see the body before all of it is there.
    """

    __slots__ = (
        "_connection",
        "_handler",
        "_in_chunk",
        "_keep",
        "_left",
        "_limit",
        "_loop",
        "_paused",
        "_pieces",
        "_rest",
        "_since",
        "_size",
        "_state",
        "_timer",
        "_transport",
        "_unsent",
        "_waiter",
        "_whole",
        "_writing_paused",
        "failure",
        "headers",
        "status",
        "touched",
    )

    def __init__(
        self, connection: Any, loop: asyncio.AbstractEventLoop, limit: float | None, *, whole: bool = False
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.failure: Exception | None = None
        """Why the exchange ended before the answer did: in the terms of aiohttp, or a time-out."""
        self.touched = False
        """Whether a byte of the answer came."""
        self._connection = connection
        self._handler = connection.protocol
        self._transport = connection.transport
        self._loop = loop
        self._limit = limit
        self._whole = whole
        self._state = _IN_HEAD
        self._rest = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._left = 0
        self._in_chunk = False
        self._keep = True
        self._paused = False
        self._writing_paused = False
        self._unsent = False
        self._waiter: asyncio.Future[None] | None = None
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # ---------------------------------------------------------------- what the engine calls

    async def ask(self, data: bytes) -> Any:
        """Send the request and wait for the head of the answer, or for all of it.

        Args:
            data: Head and body.

        Returns:
            None; or, where the answer is for aiohttp's parser to read, its message and its reader.
        """
        transport = self._transport
        transport.set_protocol(self)
        transport.write(data)
        self._unsent = transport.get_write_buffer_size() > 0
        if self._limit is not None:
            self._timer = self._loop.call_later(self._limit, self._look)
        try:
            while self._state == _IN_HEAD or (self._whole and self._state in (_COUNTED, _CHUNKED)):
                await self._wait()
            if self._state != _HANDED_ON:
                return None
            while True:
                message, reader = await self._handler.read()
                if not 100 <= message.code <= 199 or message.code == 101:
                    break
        except BaseException:
            self.hang_up()
            raise
        reader.on_eof(self._release)
        return message, reader

    @property
    def connection(self) -> Any:
        """The connection, None when it was given back."""
        return self._connection

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._state == _ENDED

    def body(self) -> bytes:
        """The bytes of the body that are there and were not taken yet."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            if self._state != _ENDED:
                self._transport.resume_reading()
        return data

    async def read(self) -> bytes:
        """The next bytes of the body, as many as are there; b"" at the end, or where it failed."""
        while not self._pieces and self._state != _ENDED:
            await self._wait()
        return self.body()

    def hang_up(self) -> None:
        """Close the connection, unless it was given back."""
        connection = self._connection
        if connection is not None:
            transport = self._transport
            self._end(keep=False)
            transport.abort()

    def _release(self) -> None:
        """aiohttp's parser has read the end of the answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    # ---------------------------------------------------------------- waiting

    async def _wait(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        self._since = self._loop.time()
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _look(self) -> None:
        """Give up if the server has been silent for too long while somebody waited, else look again later."""
        limit = self._limit
        if limit is None or self._state in (_ENDED, _HANDED_ON):
            return
        left = limit if self._waiter is None else self._since + limit - self._loop.time()
        if left <= 0:
            self._fail(asyncio.TimeoutError())
        else:
            self._timer = self._loop.call_later(left, self._look)

    # ---------------------------------------------------------------- what the loop calls

    def data_received(self, data: bytes) -> None:
        self.touched = True
        self._since = self._loop.time()
        state = self._state
        if state == _CHUNKED:
            self._chunks(data)
        elif state == _COUNTED:
            self._count(data)
        elif state == _IN_HEAD:
            self._head(self._rest + data if self._rest else data)
        else:
            self._keep = False  # more than the answer
            return
        state = self._state
        if self._whole:
            if state >= _HANDED_ON:
                self._wake()
        elif self._pieces or state >= _HANDED_ON:
            self._wake()
            if self._size > _ENOUGH and state != _ENDED and not self._paused:
                self._paused = True
                self._transport.pause_reading()

    def eof_received(self) -> None:
        """The transport closes itself, and `connection_lost` says so."""

    def connection_lost(self, error: Exception | None) -> None:
        handler = self._handler
        if self._state != _ENDED:
            if self.status:
                lost: Exception = aiohttp.ClientPayloadError("the connection ended within the answer")
            elif isinstance(error, OSError):
                lost = aiohttp.ClientOSError(*error.args)
            else:
                lost = aiohttp.ServerDisconnectedError()
            self._fail(lost)
        handler.connection_lost(error)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False

    # ---------------------------------------------------------------- reading the answer

    def _head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            self._rest = data
            # A beginning that is no HTTP at all shall fail at once.
            if len(data) > _LONGEST_HEAD or data[:9] != b"HTTP/1.1 "[: len(data)]:
                self._hand_on(data)
            return
        if end > _LONGEST_HEAD or _HEAD.fullmatch(data, 0, end) is None:
            self._hand_on(data)
            return
        headers: dict[str, str] = {}
        for line in data[: end - 4].decode("ascii").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            name = name.lower()
            value = value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        status = int(data[9:12])
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        persistence = headers.get("connection")
        if (
            status in _WITHOUT_BODY
            or (length is None) == (coding is None)
            or (coding is not None and coding.lower() != "chunked")
            or (length is not None and not (length.isdigit() and len(length) < 16))
            or (persistence is not None and persistence.lower() not in ("keep-alive", "close"))
            or "upgrade" in headers
        ):
            self._hand_on(data)
            return
        if persistence is not None and persistence.lower() == "close":
            self._keep = False
        self.status, self.headers = status, headers
        self._rest = b""
        rest = data[end:]
        if length is not None:
            self._state = _COUNTED
            self._left = int(length)
            self._count(rest)
        else:
            self._state = _CHUNKED
            if rest:
                self._chunks(rest)
        if not self._whole:
            self._wake()

    def _count(self, data: bytes) -> None:
        more = len(data) - self._left
        if more > 0:
            self._keep = False
            data = data[: self._left]
        if data:
            self._left -= len(data)
            self._size += len(data)
            self._pieces.append(data)
        if not self._left:
            self._end(keep=self._keep)

    def _chunks(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        place, end = 0, len(data)
        pieces, match = self._pieces, _SIZE.match
        while place < end:
            if self._in_chunk:
                # What an earlier piece left of a chunk, and then the line end behind it.
                if left := self._left:
                    piece = data[place : place + left]
                    place += len(piece)
                    self._left = left - len(piece)
                    self._size += len(piece)
                    pieces.append(piece)
                elif data.startswith(b"\r\n", place):
                    place += 2
                    self._in_chunk = False
                elif data[place:] == b"\r":
                    break
                else:
                    self._fail(HttpProcessingError())
                    return
                continue
            found = match(data, place)
            if found is None:
                begun = data[place : place + _LONGEST_SIZE]
                if len(begun) == _LONGEST_SIZE or _SIZE_BEGUN.fullmatch(begun) is None:
                    self._fail(HttpProcessingError())
                    return
                break
            size = int(found[1], 16)
            start = found.end()
            if not size:
                self._trailers(data, place, start)
                return
            stop = start + size
            if data.startswith(b"\r\n", stop):  # the usual one: here as a whole
                pieces.append(data[start:stop])
                self._size += size
                place = stop + 2
            else:
                place = start
                self._left = size
                self._in_chunk = True
        self._rest = data[place:]

    def _trailers(self, data: bytes, start: int, place: int) -> None:
        if data.startswith(b"\r\n", place):
            place += 2
        else:
            end = data.find(b"\r\n\r\n", place) + 4
            if end < 4:
                self._rest = data[start:]
                if len(self._rest) > _LONGEST_HEAD:
                    self._fail(HttpProcessingError())
                return
            if _TRAILERS.fullmatch(data, place, end) is None:
                self._fail(HttpProcessingError())
                return
            place = end
        self._end(keep=self._keep and place == len(data))

    def _hand_on(self, data: bytes) -> None:
        """Let aiohttp's parser read the answer from its beginning."""
        self._state = _HANDED_ON
        self._rest = b""
        self._stop_timer()
        handler = self._give_back_protocol()
        handler.set_response_params(
            timer=None,
            skip_payload=False,
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=self._limit,
            **PARSER_LIMITS,
        )
        handler.start_timeout()
        handler.data_received(data)
        self._wake()

    # ---------------------------------------------------------------- the end

    def _fail(self, error: Exception) -> None:
        if self._state == _ENDED:
            return
        self.failure = error
        transport = self._transport
        self._end(keep=False)
        transport.abort()
        self._wake()

    def _end(self, *, keep: bool) -> None:
        """Give the connection back, or close it; what was read stays."""
        handed_on = self._state == _HANDED_ON
        self._state = _ENDED
        self._rest = b""
        self._stop_timer()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not handed_on:
            self._give_back_protocol()
        if keep and not (self._unsent and self._transport.get_write_buffer_size()):
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            connection.release()
        else:
            connection.close()

    def _give_back_protocol(self) -> Any:
        handler = self._handler
        self._transport.set_protocol(handler)
        if self._writing_paused:
            handler.pause_writing()
        return handler

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


class ParsedAnswer:
    """An answer that aiohttp's parser reads, with what the engine uses of aiohttp's ClientResponse.

    Args:
        exchange: Whose answer it is.
        message: Its head.
        reader: Its body.
    """

    def __init__(self, exchange: QuickExchange, message: Any, reader: Any) -> None:
        self.status: int = message.code
        self.raw_headers = message.raw_headers
        self.content = reader
        self._exchange = exchange

    @property
    def connection(self) -> Any:
        """The connection, None when it was given back."""
        return self._exchange.connection

    async def read(self) -> bytes:
        """The whole body."""
        try:
            body: bytes = await self.content.read()
        except BaseException:
            self.close()
            raise
        return body

    def close(self) -> None:
        """Close the connection, unless it was given back."""
        self._exchange.hang_up()


@lru_cache(maxsize=256)
def request_head(path: str, headers: tuple[tuple[str, str], ...]) -> bytes | None:
    """The first lines of a POST request, to be followed by content-length; None if its headers govern the exchange.

    Args:
        path: Path and query.
        headers: Names in lower case, and values, both checked.
    """
    if any(name in _GOVERNING for name, _ in headers):
        return None
    lines = [b"%b: %b\r\n" % encode_header(name, value) for name, value in headers]
    return b"POST %b HTTP/1.1\r\n%b" % (path.encode("ascii"), b"".join(lines))


_GOVERNING = frozenset({"content-length", "transfer-encoding", "connection", "expect", "upgrade", "te"})
