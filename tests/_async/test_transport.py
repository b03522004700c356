"""What a transport sends, what it returns, and which connections it keeps."""

from __future__ import annotations

import time

import pytest

from llm_client._core.http import HttpRequest, HttpResponse, Timeouts, TransportError
from llm_client._seam import _async as seam
from support.fault_server import FaultServer, Peer, always


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def post(url: str, body: bytes = b"{}", **headers: str) -> HttpRequest:
    fixed = {"content-type": "application/json", "user-agent": "test"}
    return HttpRequest("POST", f"{url}/v1/chat", {**fixed, **headers}, body, Timeouts(connect=5.0, read=10.0))


async def until(condition, what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await seam.sleep(0.005)


async def send(request: HttpRequest) -> HttpResponse:
    transport = seam.open_transport("http://127.0.0.1")
    try:
        return await transport.send(request)
    finally:
        await transport.close()


async def rest_of(stream) -> bytes:
    received = b""
    while piece := await stream.read():
        received += piece
    return received


def header_lines(raw: bytes) -> list[str]:
    return sorted(raw.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")[1:])


async def test_what_is_sent_is_exactly_what_was_asked_for():
    with FaultServer(always()) as server:
        request = HttpRequest("POST", f"{server.url}/v1/a%2Fb?x=%20y&z=1", {"authorization": "Bearer k"}, b"body")
        response = await send(request)
    assert response.status == 200
    assert server.requests[0].startswith(b"POST /v1/a%2Fb?x=%20y&z=1 HTTP/1.1\r\n")
    assert header_lines(server.requests[0]) == [
        "accept-encoding: gzip, deflate",
        "accept: */*",
        "authorization: bearer k",
        "content-length: 4",
        f"host: {server.address}",
    ]
    assert server.requests[0].endswith(b"\r\n\r\nbody")


async def test_get_without_a_body():
    with FaultServer(always(b"list")) as server:
        response = await send(HttpRequest("GET", f"{server.url}/v1/files"))
    assert response.body == b"list"
    assert header_lines(server.requests[0]) == [
        "accept-encoding: gzip, deflate",
        "accept: */*",
        f"host: {server.address}",
    ]


async def test_post_without_a_body_says_so():
    with FaultServer(always()) as server:
        await send(HttpRequest("POST", f"{server.url}/v1/cancel"))
    assert "content-length: 0" in header_lines(server.requests[0])


async def test_own_headers_win():
    with FaultServer(always()) as server:
        await send(post(server.url, **{"accept": "text/event-stream", "accept-encoding": "identity", "host": "me"}))
    lines = header_lines(server.requests[0])
    assert {"accept: text/event-stream", "accept-encoding: identity", "host: me"} <= set(lines)
    assert len(lines) == 6


async def test_credentials_in_the_url_become_a_header():
    with FaultServer(always()) as server:
        await send(HttpRequest("GET", f"http://us%40er:pw@{server.address}/"))
    assert server.requests[0].startswith(b"GET / HTTP/1.1\r\n")
    assert b"authorization: Basic dXNAZXI6cHc=" in server.requests[0].replace(b"Authorization", b"authorization")


@pytest.mark.parametrize("value", ["Bearer key\n", "Bearer key\r\nx-evil: 1", " Bearer key", "Bearer\x00key"])
async def test_header_that_cannot_be_sent(value: str):
    refused = pytest.raises(ValueError, match="header 'authorization' cannot be sent")
    with FaultServer(always()) as server, refused as caught:
        await send(post(server.url, authorization=value))
    assert "key" not in str(caught.value).replace("was a key read", "")
    assert server.requests == []


async def test_header_beyond_ascii():
    with FaultServer(always(headers="x-answer: Grüße\r\n")) as server:
        response = await send(post(server.url, **{"x-title": "Grüße"}))
    assert "x-title: Grüße".encode() in server.requests[0].replace(b"X-Title", b"x-title")
    assert response.headers["x-answer"] == "Grüße"


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host/", "http:///v1", "http://host:port/"])
async def test_url_that_is_none(url: str):
    with pytest.raises(ValueError, match="not a usable URL"):
        seam.open_transport(url)
    with pytest.raises(ValueError, match="not a usable URL"):
        await send(HttpRequest("GET", url))


async def test_response_headers_are_lower_case_and_joined():
    with FaultServer(always(headers="X-Request-ID: Abc\r\nSet-Cookie: a=1\r\nVia: one\r\nvia: two\r\n")) as server:
        response = await send(post(server.url))
    assert response.headers["x-request-id"] == "Abc"
    assert response.headers["via"] == "one, two"
    assert response.headers["content-length"] == "2"


async def test_many_and_large_headers():
    many = "".join(f"x-{number}: {number}\r\n" for number in range(300))
    with FaultServer(always(headers=f"{many}x-large: {'l' * 60_000}\r\n")) as server:
        response = await send(post(server.url, **{"x-mine": "m" * 60_000}))
    assert response.headers["x-299"] == "299"
    assert response.headers["x-large"] == "l" * 60_000
    assert b"m" * 60_000 in server.requests[0]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_not_followed(status: str):
    with FaultServer(always(b"elsewhere", status, "location: http://127.0.0.1:1/\r\n")) as server:
        response = await send(post(server.url))
    assert (response.status, response.body) == (int(status[:3]), b"elsewhere")
    assert response.headers["location"] == "http://127.0.0.1:1/"
    assert len(server.requests) == 1


async def test_cookies_are_not_kept():
    with FaultServer(always(headers="set-cookie: session=1; Path=/\r\n")) as server:
        transport = seam.open_transport(server.url)
        for _ in range(2):
            await transport.send(post(server.url))
        await transport.close()
    assert b"cookie" not in server.requests[1].lower()


async def test_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login user password pass\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with FaultServer(always()) as server:
        await send(post(server.url))
        await send(post(server.url, authorization="Bearer own"))
    assert b"authorization" not in server.requests[0].lower()
    assert b"bearer own" in server.requests[1].lower()


@pytest.mark.parametrize("size", [0, 60_000, 70_000, 5_000_000])
async def test_bodies_of_all_sizes(size: int):
    body = b"x" * size
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)
        for _ in range(2):
            await transport.send(post(server.url, body))
        await transport.close()
    assert server.connections == 1
    for request in server.requests:
        assert request.endswith(b"\r\n\r\n" + body)
        assert f"content-length: {size}" in header_lines(request)


async def test_interim_answers_are_skipped():
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        peer.answer(b"done")

    with FaultServer(script) as server:
        response = await send(post(server.url))
    assert (response.status, response.body) == (200, b"done")
    assert "link" not in response.headers


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_body_that_ends_with_the_connection(version: bytes):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/%s 200 OK\r\nconnection: close\r\n\r\nall of it" % version)

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        assert (await transport.send(post(server.url))).body == b"all of it"
        assert await rest_of(await transport.stream(post(server.url))) == b"all of it"
        assert server.connections == 2
        await transport.close()


async def test_answer_without_a_body():
    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        assert (await transport.send(post(server.url))).body == b""
        assert await (await transport.stream(post(server.url))).read() == b""
        assert server.connections == 1
        await transport.close()


# ---------------------------------------------------------------- streams


async def test_a_stream_gives_each_piece_when_it_comes():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin("transfer-encoding: chunked\r\nx-id: 7\r\n")
        for number in range(3):
            assert peer.server.hung_up.wait(10)
            peer.server.hung_up.clear()
            peer.chunk(b"piece %d" % number)
        peer.send(b"0\r\n\r\n")

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert (stream.status, stream.headers["x-id"]) == (200, "7")
        for number in range(3):
            server.hung_up.set()
            assert await stream.read() == b"piece %d" % number
        assert await stream.read() == b""
        assert await stream.read() == b""
        await stream.close()
        await stream.close()
        await transport.close()


async def test_a_stream_that_was_read_to_its_end_keeps_the_connection():
    def script(peer: Peer) -> None:
        while peer.request():
            peer.begin()
            peer.chunk(b"one")
            peer.send(b"0\r\n\r\n")

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        for _ in range(3):
            stream = await transport.stream(post(server.url))
            assert await rest_of(stream) == b"one"
            await stream.close()
        assert server.connections == 1
        await transport.close()


async def test_closing_a_half_read_stream_hangs_up_at_once():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"one")
        peer.wait_closed()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert await stream.read() == b"one"
        started = time.monotonic()
        await stream.close()
        assert time.monotonic() - started < 10
        await until(server.hung_up.is_set, "the client hangs up")
        with pytest.raises(TransportError) as caught:
            await stream.read()
        assert str(caught.value) == f"close() was called during the exchange with {server.address}"
        await transport.close()


