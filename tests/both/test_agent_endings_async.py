"""Interrupting the async agent everywhere: what is left behind can be sent, nothing leaks, the next run works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import llm_client
from llm_client.testing import FakeAPI, ScriptedProvider
from support.agent_endings import (
    DIALECTS,
    Left,
    Play,
    answer,
    assert_accepted,
    assert_answered,
    provider_for,
    scripted_answers,
)
from support.leaks import Watch, assert_valid


class Stage:
    """Providers for the three dialects of one strict server, and one agent after the other."""

    def __init__(self, api: FakeAPI) -> None:
        self.api = api
        self.providers = [provider_for(llm_client, api, dialect) for dialect in DIALECTS]

    async def close(self) -> None:
        for provider in self.providers:
            await provider.close()


@asynccontextmanager
async def set_up() -> AsyncIterator[Stage]:
    watch = Watch()
    with FakeAPI(strict_rules=True) as api:
        api.on_request(answer)
        stage = Stage(api)
        yield stage
        await stage.close()
        assert await asyncio.to_thread(watch.wait, api)
        assert_accepted(api)


async def go_on(agent: Any, *, finished: bool = False) -> None:
    """The agent is free, or will be as soon as the loop has closed what was dropped; its history is valid; it works."""
    end = time.monotonic() + 60
    while not agent._idle:
        assert time.monotonic() < end, "the agent stays busy"
        await asyncio.sleep(0)
    assert_answered(agent.conversation, finished=finished)
    if isinstance(agent.provider, ScriptedProvider):
        agent.provider._answers.clear()
        agent.provider.add("It goes on.")
    result = await agent.run("And now?")
    assert (result.status, result.content) == ("success", "It goes on."), result
    assert_valid(agent.conversation)


# ---------------------------------------------------------------- at every event


async def in_context(agent: Any, at: int, play: Play, then: Callable[[], Coroutine[Any, Any, bool]]) -> int:
    count = 0
    async with agent.stream("Go") as events:
        async for event in events:
            if count == at and await then():
                break
            count += 1
            play.seen(event)
    return count


async def bare(agent: Any, at: int, play: Play, then: Callable[[], Coroutine[Any, Any, bool]]) -> int:
    count = 0
    async for event in agent.stream("Go"):
        if count == at and await then():
            break
        count += 1
        play.seen(event)
    return count


async def named(agent: Any, at: int, play: Play, then: Callable[[], Coroutine[Any, Any, bool]]) -> int:
    count = 0
    stream = agent.stream("Go")
    try:
        async for event in stream:
            if count == at and await then():
                break
            count += 1
            play.seen(event)
    finally:
        await stream.aclose()
    return count


async def leave_loop() -> bool:
    return True


async def raise_left() -> bool:
    raise Left


async def cancel_oneself() -> bool:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)
    return True


WAYS = [
    (reader, then) for reader in (in_context, bare, named) for then in (leave_loop, raise_left, cancel_oneself)
]  # fmt: skip


async def interrupted(work: Coroutine[Any, Any, int]) -> int | None:
    """The number of events if the reader came to its end or left its loop, None if something was raised."""
    try:
        return await asyncio.ensure_future(work)
    except (Left, asyncio.CancelledError, asyncio.TimeoutError):
        return None


@pytest.mark.parametrize(("reader", "then"), WAYS, ids=lambda function: function.__name__)
async def test_at_every_event(reader: Any, then: Any) -> None:
    async with set_up() as stage:
        for at in range(1000):
            play = Play()
            provider = stage.providers[at % len(DIALECTS)]
            agent = llm_client.Agent(provider, tools=play.tools)
            count = await interrupted(reader(agent, at, play, then))
            finished = count is not None and count < at
            await go_on(agent, finished=finished)
            play.open()
            if finished:
                break
        assert at > 25


@pytest.mark.parametrize("reader", [in_context, bare, named])
async def test_a_time_out_at_every_event(reader: Any) -> None:
    async with set_up() as stage:

        async def one(at: int) -> bool:
            """Whether the run ended before that event."""
            for seconds in (1.0, 10.0, 60.0):
                play, reached = Play(), asyncio.Event()

                async def wait_for_ever(reached: asyncio.Event = reached) -> bool:
                    reached.set()
                    return await asyncio.get_running_loop().create_future()

                agent = llm_client.Agent(stage.providers[at % len(DIALECTS)], tools=play.tools)
                try:
                    count = await asyncio.wait_for(  # noqa: TID251  # as users write it
                        reader(agent, at, play, wait_for_ever), seconds
                    )
                except asyncio.TimeoutError:
                    count = None
                await go_on(agent, finished=count is not None)
                play.open()
                if count is not None or reached.is_set():  # else the machine was slow, and the time was up before
                    return count is not None
            raise AssertionError(f"event {at} did not come within a minute")

        endings = await asyncio.gather(*(one(at) for at in range(50)))
        assert endings.index(True) > 25
        assert all(endings[endings.index(True) :])


async def test_a_time_out_for_each_event() -> None:
    async with set_up() as stage:
        for at in range(1000):
            play = Play()
            agent = llm_client.Agent(stage.providers[at % len(DIALECTS)], tools=play.tools)
            timed_out, count = False, 0
            async with agent.stream("Go") as stream:
                try:
                    while True:
                        limit = None if count < at else 0.0  # what is not there already comes too late
                        event = await asyncio.wait_for(stream.__anext__(), limit)  # noqa: TID251  # as users write it
                        count += 1
                        play.seen(event)
                except StopAsyncIteration:
                    pass
                except asyncio.TimeoutError:
                    timed_out = True
            await go_on(agent, finished=not timed_out)
            play.open()
            if not timed_out:
                break
        assert at > 25


# ---------------------------------------------------------------- wherever the run waits


class CancelAt:
    """Something to await that cancels the running task where it waits for the n-th time.

    Args:
        work: What to run.
        number: At which wait, from 1.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], number: int) -> None:
        self._work = work
        self._number = number
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = self._work.__await__()
        error: BaseException | None = None
        while True:
            try:
                waits_for = steps.send(None) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            self.waits += 1
            if self.waits == self._number:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            error = None
            try:
                yield waits_for
            except BaseException as raised:
                error = raised


