"""Where requests go, and the key that goes along."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.endpoint import Endpoint, find_endpoint
from llm_client._core.exceptions import ConfigurationError

VENDOR = "https://api.example.com/v1"
KEY = "secret-key-of-mine"


def find(environment: dict[str, str] | None = None, **given: Any) -> Endpoint:
    names = {"vendor": "Example", "key_variable": "EXAMPLE_KEY", "url_variable": "EXAMPLE_URL", "vendor_url": VENDOR}
    return find_endpoint(environment or {}, **{"api_key": None, "base_url": None, **names, **given})


def test_the_vendors_own_server_needs_a_key() -> None:
    assert find(api_key=KEY) == Endpoint(VENDOR, KEY)
    assert find({"EXAMPLE_KEY": KEY}) == Endpoint(VENDOR, KEY)
    for environment in ({}, {"EXAMPLE_KEY": ""}, {"EXAMPLE_KEY": "  "}):
        with pytest.raises(ConfigurationError, match="EXAMPLE_KEY") as caught:
            find(environment)
        assert "api_key=" in str(caught.value)
    with pytest.raises(ConfigurationError):
        find({"EXAMPLE_KEY": KEY}, api_key="")


def test_another_server_needs_none() -> None:
    assert find(base_url="http://127.0.0.1:8000/v1") == Endpoint("http://127.0.0.1:8000/v1", None)
    assert find({"EXAMPLE_URL": "http://127.0.0.1:8000/v1/"}).base_url == "http://127.0.0.1:8000/v1"


def test_arguments_win_over_the_environment() -> None:
    environment = {"EXAMPLE_KEY": "from-the-environment", "EXAMPLE_URL": "http://environment.example"}
    found = find(environment, api_key=KEY, base_url="http://argument.example//")
    assert found == Endpoint("http://argument.example", KEY)


def test_blanks_around_are_taken_away() -> None:
    assert find(api_key=f" {KEY}\n", base_url=" http://x.example/ ") == Endpoint("http://x.example", KEY)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"base_url": "x.example"}, ValueError, "http://"),
        ({"base_url": "ftp://x.example"}, ValueError, "http://"),
        ({"base_url": "http://"}, ValueError, "host"),
        ({"base_url": 5}, TypeError, "base_url is a string, got int"),
        ({"api_key": b"x"}, TypeError, "api_key is a string, got bytes"),
        ({"api_key": "two words"}, ValueError, "key holds"),
        ({"api_key": "line\nbreak"}, ValueError, "key holds"),
        ({"api_key": "schlüssel"}, ValueError, "key holds"),
    ],
)
def test_what_is_no_endpoint(given: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        find(**given)
    assert "schlüssel" not in str(caught.value)


def test_the_key_is_nowhere_to_be_seen() -> None:
    endpoint = Endpoint(VENDOR, KEY)
    assert KEY not in repr(endpoint)
    assert endpoint.redact(f"Incorrect key {KEY}, {KEY}!") == "Incorrect key [key hidden], [key hidden]!"
    assert endpoint.redact("nothing") == "nothing"
    # Local servers take any word for a key.
    assert Endpoint(VENDOR, "x").redact("an example") == "an example"
    assert Endpoint(VENDOR).redact("an example") == "an example"
