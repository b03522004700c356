"""The web examples on real servers, read by a real Chromium through EventSource, in real time."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from llm_client.testing import FakeAPI, Reply
from support.web import Site, serving

from .chromium import Collector, Tab, chromium, collecting, wait_until

KINDS = ["fastapi", "flask", "django"]
PACE = 0.25
CHUNKS = ["Grüße ", "aus 世界 🙂", "\n", "second\nline\n\n", " indented", "\ttab ", "data: x", "\r\nlast: ", "é", "."]
HEARTBEAT = 5.0


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    with chromium() as address:
        yield address


@pytest.fixture
def fake() -> Iterator[FakeAPI]:
    with FakeAPI() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, fake: FakeAPI) -> Iterator[Site]:
    with serving(request.param, fake.environment) as running:
        yield running


def opened(browser: str, site: Site, collector: Collector) -> Tab:
    tab = Tab(browser, collector)
    tab.open(f"{site.url}?prompt=Hello")
    return tab


def test_text_arrives_token_by_token(browser: str, site: Site, fake: FakeAPI, collector: Collector) -> None:
    fake.reply(Reply("".join(CHUNKS), chunks=CHUNKS, chunk_delay=PACE))
    tab = opened(browser, site, collector)
    collector.wait_for("done")
    tokens = collector.of("token")
    # EventSource makes one kind of line break of all three; nothing else may change.
    assert [token.data for token in tokens] == [chunk.replace("\r\n", "\n") for chunk in CHUNKS]
    request = fake.last_request
    assert request.finished is not None
    # By the server's own clock each piece was seen at the pace at which the server sent it...
    for number, token in enumerate(tokens):
        ideal = tokens[0].seen + number * PACE
        assert abs(token.seen - ideal) < 2 * PACE, (number, token.seen - ideal)
    # ...the first ones long before the server had sent the last, and the page's clock agrees.
    assert tokens[0].seen < request.started + 3 * PACE
    assert sum(token.seen < request.finished for token in tokens) >= len(CHUNKS) - 2
    between = [later.clock - earlier.clock for earlier, later in itertools.pairwise(tokens)]
    assert min(between) > PACE * 1000 / 4
    wait_until(lambda: tab.text_of("status") == "success", 10, lambda: tab.text_of("status"))
    assert tab.text_of("answer") == "".join(CHUNKS).replace("\r\n", "\n")
    assert len(fake.requests) == 1
    tab.close()


def test_tool_events_are_visible(browser: str, site: Site, fake: FakeAPI, collector: Collector) -> None:
    fake.reply(Reply(tool_calls=[("get_weather", {"city": "Zürich"})]))
    fake.reply("It is sunny in Zürich.")
    tab = opened(browser, site, collector)
    collector.wait_for("done")
    wait_until(lambda: tab.text_of("status") == "success", 10, lambda: tab.text_of("status"))
    assert 'calling get_weather {"city":"Zürich"}' in tab.text_of("tools")
    assert "get_weather: Weather in Zürich: sunny, 22 degrees" in tab.text_of("tools")
    assert tab.text_of("answer") == "It is sunny in Zürich."
    (done,) = collector.of("done")
    sent: dict[str, Any] = json.loads(done.data or "")
    assert sent["tool_calls"] == ["get_weather"]
    assert "conversation" not in sent
    meta = [json.loads(found.data or "")["event"] for found in collector.of("meta")]
    assert meta == ["turn_start", "tool_result", "turn_end", "turn_start", "turn_end"]
    tab.close()


def test_an_error_is_shown_and_not_asked_again(browser: str, site: Site, fake: FakeAPI, collector: Collector) -> None:
    fake.fail_mid_stream(3, "out of luck", reply="one two three four")
    tab = opened(browser, site, collector)
    collector.wait_for("error")
    wait_until(lambda: "out of luck" in tab.text_of("status"), 10, lambda: tab.text_of("status"))
    assert tab.text_of("answer").startswith("one")
    assert len(fake.requests) == 1
    tab.close()


def test_the_upstream_request_ends_soon_after_the_page_is_closed(
    browser: str, site: Site, fake: FakeAPI, collector: Collector
) -> None:
    fake.reply(Reply("on and on ", endless=True, chunk_delay=0.1))
    tab = opened(browser, site, collector)
    collector.wait_for("token", count=3)
    closed = time.time()
    tab.close()
    request = fake.wait_for_hang_up(10)
    assert request.finished is not None
    assert request.finished - closed < 1.0


def test_a_silent_upstream_request_ends_too(
    browser: str, site: Site, fake: FakeAPI, collector: Collector, request: pytest.FixtureRequest
) -> None:
    fake.stall(after_events=3, reply="one two three four")
    tab = opened(browser, site, collector)
    collector.wait_for("token")
    closed = time.time()
    tab.close()
    ended = fake.wait_for_hang_up(HEARTBEAT + 5)
    assert ended.finished is not None
    # A WSGI server notices when it sends: within a second of the heartbeat.
    limit = 1.0 if "fastapi" in request.node.name else HEARTBEAT + 1.0
    assert ended.finished - closed < limit
    assert len(fake.requests) == 1
