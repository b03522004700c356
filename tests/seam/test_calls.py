"""Calls under a time limit: what is cancelled, what is abandoned, and that nothing waits longer than it must."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from llm_client._seam import _async, _sync, _threads
from support import tools
from support.processes import run_python


@pytest.fixture
def hanging() -> Iterator[tools.Hanging]:
    it = tools.Hanging()
    yield it
    it.release.set()


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Let the loop run until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this never became true"
        await asyncio.sleep(0.002)


# ---------------------------------------------------------------- asynchronous face


async def test_cancelling_the_caller_cancels_a_coroutine_and_lets_it_clean_up(hanging: tools.Hanging) -> None:
    task = asyncio.create_task(_async.call(hanging.asynchronous, {}, 20.0))
    await until(hanging.entered.is_set)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert hanging.cancelled.is_set()


async def test_cancelling_the_caller_abandons_a_plain_function(hanging: tools.Hanging) -> None:
    before = _threads.abandoned_threads()
    task = asyncio.create_task(_async.call(hanging.plain, {}, None))
    await until(hanging.entered.is_set)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert _threads.abandoned_threads() == before + 1
    hanging.release.set()
    await until(lambda: _threads.abandoned_threads() == before)


async def test_a_coroutine_that_ignores_cancellation_holds_up_its_cancelled_caller_for_a_second_only(
    hanging: tools.Hanging,
) -> None:
    task = asyncio.create_task(_async.call(hanging.stubborn, {}, 20.0))
    await until(hanging.entered.is_set)
    began = time.monotonic()
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert time.monotonic() - began < 10
    hanging.release.set()


async def test_plain_functions_without_limit_do_not_block_the_loop() -> None:
    loop_went_on = threading.Event()
    asyncio.get_running_loop().call_later(0.01, loop_went_on.set)
    assert await _async.call(loop_went_on.wait, {"timeout": 20}, None) is True


async def test_an_error_that_comes_after_the_time_limit_is_no_unretrieved_exception(hanging: tools.Hanging) -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    failed = asyncio.Event()

    async def fails_late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            failed.set()
            raise ValueError("while being cancelled")

    with pytest.raises(_threads.CallTimeout) as caught:
        await _async.call(fails_late, {}, 0.02)
    assert failed.is_set()
    assert caught.value.still_running is False
    del caught
    import gc

    gc.collect()
    assert complaints == []


async def test_the_program_may_end_itself_from_a_tool() -> None:
    with pytest.raises(SystemExit):
        await _async.call(tools.plain_exit, {}, 5.0)


# ---------------------------------------------------------------- blocking face


def test_a_plain_call_without_limit_stays_on_its_thread_and_in_its_context() -> None:
    before = set(threading.enumerate())
    assert _sync.call(threading.get_ident, {}, None) == threading.get_ident()
    assert set(threading.enumerate()) == before


def test_all_async_tools_run_on_one_loop() -> None:
    async def which() -> tuple[int, int]:
        return id(asyncio.get_running_loop()), threading.get_ident()

    seen = {_sync.call(which, {}, timeout) for timeout in (None, 5.0, None)}
    seen |= set(_sync.gather([partial(_sync.call, which, {}, 5.0)] * 4))  # type: ignore[arg-type]
    assert len(seen) == 1
    assert seen.pop()[1] != threading.get_ident()


def test_parallel_async_tools_overlap() -> None:
    entered: list[int] = []

    async def meet() -> str:
        entered.append(1)
        while len(entered) < 3:
            await asyncio.sleep(0.002)
        return "met"

    assert _sync.gather([partial(_sync.call, meet, {}, 20.0)] * 3) == ["met"] * 3


async def test_an_async_tool_runs_under_a_blocking_caller_inside_a_running_loop() -> None:
    assert _sync.call(tools.async_add, {"a": 1}, 20.0) == 2


def test_a_blocking_call_inside_an_async_tool_that_needs_its_loop_is_refused() -> None:
    async def outer() -> Any:
        return _sync.call(tools.async_add, {"a": 1}, 20.0)

    with pytest.raises(RuntimeError, match=r"async_add is an async tool.*wait for itself.*asyncio\.to_thread"):
        _sync.call(outer, {}, 20.0)


def test_a_blocking_call_of_a_plain_tool_inside_an_async_tool_works() -> None:
    async def outer() -> Any:
        return _sync.call(tools.plain_add, {"a": 1}, 20.0)

    assert _sync.call(outer, {}, 20.0) == 2


def test_an_async_tool_that_ends_the_program_does_not_end_the_loop_thread() -> None:
    with pytest.raises(SystemExit):
        _sync.call(tools.async_exit, {}, 20.0)

    async def spawn() -> None:
        spawned = asyncio.get_running_loop().create_task(tools.async_exit())
        await asyncio.wait([spawned], timeout=5)
        spawned.exception()

    _sync.call(spawn, {}, 20.0)
    assert _sync.call(tools.async_add, {"a": 1}, 20.0) == 2


def test_an_async_tool_that_blocks_its_loop_still_times_out(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    async def blocks() -> None:
        release.wait(30)

    began = time.monotonic()
    try:
        with pytest.raises(_threads.CallTimeout) as caught:
            _sync.call(blocks, {}, 0.05)
    finally:
        release.set()
    assert caught.value.still_running is True
    assert time.monotonic() - began < 5
    assert "blocks its event loop" in caplog.text
    assert _sync.call(tools.async_add, {"a": 1}, 20.0) == 2


def test_call_each_takes_one_thread_for_each_call() -> None:
    barrier = threading.Barrier(4)

    def look() -> int:
        barrier.wait(20)
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("llm-client-")]
        barrier.wait(20)
        return len([name for name in names if "loop" not in name])

    outcomes = dict(_sync.call_each([(look, {}, 20.0)] * 4))
    assert outcomes == {0: 4, 1: 4, 2: 4, 3: 4}


# ---------------------------------------------------------------- abandoned threads


@pytest.mark.parametrize("face", ["async", "sync"])
def test_too_many_abandoned_threads_refuse_new_timed_calls(face: str, caplog: pytest.LogCaptureFixture) -> None:
    hanging = tools.Hanging()

    def call(function: Any, timeout: float | None) -> Any:
        if face == "sync":
            return _sync.call(function, {}, timeout)
        return asyncio.run(_async.call(function, {}, timeout))

    try:
        for _ in range(_threads.MAX_ABANDONED - _threads.abandoned_threads()):
            with pytest.raises(_threads.CallTimeout):
                call(hanging.plain, 0.001)
        with pytest.raises(_threads.CallRefused, match="32 calls that exceeded their time are still running"):
            call(lambda: 1, 5.0)
        assert call(lambda: 1, None) == 1
        assert "llm-client-plain-" in caplog.records[-1].getMessage()
    finally:
        hanging.release.set()
    end = time.monotonic() + 10
    while _threads.abandoned_threads() and time.monotonic() < end:
        time.sleep(0.005)
    assert _threads.abandoned_threads() == 0
    assert call(lambda: 1, 5.0) == 1


def test_the_time_limit_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(_threads.CallTimeout(30.0, True)))
    assert (error.seconds, error.still_running) == (30.0, True)
    assert str(error) == "no answer within 30 s; the call may still be running"


@pytest.mark.parametrize(
    "program",
    [
        """
        import threading, time
        from llm_client._seam import _sync as seam
        try:
            seam.call(threading.Event().wait, {}, 0.01)
        except seam.CallTimeout as error:
            print(error.still_running)
        """,
        """
        import asyncio, threading
        from llm_client._seam import _async as seam
        async def main():
            try:
                await seam.call(threading.Event().wait, {}, 0.01)
            except seam.CallTimeout as error:
                print(error.still_running)
        asyncio.run(main())
        """,
        """
        import asyncio
        from llm_client._seam import _sync as seam
        async def forever():
            while True:
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    pass
        try:
            seam.call(forever, {}, 1.0)  # it has to have begun by then
        except seam.CallTimeout as error:
            print(error.still_running)
        """,
        """
        import asyncio
        from llm_client._seam import _sync as seam
        async def leaves_a_task_behind():
            global task
            task = asyncio.create_task(asyncio.sleep(60))
        seam.call(leaves_a_task_behind, {}, 5.0)
        print(True)
        """,
        """
        import asyncio, threading
        from llm_client._seam import _sync as seam
        async def waits_for_a_thread():
            assert await asyncio.to_thread(lambda: 5) == 5
            await asyncio.to_thread(threading.Event().wait)
        try:
            seam.call(waits_for_a_thread, {}, 0.1)
        except seam.CallTimeout as error:
            print(not error.still_running)
        """,
    ],
    ids=["plain-blocking", "plain-async", "stubborn-task", "task-left", "thread-of-an-async-tool"],
)
def test_nothing_that_hangs_holds_up_the_end_of_the_process(program: str) -> None:
    began = time.monotonic()
    # The warnings of the log go to stderr where no handler is set.
    assert run_python("import logging; logging.disable()\n" + _dedent(program)) == "True\n"
    assert time.monotonic() - began < 15


def _dedent(program: str) -> str:
    import textwrap

    return textwrap.dedent(program)


def test_ctrl_c_leaves_every_blocking_wait_promptly() -> None:
    program = """
        import os, signal, threading, time, asyncio
        from llm_client._seam import _sync as seam
        never = threading.Event()
        async def forever():
            await asyncio.sleep(60)
        class Ticket:
            given_back = 0
            def delay(self, now): return 60.0
            def give_back(self): self.given_back += 1
        ticket = Ticket()
        def lead():
            seam.shared_call("key", never.wait)
        threading.Thread(target=lead, daemon=True).start()
        seam.call(asyncio.sleep, {"delay": 0}, None)
        waits = {
            "timed": lambda: seam.call(never.wait, {}, 60.0),
            "coroutine": lambda: seam.call(forever, {}, 60.0),
            "gather": lambda: seam.gather([never.wait, never.wait]),
            "call_each": lambda: list(seam.call_each([(never.wait, {}, 60.0)] * 2)),
            "shared": lambda: seam.shared_call("key", lambda: 1),
            "turn": lambda: seam.wait_turn(ticket),
            "sleep": lambda: seam.sleep(60),
        }
        for name, wait in waits.items():
            timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            began = time.monotonic()
            try:
                wait()
            except KeyboardInterrupt:
                print(name, time.monotonic() - began < 2)
            timer.join()
        print("given back", ticket.given_back)
    """
    lines = run_python(program).splitlines()
    assert lines == [
        "timed True",
        "coroutine True",
        "gather True",
        "call_each True",
        "shared True",
        "turn True",
        "sleep True",
        "given back 1",
    ]
