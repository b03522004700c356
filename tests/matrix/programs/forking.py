"""Forks, at rest and while many threads are calling; run as a program by test_fork.py."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import NoReturn

from support.calls import Asynchronous, Blocking, double

# Python says so itself since 3.12; that it works nevertheless is what this program proves.
warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork.*", category=DeprecationWarning)


def in_child(work: Callable[[], object]) -> None:
    """Run something in a forked child that ends the ordinary way, with finalizers and exit handlers.

    On a thread there is no ordinary way: a child that was forked there ends as multiprocessing's do.
    """
    sys.stdout.flush()
    on_main_thread = threading.current_thread() is threading.main_thread()
    child = os.fork()
    if child == 0:
        faulthandler.register(signal.SIGALRM, chain=True)
        signal.alarm(20)
        if not on_main_thread:
            end_at_once(work)
        work()
        sys.exit(0)
    end = time.monotonic() + 30
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            raise SystemExit("the child hangs")
        time.sleep(0.002)
    assert status == 0, status


def end_at_once(work: Callable[[], object]) -> NoReturn:
    """Run something, and end the process without finalizers."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def at_rest(url: str, vendor: str) -> None:
    """Fork after calls of both faces, from the main thread, from another one, and from inside a running loop."""
    blocking, asynchronous = Blocking(url, vendor), Asynchronous(url, vendor)

    def everything() -> None:
        blocking.all(2)
        blocking.all(3)
        asyncio.run(asynchronous.all(2))
        asyncio.run(asynchronous.all(3))

    everything()
    in_child(everything)
    in_child(lambda: in_child(everything))  # a grandchild
    everything()
    thread = threading.Thread(target=in_child, args=(everything,))
    thread.start()
    thread.join()

    async def inside() -> None:
        await asynchronous.all(2)
        stream = asynchronous.provider.stream("a word or two")
        async for _ in stream:
            break
        child = os.fork()  # with an open session, and a stream half read
        if child == 0:
            end_at_once(everything)  # the forked loop cannot go on: Python tells the child that none is running
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
            await asyncio.sleep(0.002)
        assert ended[1] == 0, ended
        rest = [event async for event in stream]
        assert rest[-1].type.value == "done", rest  # the child did not touch the parent's connection
        await asynchronous.all(3)

    asyncio.run(inside())
    everything()
    print("done")


def under_load(url: str, vendor: str) -> None:
    """Fork again and again while 32 threads are calling, half of them on loops of their own."""
    blocking, asynchronous = Blocking(url, vendor), Asynchronous(url, vendor)
    stop = threading.Event()
    made = [0] * 32
    failures: list[BaseException] = []

    def call(number: int) -> None:
        try:
            if number % 2:
                asyncio.run(call_async(number))
            else:
                while not stop.is_set():
                    blocking.all(made[number])
                    made[number] += 1
        except BaseException as error:
            failures.append(error)
            raise

    async def call_async(number: int) -> None:
        while not stop.is_set():
            await asynchronous.all(made[number])
            made[number] += 1

    def everything() -> None:
        blocking.all(2)
        asyncio.run(asynchronous.all(3))
        threads = [threading.Thread(target=blocking.all, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    rounds = 0
    try:
        for _ in range(4):
            rounds += 1
            while min(made) < rounds:  # every thread goes on after the fork before
                assert not failures, failures
                time.sleep(0.002)
            in_child(everything)
        rounds += 1
        while min(made) < rounds:
            assert not failures, failures
            time.sleep(0.002)
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    blocking.all(2)
    print("done")


def of_tools(url: str) -> None:
    """Fork inside a tool, while the agent that called it is running and an async tool runs on the loop thread."""
    blocking = Blocking(url, tools=(double,))
    from llm_client.sync import Agent

    entered = threading.Event()

    def forking() -> str:
        """Fork."""
        assert entered.wait(20)
        in_child(lambda: Blocking(url).all(2))
        in_child(lambda: blocking.all(2))
        return "forked"

    async def waiting() -> str:
        """Wait a little."""
        entered.set()
        await asyncio.sleep(0.01)
        return "waited"

    answer = Agent(blocking.provider, tools=[forking, waiting]).chat("go")
    assert answer == "Here is what I found: forking says forked; waiting says waited.", answer
    blocking.all(2)
    print("done")
