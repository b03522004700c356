"""After `os.fork` the child works on its own and leaves the parent's sockets, loops and calls alone."""

from __future__ import annotations

import pytest

from support.interpreters import interpreters
from support.processes import run_python

VERSIONS = sorted(interpreters())

PRELUDE = """
import asyncio, gc, os, sys, threading, time, warnings
warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork.*", category=DeprecationWarning)
from llm_client._seam import _async, _flight, _loops, _process, _sync, _threads
from support import tools

def in_child(work):
    "Run something in a forked child that ends the ordinary way, with finalizers and exit handlers."
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        work()
        sys.stdout.flush()
        sys.exit(0)
    end = time.monotonic() + 30
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done: break
        if time.monotonic() > end:
            os.kill(child, 9)
            raise SystemExit("the child hangs")
        time.sleep(0.005)
    assert status == 0, status
"""


def program(body: str) -> str:
    import textwrap

    return PRELUDE + textwrap.dedent(body)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_child_has_a_loop_thread_of_its_own(version: str) -> None:
    source = program("""
        async def where():
            return os.getpid()
        assert _sync.call(where, {}, 5.0) == os.getpid()
        in_child(lambda: print(_sync.call(where, {}, 5.0) == os.getpid()))
        print(_sync.call(where, {}, 5.0) == os.getpid())
    """)
    assert run_python(source, python=interpreters()[version]) == "True\nTrue\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_child_opens_its_own_things_and_closes_only_those(version: str) -> None:
    source = program("""
        class Thing:
            def __init__(self): self.pid = os.getpid(); self.open = True
            def close(self):
                assert self.pid == os.getpid(), "the parent's, closed in the child"
                self.open = False
                print("closed")
            def __del__(self):
                if self.open: warnings.warn("collected while open", ResourceWarning)
        owner = _sync.per_loop(Thing)
        lost = _sync.per_loop(Thing)
        first = owner.get()
        lost.get()
        del lost            # waits in the parent to be closed
        def work():
            assert owner.peek() is None
            assert owner.get().pid == os.getpid()
        in_child(work)
        assert owner.get() is first and first.open
    """)
    # One of the child, two of the parent at its end.
    assert run_python(source, python=interpreters()[version]) == "closed\n" * 3


@pytest.mark.parametrize("version", VERSIONS)
def test_what_event_loops_of_the_parent_hold_is_not_touched_in_the_child(version: str) -> None:
    source = program("""
        class Session:
            def __init__(self): self.pid = os.getpid(); self.open = True
            async def close(self):
                assert self.pid == os.getpid(), "the parent's, closed in the child"
                self.open = False
                print("closed")
            def __del__(self):
                if self.open: warnings.warn("collected while open", ResourceWarning)
        owner = _async.per_loop(Session)
        opened, stop = threading.Event(), threading.Event()
        async def main():
            owner.get()
            opened.set()
            while not stop.is_set(): await asyncio.sleep(0.005)
        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()
        opened.wait(20)
        async def use():
            assert owner.peek() is None
            assert owner.get().pid == os.getpid()
        def work():
            gc.collect()
            asyncio.run(use())
        in_child(work)
        stop.set()
        thread.join()
    """)
    assert run_python(source, python=interpreters()[version]) == "closed\n" * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fork_while_32_threads_are_calling(version: str) -> None:
    source = program("""
        stop = threading.Event()
        things = _sync.per_loop(object, close=id)
        lock = _sync.Lock()
        made = 0
        def busy(number):
            global made
            while not stop.is_set():
                _sync.call(tools.plain_add, {"a": 1}, 5.0)
                _sync.call(tools.async_add, {"a": 1}, 5.0)
                _sync.shared_call(("key", number % 4), lambda: time.sleep(0.001))
                things.get()
                if number % 8 == 0: things.close()
                with lock: made += 1
        threads = [threading.Thread(target=busy, args=(number,), daemon=True) for number in range(32)]
        for thread in threads: thread.start()
        while made < 100: time.sleep(0.005)
        def work():
            assert _flight.flights() == 0
            assert _threads.abandoned_threads() == 0
            things.get()
            things.close()
            with lock: pass
            for key in range(4):
                assert _sync.shared_call(("key", key), lambda: "own") == ("own", True)
            assert _sync.call(tools.plain_add, {"a": 1}, 5.0) == 2
            assert _sync.call(tools.async_add, {"a": 1}, 5.0) == 2
            assert _sync.gather([lambda: 1, lambda: 2]) == [1, 2]
            assert asyncio.run(_async.shared_call(("key", 0), tools.plain_stream)) == ("own", True)
        async def own(): return "own"
        tools.plain_stream = own
        for _ in range(10):
            in_child(work)
            before = made
            while made < before + 32: time.sleep(0.002)     # the parent's threads go on
        stop.set()
        for thread in threads: thread.join()
        print("done")
    """)
    assert run_python(source, python=interpreters()[version], timeout=60) == "done\n"


def test_a_fork_while_a_lock_is_held_elsewhere() -> None:
    source = program("""
        lock = _sync.Lock()
        held, release = threading.Event(), threading.Event()
        def hold():
            with lock:
                held.set()
                release.wait(20)
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(20)
        in_child(lambda: print(lock.acquire(timeout=5)))
        print(lock.acquire(timeout=0))
        release.set()
        thread.join()
        print(lock.acquire(timeout=0))
    """)
    assert run_python(source) == "True\nFalse\nTrue\n"


@pytest.mark.parametrize("leader", ["blocking", "async"])
def test_a_fork_during_a_flight(leader: str) -> None:
    source = program(f"""
        release, asked = threading.Event(), []
        def upstream():
            asked.append(os.getpid())
            release.wait(20)
            return "parent"
        async def upstream_later():
            asked.append(os.getpid())
            while not release.is_set(): await asyncio.sleep(0.005)
            return "parent"
        async def lead():
            return await _async.shared_call("key", upstream_later)
        answers = []
        def run():
            if {leader!r} == "async":
                answers.append(asyncio.run(lead()))
            else:
                answers.append(_sync.shared_call("key", upstream))
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads: thread.start()
        while not asked or _flight.flights() != 1: time.sleep(0.002)
        in_child(lambda: print(_sync.shared_call("key", lambda: "child")))
        release.set()
        for thread in threads: thread.join()
        print(len(asked), {{answer for answer, _ in answers}})
    """)
    assert run_python(source) == "('child', True)\n1 {'parent'}\n"


def test_a_fork_inside_the_shared_call_itself() -> None:
    source = program("""
        def upstream():
            in_child(lambda: None if _sync.shared_call("other", lambda: 1) == (1, True) else sys.exit(5))
            return "answer"
        print(_sync.shared_call("key", upstream))
    """)
    assert run_python(source) == "('answer', True)\n"


def test_a_fork_inside_a_running_loop() -> None:
    source = program("""
        async def main():
            owner = _async.per_loop(object, close=print_closed)
            owner.get()
            child = os.fork()
            if child == 0:  # Python itself tells the child that no loop is running
                os._exit(0 if not owner._by_loop and _sync.call(tools.plain_add, {"a": 1}, 5.0) == 2 else 1)
            while os.waitpid(child, os.WNOHANG) == (0, 0): await asyncio.sleep(0.005)
            assert owner.peek() is not None
        def print_closed(_): print("closed")
        asyncio.run(main())
    """)
    assert run_python(source) == "closed\n"
