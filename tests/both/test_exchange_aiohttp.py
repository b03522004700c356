"""A further exchange on one of aiohttp's connections is read by our own code: in no way otherwise than by aiohttp's."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core.http import HttpRequest, Timeouts, TransportError
from llm_client._seam import exchange_aiohttp
from llm_client._seam.engine_aiohttp import AiohttpTransport
from llm_client._seam.exchange_aiohttp import QuickExchange, request_head
from support.fault_server import FaultServer, Peer

OK = b"HTTP/1.1 200 OK\r\n"
COUNTED = OK + b"content-length: 5\r\n\r\nwords"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

ANSWERS: dict[str, bytes] = {
    "counted": COUNTED,
    "counted, empty": OK + b"content-length: 0\r\n\r\n",
    "counted, cut short": COUNTED[:-1],
    "chunked": CHUNKED + b"5\r\nwords\r\n1\r\n!\r\n0\r\n\r\n",
    "chunked, empty": CHUNKED + b"0\r\n\r\n",
    "chunked, upper case and zeros": CHUNKED + b"00A\r\n0123456789\r\n000\r\n\r\n",
    "chunk with an extension": CHUNKED + b"5;name=value\r\nwords\r\n0\r\n\r\n",
    "chunk that ends in the wrong place": CHUNKED + b"4\r\nwords\r\n0\r\n\r\n",
    "chunk of no size": CHUNKED + b"5\r\nwords\r\n\r\n\r\n",
    "chunk of a strange size": CHUNKED + b"5\r\nwords\r\n0x1\r\n!\r\n0\r\n\r\n",
    "chunk of a negative size": CHUNKED + b"-1\r\n!\r\n0\r\n\r\n",
    "chunks without an end": CHUNKED + b"5\r\nwords\r\n",
    "chunks cut within": CHUNKED + b"5\r\nwor",
    "chunks cut within a size": CHUNKED + b"5\r\nwords\r\n1",
    "chunks cut within the last line": CHUNKED + b"5\r\nwords\r\n0\r\n",
    "trailers": CHUNKED + b"5\r\nwords\r\n0\r\nx-sum: 1\r\nx-other: 2\r\n\r\n",
    "no length": OK + b"content-type: text/plain\r\n\r\nwords",
    "length that is none": OK + b"content-length: five\r\n\r\nwords",
    "negative length": OK + b"content-length: -5\r\n\r\nwords",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nwords!",
    "length and chunks": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwords\r\n0\r\n\r\n",
    "old version": b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nwords",
    "no reason": b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nwords",
    "strange reason": b"HTTP/1.1 200 \xc3\xa4\xff\r\ncontent-length: 5\r\n\r\nwords",
    "error": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 5\r\n\r\nwords",
    "redirect": b"HTTP/1.1 307 Elsewhere\r\nlocation: /\r\ncontent-length: 5\r\n\r\nwords",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + COUNTED,
    "closing": OK + b"connection: close\r\ncontent-length: 5\r\n\r\nwords",
    "persistent": OK + b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nwords",
    "repeated headers": OK + b"x-a: 1\r\nX-A:2\r\nx-a:\t3 \r\nx-empty:\r\ncontent-length: 5\r\n\r\nwords",
    "header beyond ASCII": OK + b"x-a: \xc3\xa4\xff\r\ncontent-length: 5\r\n\r\nwords",
    "many headers": OK + b"".join(b"x-%d: %d\r\n" % (n, n) for n in range(400)) + b"content-length: 5\r\n\r\nwords",
    "large header": OK + b"x-large: " + b"a" * 80_000 + b"\r\ncontent-length: 5\r\n\r\nwords",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "not HTTP, and no line": b"\x15\x03\x01\x00\x02\x02",
    "header without a colon": OK + b"what is this\r\ncontent-length: 5\r\n\r\nwords",
    "space before the colon": OK + b"x-a : 1\r\ncontent-length: 5\r\n\r\nwords",
    "cut within the headers": OK + b"content-le",
    "large": OK + b"content-length: 600000\r\n\r\n" + b"w" * 600_000,
    "large chunk": CHUNKED + b"927c0\r\n" + b"w" * 600_000 + b"\r\n0\r\n\r\n",
}


def post(url: str) -> HttpRequest:
    return HttpRequest("POST", f"{url}/v1/chat", {"content-type": "application/json"}, b"{}", Timeouts(read=60.0))


def whole(peer: Peer, data: bytes) -> None:
    peer.send(data)


def in_pieces(peer: Peer, data: bytes) -> None:
    size = 1 if len(data) < 400 else 5_000
    for start in range(0, len(data), size):
        peer.send(data[start : start + size])


async def sent(transport: AiohttpTransport, url: str) -> Any:
    try:
        response = await transport.send(post(url))
    except TransportError as error:
        return error.kind
    return response.status, dict(response.headers), response.body


async def streamed(transport: AiohttpTransport, url: str) -> Any:
    pieces: list[bytes] = []
    try:
        stream = await transport.stream(post(url))
        try:
            while piece := await stream.read():
                pieces.append(piece)
        finally:
            await stream.close()
    except TransportError as error:
        return error.kind, b"".join(pieces)
    return stream.status, dict(stream.headers), b"".join(pieces)


@pytest.mark.parametrize("method", [sent, streamed])
@pytest.mark.parametrize("send", [whole, in_pieces])
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_kept_connection_reads_what_a_new_one_reads(
    name: str, send: Callable[[Peer, bytes], None], method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[QuickExchange] = []
    plain = QuickExchange.ask

    def ask(self: QuickExchange, data: bytes) -> Any:
        begun.append(self)
        return plain(self, data)

    monkeypatch.setattr(QuickExchange, "ask", ask)

    def fresh(peer: Peer) -> None:
        peer.request()
        send(peer, ANSWERS[name])

    def kept(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        fresh(peer)

    with FaultServer(fresh, kept) as server:
        transport = AiohttpTransport(server.url)
        expected = await method(transport, server.url)
        await transport.close()
        assert not begun
        assert (await sent(transport, server.url))[2] == b"first"
        found = await method(transport, server.url)
        assert len(begun) == 1
        assert begun[0].connection is None, "the connection was neither given back nor closed"
        await transport.close()
    assert server.connections == 2
    if expected[0] == "protocol" and method is streamed:
        # aiohttp forgets what came before the nonsense; the blocking engine, and our own code, give it first.
        assert found[0] == "protocol"
        assert found[1].startswith(expected[1])
    else:
        assert found == expected


async def test_a_connection_on_which_more_came_than_the_answer_is_not_used_again() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        peer.request()
        peer.send(COUNTED + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
        peer.wait_closed()

    def second(peer: Peer) -> None:
        peer.request()
        peer.answer(b"second")

    with FaultServer(script, second) as server:
        transport = AiohttpTransport(server.url)
        assert (await sent(transport, server.url))[2] == b"first"
        assert (await sent(transport, server.url))[2] == b"words"
        assert (await sent(transport, server.url))[2] == b"second"
        await transport.close()
    assert server.connections == 2


async def test_a_connection_serves_again_after_each_kind_of_answer() -> None:
    kinds = (
        "counted",
        "chunked",
        "trailers",
        "chunk with an extension",
        "error",
        "interim",
        "no content",
        "persistent",
    )

    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        for kind in kinds:
            peer.request()
            peer.send(ANSWERS[kind])
        peer.request()
        peer.answer(b"last")

    with FaultServer(script) as server:
        transport = AiohttpTransport(server.url)
        for method in (sent, *[sent, streamed] * (len(kinds) // 2), sent):
            outcome = await method(transport, server.url)
            assert isinstance(outcome[0], int), outcome
        assert outcome[2] == b"last"
        await transport.close()
    assert server.connections == 1


async def test_cancelling_a_further_exchange_hangs_up() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        peer.request()
        peer.wait_closed()

    with FaultServer(script) as server:
        transport = AiohttpTransport(server.url)
        await sent(transport, server.url)
        call = asyncio.ensure_future(sent(transport, server.url))
        while len(server.requests) < 2:
            await asyncio.sleep(0.005)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.open:
            await asyncio.sleep(0.005)
        await transport.close()


async def test_a_silent_server_is_noticed_on_a_kept_connection_too() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        peer.request()
        peer.send(CHUNKED + b"5\r\nwords\r\n")
        peer.wait_closed()

    with FaultServer(script) as server:
        transport = AiohttpTransport(server.url)
        await sent(transport, server.url)
        request = post(server.url)
        request.timeouts = Timeouts(read=0.3)
        pieces: list[bytes] = []

        async def read() -> None:
            stream = await transport.stream(request)
            while True:
                pieces.append(await stream.read())

        with pytest.raises(TransportError, match=r"sent nothing for 0\.3 s"):
            await read()
        assert pieces in ([], [b"words"])  # none where this machine itself was silent for so long
        await transport.close()


# ---------------------------------------------------------------- the protocol alone


class _Wire:
    """A connection of aiohttp's, its transport and its protocol, as far as an exchange uses them."""

    def __init__(self) -> None:
        self.protocol = self.transport = self
        self.given: Any = None
        self.released = self.closed = self.reading = 0
        self.lost: list[Any] = []

    def set_protocol(self, protocol: Any) -> None:
        self.given = protocol

    def write(self, data: bytes) -> None:
        self.written = data

    def get_write_buffer_size(self) -> int:
        return 0

    def release(self) -> None:
        self.released += 1

    def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        self.closed += 1

    def pause_reading(self) -> None:
        self.reading -= 1

    def resume_reading(self) -> None:
        self.reading += 1

    def connection_lost(self, error: Any) -> None:
        self.lost.append(error)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start != end]


