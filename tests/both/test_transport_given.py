"""Clients that the caller made: what works through them, and that their failures read like those of our own engines."""

from __future__ import annotations

import asyncio
import functools
import gzip
import inspect
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from llm_client._core.http import HttpRequest, HttpResponse, Timeouts, TransportError
from llm_client._seam import _async, _sync
from support.certificates import authority, server_context
from support.fault_server import FaultServer, FullBacklog, Peer, always, closed_port


def post(url: str, timeouts: Timeouts | None = None) -> HttpRequest:
    headers = {"authorization": "Bearer secret", "content-type": "application/json", "user-agent": "test"}
    return HttpRequest("POST", f"{url}/v1/chat?secret=1", headers, b"{}", timeouts or Timeouts(connect=5.0, read=5.0))


class Asynchronous:
    """Runs a transport of the async face to its end."""

    seam = _async
    client = httpx.AsyncClient

    @staticmethod
    def run(work: Callable[..., Any], **options: Any) -> Any:
        async def main() -> Any:
            async with httpx.AsyncClient(**options) as client:
                return await work(_async.open_transport("http://127.0.0.1", http_client=client))

        return asyncio.run(main())

    @staticmethod
    async def send(transport: Any, request: HttpRequest) -> HttpResponse:
        return await transport.send(request)

    @staticmethod
    async def send_all(transport: Any, *requests: HttpRequest) -> list[HttpResponse]:
        return [await transport.send(request) for request in requests]

    @staticmethod
    async def stream(transport: Any, request: HttpRequest) -> tuple[int, list[bytes]]:
        stream = await transport.stream(request)
        pieces = []
        while piece := await stream.read():
            pieces.append(piece)
        assert await stream.read() == b""
        await stream.close()
        return stream.status, pieces

    @staticmethod
    async def read_one(transport: Any, request: HttpRequest) -> bytes:
        stream = await transport.stream(request)
        piece = await stream.read()
        await stream.close()
        with pytest.raises(TransportError, match=r"close\(\) was called"):
            await stream.read()
        return piece


class Blocking:
    """The same for the blocking face."""

    seam = _sync
    client = httpx.Client

    @staticmethod
    def run(work: Callable[..., Any], **options: Any) -> Any:
        with httpx.Client(**options) as client:
            return work(_sync.open_transport("http://127.0.0.1", http_client=client))

    @staticmethod
    def send(transport: Any, request: HttpRequest) -> HttpResponse:
        return transport.send(request)

    @staticmethod
    def send_all(transport: Any, *requests: HttpRequest) -> list[HttpResponse]:
        return [transport.send(request) for request in requests]

    @staticmethod
    def stream(transport: Any, request: HttpRequest) -> tuple[int, list[bytes]]:
        stream = transport.stream(request)
        pieces = []
        while piece := stream.read():
            pieces.append(piece)
        assert stream.read() == b""
        stream.close()
        return stream.status, pieces

    @staticmethod
    def read_one(transport: Any, request: HttpRequest) -> bytes:
        stream = transport.stream(request)
        piece = stream.read()
        stream.close()
        with pytest.raises(TransportError, match=r"close\(\) was called"):
            stream.read()
        return piece


faces = pytest.mark.parametrize("face", [Asynchronous, Blocking])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def work(face: Any, name: str, *arguments: Any) -> Callable[..., Any]:
    method = getattr(face, name)
    return lambda transport: method(transport, *arguments)


# ---------------------------------------------------------------- what works through them


@faces
def test_send_and_stream(face: Any):
    def script(peer: Peer) -> None:
        while peer.request():
            peer.begin("transfer-encoding: chunked\r\nx-id: 7\r\n")
            peer.chunk(b"one")
            peer.send(b"0\r\n\r\n")

    with FaultServer(script) as server:
        response = face.run(work(face, "send", post(server.url)))
        assert (response.status, response.headers["x-id"], response.body) == (200, "7", b"one")
        assert face.run(work(face, "stream", post(server.url))) == (200, [b"one"])
    assert b"accept-encoding: gzip, deflate\r\n" in server.requests[0].lower()
    assert b"user-agent: test\r\n" in server.requests[0].lower()


@faces
def test_defaults_of_the_client_are_sent_too(face: Any):
    with FaultServer(always()) as server:
        face.run(work(face, "send", post(server.url)), headers={"x-gateway": "g", "user-agent": "other"})
    assert b"x-gateway: g\r\n" in server.requests[0].lower()
    assert b"user-agent: test\r\n" in server.requests[0].lower()


