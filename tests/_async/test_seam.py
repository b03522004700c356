"""The seam's promises that hold for both faces alike."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from llm_client._seam import _async as seam
from support import tools


@pytest.fixture
def hanging() -> Iterator[tools.Hanging]:
    it = tools.Hanging()
    yield it
    it.release.set()


# ---------------------------------------------------------------- waiting


async def test_sleep_waits_and_takes_no_offence_at_negative_time() -> None:
    before = seam.now()
    await seam.sleep(0.01)
    await seam.sleep(-5)
    assert 0.009 <= seam.now() - before < 2


class _Ticket:
    def __init__(self, *delays: float) -> None:
        self.delays = list(delays)
        self.asked = 0
        self.given_back = 0

    def delay(self, now: float) -> float:
        self.asked += 1
        if not self.delays:
            raise RuntimeError("the limiter is broken")
        return self.delays.pop(0)

    def give_back(self) -> None:
        self.given_back += 1


async def test_a_turn_is_asked_for_again_after_each_wait() -> None:
    ticket = _Ticket(0.01, 0.02, 0.0)
    before = seam.now()
    await seam.wait_turn(ticket)
    assert seam.now() - before >= 0.028
    assert (ticket.asked, ticket.given_back) == (3, 0)


async def test_a_turn_that_comes_closer_is_noticed_before_the_first_delay_is_over() -> None:
    ticket = _Ticket(1.0, 0.0)
    before = seam.now()
    await seam.wait_turn(ticket)
    assert seam.now() - before < 0.9


async def test_an_interrupted_wait_gives_the_place_back() -> None:
    ticket = _Ticket(0.01)
    with pytest.raises(RuntimeError, match="broken"):
        await seam.wait_turn(ticket)
    assert ticket.given_back == 1


async def test_the_lock_excludes_and_can_be_waited_for_with_a_limit() -> None:
    lock = seam.Lock()
    async with lock:
        assert await lock.acquire(timeout=0.01) is False
        assert await lock.acquire(timeout=0) is False
    assert await lock.acquire(timeout=0.01) is True
    lock.release()
    assert await lock.acquire() is True
    lock.release()


class _Stream:
    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_closing_closes_a_stream_also_after_an_error() -> None:
    stream = _Stream()
    async with seam.closing(stream) as same:
        assert same is stream
    assert stream.closed == 1
    with pytest.raises(ValueError, match="inside"):
        async with seam.closing(stream):
            raise ValueError("inside")
    assert stream.closed == 2


async def test_closing_leaves_alone_what_cannot_be_closed() -> None:
    async with seam.closing([1, 2]) as items:
        assert items == [1, 2]


# ---------------------------------------------------------------- calling


async def test_offload_passes_arguments_and_result() -> None:
    assert await seam.offload(tools.plain_add, 2, 3) == 5


@pytest.mark.parametrize("timeout", [None, 20.0])
@pytest.mark.parametrize(
    "function",
    [
        tools.plain_add,
        tools.async_add,
        tools.returns_awaitable,
        partial(tools.plain_add, b=40),
        partial(partial(tools.async_add), b=40),
        tools.PlainCallable(),
        tools.CallableWithTasks(),
        partial(tools.CallableWithTasks(), b=40),
        tools.PlainCallable().method,
        tools.CallableWithTasks().method,
        lambda a, b: a + b,
    ],
)
async def test_a_function_of_either_colour_is_called(function: object, timeout: float | None) -> None:
    assert await seam.call(function, {"a": 2, "b": 40}, timeout) == 42


@pytest.mark.parametrize("timeout", [None, 20.0])
@pytest.mark.parametrize("function", [tools.plain_fail, tools.async_fail])
async def test_an_error_of_the_function_comes_out_as_it_is(function: object, timeout: float | None) -> None:
    with pytest.raises(ValueError, match=r"plain|async") as caught:
        await seam.call(function, {}, timeout)
    assert any(entry.name == function.__name__ for entry in caught.traceback)


@pytest.mark.parametrize("function", [tools.plain_cancelled, tools.async_cancelled])
async def test_a_cancellation_from_within_is_an_ordinary_error(function: object) -> None:
    with pytest.raises(seam.CallCancelled):
        await seam.call(function, {}, 20.0)


@pytest.mark.parametrize("function", [tools.plain_context, tools.async_context])
async def test_a_called_function_sees_the_context_and_does_not_change_it(function: object) -> None:
    token = tools.COLOUR.set("outside")
    try:
        assert await seam.call(function, {}, 20.0) == "outside"
        assert tools.COLOUR.get() == "outside"
    finally:
        tools.COLOUR.reset(token)


async def test_a_coroutine_that_takes_too_long_is_cancelled(hanging: tools.Hanging) -> None:
    with pytest.raises(seam.CallTimeout) as caught:
        await seam.call(hanging.asynchronous, {}, 0.05)
    assert hanging.cancelled.is_set()
    assert caught.value.still_running is False
    assert str(caught.value) == "no answer within 0.05 s; the call was cancelled"


async def test_a_plain_function_that_takes_too_long_is_abandoned(
    hanging: tools.Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(seam.CallTimeout) as caught:
        await seam.call(hanging.plain, {}, 0.05)
    assert caught.value.still_running is True
    assert caught.value.seconds == 0.05
    assert str(caught.value) == "no answer within 0.05 s; the call may still be running"
    (record,) = [record for record in caplog.records if record.name == "llm_client.threads"]
    assert "llm-client-plain-" in record.getMessage()


async def test_a_coroutine_that_ignores_its_cancellation_does_not_hold_up_the_caller(
    hanging: tools.Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    before = seam.now()
    with pytest.raises(seam.CallTimeout) as caught:
        await seam.call(hanging.stubborn, {}, 0.05)
    assert seam.now() - before < 5
    assert caught.value.still_running is True
    assert "does not end" in caplog.text
    hanging.release.set()


async def test_a_timed_plain_call_takes_exactly_one_daemon_thread() -> None:
    seen = []

    def look() -> None:
        seen.append([thread for thread in threading.enumerate() if thread.name.startswith("llm-client-look-")])

    await seam.call(look, {}, 20.0)
    ((thread,),) = seen
    assert thread.daemon


async def test_remaining_time_is_that_of_the_running_call() -> None:
    assert seam.remaining_time() is None
    assert await seam.call(seam.remaining_time, {}, None) is None
    left = await seam.call(seam.remaining_time, {}, 20.0)
    assert 10 < left <= 20
    assert seam.remaining_time() is None


async def test_a_call_inside_a_call_has_no_more_time_than_the_outer_one() -> None:
    async def inner() -> float | None:
        return await seam.call(seam.remaining_time, {}, 1000.0)

    left = await seam.call(inner, {}, 20.0)
    assert left is not None
    assert left <= 20


async def test_call_each_yields_results_and_errors_as_they_come(hanging: tools.Hanging) -> None:
    calls = [
        (hanging.plain, {}, 0.1),
        (tools.plain_add, {"a": 1}, 20.0),
        (tools.async_add, {"a": 2}, 20.0),
        (tools.async_fail, {}, None),
        (hanging.asynchronous, {}, 0.1),
    ]
    outcomes = {}
    async with seam.closing(seam.call_each(calls)) as ended:
        async for index, outcome in ended:
            outcomes[index] = outcome
    assert outcomes[1] == 2
    assert outcomes[2] == 3
    assert isinstance(outcomes[0], seam.CallTimeout)
    assert isinstance(outcomes[3], ValueError)
    assert isinstance(outcomes[4], seam.CallTimeout)
    assert outcomes[0].still_running is True


@pytest.mark.parametrize("limit", [1, 2, None])
async def test_call_each_keeps_to_its_limit(limit: int | None) -> None:
    running: list[int] = []
    most = []

    def watched() -> None:
        running.append(1)
        most.append(len(running))
        threading.Event().wait(0.005)
        running.pop()

    count = 0
    async with seam.closing(seam.call_each([(watched, {}, 20.0)] * 6, limit)) as ended:
        async for _, outcome in ended:
            assert outcome is None
            count += 1
    assert count == 6
    assert max(most) <= (limit or 6)


async def test_call_each_of_nothing_yields_nothing() -> None:
    assert [pair async for pair in seam.call_each([])] == []


# ---------------------------------------------------------------- several at once


async def _add(a: int) -> int:
    return await seam.call(tools.plain_add, {"a": a}, 20.0)


async def _fail() -> int:
    raise ValueError("broken")


async def test_gather_keeps_the_order_and_returns_errors_as_values() -> None:
    outcomes = await seam.gather([partial(_add, 1), _fail, partial(_add, 3)])
    assert outcomes[0] == 2
    assert outcomes[2] == 4
    assert isinstance(outcomes[1], ValueError)


@pytest.mark.parametrize("limit", [1, 2, 9])
async def test_gather_takes_a_limit(limit: int) -> None:
    assert await seam.gather([partial(_add, n) for n in range(5)], limit) == [1, 2, 3, 4, 5]


async def test_gather_of_nothing_is_nothing() -> None:
    assert await seam.gather([]) == []


async def test_gathered_work_overlaps() -> None:
    barrier = threading.Barrier(3)

    async def meet() -> int:
        return await seam.call(barrier.wait, {"timeout": 20}, None)

    assert sorted(await seam.gather([meet, meet, meet])) == [0, 1, 2]


async def test_gather_lets_the_end_of_the_program_through() -> None:
    async def leave() -> None:
        raise GeneratorExit("stands for KeyboardInterrupt, which would end the test run")

    with pytest.raises(GeneratorExit):
        await seam.gather([leave, partial(_add, 1)])


async def test_gather_nested_three_deep_does_not_starve() -> None:
    async def level(depth: int) -> int:
        if depth == 0:
            return await _add(0)
        return sum(await seam.gather([partial(level, depth - 1)] * 3))

    assert await level(3) == 27


async def test_as_done_yields_the_first_to_end_first() -> None:
    first = threading.Event()

    async def slow() -> str:
        await seam.call(first.wait, {"timeout": 20}, None)
        return "slow"

    async def quick() -> str:
        return "quick"

    order = []
    async with seam.closing(seam.as_done([slow, quick])) as ended:
        async for index, outcome in ended:
            order.append((index, outcome))
            first.set()
    assert order == [(1, "quick"), (0, "slow")]


# ---------------------------------------------------------------- pool


@pytest.mark.parametrize("workers", [1, 2, 5])
async def test_pool_never_takes_more_items_than_it_has_workers(workers: int) -> None:
    taken: list[int] = []
    dealt_with = 0

    def source() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    async with seam.closing(seam.pool(source(), _add, workers)) as results:
        async for item, outcome in results:
            assert outcome == item + 1
            assert len(taken) - dealt_with <= workers
            dealt_with += 1
    assert dealt_with == 20


async def test_pool_returns_errors_with_their_items() -> None:
    async def picky(item: int) -> int:
        if item == 1:
            raise ValueError("not this one")
        return item

    results = {}
    async with seam.closing(seam.pool([0, 1, 2], picky, 2)) as pairs:
        async for item, outcome in pairs:
            results[item] = outcome
    assert results[0] == 0
    assert results[2] == 2
    assert isinstance(results[1], ValueError)


async def test_pool_takes_no_more_after_an_early_close() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    async with seam.closing(seam.pool(source(), _add, 3)) as results:
        async for _ in results:
            break
    assert len(taken) <= 3


async def test_an_error_of_the_source_comes_out_of_the_pool() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("the file ended badly")

    async def read_all() -> int:
        return len([pair async for pair in seam.pool(source(), _add, 3)])

    with pytest.raises(OSError, match="ended badly"):
        await read_all()


async def test_pool_wants_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        async for _ in seam.pool([1], _add, 0):
            pass


async def test_pool_of_nothing_yields_nothing() -> None:
    assert [pair async for pair in seam.pool([], _add, 4)] == []


# ---------------------------------------------------------------- shared calls


async def test_a_call_alone_is_made_by_its_caller() -> None:
    assert await seam.shared_call("alone", partial(_add, 1)) == (2, True)
    assert await seam.shared_call("alone", partial(_add, 2)) == (3, True)


async def test_equal_calls_at_the_same_time_are_made_once() -> None:
    made = []
    enough = threading.Event()

    async def upstream() -> str:
        made.append(1)
        await seam.call(enough.wait, {"timeout": 20}, None)
        return "answer"

    async def join() -> object:
        return await seam.shared_call("equal", upstream)

    async def release() -> object:
        while not made:
            await seam.sleep(0.005)
        await seam.sleep(0.05)
        enough.set()
        return None

    outcomes = await seam.gather([join, join, join, release])
    assert len(made) == 1
    assert sorted(outcomes[:3]) == [("answer", False), ("answer", False), ("answer", True)]


async def test_an_error_of_a_shared_call_comes_out() -> None:
    with pytest.raises(ValueError, match="broken"):
        await seam.shared_call("failing", _fail)
    assert await seam.shared_call("failing", partial(_add, 1)) == (2, True)


async def test_a_call_that_is_part_of_itself_does_not_wait_for_itself() -> None:
    async def inner() -> str:
        return "inner"

    async def outer() -> tuple[str, bool]:
        return await seam.shared_call("itself", inner)

    assert await seam.shared_call("itself", outer) == (("inner", True), True)


# ---------------------------------------------------------------- one per loop, files


async def test_per_loop_makes_one_and_after_close_another() -> None:
    made: list[_Stream] = []

    def make() -> _Stream:
        made.append(_Stream())
        return made[-1]

    streams = seam.per_loop(make)
    assert streams.peek() is None
    first = streams.get()
    assert streams.get() is first
    assert streams.peek() is first
    await streams.close()
    assert first.closed == 1
    assert streams.peek() is None
    second = streams.get()
    assert second is not first
    await streams.close()
    await streams.close()
    assert second.closed == 1


async def test_per_loop_takes_a_closing_function() -> None:
    ended: list[object] = []
    things = seam.per_loop(object, close=ended.append)
    thing = things.get()
    await things.close()
    assert ended == [thing]


async def test_a_factory_that_fails_is_asked_again() -> None:
    answers: list[object] = [OSError("no route"), "session"]

    def make() -> object:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    things = seam.per_loop(make, close=answers.append)
    with pytest.raises(OSError, match="no route"):
        things.get()
    assert things.get() == "session"
    await things.close()
    assert answers == ["session"]


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
async def test_a_file_is_read_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    assert await seam.read_file(path) == b"x" * size


async def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await seam.read_file(tmp_path / "nothing")


# ---------------------------------------------------------------- colours


async def _numbers() -> AsyncIterator[int]:
    yield 1


async def test_what_suits_the_face_passes_all_checks() -> None:
    seam.check_face(_add, "the worker")
    seam.check_face(_numbers, "the stream")
    assert await seam.check_provider(_add(1), None) == 2
    assert [number async for number in seam.check_stream(_numbers(), None)] == [1]


async def test_something_is_done_in_the_background_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def fail() -> None:
        done.append("failed")
        raise OSError("nobody waits for this")

    seam.run_later(0.02, fail)
    assert done == []
    end = seam.now() + 30.0
    while not caplog.records:
        assert seam.now() < end
        await seam.sleep(0.01)
    assert done == ["failed"]
    assert "in the background failed" in caplog.records[0].getMessage()


async def test_resolve_passes_plain_values_on() -> None:
    assert await seam.resolve(5, "the callback") == 5