@settings(deadline=None, max_examples=150)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    places=st.lists(st.integers(0, 10_000), max_size=12),
    counted=st.booleans(),
)
def test_any_pieces_give_the_same_body(chunks: list[bytes], places: list[int], counted: bool) -> None:
    body = b"".join(chunks)
    if counted:
        data = OK + b"content-length: %d\r\n\r\n%s" % (len(body), body)
    else:
        data = CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"

    async def read() -> bytes:
        wire = _Wire()
        exchange = QuickExchange(wire, asyncio.get_running_loop(), None)
        asking = asyncio.ensure_future(exchange.ask(b"request"))
        await asyncio.sleep(0)
        for piece in cut(data, places):
            exchange.data_received(piece)
        await asking
        received = b""
        while more := await exchange.read():
            received += more
        assert exchange.failure is None
        assert (wire.released, wire.closed, wire.given) == (1, 0, wire)
        return received

    assert asyncio.run(read()) == body


async def test_a_reader_who_does_not_read_holds_the_server_back() -> None:
    wire = _Wire()
    exchange = QuickExchange(wire, asyncio.get_running_loop(), None)
    asking = asyncio.ensure_future(exchange.ask(b"request"))
    await asyncio.sleep(0)
    exchange.data_received(OK + b"content-length: 10000000\r\n\r\n")
    await asking
    for _ in range(5):
        exchange.data_received(b"w" * 100_000)
    assert wire.reading == -1
    assert len(await exchange.read()) == 500_000
    assert wire.reading == 0
    exchange.hang_up()
    assert wire.closed
    assert exchange.ended


def test_headers_that_govern_the_exchange_are_left_to_aiohttp() -> None:
    assert request_head("/a", (("host", "b"),)) == b"POST /a HTTP/1.1\r\nhost: b\r\n"
    for name in ("connection", "content-length", "expect", "transfer-encoding"):
        assert request_head("/a", ((name, "x"),)) is None
    assert exchange_aiohttp.PARSER_LIMITS["max_line_size"] == 100 * 1024