async def test_closing_does_not_wait_for_a_server_that_goes_on_sending():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        try:
            while True:
                peer.chunk(b"x" * 65536)
        except OSError:
            peer.server.hung_up.set()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert await stream.read()
        started = time.monotonic()
        await stream.close()
        assert time.monotonic() - started < 10
        await until(server.hung_up.is_set, "the client hangs up")
        await transport.close()


async def test_a_stream_that_was_dropped_hangs_up():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"one")
        peer.wait_closed()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert await stream.read() == b"one"
        del stream
        await until(server.hung_up.is_set, "the client hangs up")
        await transport.close()


async def test_a_hundred_streams_leave_no_connection_behind():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"one")
        peer.wait_closed()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        streams = [await transport.stream(post(server.url)) for _ in range(100)]
        assert server.open == 100
        for stream in streams:
            await stream.close()
        await until(lambda: server.open == 0, "all connections are closed")
        await transport.close()


# ---------------------------------------------------------------- close and open again


async def test_closing_closes_idle_connections_and_a_closed_transport_opens_anew():
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)
        await transport.send(post(server.url))
        assert server.open == 1
        await transport.close()
        await transport.close()
        await until(lambda: server.open == 0, "the connection is closed")
        assert (await transport.send(post(server.url))).status == 200
        assert server.connections == 2
        await transport.close()
        await until(lambda: server.open == 0, "the connection is closed")


async def test_closing_ends_a_stream_that_is_under_way():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"one")
        peer.wait_closed()

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert await stream.read() == b"one"
        await transport.close()
        await until(server.hung_up.is_set, "the client hangs up")
        with pytest.raises(TransportError) as caught:
            await stream.read()
        assert caught.value.kind == "disconnected"
        assert str(caught.value) == f"close() was called during the exchange with {server.address}"
        await stream.close()


async def test_a_transport_that_was_dropped_closes_its_connections():
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)
        await transport.send(post(server.url))
        assert server.open == 1
        del transport
        await until(lambda: server.open == 0, "the connection is closed")


async def test_opening_connects_nothing():
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)
        await transport.close()
        assert server.connections == 0
