"""A server that fails for a while under hundreds of requests at once, and what its callers make of that."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import llm_client
from llm_client._core import jsons
from llm_client._core.breaker import breaker_for

Way = Literal["503", "refused"]

_ANSWER = jsons.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
)


class FailingServer:
    """Answers every question after a while, in the loop of the test; told so, it fails.

    Args:
        latency: Seconds until an answer.
    """

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.failing: Way | None = None
        self.in_flight = 0
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def start(self) -> None:
        """Listen, at the port of before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=2000)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and cut those that are there."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.01)

    async def fail(self, way: Way) -> None:
        self.failing = way
        if way == "refused":
            await self.stop()

    async def recover(self) -> None:
        if self.failing == "refused":
            await self.start()
        self.failing = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
                await reader.readexactly(length)
                self.in_flight += 1
                try:
                    if self.failing is None:
                        await asyncio.sleep(self.latency)
                finally:
                    self.in_flight -= 1
                status, body = ("200 OK", _ANSWER) if self.failing is None else ("503 Service Unavailable", b"{}")
                head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()


@dataclass
class Report:
    """What an outage was like.

    Args:
        calls: Calls that were sent at least once.
        refused: Calls of which nothing was sent, because the circuit was open.
        retries: Further tries of all calls.
        in_flight: Requests at once when the server failed.
        before: Seconds that a wave of as many calls takes when all is well.
        first_success: Seconds from the recovery to the first answer.
        full_speed: Seconds from the recovery until as many requests were in flight as before.
        opened: Whether the circuit was open during the outage.
        seconds: How long all of it took.
        statuses: How often a call ended with which status.
    """

    calls: int = 0
    refused: int = 0
    retries: int = 0
    in_flight: int = 0
    before: float = 0.0
    first_success: float = 0.0
    full_speed: float = 0.0
    opened: bool = False
    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def allowed_retries(self) -> float:
        """What the budget allows with so many calls."""
        return 10 * math.ceil(self.seconds / 60) + 0.1 * self.calls


async def outage(way: Way, seconds: float, *, tasks: int = 500, latency: float = 0.5) -> Report:
    """Let many tasks ask without a pause, let the server fail for a while, and watch them come back."""
    report = Report()
    server = FailingServer(latency)
    await server.start()
    ended = recovered = False
    provider: Any = llm_client.OpenAIProvider("gpt-4o", base_url=server.url, api_key="key", cache_backend=None)
    answers_since: list[float] = []

    async def one() -> None:
        while not ended:
            result = await provider.complete("Hi")
            report.statuses[result.status] = report.statuses.get(result.status, 0) + 1
            if result.error_code == "circuit_open" and len(result.attempts) == 1:
                report.refused += 1
            else:
                report.calls += 1
                sent = [attempt for attempt in result.attempts if "circuit open" not in (attempt.error or "")]
                report.retries += len(sent) - 1
            if result.ok and recovered:
                answers_since.append(time.monotonic())
            if not result.ok:
                await asyncio.sleep(0.5)  # what a worker does that puts its job back

    async def wait_for(condition: Any, what: str, longest: float) -> None:
        give_up = time.monotonic() + longest
        while not condition():
            assert time.monotonic() < give_up, f"{what}: {report}, {server.in_flight} in flight"
            await asyncio.sleep(0.01)

    started = time.monotonic()
    crowd = [asyncio.ensure_future(one()) for _ in range(tasks)]
    try:
        await wait_for(lambda: report.calls >= tasks, "the first answers", 120.0)
        report.before = time.monotonic() - started
        await wait_for(lambda: server.in_flight >= 0.9 * tasks, "all in flight", 120.0)
        report.in_flight = server.in_flight
        await server.fail(way)
        failed = time.monotonic()
        breaker = breaker_for(server.url)
        while time.monotonic() < failed + seconds or not report.opened:
            report.opened = report.opened or breaker.state(time.monotonic()) != "closed"
            assert time.monotonic() < failed + seconds + 60.0, f"the circuit never opened: {report}"
            await asyncio.sleep(0.05)
        await server.recover()
        recovered, since = True, time.monotonic()
        await wait_for(lambda: answers_since, "the first answer after the outage", 60.0)
        report.first_success = answers_since[0] - since
        await wait_for(lambda: server.in_flight >= 0.9 * tasks, "full speed after the outage", 120.0)
        report.full_speed = time.monotonic() - since
    finally:
        ended = True
        await asyncio.gather(*crowd)
        await provider.close()
        await server.stop()
    report.seconds = time.monotonic() - started
    return report
