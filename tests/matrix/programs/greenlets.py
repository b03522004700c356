"""Both faces under gevent with everything patched; run as a program by test_gevent.py."""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import asyncio  # noqa: E402
import threading  # noqa: E402

import gevent  # noqa: E402

from support.calls import KINDS, Asynchronous, Blocking, double  # noqa: E402


def running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def blocking(url: str, vendor: str) -> None:
    """Calls of the blocking face in greenlets at the same time; the others go on meanwhile."""
    calls = Blocking(url, vendor)  # with an async tool too
    seen: list[object] = []

    def tick() -> None:
        while True:
            seen.append(running_loop())
            gevent.sleep(0.001)

    ticker = gevent.spawn(tick)
    for kind in KINDS:
        jobs = [gevent.spawn(calls.call, kind, number) for number in range(16)]
        gevent.joinall(jobs, raise_error=True)
    ticker.kill()
    assert len(seen) > 5, seen
    assert set(seen) == {None}  # the async tools' loop is no greenlet's
    plain = Blocking(url, vendor, tools=(double,))
    gevent.joinall([gevent.spawn(plain.all, number) for number in range(16)], raise_error=True)
    thread = threading.Thread(target=calls.all, args=(2,))  # a greenlet, too
    thread.start()
    thread.join()
    print("done")


def stream_left_early(url: str) -> None:
    """A stream that its greenlet leaves, or that is killed in the middle, does not disturb the others."""
    calls = Blocking(url)

    def leave() -> None:
        with calls.provider.stream("one two three four") as events:
            for _ in events:
                break

    def linger() -> None:
        for _ in calls.agent.fork().stream("the number 1"):
            gevent.sleep(60)

    lingering = [gevent.spawn(linger) for _ in range(4)]
    gevent.joinall([gevent.spawn(leave) for _ in range(4)], raise_error=True)
    gevent.killall(lingering)
    calls.all(2)
    calls.all(3)
    print("done")


def asynchronous(url: str) -> None:
    """The async face on a loop in the main greenlet."""
    calls = Asynchronous(url)

    async def main() -> None:
        await asyncio.gather(*(calls.all(number) for number in range(4)))

    for _ in range(2):
        asyncio.run(main())
    print("done")
