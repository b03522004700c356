"""The checks of `llm-client doctor`: each looks at one thing and says what it found, without showing secrets."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._core import tokenizer
from .._core.endpoint import Endpoint, find_endpoint
from .._core.exceptions import ConfigurationError
from .._core.version import VERSION
from .._core.wire import anthropic_messages

_NEEDED = ("httpx", "aiohttp", "orjson", "pydantic", "python-dotenv", "tiktoken", "docstring-parser")
_OPTIONAL = {
    "openai": "openai",
    "anthropic": "anthropic",
    "psycopg": "postgres",
    "redis": "redis",
    "qdrant-client": "qdrant",
    "pusher": "pusher",
    "rich": "cli",
}
_PUSHER = {
    "PUSHER_APP_ID": (),
    "PUSHER_KEY": ("PUSHER_AUTH_KEY",),
    "PUSHER_SECRET": ("PUSHER_AUTH_SECRET",),
    "PUSHER_CLUSTER": ("PUSHER_APP_CLUSTER", "PUSHER_AUTH_CLUSTER"),
}
_HIDDEN = "[hidden]"
_QUOTED = re.compile(r"""(["'])(.+?)\1""")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Args:
        level: "ok", "off" for what is not set up, "warn", or "FAIL".
        subject: What was looked at.
        text: What it is like.
    """

    level: str
    subject: str
    text: str


def versions(timeout: float | None) -> Iterator[Finding]:
    """Python and packages."""
    yield Finding("ok", "llm-client", f"{VERSION} on Python {platform.python_version()}, {platform.system()}")
    for package in _NEEDED:
        version = _version(package)
        level = "FAIL" if version is None else "ok"
        yield Finding(level, package, version or "not installed, but needed: pip install llm-client")
    for package, extra in _OPTIONAL.items():
        version = _version(package)
        level = "off" if version is None else "ok"
        yield Finding(level, package, version or f'not installed: pip install "llm-client[{extra}]"')


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def providers(timeout: float | None) -> Iterator[Finding]:
    """Keys, and whether the vendors' servers take them."""
    found = 0
    for vendor, key, url, default, path in (
        ("OpenAI", "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1", "/models"),
        ("Anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "https://api.anthropic.com", "/v1/models"),
    ):
        left_out = "/v1" if vendor == "Anthropic" else ""
        try:
            endpoint = find_endpoint(
                os.environ, vendor=vendor, api_key=None, base_url=None, key_variable=key, url_variable=url,
                vendor_url=default, left_out=left_out,
            )  # fmt: skip
        except ConfigurationError:
            yield Finding("off", vendor, f"{key} is not set")
            continue
        except ValueError as error:
            yield Finding("FAIL", vendor, str(error))
            continue
        found += 1
        said = f"{key} is set" if endpoint.api_key else f"no key, which {endpoint.shown_url} may not need"
        yield Finding("ok", f"{vendor} key", said)
        if timeout is not None:
            yield _endpoint(vendor, endpoint, path, timeout)
    if not found:
        yield Finding(
            "FAIL", "models", "none can be asked: set OPENAI_API_KEY or ANTHROPIC_API_KEY, also in a .env file"
        )


def _endpoint(vendor: str, endpoint: Endpoint, path: str, timeout: float) -> Finding:
    import httpx

    headers = {}
    if vendor == "Anthropic":
        headers = anthropic_messages.auth_headers(endpoint.api_key)
    elif endpoint.api_key:
        headers["authorization"] = f"Bearer {endpoint.api_key}"
    subject = f"{vendor} at {endpoint.shown_url}"
    try:
        answer = httpx.get(endpoint.base_url + path, headers=headers, timeout=timeout)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Finding("FAIL", subject, endpoint.redact(f"cannot be reached: {str(error) or type(error).__name__}"))
    if answer.status_code == 200:
        return Finding("ok", subject, "answers, and takes the key" if endpoint.api_key else "answers")
    if answer.status_code in (401, 403):
        return Finding("FAIL", subject, f"answers, but refuses the key (status {answer.status_code})")
    if answer.status_code in (404, 405):
        return Finding("warn", subject, "answers, but has no list of models, so that the key could not be tried")
    return Finding("FAIL", subject, f"answers with status {answer.status_code}")


def caches(timeout: float | None) -> Iterator[Finding]:
    """The folder of files, and the cache servers that are set up."""
    folder = os.path.abspath("cache")
    parent = folder if os.path.isdir(folder) else os.path.dirname(folder)
    writable = os.access(parent, os.W_OK)
    yield Finding("ok" if writable else "warn", "files", folder if writable else f"{folder} cannot be written")
    for variable, subject, try_out in (
        ("PG_DSN", "PostgreSQL", _postgres),
        ("REDIS_URL", "Redis", _redis),
        ("QDRANT_URL", "Qdrant", _qdrant),
    ):
        address = os.environ.get(variable)
        if not address:
            yield Finding("off", subject, f"{variable} is not set")
        elif timeout is None:
            yield Finding("ok", subject, f"{variable} is set")
        else:
            yield _tried(subject, address, try_out, timeout)


def _tried(subject: str, address: str, try_out: Callable[[str, float], str], timeout: float) -> Finding:
    try:
        return Finding("ok", subject, try_out(address, timeout))
    except Exception as error:  # every package has errors of its own, and each of them is a finding
        said = str(error).strip().splitlines() or [type(error).__name__]
        return Finding("FAIL", subject, _without_secrets(said[0], address))


def _without_secrets(text: str, address: str) -> str:
    text = text.replace(address, "its address")
    secrets = [os.environ.get("QDRANT_API_KEY")]
    try:
        secrets.append(urlsplit(address).password)
    except ValueError:
        pass
    for secret in secrets:
        if secret:
            text = text.replace(secret, _HIDDEN)
    # A password with special characters spoils its address: a piece of it is then read, and quoted, as something else.
    around = _around_password(address)
    spoilt = [piece for _, piece in _QUOTED.findall(text) if piece in around]
    for piece in spoilt:
        text = text.replace(piece, _HIDDEN)
    if spoilt:
        text += ": " + (
            "special characters of a password are percent-encoded in an address, such as %23 for #"
            if "://" in address
            else "a password with spaces stands in single quotes"
        )
    return text


def _around_password(address: str) -> str:
    """What holds the password, whatever characters are in it."""
    if "://" not in address:
        return address.partition("password=")[2]
    account = address.partition("://")[2].rpartition("@")[0]
    return account.partition(":")[2]


def _postgres(address: str, timeout: float) -> str:
    import psycopg

    with psycopg.connect(address, connect_timeout=max(1, round(timeout))) as connection:
        version = connection.info.server_version
    return f"answers, version {version // 10000}"


def _redis(address: str, timeout: float) -> str:
    import redis

    with redis.from_url(address, socket_timeout=timeout, socket_connect_timeout=timeout) as client:
        return f"answers, version {client.info('server')['redis_version']}"


def _qdrant(address: str, timeout: float) -> str:
    if not address.startswith(("http://", "https://")):
        return "Qdrant's own engine, in memory" if address == ":memory:" else f"Qdrant's own engine, in {address}"
    import httpx

    key = os.environ.get("QDRANT_API_KEY")
    answer = httpx.get(f"{address.rstrip('/')}/collections", headers={"api-key": key} if key else {}, timeout=timeout)
    answer.raise_for_status()
    return "answers"


def counting(timeout: float | None) -> Iterator[Finding]:
    """Whether tokens are counted or estimated."""
    for name, file in tokenizer.vocabulary_files().items():
        if file is not None:
            yield Finding("ok", name, f"counts exactly, with {file}")
        else:
            yield Finding("warn", name, "is not on disk: fetched once when a program first counts, else estimated")


def pushing(timeout: float | None) -> Iterator[Finding]:
    """Pusher's settings."""
    missing = [name for name, older in _PUSHER.items() if not any(map(os.environ.get, (name, *older)))]
    if not missing:
        yield Finding("ok", "Pusher", "is set up")
    elif len(missing) == len(_PUSHER):
        yield Finding("off", "Pusher", "is not set up")
    else:
        yield Finding("warn", "Pusher", f"{', '.join(missing)} is not set")


ALL: tuple[tuple[str, Callable[[float | None], Any]], ...] = (
    ("Versions", versions),
    ("Models", providers),
    ("Caches", caches),
    ("Token counting", counting),
    ("Browser push", pushing),
)
