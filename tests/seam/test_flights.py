"""Shared calls: who makes them, who waits, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from llm_client._seam import _async, _flight, _sync
from llm_client._seam._threads import CallCancelled
from support.processes import run_python


class Upstream:
    """A slow answer in either colour that counts how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0
        self.release = threading.Event()

    async def later(self) -> str:
        self.asked += 1
        try:
            while not self.release.is_set():
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "answer"

    def now(self) -> str:
        self.asked += 1
        assert self.release.wait(20)
        return "answer"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    it = Upstream()
    yield it
    it.release.set()
    assert _flight.flights() == 0


async def until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "this never became true"
        await asyncio.sleep(0.002)


def until_blocking(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "this never became true"
        time.sleep(0.002)


def waiting(key: str) -> int:
    flight = _flight._flights.get(key)
    return 0 if flight is None else len(flight._waiters)


class Thread(threading.Thread):
    """A thread that keeps its result."""

    def __init__(self, function: Any) -> None:
        super().__init__(daemon=True)
        self._function = function
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:
            self.result = error

    def get(self) -> Any:
        self.join(20)
        assert not self.is_alive(), "the thread hangs"
        return self.result


# ---------------------------------------------------------------- one face


async def test_one_of_a_hundred_cancelled_waiters_leaves_the_call_to_the_others(upstream: Upstream) -> None:
    tasks = [asyncio.create_task(_async.shared_call("key", upstream.later)) for _ in range(100)]
    await until(lambda: waiting("key") == 100)
    tasks[50].cancel()
    await until(tasks[50].done)
    upstream.release.set()
    rest = tasks[:50] + tasks[51:]
    outcomes = await asyncio.gather(*rest)
    assert tasks[50].cancelled()
    assert upstream.asked == 1
    assert outcomes == [("answer", True)] + [("answer", False)] * 98


async def test_a_cancelled_leader_leaves_the_call_to_the_others(upstream: Upstream) -> None:
    leader = asyncio.create_task(_async.shared_call("key", upstream.later))
    await until(lambda: waiting("key") == 1)
    followers = [asyncio.create_task(_async.shared_call("key", upstream.later)) for _ in range(5)]
    await until(lambda: waiting("key") == 6)
    leader.cancel()
    await until(leader.done)
    upstream.release.set()
    assert await asyncio.gather(*followers) == [("answer", False)] * 5
    assert (upstream.asked, upstream.cancelled) == (1, 0)


async def test_the_last_waiter_to_go_cancels_the_call(upstream: Upstream) -> None:
    tasks = [asyncio.create_task(_async.shared_call("key", upstream.later)) for _ in range(3)]
    await until(lambda: waiting("key") == 3)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert _flight.flights() == 0  # at once: nobody may join a call that is being cancelled
    await until(lambda: upstream.cancelled == 1)


async def test_an_error_is_shared_and_not_repeated(upstream: Upstream) -> None:
    async def fails() -> str:
        await upstream.later()
        raise ValueError("the caller's mistake")

    tasks = [asyncio.create_task(_async.shared_call("key", fails)) for _ in range(4)]
    await until(lambda: waiting("key") == 4)
    upstream.release.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 4
    assert upstream.asked == 1


async def test_a_call_that_cancels_itself_is_an_error_and_no_endless_loop() -> None:
    async def cancels_itself() -> str:
        raise asyncio.CancelledError

    tasks = [asyncio.create_task(_async.shared_call("key", cancels_itself)) for _ in range(3)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [CallCancelled] * 3
    assert _flight.flights() == 0


async def test_different_keys_do_not_meet(upstream: Upstream) -> None:
    upstream.release.set()
    assert (
        await _async.gather([partial(_async.shared_call, key, upstream.later) for key in "ab"])
        == [("answer", True)] * 2
    )
    assert upstream.asked == 2


def test_blocking_waiters_share_the_call_of_the_first(upstream: Upstream) -> None:
    threads = [Thread(partial(_sync.shared_call, "key", upstream.now)) for _ in range(8)]
    until_blocking(lambda: waiting("key") == 7)
    upstream.release.set()
    assert sorted(thread.get() for thread in threads) == [("answer", False)] * 7 + [("answer", True)]
    assert upstream.asked == 1


def test_when_a_blocking_leader_is_interrupted_another_makes_the_call(upstream: Upstream) -> None:
    def interrupted() -> str:
        upstream.now()
        raise KeyboardInterrupt

    leader = Thread(partial(_sync.shared_call, "key", interrupted))
    until_blocking(lambda: upstream.asked == 1)
    followers = [Thread(partial(_sync.shared_call, "key", upstream.now)) for _ in range(4)]
    until_blocking(lambda: waiting("key") == 4)
    upstream.release.set()
    assert isinstance(leader.get(), KeyboardInterrupt)
    answers = [follower.get() for follower in followers]
    assert {answer for answer, _ in answers} == {"answer"}
    assert any(led for _, led in answers)


# ---------------------------------------------------------------- across faces, threads and loops


async def test_a_blocking_thread_joins_the_call_of_a_task(upstream: Upstream) -> None:
    leader = asyncio.create_task(_async.shared_call("key", upstream.later))
    await until(lambda: waiting("key") == 1)
    follower = Thread(partial(_sync.shared_call, "key", upstream.now))
    await until(lambda: waiting("key") == 2)
    upstream.release.set()
    assert await leader == ("answer", True)
    assert follower.get() == ("answer", False)
    assert upstream.asked == 1


async def test_a_task_joins_the_call_of_a_blocking_thread(upstream: Upstream) -> None:
    leader = Thread(partial(_sync.shared_call, "key", upstream.now))
    await until(lambda: upstream.asked == 1)
    follower = asyncio.create_task(_async.shared_call("key", upstream.later))
    await until(lambda: waiting("key") == 1)
    upstream.release.set()
    assert await follower == ("answer", False)
    assert leader.get() == ("answer", True)
    assert upstream.asked == 1


async def test_tasks_of_several_loops_share_a_call(upstream: Upstream) -> None:
    leader = asyncio.create_task(_async.shared_call("key", upstream.later))
    await until(lambda: waiting("key") == 1)
    others = [Thread(lambda: asyncio.run(_async.shared_call("key", upstream.later))) for _ in range(4)]
    await until(lambda: waiting("key") == 5)
    upstream.release.set()
    assert await leader == ("answer", True)
    assert [other.get() for other in others] == [("answer", False)] * 4


async def test_a_blocking_call_inside_the_loop_that_drives_the_flight_makes_its_own(upstream: Upstream) -> None:
    leader = asyncio.create_task(_async.shared_call("key", upstream.later))
    await until(lambda: waiting("key") == 1)
    assert _sync.shared_call("key", lambda: "own") == ("own", True)
    upstream.release.set()
    assert await leader == ("answer", True)


def test_a_loop_inside_a_blocking_leader_does_not_wait_for_it(upstream: Upstream) -> None:
    upstream.release.set()

    def outer() -> Any:
        return asyncio.run(_async.shared_call("key", upstream.later))

    assert _sync.shared_call("key", outer) == (("answer", True), True)


async def test_part_of_a_call_on_another_thread_does_not_wait_for_the_whole() -> None:
    async def outer() -> Any:
        return await asyncio.to_thread(_sync.shared_call, "key", lambda: "part")

    assert await _async.shared_call("key", outer) == (("part", True), True)


@pytest.mark.parametrize("follower", ["async", "sync"])
def test_followers_of_a_leader_whose_loop_ended_make_their_own_call(upstream: Upstream, follower: str) -> None:
    stop = threading.Event()

    async def main() -> None:
        leader = asyncio.create_task(_async.shared_call("key", upstream.later))
        await until(stop.is_set)
        del leader

    ended = Thread(lambda: asyncio.run(main()))
    until_blocking(lambda: waiting("key") == 1)
    if follower == "sync":
        other = Thread(partial(_sync.shared_call, "key", lambda: "own"))
    else:

        async def own() -> str:
            return "own"

        other = Thread(lambda: asyncio.run(_async.shared_call("key", own)))
    until_blocking(lambda: waiting("key") == 2)
    stop.set()
    assert ended.get() is None
    assert other.get() == ("own", True)


@pytest.mark.parametrize("follower", ["async", "sync"])
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "stopped"])
def test_followers_of_a_leader_whose_loop_just_stopped_make_their_own_call(
    upstream: Upstream, follower: str, closed: bool
) -> None:
    loop = asyncio.new_event_loop()
    leader = loop.create_task(_async.shared_call("key", upstream.later))
    running = Thread(loop.run_forever)
    until_blocking(lambda: waiting("key") == 1)

    async def own() -> str:
        return "own"

    if follower == "sync":
        others = [Thread(partial(_sync.shared_call, "key", lambda: "own")) for _ in range(3)]
    else:
        others = [Thread(lambda: asyncio.run(_async.shared_call("key", own))) for _ in range(3)]
    until_blocking(lambda: waiting("key") == 4)
    loop.call_soon_threadsafe(loop.stop)
    running.get()
    if closed:
        tasks = asyncio.all_tasks(loop)
        loop.close()
        answers = [other.get() for other in others]
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # what Python would rightly complain about
        del tasks
    else:
        answers = [other.get() for other in others]
        upstream.release.set()
        # The stopped loop goes on later, and its leader still gets the answer of its own call.
        assert loop.run_until_complete(leader) == ("answer", True)
        loop.close()
    assert {answer for answer, _ in answers} == {"own"}
    del leader
    gc.collect()


