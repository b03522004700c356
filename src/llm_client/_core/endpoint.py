"""Where a provider's requests go and what identifies the caller, from arguments and environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .exceptions import ConfigurationError

_SHORTEST_SECRET = 8
_HIDDEN = "[key hidden]"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server and the caller's key.

    Args:
        base_url: Without a slash at its end.
        api_key: None where the server needs none.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)

    @property
    def shown_url(self) -> str:
        """The base URL as messages show it: without credentials."""
        scheme, _, rest = self.base_url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"

    def redact(self, text: str) -> str:
        """A text without the key, should a server have repeated it."""
        key = self.api_key
        # A key of a few characters, as local servers take, would blot out ordinary words.
        return text.replace(key, _HIDDEN) if key is not None and len(key) >= _SHORTEST_SECRET else text


def find_endpoint(
    environment: Mapping[str, str],
    *,
    vendor: str,
    api_key: str | None,
    base_url: str | None,
    key_variable: str,
    url_variable: str,
    vendor_url: str,
    left_out: str = "",
) -> Endpoint:
    """The endpoint that arguments and environment name; arguments win.

    Args:
        environment: The process's environment.
        vendor: The vendor's name, for messages.
        api_key: As passed to the provider.
        base_url: As passed to the provider.
        key_variable: The variable that holds the key.
        url_variable: The variable that holds another base URL.
        vendor_url: The vendor's own base URL.
        left_out: An ending that a given URL may have, and that is no part of it.

    Raises:
        ConfigurationError: The vendor's own API is meant and there is no key.
        TypeError: An argument is no string.
        ValueError: The base URL is none.
    """
    for name, value in (("api_key", api_key), ("base_url", base_url)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} is a string, got {type(value).__name__}")
    url = (base_url or environment.get(url_variable) or vendor_url).strip().rstrip("/").removesuffix(left_out)
    if not url.lower().startswith(("http://", "https://")) or not url.partition("://")[2]:
        raise ValueError(f"base_url begins with http:// or https:// and names a host, got {url!r}")
    key = api_key if api_key is not None else environment.get(key_variable)
    key = key.strip() if key is not None else None
    if not key and url == vendor_url:
        raise ConfigurationError(
            f"no key for {vendor}: set the environment variable {key_variable} (a .env file will do) "
            "or pass api_key=..."
        )
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("the API key holds spaces, line breaks or characters that no HTTP header can carry")
    return Endpoint(url, key or None)


def refuse_beside_client(**given: object) -> None:
    """Refuse arguments that a vendor's own client decides on.

    Raises:
        ValueError: One was passed beside `client=`.
    """
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"client= brings its own {name}: set it there, or leave client= out")
