"""TLS, proxies and IPv6: both engines take the same way and fail with the same words."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from llm_client._core.http import HttpRequest, Timeouts, TransportError
from llm_client._seam import _async as seam
from support.certificates import server_context, write_authority
from support.fault_server import FaultServer, Peer, always, closed_port, tunnel


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", write_authority(tmp_path))


def post(url: str) -> HttpRequest:
    headers = {"authorization": "Bearer secret", "content-type": "application/json", "user-agent": "test"}
    return HttpRequest("POST", f"{url}/v1/chat?secret=1", headers, b"{}", Timeouts(connect=5.0, read=5.0))


async def body_from(url: str) -> bytes:
    transport = seam.open_transport(url)
    try:
        return (await transport.send(post(url))).body
    finally:
        await transport.close()


async def failure_of(url: str) -> TransportError:
    transport = seam.open_transport(url)
    try:
        with pytest.raises(TransportError) as caught:
            await transport.send(post(url))
    finally:
        await transport.close()
    assert "secret" not in str(caught.value)
    return caught.value


# ---------------------------------------------------------------- TLS


async def test_certificate_from_an_unknown_authority():
    with FaultServer(always(), context=server_context("127.0.0.1")) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("tls", 503)
    assert str(error) == (
        f"no secure connection to {server.address}: its certificate is not signed by a known authority"
        " (SSL_CERT_FILE names your own)"
    )
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
async def test_certificate_from_the_authority_in_ssl_cert_file():
    with FaultServer(always(b"safe"), context=server_context("127.0.0.1")) as server:
        assert await body_from(server.url) == b"safe"


@pytest.mark.usefixtures("trusted")
async def test_secure_streams_and_their_connections_are_kept():
    with FaultServer(always(b"safe"), context=server_context("127.0.0.1")) as server:
        transport = seam.open_transport(server.url)
        for _ in range(3):
            stream = await transport.stream(post(server.url))
            assert await stream.read() == b"safe"
            assert await stream.read() == b""
        assert server.connections == 1
        await transport.close()


async def test_certificate_from_a_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with FaultServer(always(), context=server_context("127.0.0.1")) as server:
        error = await failure_of(server.url)
    assert error.kind == "tls"


async def test_ssl_cert_file_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    refused = pytest.raises(ValueError, match=r"the environment variable SSL_CERT_FILE is .*nothing\.pem")
    with FaultServer(always(), context=server_context("127.0.0.1")) as server, refused:
        await body_from(server.url)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
async def test_certificate_for_another_name(name: str):
    with FaultServer(always(), context=server_context(name)) as server:
        error = await failure_of(server.url)
    assert (error.kind, error.status) == ("tls", 503)
    assert str(error) == f"no secure connection to {server.address}: its certificate is for another host name"


@pytest.mark.usefixtures("trusted")
async def test_certificate_for_another_name_than_localhost():
    with FaultServer(always(), context=server_context("other.example")) as server:
        error = await failure_of(f"https://localhost:{server.port}")
    assert str(error) == f"no secure connection to localhost:{server.port}: its certificate is for another host name"


async def test_plain_http_behind_an_https_url():
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        peer.wait_closed()

    with FaultServer(script) as server:
        error = await failure_of(f"https://{server.address}")
    assert (error.kind, error.status) == ("tls", 503)
    assert str(error) == (
        f"no secure connection to {server.address}: the server does not speak TLS (should the URL begin with http://?)"
    )


@pytest.mark.parametrize("rude", [False, True])
async def test_server_that_hangs_up_in_the_handshake(rude: bool):
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        if rude:
            peer.reset()

    with FaultServer(script) as server:
        error = await failure_of(f"https://{server.address}")
    assert (error.kind, error.status) == ("tls", 503)
    assert str(error) == (
        f"no secure connection to {server.address}: the server closed the connection during the handshake"
    )


async def test_server_that_stalls_in_the_handshake():
    with FaultServer(lambda peer: peer.wait_closed()) as server:
        transport = seam.open_transport(server.url)
        request = HttpRequest("GET", f"https://{server.address}/", timeouts=Timeouts(connect=0.3, read=60.0))
        with pytest.raises(TransportError) as caught:
            await transport.send(request)
        await transport.close()
    assert (caught.value.kind, caught.value.status) == ("timeout", 408)
    assert str(caught.value) == f"no connection to {server.address} within 0.3 s"


# ---------------------------------------------------------------- proxies


async def test_http_goes_through_the_proxy_in_one_piece(monkeypatch: pytest.MonkeyPatch):
    with FaultServer(always(b"by proxy")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://us%40r:p%3Aw@{proxy.address}")
        assert await body_from("http://api.example:8080") == b"by proxy"
    request = proxy.requests[0].lower()
    assert request.startswith(b"post http://api.example:8080/v1/chat?secret=1 http/1.1\r\n")
    assert b"\r\nhost: api.example:8080\r\n" in request
    assert b"\r\nproxy-authorization: basic " + base64.b64encode(b"us@r:p:w").lower() + b"\r\n" in request


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_https_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch, variable: str):
    with FaultServer(always(b"safe"), context=server_context("127.0.0.1")) as server, FaultServer(tunnel) as proxy:
        monkeypatch.setenv(variable, f"http://user:secret@{proxy.address}")
        transport = seam.open_transport(server.url)
        for _ in range(2):
            assert (await transport.send(post(server.url))).body == b"safe"
        await transport.close()
    assert (proxy.connections, server.connections) == (1, 1)
    request = proxy.requests[0].lower()
    assert request.startswith(b"connect %s http/1.1\r\n" % server.address.encode())
    assert b"\r\nproxy-authorization: basic " + base64.b64encode(b"user:secret").lower() + b"\r\n" in request
    assert b"bearer" not in request
    assert b"proxy-authorization" not in server.requests[0].lower()


@pytest.mark.usefixtures("trusted")
async def test_http_through_an_https_proxy(monkeypatch: pytest.MonkeyPatch):
    with FaultServer(always(b"by proxy"), context=server_context("127.0.0.1")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"https://{proxy.address}")
        assert await body_from("http://api.example:8080") == b"by proxy"


@pytest.mark.usefixtures("trusted")
async def test_bad_certificate_behind_a_tunnel(monkeypatch: pytest.MonkeyPatch):
    with FaultServer(always(), context=server_context("other.example")) as server, FaultServer(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        error = await failure_of(server.url)
    assert error.kind == "tls"
    assert str(error) == f"no secure connection to {server.address}: its certificate is for another host name"


async def test_bad_certificate_of_the_proxy(monkeypatch: pytest.MonkeyPatch):
    with FaultServer(always(), context=server_context("127.0.0.1")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"https://{proxy.address}")
        error = await failure_of("http://api.example:8080")
    assert error.kind == "tls"
    assert str(error) == (
        f"no secure connection to {proxy.address}: its certificate is not signed by a known authority"
        " (SSL_CERT_FILE names your own)"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch, scheme: str):
    port = closed_port()
    monkeypatch.setenv("ALL_PROXY", f"http://user:secret@127.0.0.1:{port}")
    error = await failure_of(f"{scheme}://api.example:8080")
    assert (error.kind, error.status) == ("proxy", 503)
    assert str(error) == f"the proxy 127.0.0.1:{port} failed: connection refused"


async def test_proxy_whose_name_does_not_resolve(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "http://user:secret@no-such-host.invalid:3128")
    error = await failure_of("http://api.example:8080")
    assert (error.kind, error.status) == ("proxy", 503)
    assert str(error) == "the proxy no-such-host.invalid:3128 failed: the name cannot be resolved"


async def test_proxy_that_wants_credentials(monkeypatch: pytest.MonkeyPatch):
    refusal = always(b"who are you?", "407 Proxy Authentication Required", "proxy-authenticate: Basic\r\n")
    with FaultServer(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@{proxy.address}")
        error = await failure_of("https://api.example")
    assert (error.kind, error.status) == ("proxy", 503)
    assert str(error) == (
        f"the proxy {proxy.address} refused a connection to api.example:443: status 407"
        " (it wants credentials: put them in the proxy's URL)"
    )


async def test_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch):
    with FaultServer(always(b"no", "403 Forbidden")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        error = await failure_of("https://api.example")
    assert str(error) == f"the proxy {proxy.address} refused a connection to api.example:443: status 403"


async def test_plain_answers_of_a_proxy_are_answers(monkeypatch: pytest.MonkeyPatch):
    with FaultServer(always(b"no", "407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        transport = seam.open_transport("http://api.example")
        response = await transport.send(post("http://api.example"))
        assert (response.status, response.body) == (407, b"no")
        await transport.close()


@pytest.mark.parametrize("rude", [False, True])
async def test_proxy_that_hangs_up(monkeypatch: pytest.MonkeyPatch, rude: bool):
    def script(peer: Peer) -> None:
        peer.request()
        if rude:
            peer.reset()

    with FaultServer(script) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        error = await failure_of("https://api.example")
    assert error.kind == "proxy"
    assert str(error) == f"the proxy {proxy.address} failed: it closed the connection"


async def test_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")

    with FaultServer(script) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        error = await failure_of("https://api.example")
    assert error.kind == "proxy"
    assert str(error) == f"the proxy {proxy.address} failed: its answer is not valid HTTP"


async def test_proxy_that_stalls(monkeypatch: pytest.MonkeyPatch):
    with FaultServer(lambda peer: peer.wait_closed()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        transport = seam.open_transport("https://api.example")
        request = HttpRequest("GET", "https://api.example/", timeouts=Timeouts(connect=0.3, read=60.0))
        with pytest.raises(TransportError) as caught:
            await transport.send(request)
        await transport.close()
    assert caught.value.kind == "timeout"
    assert str(caught.value) == f"no connection to api.example:443 through the proxy {proxy.address} within 0.3 s"


async def test_no_proxy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.0/8")
    with FaultServer(always(b"direct")) as server:
        assert await body_from(server.url) == b"direct"


async def test_proxy_of_another_kind_is_a_mistake_of_the_caller(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080")
    with pytest.raises(ValueError) as caught:
        await body_from("http://api.example")
    assert str(caught.value) == (
        "the environment variable ALL_PROXY names no usable proxy: not a usable URL: expected one that begins with "
        "http:// or https:// and names a host; other kinds of proxy work with http_client=, and no_proxy exempts a host"
    )


# ---------------------------------------------------------------- IPv6


async def test_ipv6_address():
    with FaultServer(always(b"six"), host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert await body_from(server.url) == b"six"
    assert f"\r\nhost: [::1]:{server.port}\r\n".encode() in server.requests[0].lower()


async def test_ipv6_address_in_an_error():
    with FaultServer(always(), host="::1") as server:
        port = server.port
    error = await failure_of(f"http://[::1]:{port}")
    assert str(error) == f"could not connect to [::1]:{port}: connection refused"


@pytest.mark.usefixtures("trusted")
async def test_ipv6_address_behind_a_tunnel(monkeypatch: pytest.MonkeyPatch):
    six = FaultServer(always(b"six"), context=server_context("::1"), host="::1")
    with six as server, FaultServer(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        assert await body_from(server.url) == b"six"
    assert proxy.requests[0].startswith(f"CONNECT [::1]:{server.port} HTTP/1.1\r\n".encode())
