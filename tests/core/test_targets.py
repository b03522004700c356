"""URLs, proxies and headers of requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.http import HttpRequest
from llm_client._core.targets import Proxy, encode_header, proxy_for, read_headers, split_url, wire_headers


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path", "host_header"),
    [
        ("http://h", "http", "h", 80, "/", "h"),
        ("https://H.Example/v1", "https", "h.example", 443, "/v1", "h.example"),
        ("https://h:443/v1?a=b#c", "https", "h", 443, "/v1?a=b", "h"),
        ("http://h:443/", "http", "h", 443, "/", "h:443"),
        ("http://[::1]:8000/x", "http", "::1", 8000, "/x", "[::1]:8000"),
        ("https://[fe80::1]", "https", "fe80::1", 443, "/", "[fe80::1]"),
        ("https://user:pw@h/x", "https", "h", 443, "/x", "h"),
        ("http://ü.example/ü x?q=ü", "http", "xn--tda.example", 80, "/%C3%BC%20x?q=%C3%BC", "xn--tda.example"),
        ("http://h/a%2Fb%20c?x=%20", "http", "h", 80, "/a%2Fb%20c?x=%20", "h"),
    ],
)
def test_split_url(url: str, scheme: str, host: str, port: int, path: str, host_header: str):
    target = split_url(url)
    assert (target.scheme, target.host, target.port, target.path) == (scheme, host, port, path)
    assert target.host_header == host_header
    assert target.url == f"{scheme}://{host_header}{path}"
    assert split_url(target.url).path == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "/v1",
        "h:80/v1",
        "ftp://h/",
        "file:///etc/x",
        "http://",
        "http://h:x/",
        "http://h:99999/",
        "http://[::1",
    ],
)
def test_urls_that_are_none(url: str):
    with pytest.raises(ValueError, match="not a usable URL"):
        split_url(url)


def test_credentials_are_in_no_address_and_in_no_url():
    target = split_url("https://us%40er:p%3Aw@h:8443/v1")
    assert target.authorization == "Basic dXNAZXI6cDp3"
    assert "us" not in target.url + target.address + target.host_header


def proxy(url: str, **environment: str) -> Proxy | None:
    return proxy_for(split_url(url), environment)


def test_the_scheme_chooses_the_proxy():
    both = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}
    found = proxy("http://h", **both)
    assert found is not None
    assert (found.address, found.authorization) == ("plain:1", None)
    found = proxy("https://h", **both)
    assert found is not None
    assert found.address == "secure:2"
    assert proxy("https://h", HTTP_PROXY="http://plain:1") is None
    assert proxy("http://h") is None


def test_precedence():
    found = proxy("http://h", http_proxy="http://lower:1", HTTP_PROXY="http://upper:1", ALL_PROXY="http://all:1")
    assert found is not None
    assert found.address == "lower:1"
    assert proxy("http://h", http_proxy="", HTTP_PROXY="http://upper:1") is None
    found = proxy("https://h", HTTP_PROXY="http://plain:1", all_proxy="all:1")
    assert found is not None
    assert found.address == "all:1"


def test_a_cgi_program_does_not_believe_http_proxy():
    assert proxy("http://h", HTTP_PROXY="http://evil:1", REQUEST_METHOD="GET") is None
    assert proxy("http://h", http_proxy="http://good:1", REQUEST_METHOD="GET") is not None


@pytest.mark.parametrize(
    ("value", "url", "address", "authorization"),
    [
        ("proxy", "http://proxy", "proxy:80", None),
        ("proxy:3128", "http://proxy:3128", "proxy:3128", None),
        ("http://proxy:3128/", "http://proxy:3128", "proxy:3128", None),
        ("https://proxy", "https://proxy", "proxy:443", None),
        ("http://user:pass@proxy:3128", "http://proxy:3128", "proxy:3128", "Basic dXNlcjpwYXNz"),
        ("user:p%40ss@proxy:3128", "http://proxy:3128", "proxy:3128", "Basic dXNlcjpwQHNz"),
        ("http://[::1]:3128", "http://[::1]:3128", "[::1]:3128", None),
    ],
)
def test_forms_of_a_proxy(value: str, url: str, address: str, authorization: str | None):
    assert proxy("http://h", ALL_PROXY=value) == Proxy(url, address, authorization)


@pytest.mark.parametrize("value", ["socks5://user:secret@h:1080", "http://user:secret@", "http://h:port"])
def test_unusable_proxies_name_the_variable_and_no_secret(value: str):
    with pytest.raises(ValueError, match="the environment variable https_proxy names no usable proxy") as caught:
        proxy("https://h", https_proxy=value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "exempt"),
    [
        ("*", "http://h", True),
        ("", "http://h", False),
        (" , ", "http://h", False),
        ("h.example", "http://h.example", True),
        ("example", "http://h.example", True),
        (".example", "http://h.example", True),
        ("*.example", "http://h.example", True),
        ("ample", "http://h.example", False),
        ("other,H.EXAMPLE", "http://h.example", True),
        ("h.example:8080", "http://h.example:8080", True),
        ("h.example:8080", "http://h.example", False),
        ("127.0.0.1", "http://127.0.0.1:5", True),
        ("127.0.0.0/8", "http://127.9.9.9", True),
        ("10.0.0.0/8", "http://127.0.0.1", False),
        ("0.0.1", "http://127.0.0.1", False),
        ("::1", "http://[::1]:5", True),
        ("[::1]:5", "http://[::1]:5", True),
        ("[::1]:6", "http://[::1]:5", False),
        ("fe80::/10", "http://[fe80::7]", True),
        ("http://h.example", "http://h.example", True),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_no_proxy(name: str, no_proxy: str, url: str, exempt: bool):
    assert (proxy(url, **{"ALL_PROXY": "http://proxy", name: no_proxy}) is None) is exempt


@given(st.text(max_size=40))
def test_no_proxy_takes_any_text(text: str):
    proxy("http://h.example", ALL_PROXY="http://proxy", no_proxy=text)
    proxy("http://[::1]", ALL_PROXY="http://proxy", no_proxy=text)


@given(st.text(max_size=60))
def test_split_url_takes_any_text(text: str):
    for url in (text, f"http://{text}", f"https://h/{text}"):
        try:
            target = split_url(url)
        except ValueError as error:
            message = str(error)
        else:
            message = "not a usable URL: no, it is one"
            assert target.path.isascii()
            assert target.host_header.isascii()
            assert not any(character <= " " for character in target.path)
        assert message.startswith("not a usable URL: ")


@given(st.text(max_size=30))
def test_headers_are_either_safe_or_refused(value: str):
    safe = value.strip(" ") == value and not any(character < " " and character != "\t" for character in value)
    if not safe or "\x7f" in value or value.strip("\t") != value:
        with pytest.raises(ValueError, match="header 'x-any' cannot be sent"):
            encode_header("x-any", value)
    else:
        assert encode_header("x-any", value) == (b"x-any", value.encode())


@pytest.mark.parametrize("name", ["", "x y", "x:", "x\n", "ü"])
def test_header_names_are_checked(name: str):
    with pytest.raises(ValueError, match="header name"):
        encode_header(name, "value")


def test_wire_headers_keep_what_the_caller_gave():
    target = split_url("http://user@h/")
    request = HttpRequest("GET", "http://user@h/", {"authorization": "Bearer k", "accept": "text/event-stream"})
    assert wire_headers(request, target) == {
        "host": "h",
        "accept": "text/event-stream",
        "accept-encoding": "gzip, deflate",
        "authorization": "Bearer k",
    }
    assert request.headers == {"authorization": "Bearer k", "accept": "text/event-stream"}


def test_read_headers():
    raw = [(b"X-One", b"1"), (b"x-one", b"2"), (b"X-Bytes", b"\xff\xc3\xbc")]
    assert read_headers(raw) == {"x-one": "1, 2", "x-bytes": "\ufffdü"}
