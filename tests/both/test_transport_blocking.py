"""What only the blocking transport has to bear: threads, forks, interrupts, and callers inside an event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_client._core.http import HttpRequest, Timeouts
from llm_client._seam import _sync as seam
from support.fault_server import FaultServer, Peer, always


def post(url: str) -> HttpRequest:
    return HttpRequest("POST", f"{url}/v1", {"content-type": "application/json"}, b"{}", Timeouts(read=10.0))


def until(condition, what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        threading.Event().wait(0.005)


def test_sixty_four_threads_on_one_transport():
    with FaultServer(always(b"ok")) as server:
        transport = seam.open_transport(server.url)

        def work(_: int) -> list[bytes]:
            return [transport.send(post(server.url)).body for _ in range(10)]

        with ThreadPoolExecutor(64) as threads:
            results = list(threads.map(work, range(64)))
        assert results == [[b"ok"] * 10] * 64
        assert server.connections <= 64
        assert len(server.requests) == 640
        transport.close()
        until(lambda: server.open == 0, "all connections are closed")


def test_within_a_running_event_loop():
    async def main() -> int:
        transport = seam.open_transport(server.url)
        try:
            return transport.send(post(server.url)).status
        finally:
            transport.close()

    with FaultServer(always()) as server:
        assert asyncio.run(main()) == 200


@pytest.mark.parametrize("moment", ["head", "body"])
def test_an_interrupt_closes_the_connection(moment: str):
    def script(peer: Peer) -> None:
        peer.request()
        if moment == "body":
            peer.begin()
            peer.chunk(b"one")
        os.kill(os.getpid(), signal.SIGINT)
        peer.wait_closed()

    with FaultServer(script, always()) as server:
        transport = seam.open_transport(server.url)
        with pytest.raises(KeyboardInterrupt):
            transport.send(post(server.url))
        until(server.hung_up.is_set, "the client hangs up")
        assert transport.send(post(server.url)).status == 200
        transport.close()


def in_child(work) -> int:
    """Fork, run the work in the child, and return its exit code: 0 only if it returned True."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_connects_anew_and_leaves_the_parent_alone():
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)
        transport.send(post(server.url))
        transport.send(post(server.url))
        assert server.connections == 1
        assert in_child(lambda: transport.send(post(server.url)).status == 200) == 0
        assert in_child(lambda: transport.close() is None) == 0
        assert server.connections == 2
        assert transport.send(post(server.url)).status == 200
        assert server.connections == 2
        transport.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forking_while_threads_are_calling():
    stop = threading.Event()
    with FaultServer(always()) as server:
        transport = seam.open_transport(server.url)
        failures: list[BaseException] = []

        def call() -> None:
            while not stop.is_set():
                try:
                    transport.send(post(server.url))
                except BaseException as error:
                    failures.append(error)
                    return

        threads = [threading.Thread(target=call) for _ in range(32)]
        for thread in threads:
            thread.start()
        until(lambda: len(server.requests) > 64, "the threads are calling")
        codes = [in_child(lambda: transport.send(post(server.url)).status == 200) for _ in range(5)]
        stop.set()
        for thread in threads:
            thread.join(10)
        transport.close()
    assert codes == [0] * 5
    assert failures == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_stream_of_the_parent_goes_on_after_a_fork():
    def script(peer: Peer) -> None:
        peer.request()
        peer.begin()
        peer.chunk(b"one")
        peer.server.hung_up.wait(10)
        peer.chunk(b"two")
        peer.send(b"0\r\n\r\n")

    with FaultServer(script) as server:
        transport = seam.open_transport(server.url)
        stream = transport.stream(post(server.url))
        assert stream.read() == b"one"
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        server.hung_up.set()
        assert stream.read() == b"two"
        assert stream.read() == b""
        transport.close()
