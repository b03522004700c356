"""Every way in which an exchange can break, over real sockets: both engines report it in the same words."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from llm_client._core.http import HttpRequest, Timeouts, TransportError
from llm_client._seam import _async as seam
from support.fault_server import FaultServer, FullBacklog, Peer, always, closed_port

SHORT = Timeouts(connect=5.0, read=0.2)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def post(url: str, timeouts: Timeouts | None = None, body: bytes = b'{"secret": 1}') -> HttpRequest:
    headers = {"authorization": "Bearer secret", "content-type": "application/json", "user-agent": "test"}
    return HttpRequest("POST", f"{url}/v1/chat?secret=1", headers, body, timeouts or Timeouts())


async def until(condition, what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await seam.sleep(0.005)


async def failure_of(url: str, timeouts: Timeouts | None = None, body: bytes = b"{}") -> TransportError:
    transport = seam.open_transport(url)
    try:
        with pytest.raises(TransportError) as caught:
            await transport.send(post(url, timeouts, body))
    finally:
        await transport.close()
    assert "secret" not in str(caught.value)
    assert caught.value.message == str(caught.value)
    return caught.value


async def read_on(stream, pieces: list[bytes]) -> None:
    while piece := await stream.read():
        pieces.append(piece)


async def stream_failure(url: str, timeouts: Timeouts | None = None) -> tuple[bytes, TransportError]:
    transport = seam.open_transport(url)
    pieces: list[bytes] = []
    try:
        stream = await transport.stream(post(url, timeouts))
        assert stream.status == 200
        with pytest.raises(TransportError) as caught:
            await read_on(stream, pieces)
        received = b"".join(pieces)
        # A failed stream does not turn into one that is merely over.
        with pytest.raises(TransportError) as again:
            await stream.read()
        assert str(again.value) == str(caught.value)
        await stream.close()
    finally:
        await transport.close()
    return received, caught.value


def read_then_reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def read_then_close(peer: Peer) -> None:
    peer.request()


# ---------------------------------------------------------------- before the answer


async def test_connection_refused():
    port = closed_port()
    error = await failure_of(f"http://127.0.0.1:{port}")
    assert (error.kind, error.status) == ("connect", 503)
    assert str(error) == f"could not connect to 127.0.0.1:{port}: connection refused"


async def test_connection_refused_by_name():
    port = closed_port()
    error = await failure_of(f"http://localhost:{port}")
    assert str(error) == f"could not connect to localhost:{port}: connection refused"


async def test_name_that_does_not_resolve():
    error = await failure_of("http://no-such-host.invalid:8000")
    assert (error.kind, error.status) == ("connect", 503)
    assert str(error) == "could not connect to no-such-host.invalid:8000: the name cannot be resolved"


async def test_connect_time_out():
    with FullBacklog() as nowhere:
        started = time.monotonic()
        error = await failure_of(f"http://{nowhere.address}", Timeouts(connect=0.3, read=60.0))
        assert 0.2 < time.monotonic() - started < 30
    assert (error.kind, error.status) == ("timeout", 408)
    assert str(error) == f"no connection to {nowhere.address} within 0.3 s"


async def test_reset_before_headers():
    with FaultServer(read_then_reset) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("disconnected", 503)
    assert str(error) == f"{server.address} closed the connection before it answered"
    assert server.connections == 1


async def test_closed_before_headers_on_a_fresh_connection():
    with FaultServer(read_then_close) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("disconnected", 503)
    assert str(error) == f"{server.address} closed the connection before it answered"
    assert server.connections == 1


async def test_closed_before_headers_of_a_get_is_not_repeated_either():
    with FaultServer(read_then_close) as server:
        transport = seam.open_transport(server.url)
        with pytest.raises(TransportError) as caught:
            await transport.send(HttpRequest("GET", f"{server.url}/v1/files"))
        await transport.close()
    assert caught.value.kind == "disconnected"
    assert len(server.requests) == 1


async def test_closed_within_the_headers():
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-ty")

    with FaultServer(script) as server:
        error = await failure_of(server.url)
    assert error.kind == "disconnected"
    assert str(error) == f"{server.address} closed the connection before it answered"


async def test_stalled_before_headers():
    def script(peer: Peer) -> None:
        peer.request()
        peer.wait_closed()

    with FaultServer(script) as server:
        error = await failure_of(server.url, SHORT)
        await until(server.hung_up.is_set, "the client hangs up")
    assert (error.kind, error.status) == ("timeout", 408)
    assert str(error) == f"{server.address} sent nothing for 0.2 s"


async def test_request_that_the_server_does_not_take():
    def script(peer: Peer) -> None:
        peer.head()
        peer.server.hung_up.wait(10)

    with FaultServer(script) as server:
        error = await failure_of(server.url, SHORT, body=b"x" * 32_000_000)
        server.hung_up.set()
    assert (error.kind, error.status) == ("timeout", 408)
    assert str(error) == f"{server.address} took nothing of the request for 0.2 s"


@pytest.mark.parametrize(
    "rubbish",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"NOT HTTP\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x50", b"HTTP/1.1 abc OK\r\n\r\n"],
)
async def test_not_http(rubbish: bytes):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(rubbish)

    with FaultServer(script) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("protocol", 503)
    assert str(error) == f"the answer from {server.address} is not valid HTTP"


async def test_headers_beyond_all_measure():
    with FaultServer(always(headers=f"x-much: {'m' * 200_000}\r\n")) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("protocol", 503)
    assert str(error) == f"the answer from {server.address} is not valid HTTP"


# ---------------------------------------------------------------- within the answer

HEADS = {
    "length": "content-length: 100\r\n",
    "chunked": "transfer-encoding: chunked\r\n",
}


def half(kind: str, peer: Peer) -> None:
    peer.request()
    peer.begin(HEADS[kind])
    if kind == "length":
        peer.send(b"half")
    else:
        peer.chunk(b"half")


@pytest.mark.parametrize("kind", ["length", "chunked"])
async def test_truncated_body(kind: str):
    with FaultServer(lambda peer: half(kind, peer)) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("truncated", 503)
    assert str(error) == f"the answer from {server.address} broke off before its end"


@pytest.mark.parametrize("kind", ["length", "chunked"])
async def test_truncated_stream_gives_what_came_before(kind: str):
    with FaultServer(lambda peer: half(kind, peer)) as server:
        received, error = await stream_failure(server.url)
    assert received == b"half"
    assert (error.kind, error.status) == ("truncated", 503)
    assert str(error) == f"the answer from {server.address} broke off before its end"


async def test_truncated_within_a_chunk():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.send(b"100\r\nhalf")

    with FaultServer(script) as server:
        received, error = await stream_failure(server.url)
    assert received == b"half"
    assert str(error) == f"the answer from {server.address} broke off before its end"


async def test_chunk_that_is_none():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"half")
        peer.send(b"rubbish\r\n")
        peer.wait_closed()

    with FaultServer(script) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("protocol", 503)
    assert str(error) == f"the answer from {server.address} is not valid HTTP"


async def test_chunk_that_is_none_later_in_a_stream():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"half")
        peer.server.hung_up.wait(10)
        peer.send(b"rubbish\r\n")
        peer.wait_closed()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert await stream.read() == b"half"
        server.hung_up.set()
        with pytest.raises(TransportError) as caught:
            await stream.read()
        await transport.close()
    assert (caught.value.kind, caught.value.status) == ("protocol", 503)
    assert str(caught.value) == f"the answer from {server.address} is not valid HTTP"


async def test_chunk_that_is_none_later_in_a_body():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        for _ in range(3):
            peer.chunk(b"half")
            peer.server.hung_up.wait(0.05)
        peer.send(b"rubbish\r\n")
        peer.wait_closed()

    with FaultServer(script) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("protocol", 503)
    assert str(error) == f"the answer from {server.address} is not valid HTTP"


@pytest.mark.parametrize("kind", ["length", "chunked"])
async def test_reset_after_headers(kind: str):
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin(HEADS[kind])
        peer.reset()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        with pytest.raises(TransportError) as caught:
            await transport.send(post(server.url))
        await transport.close()
    # A reset overtakes what was sent before it: the headers may be lost with it.
    error = caught.value
    expected = {
        "truncated": f"the answer from {server.address} broke off before its end",
        "disconnected": f"{server.address} closed the connection before it answered",
    }
    assert error.status == 503
    assert str(error) == expected[error.kind]


async def test_reset_within_a_stream():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"half")
        peer.server.hung_up.wait(10)
        peer.reset()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert await stream.read() == b"half"
        server.hung_up.set()
        with pytest.raises(TransportError) as caught:
            await stream.read()
        await transport.close()
    assert (caught.value.kind, caught.value.status) == ("truncated", 503)
    assert str(caught.value) == f"the answer from {server.address} broke off before its end"


async def test_stalled_within_a_body():
    def script(peer: Peer) -> None:
        half("length", peer)
        peer.wait_closed()

    with FaultServer(script) as server:
        error = await failure_of(server.url, SHORT)
        await until(server.hung_up.is_set, "the client hangs up")
    assert (error.kind, error.status) == ("timeout", 408)
    assert str(error) == f"{server.address} sent nothing for 0.2 s"


async def test_stalled_within_a_stream():
    def script(peer: Peer) -> None:
        half("chunked", peer)
        peer.wait_closed()

    with FaultServer(script) as server:
        received, error = await stream_failure(server.url, SHORT)
        await until(server.hung_up.is_set, "the client hangs up")
    assert received == b"half"
    assert (error.kind, error.status) == ("timeout", 408)
    assert str(error) == f"{server.address} sent nothing for 0.2 s"


async def test_a_slow_reader_is_not_a_silent_server():
    def script(peer: Peer) -> None:
        half("chunked", peer)
        peer.server.hung_up.wait(10)
        peer.chunk(b"rest")
        peer.send(b"0\r\n\r\n")

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url, SHORT))
        assert await stream.read() == b"half"
        started = time.monotonic()
        await until(lambda: time.monotonic() - started > 0.5, "time passes")
        server.hung_up.set()
        assert await stream.read() == b"rest"
        assert await stream.read() == b""
        await transport.close()


async def test_the_read_limit_counts_silence_and_not_the_whole():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        for _ in range(8):
            peer.server.hung_up.wait(0.1)
            peer.chunk(b"x")
        peer.send(b"0\r\n\r\n")

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        limits = Timeouts(connect=5.0, read=0.6)
        assert (await transport.send(post(server.url, limits))).body == b"x" * 8
        stream = await transport.stream(post(server.url, limits))
        received = b""
        while piece := await stream.read():
            received += piece
        assert received == b"x" * 8
        await transport.close()


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("encoding", "coded"),
    [
        ("gzip", gzip.compress(b"plain" * 100)),
        ("x-gzip", gzip.compress(b"plain" * 50) + gzip.compress(b"plain" * 50)),
        ("deflate", zlib.compress(b"plain" * 100)),
        ("deflate", zlib.compress(b"plain" * 100)[2:-4]),
        ("deflate, gzip", gzip.compress(zlib.compress(b"plain" * 100))),
        ("identity", b"plain" * 100),
    ],
    ids=["gzip", "two members", "deflate", "bare deflate", "both", "identity"],
)
async def test_encoded_body(encoding: str, coded: bytes):
    with FaultServer(always(coded, headers=f"content-encoding: {encoding}\r\n")) as server:
        transport = seam.open_transport(server.url)
        assert (await transport.send(post(server.url))).body == b"plain" * 100
        stream = await transport.stream(post(server.url))
        received = b""
        while piece := await stream.read():
            received += piece
        assert received == b"plain" * 100
        assert server.connections == 1
        await transport.close()
    assert b"accept-encoding: gzip, deflate\r\n" in server.requests[0].lower()


@pytest.mark.parametrize(
    ("encoding", "coded", "reason"),
    [
        ("gzip", b"not gzip at all", "its gzip data is damaged"),
        ("gzip", gzip.compress(b"plain" * 100)[:-9], "its gzip data is incomplete"),
        ("deflate", b"\xff\xff\xff\xff", "its deflate data is damaged"),
        ("br", b"whatever", "its coding 'br' was not asked for, expected gzip or deflate"),
    ],
    ids=["damaged gzip", "incomplete gzip", "damaged deflate", "br"],
)
async def test_undecodable_body(encoding: str, coded: bytes, reason: str):
    with FaultServer(always(coded, headers=f"content-encoding: {encoding}\r\n")) as server:
        error = await failure_of(server.url)
        assert (error.kind, error.status) == ("decode", 503)
        assert str(error) == f"the answer from {server.address} cannot be decoded: {reason}"
        transport = seam.open_transport(server.url)
        with pytest.raises(TransportError) as caught:
            await read_on(await transport.stream(post(server.url)), [])
        assert str(caught.value) == str(error)
        await transport.close()


# ---------------------------------------------------------------- idle connections that died


async def test_idle_connection_that_was_closed():
    def once(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")

    with FaultServer(once, always(b"second")) as server:
        transport = seam.open_transport(server.url)
        assert (await transport.send(post(server.url))).body == b"first"
        await until(lambda: server.open == 0, "the server closes the idle connection")
        assert (await transport.send(post(server.url))).body == b"second"
        await transport.close()
    assert (server.connections, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("ending", [read_then_close, read_then_reset])
async def test_idle_connection_that_dies_when_it_is_used(ending):
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        ending(peer)

    with FaultServer(script, always(b"second")) as server:
        transport = seam.open_transport(server.url)
        assert (await transport.send(post(server.url))).body == b"first"
        assert (await transport.send(post(server.url))).body == b"second"
        await transport.close()
    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("ending", [read_then_close, read_then_reset])
async def test_the_second_attempt_is_made_once_and_on_a_new_connection(ending):
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin("content-length: 5\r\n")
        peer.server.hung_up.wait(10)
        peer.send(b"first")
        ending(peer)

    with FaultServer(script, script, script, ending) as server:
        transport = seam.open_transport(server.url)
        streams = [await transport.stream(post(server.url)) for _ in range(3)]
        server.hung_up.set()
        for stream in streams:
            assert await stream.read() == b"first"
            assert await stream.read() == b""
        # Three idle connections will die when they are used: the second attempt must not pick another one of them.
        with pytest.raises(TransportError) as caught:
            await transport.send(post(server.url))
        assert caught.value.kind == "disconnected"
        assert str(caught.value) == f"{server.address} closed the connection before it answered"
        assert len(server.requests) == 5
        await transport.close()


async def test_idle_connection_that_dies_within_an_answer_is_not_repeated():
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        peer.request()
        peer.begin("content-length: 100\r\n")
        peer.send(b"half")

    with FaultServer(script, always()) as server:
        transport = seam.open_transport(server.url)
        assert (await transport.send(post(server.url))).body == b"first"
        with pytest.raises(TransportError) as caught:
            await transport.send(post(server.url))
        assert caught.value.kind == "truncated"
        await transport.close()
    assert len(server.requests) == 2