@faces
def test_redirects_are_not_followed_even_if_the_client_would(face: Any):
    with FaultServer(always(b"", "307 Temporary", "location: http://127.0.0.1:1/\r\n")) as server:
        response = face.run(work(face, "send", post(server.url)), follow_redirects=True)
    assert response.status == 307


@faces
def test_mock_transports_and_mounts(face: Any):
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, content=request.url.path.encode(), headers={"X-Mock": "yes"})

    mounts = {"http://mocked.example": httpx.MockTransport(answer)}
    response = face.run(work(face, "send", post("http://mocked.example")), mounts=mounts)
    assert (response.status, response.body) == (201, b"/v1/chat")
    assert response.headers["x-mock"] == "yes"
    status, pieces = face.run(work(face, "stream", post("http://mocked.example")), mounts=mounts)
    assert (status, b"".join(pieces)) == (201, b"/v1/chat")


@faces
def test_hooks_that_read_the_answer(face: Any):
    seen = []

    def read(response: httpx.Response) -> None:
        seen.append(response.read())

    async def read_async(response: httpx.Response) -> None:
        seen.append(await response.aread())

    hook = read_async if face is Asynchronous else read
    coded = gzip.compress(b"plain")
    with FaultServer(always(coded, headers="content-encoding: gzip\r\n")) as server:
        response = face.run(work(face, "send", post(server.url)), event_hooks={"response": [hook]})
        assert face.run(work(face, "stream", post(server.url)), event_hooks={"response": [hook]}) == (200, [b"plain"])
    assert response.body == b"plain"
    assert seen == [b"plain", b"plain"]


@faces
def test_encoded_answers(face: Any):
    with FaultServer(always(gzip.compress(b"plain" * 50), headers="content-encoding: gzip\r\n")) as server:
        assert face.run(work(face, "send", post(server.url))).body == b"plain" * 50
        status, pieces = face.run(work(face, "stream", post(server.url)))
    assert (status, b"".join(pieces)) == (200, b"plain" * 50)


@faces
def test_own_certificates(face: Any):
    context = ssl.create_default_context()
    authority().configure_trust(context)
    with FaultServer(always(b"safe"), context=server_context("127.0.0.1")) as server:
        assert face.run(work(face, "send", post(server.url)), verify=context).body == b"safe"


@faces
def test_closing_a_half_read_stream_hangs_up(face: Any):
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"one")
        peer.wait_closed()

    with FaultServer(script) as server:
        assert face.run(work(face, "read_one", post(server.url))) == b"one"
        assert server.hung_up.wait(10)


@faces
def test_idle_connection_that_dies_when_it_is_used(face: Any):
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(b"first")
        peer.request()

    with FaultServer(script, always(b"second")) as server:
        answers = face.run(work(face, "send_all", post(server.url), post(server.url)))
    assert [answer.body for answer in answers] == [b"first", b"second"]
    assert len(server.requests) == 3


@faces
def test_the_client_stays_open(face: Any):
    with FaultServer(always()) as server:

        async def asynchronous() -> int:
            async with httpx.AsyncClient() as client:
                await _async.open_transport("http://127.0.0.1", http_client=client).close()
                assert not client.is_closed
                return (await client.get(server.url)).status_code

        def blocking() -> int:
            with httpx.Client() as client:
                _sync.open_transport("http://127.0.0.1", http_client=client).close()
                assert not client.is_closed
                return client.get(server.url).status_code

        assert (asyncio.run(asynchronous()) if face is Asynchronous else blocking()) == 200


@faces
def test_time_limits_of_the_client_count_unless_the_request_has_its_own(face: Any):
    def stall(peer: Peer) -> None:
        peer.request()
        peer.wait_closed()

    with FaultServer(stall) as server:
        with pytest.raises(TransportError) as caught:
            face.run(work(face, "send", post(server.url, Timeouts())), timeout=httpx.Timeout(0.2))
        assert str(caught.value) == f"{server.address} sent nothing for 0.2 s"
        with pytest.raises(TransportError) as caught:
            face.run(work(face, "send", post(server.url, Timeouts(read=0.1))), timeout=httpx.Timeout(0.2))
        assert str(caught.value) == f"{server.address} sent nothing for 0.1 s"


# ---------------------------------------------------------------- mistakes


def test_client_of_the_other_face():
    with httpx.Client() as client, pytest.raises(TypeError) as caught:
        _async.open_transport("http://h", http_client=client)
    assert str(caught.value) == (
        "http_client is a httpx.Client, this face needs a httpx.AsyncClient: use llm_client.sync"
    )
    with pytest.raises(TypeError) as caught:
        _sync.open_transport("http://h", http_client=httpx.AsyncClient())
    assert str(caught.value) == "http_client is a httpx.AsyncClient, this face needs a httpx.Client: use llm_client"