async def run_at(work: Coroutine[Any, Any, Any], number: int) -> bool:
    """Run some work in a task that is cancelled at a wait; whether it came to its end before."""
    cancelling = CancelAt(work, number)

    async def main() -> None:
        await cancelling

    try:
        await asyncio.ensure_future(main())
    except asyncio.CancelledError:
        return False
    return cancelling.waits < number


def kinds_of_run(agent: Any, play: Play) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
    async def whole_run() -> None:
        await agent.run("Go")

    return {
        "run": whole_run,
        "in_context": lambda: in_context(agent, -1, play, leave_loop),
        "bare": lambda: bare(agent, -1, play, leave_loop),
        "named": lambda: named(agent, -1, play, leave_loop),
    }


@pytest.mark.parametrize("kind", ["run", "in_context", "bare", "named"])
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "one by one"])
async def test_cancelled_at_every_wait(kind: str, parallel: bool) -> None:
    watch = Watch()
    config = llm_client.AgentConfig(parallel_tool_execution=parallel)
    for number in range(1, 1000):
        play = Play(open_gates=True)
        agent = llm_client.Agent(ScriptedProvider(scripted_answers()), tools=play.tools, config=config)
        finished = await run_at(kinds_of_run(agent, play)[kind](), number)
        await go_on(agent, finished=finished)
        if finished:
            break
    assert number > 2
    assert await asyncio.to_thread(watch.wait)


@pytest.mark.parametrize("kind", ["run", "in_context", "bare", "named"])
async def test_cancelled_at_every_wait_over_a_socket(kind: str) -> None:
    async with set_up() as stage:
        for number in range(1, 1000):
            play = Play(open_gates=True)
            agent = llm_client.Agent(stage.providers[number % len(DIALECTS)], tools=play.tools)
            finished = await run_at(kinds_of_run(agent, play)[kind](), number)
            await go_on(agent, finished=finished)
            if finished:
                break
        assert number > 5


def places() -> Iterator[int]:
    return iter(range(0, 40, 4))


async def test_cancelled_while_closing() -> None:
    async with set_up() as stage:
        # Left at an event, and cancelled in the middle of the closing that follows.
        for at in places():
            for number in range(1, 1000):
                play = Play()
                agent = llm_client.Agent(stage.providers[number % len(DIALECTS)], tools=play.tools)
                closing: list[CancelAt] = []
                stream = agent.stream("Go")
                count = 0
                async for event in stream:
                    if count == at:
                        break
                    count += 1
                    play.seen(event)

                async def close(stream: Any = stream, number: int = number, closing: list[CancelAt] = closing) -> None:
                    closing.append(CancelAt(stream.aclose(), number))
                    await closing[0]

                try:
                    await asyncio.ensure_future(close())
                except asyncio.CancelledError:
                    pass
                await go_on(agent)
                play.open()
                if closing[0].waits < number:
                    break
            assert number < 20