def test_a_follower_does_not_wait_for_a_loop_that_is_blocked_by_waiting_for_it(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_flight, "STALL_SECONDS", 0.3)

    async def main() -> Any:
        leader = asyncio.create_task(_async.shared_call("key", upstream.later))
        await until(lambda: waiting("key") == 1)
        own = Thread(partial(_sync.shared_call, "key", lambda: "own")).get()  # blocks the loop meanwhile
        upstream.release.set()
        return own, await leader

    assert asyncio.run(main()) == (("own", True), ("answer", True))


# ---------------------------------------------------------------- finalizers and forks


def test_a_waiter_that_is_collected_leaves_without_waiting(upstream: Upstream) -> None:
    async def main() -> None:
        leader = asyncio.create_task(_async.shared_call("key", upstream.later))
        await until(lambda: waiting("key") == 1)
        abandoned = _async.shared_call("key", upstream.later)
        abandoned.send(None)
        assert waiting("key") == 2
        del abandoned
        gc.collect()
        assert waiting("key") == 1
        upstream.release.set()
        assert await leader == ("answer", True)

    asyncio.run(main())


def test_everything_a_finalizer_touches_may_run_at_any_line_of_the_seam() -> None:
    # A collection at any line runs finalizers that leave flights, dismiss workers and let go of sessions. Here one of
    # each runs at every line that is reached: with a lock that is held at that moment, this would hang.
    program = """
        import asyncio, faulthandler, sys
        faulthandler.dump_traceback_later(50, exit=True)
        from llm_client._seam import _async, _crew, _flight, _fork, _loops, _process, _sync, _tasks, _threads

        class Thing:
            def close(self): pass

        files = {module.__file__ for module in (_flight, _loops, _process, _tasks, _threads, _fork, _crew)}
        corpses, lines = [], set()

        def tracer(frame, event, argument):
            if frame.f_code.co_filename not in files: return None
            line = (frame.f_code, frame.f_lineno)
            if event == "line" and line not in lines:
                lines.add(line)
                corpses.pop()
            return tracer

        async def answer():
            await asyncio.sleep(0.001)
            return "answer"

        def lay_out(number):
            blocking = _sync.per_loop(Thing)
            blocking.get()
            loops = _async.per_loop(Thing)
            loops.get()
            pool = _crew.pool([1, 2, 3], id, 2)
            next(pool)
            waiter = _async.shared_call("key" if number % 2 else "other", answer)
            waiter.send(None)
            corpses.append((blocking, loops, pool, waiter))

        async def main():
            sessions, things = _async.per_loop(Thing), _sync.per_loop(Thing)
            first = asyncio.create_task(_async.shared_call("other", answer))
            for number in range(300):
                lay_out(number)
            sys.settrace(tracer)
            try:
                sessions.get()
                tasks = [asyncio.create_task(_async.shared_call("key", answer)) for _ in range(3)]
                await asyncio.sleep(0)
                tasks[1].cancel()
                await asyncio.wait(tasks)
                await first
                await sessions.close()
                things.get()
                _sync.shared_call("blocking", lambda: 1)
                things.close()
                assert _sync.gather([lambda: 1, lambda: 2]) == [1, 2]
            finally:
                sys.settrace(None)

        asyncio.run(main())
        print(len(lines) > 100, len(corpses) > 0, _flight.flights())
    """
    assert run_python(program) == "True True 0\n"
