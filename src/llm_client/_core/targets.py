"""Where a request goes and what goes with it: URLs, proxies from the environment, headers. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import quote, unquote, urlsplit

from .decoding import ACCEPTED
from .http import HttpRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/%:=&?~#+!$,;'@()*[]"
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")


@dataclass(frozen=True, slots=True)
class Target:
    """One address, taken apart.

    Args:
        scheme: "http" or "https".
        host: Name or IP address, without brackets.
        port: Always given, the scheme's own one when the URL names none.
        path: Path and query, ready for the request line.
        address: host:port as messages show it.
        host_header: Value of the Host header.
        authorization: Value of the Authorization header that credentials within the URL stand for.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: str
    host_header: str
    authorization: str | None

    @property
    def url(self) -> str:
        """The URL without credentials and fragment."""
        return f"{self.scheme}://{self.host_header}{self.path}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Args:
        url: Its URL without credentials.
        address: host:port as messages show it.
        authorization: Value of the Proxy-Authorization header, or None.
    """

    url: str
    address: str
    authorization: str | None


@lru_cache(maxsize=1024)
def split_url(url: str) -> Target:
    """Take an absolute http or https URL apart.

    Raises:
        ValueError: It is not one.
    """
    return _split(url, "http:// or https://", ("http", "https"))


def proxy_for(target: Target, environment: Mapping[str, str]) -> Proxy | None:
    """Find the proxy that the environment names for a target, or None.

    Read are https_proxy or http_proxy, then all_proxy, then no_proxy; lower case wins over upper case, and an empty
    value switches a variable off.

    Raises:
        ValueError: The variable holds no URL of an HTTP proxy.
    """
    names = [f"{target.scheme}_proxy", "all_proxy"]
    for name in names:
        # A CGI server puts the client's "Proxy:" header into HTTP_PROXY: not ours to believe.
        trusted = name != "http_proxy" or "REQUEST_METHOD" not in environment
        found = name if name in environment else name.upper() if trusted else ""
        value = environment.get(found, "").strip()
        if value:
            break
    else:
        return None
    if _exempt(target, environment.get("no_proxy", environment.get("NO_PROXY", ""))):
        return None
    return _parse_proxy(found, value)


def wire_headers(request: HttpRequest, target: Target) -> dict[str, str]:
    """Complete the headers of a request and check them.

    Raises:
        ValueError: A name or a value cannot be sent.
    """
    headers = {"host": target.host_header, "accept": "*/*", "accept-encoding": ACCEPTED}
    if target.authorization is not None:
        headers["authorization"] = target.authorization
    headers.update(request.headers)
    for name, value in headers.items():
        encode_header(name, value)
    return headers


@lru_cache(maxsize=4096)
def encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """Encode one header.

    Raises:
        ValueError: The name or the value cannot be sent. The value is not shown, it may be a secret.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"header name {name!r} holds characters that HTTP does not allow")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(
            f"header {name!r} cannot be sent: its value begins or ends with a space or holds a line break or another "
            "control character (was a key read from a file together with its newline? strip it)"
        )
    return name.encode("ascii"), value.encode("utf-8")


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Turn received headers into a dictionary of lower-case names; repeated ones are joined with commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _split(url: str, wanted: str, schemes: tuple[str, ...]) -> Target:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError as error:
        raise ValueError(f"not a usable URL: {error}") from None
    if parts.scheme not in schemes or not host:
        raise ValueError(f"not a usable URL: expected one that begins with {wanted} and names a host")
    port = port if port is not None else _DEFAULT_PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    if parts.query:
        path += "?" + quote(parts.query, safe=_PATH_SAFE)
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=path,
        address=f"{shown}:{port}",
        host_header=shown if port == _DEFAULT_PORTS[parts.scheme] else f"{shown}:{port}",
        authorization=_basic(parts.username, parts.password),
    )


def _parse_proxy(variable: str, value: str) -> Proxy:
    schemes = ("http", "https")
    try:
        target = _split(value if "://" in value else f"http://{value}", "http:// or https://", schemes)
    except ValueError as error:
        # The value is not shown: it may hold a password.
        raise ValueError(
            f"the environment variable {variable} names no usable proxy: {error}; other kinds of proxy work with "
            "http_client=, and no_proxy exempts a host"
        ) from None
    return Proxy(f"{target.scheme}://{target.host_header}", target.address, target.authorization)


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None and password is None:
        return None
    pair = f"{unquote(user or '')}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")


def _exempt(target: Target, no_proxy: str) -> bool:
    return any(_covers(entry.strip().lower(), target) for entry in no_proxy.split(","))


def _covers(entry: str, target: Target) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    host = target.host.lower().rstrip(".")
    entry = entry.rpartition("://")[2]
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    bare, port = entry, ""
    if entry.startswith("["):
        bare, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        bare, _, port = entry.partition(":")
    if port and port != str(target.port):
        return False
    if address is not None:
        try:
            return address in ip_network(bare, strict=False)
        except ValueError:
            return False
    domain = bare.lstrip("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