@pytest.mark.parametrize(("thing", "name"), [(object(), "object"), ("client", "str"), (httpx.Client, "Client")])
def test_something_that_is_no_client(thing: object, name: str):
    with pytest.raises(TypeError) as caught:
        _async.open_transport("http://h", http_client=thing)
    assert str(caught.value) == f"http_client must be an httpx.AsyncClient, not {name}"
    with pytest.raises(TypeError) as caught:
        _sync.open_transport("http://h", http_client=thing)
    assert str(caught.value) == f"http_client must be an httpx.Client, not {name}"


def test_an_async_client_belongs_to_one_loop():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    transport = _async.open_transport("http://h", http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer)))

    async def twice() -> None:
        await transport.send(post("http://h"))
        await transport.send(post("http://h"))

    asyncio.run(twice())
    with pytest.raises(RuntimeError, match="in use on another event loop"):
        asyncio.run(twice())


# ---------------------------------------------------------------- failures


def read_then(ending: str, peer: Peer) -> None:
    peer.request()
    if ending == "reset":
        peer.reset()
    elif ending == "stall":
        peer.wait_closed()
    elif ending == "rubbish":
        peer.send(b"NOT HTTP\r\n\r\n")
    elif ending in ("length", "chunked", "half"):
        peer.begin("content-length: 100\r\n" if ending == "length" else "transfer-encoding: chunked\r\n")
        peer.send(b"half" if ending == "length" else b"4\r\nhalf\r\n")
        if ending == "half":
            peer.wait_closed()
    elif ending == "gzip":
        peer.answer(b"not gzip", headers="content-encoding: gzip\r\n")
    elif ending == "br":
        peer.answer(b"not brotli", headers="content-encoding: br\r\n")
    elif ending == "huge":
        peer.answer(b"", headers=f"x-much: {'m' * 200_000}\r\n")


def all_failures(url: str, name: str) -> list[tuple[str, str]]:
    """Kind and text of a failure through the caller's clients and through our own engines."""
    short = Timeouts(connect=0.3, read=0.2)
    caught = []
    for face in (Asynchronous, Blocking):
        with pytest.raises(TransportError) as error:
            face.run(work(face, name, post(url, short)))
        caught.append((error.value.kind, str(error.value)))
    assert not any("secret" in text for _, text in caught)

    async def own() -> None:
        transport = _async.open_transport(url)
        try:
            await getattr(Asynchronous, name)(transport, post(url, short))
        finally:
            await transport.close()

    with pytest.raises(TransportError) as error:
        asyncio.run(own())
    caught.append((error.value.kind, str(error.value)))
    blocking = _sync.open_transport(url)
    with pytest.raises(TransportError) as error:
        getattr(Blocking, name)(blocking, post(url, short))
    blocking.close()
    caught.append((error.value.kind, str(error.value)))
    return caught


@pytest.mark.parametrize("method", ["send", "stream"])
@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ("close", "disconnected"),
        ("reset", "disconnected"),
        ("stall", "timeout"),
        ("rubbish", "protocol"),
        ("huge", "protocol"),
        ("length", "truncated"),
        ("chunked", "truncated"),
        ("half", "timeout"),
        ("gzip", "decode"),
        ("br", "decode"),
    ],
)
def test_all_four_engines_fail_alike(ending: str, kind: str, method: str):
    with FaultServer(functools.partial(read_then, ending)) as server:
        failures = all_failures(server.url, method)
    assert len(failures) == 4
    assert set(failures) == {failures[0]}
    assert failures[0][0] == kind


def test_all_four_engines_fail_alike_before_they_are_connected():
    for url in (f"http://127.0.0.1:{closed_port()}", "http://no-such-host.invalid:80"):
        failures = all_failures(url, "send")
        assert set(failures) == {failures[0]}
        assert failures[0][0] == "connect"
    with FullBacklog() as nowhere:
        failures = all_failures(f"http://{nowhere.address}", "send")
    assert set(failures) == {failures[0]}
    assert failures[0][0] == "timeout"


def test_all_four_engines_fail_alike_without_a_certificate_to_trust():
    with FaultServer(always(), context=server_context("127.0.0.1")) as server:
        failures = all_failures(server.url, "send")
    assert set(failures) == {failures[0]}
    assert failures[0][0] == "tls"


def test_both_halves_have_the_same_signature():
    assert list(inspect.signature(_async.open_transport).parameters) == ["base_url", "http_client", "client", "vendor"]
    assert list(inspect.signature(_sync.open_transport).parameters) == ["base_url", "http_client", "client", "vendor"]
