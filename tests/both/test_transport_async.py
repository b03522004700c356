"""What only the asynchronous transport has to bear: cancellation, several event loops, loops that end untidily."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_client._core.http import HttpRequest, Timeouts
from llm_client._seam import _async as seam
from support.fault_server import FaultServer, Peer, always


def post(url: str) -> HttpRequest:
    return HttpRequest("POST", f"{url}/v1", {"content-type": "application/json"}, b"{}", Timeouts(read=10.0))


async def until(condition, what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.005)


def stall(peer: Peer) -> None:
    peer.request()
    peer.wait_closed()


def begin_and_stall(peer: Peer) -> None:
    peer.request()
    peer.begin()
    peer.chunk(b"one")
    peer.wait_closed()


@pytest.mark.parametrize("method", ["send", "stream"])
async def test_cancelling_before_the_answer_hangs_up(method: str):
    with FaultServer(stall, always()) as server:
        transport = seam.open_transport(server.url)
        task = asyncio.create_task(getattr(transport, method)(post(server.url)))
        await until(lambda: server.requests, "the request arrives")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(server.hung_up.is_set, "the client hangs up")
        assert (await transport.send(post(server.url))).status == 200
        assert server.connections == 2
        await transport.close()


async def test_cancelling_within_a_body_hangs_up():
    with FaultServer(begin_and_stall, always()) as server:
        transport = seam.open_transport(server.url)
        task = asyncio.create_task(transport.send(post(server.url)))
        await until(lambda: server.requests, "the request arrives")
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(server.hung_up.is_set, "the client hangs up")
        assert (await transport.send(post(server.url))).status == 200
        await transport.close()


async def test_cancelling_a_read_hangs_up():
    with FaultServer(begin_and_stall, always()) as server:
        transport = seam.open_transport(server.url)
        stream = await transport.stream(post(server.url))
        assert await stream.read() == b"one"
        task = asyncio.create_task(stream.read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(server.hung_up.is_set, "the client hangs up")
        assert (await transport.send(post(server.url))).status == 200
        assert server.connections == 2
        await transport.close()


async def test_a_time_out_around_a_call_hangs_up():
    with FaultServer(stall) as server:
        transport = seam.open_transport(server.url)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(transport.send(post(server.url)), 0.1)  # noqa: TID251 - users do
        await until(server.hung_up.is_set, "the client hangs up")
        await transport.close()


async def test_two_hundred_at_once():
    with FaultServer(always(b"ok")) as server:
        transport = seam.open_transport(server.url)
        answers = await asyncio.gather(*[transport.send(post(server.url)) for _ in range(200)])
        assert [answer.body for answer in answers] == [b"ok"] * 200
        await transport.close()
        await until(lambda: server.open == 0, "all connections are closed")


def test_one_loop_after_the_other():
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)

        async def twice() -> None:
            for _ in range(2):
                assert (await transport.send(post(server.url))).status == 200

        for _ in range(3):
            asyncio.run(twice())
        assert server.connections == 3
        deadline = time.monotonic() + 10
        while server.open:
            assert time.monotonic() < deadline, "the loops' ends did not close the connections"
            threading.Event().wait(0.005)


def test_loops_in_several_threads_at_once():
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)

        async def several() -> list[int]:
            return [(await transport.send(post(server.url))).status for _ in range(10)]

        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(lambda _: asyncio.run(several()), range(8)))
        assert results == [[200] * 10] * 8
        assert server.connections == 8


def test_a_loop_that_is_closed_the_hard_way():
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)
        for _ in range(3):
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(transport.send(post(server.url))).status == 200
            loop.close()
            del loop
        asyncio.run(transport.send(post(server.url)))
        gc.collect()
        deadline = time.monotonic() + 10
        while server.open:
            assert time.monotonic() < deadline, "connections of closed loops stay open"
            threading.Event().wait(0.005)
