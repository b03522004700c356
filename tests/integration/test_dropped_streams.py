"""A thousand streams opened and dropped, on real servers: no socket, task or thread is left behind."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_client.testing import FakeAPI, Reply
from support.web import THREADS, Site, read_until, serving

STREAMS = 1000
AT_ONCE = 50
SECONDS = 30.0

APPS = {
    "fastapi": {"app_dir": Path(__file__).parent / "apps", "app": "counting_fastapi:app"},
    "flask": {},
    "django": {},
}


def wait_until(condition: Callable[[], Any], what: Callable[[], str]) -> None:
    give_up = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < give_up, what()
        time.sleep(0.02)


def tasks_of(site: Site) -> list[str]:
    with urllib.request.urlopen(f"{site.url}tasks", timeout=10) as answer:
        names: list[str] = json.load(answer)
        return names


def drop(site: Site, count: int) -> None:
    connections = [site.open_stream() for _ in range(count)]
    for connection in connections:
        read_until(connection, b"event: token")
    for connection in connections:
        connection.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", list(APPS))
def test_a_thousand_dropped_streams_leave_nothing_behind(kind: str) -> None:
    with FakeAPI() as api:
        api.by_default(Reply("on and on ", endless=True, chunk_delay=0.05))
        with serving(kind, api.environment, **APPS[kind]) as site:
            drop(site, AT_ONCE)  # now the servers have the threads that they keep
            api.wait_for_hang_up(SECONDS, count=AT_ONCE)
            wait_until(lambda: api.open_connections == 0, lambda: f"{api.open_connections} connections")
            sockets, threads = site.sockets(), max(site.threads(), THREADS + 2 if kind != "fastapi" else 0)
            for _ in range(STREAMS // AT_ONCE):
                drop(site, AT_ONCE)
            api.wait_for_hang_up(SECONDS, count=STREAMS + AT_ONCE)
            wait_until(lambda: api.open_connections == 0, lambda: f"{api.open_connections} upstream connections")
            wait_until(lambda: site.sockets() <= sockets, lambda: f"{site.sockets()} sockets, {sockets} before")
            wait_until(lambda: site.threads() <= threads, lambda: f"{site.threads()} threads, {threads} allowed")
            if kind == "fastapi":
                wait_until(
                    lambda: not [name for name in tasks_of(site) if "llm" in name or "_read" in name],
                    lambda: f"tasks: {tasks_of(site)}",
                )
                assert len(tasks_of(site)) < 10
        assert len(api.requests) == STREAMS + AT_ONCE
        assert all(request.client_hung_up for request in api.requests)
