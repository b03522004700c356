"""Interrupting the blocking agent everywhere: what is left behind can be sent, nothing leaks, the next run works."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import llm_client.sync
from llm_client.sync.testing import ScriptedProvider
from llm_client.testing import FakeAPI
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
        self.providers = [provider_for(llm_client.sync, api, dialect) for dialect in DIALECTS]


@contextmanager
def set_up() -> Iterator[Stage]:
    watch = Watch()
    with FakeAPI(strict_rules=True) as api:
        api.on_request(answer)
        stage = Stage(api)
        yield stage
        for provider in stage.providers:
            provider.close()
        assert watch.wait(api)
        assert_accepted(api)


def go_on(agent: Any, *, finished: bool = False) -> None:
    """The agent is free, its history is valid, and it works."""
    assert_answered(agent.conversation, finished=finished)
    if isinstance(agent.provider, ScriptedProvider):
        agent.provider._answers.clear()
        agent.provider.add("It goes on.")
    result = agent.run("And now?")
    assert (result.status, result.content) == ("success", "It goes on."), result
    assert_valid(agent.conversation)


# ---------------------------------------------------------------- at every event


def in_context(agent: Any, at: int, play: Play, then: Callable[[], bool]) -> int:
    count = 0
    with agent.stream("Go") as events:
        for event in events:
            if count == at and then():
                break
            count += 1
            play.seen(event)
    return count


def bare(agent: Any, at: int, play: Play, then: Callable[[], bool]) -> int:
    count = 0
    for event in agent.stream("Go"):
        if count == at and then():
            break
        count += 1
        play.seen(event)
    return count


def named(agent: Any, at: int, play: Play, then: Callable[[], bool]) -> int:
    count = 0
    stream = agent.stream("Go")
    try:
        for event in stream:
            if count == at and then():
                break
            count += 1
            play.seen(event)
    finally:
        stream.close()
    return count


def leave_loop() -> bool:
    return True


def raise_left() -> bool:
    raise Left


def interrupt() -> bool:
    raise KeyboardInterrupt


READERS = [in_context, bare, named]
ENDINGS = [leave_loop, raise_left, interrupt]


def interrupted(work: Callable[[], int]) -> int | None:
    """The number of events if the reader came to its end or left its loop, None if something was raised."""
    try:
        return work()
    except (Left, KeyboardInterrupt):
        return None


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("then", ENDINGS)
def test_at_every_event(reader: Any, then: Any) -> None:
    with set_up() as stage:
        for at in range(1000):
            play = Play()
            agent = llm_client.sync.Agent(stage.providers[at % len(DIALECTS)], tools=play.tools)
            count = interrupted(lambda agent=agent, at=at, play=play: reader(agent, at, play, then))  # type: ignore[misc]
            finished = count is not None and count < at
            go_on(agent, finished=finished)
            play.open()
            if finished:
                break
        assert at > 25


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("then", ENDINGS)
def test_at_every_event_with_tools_on_the_readers_own_thread(reader: Any, then: Any) -> None:
    config = llm_client.sync.AgentConfig(tool_timeout=None, parallel_tool_execution=False)
    for at in range(1000):
        play = Play(open_gates=True)
        agent = llm_client.sync.Agent(ScriptedProvider(scripted_answers()), tools=play.tools, config=config)
        count = interrupted(lambda agent=agent, at=at, play=play: reader(agent, at, play, then))  # type: ignore[misc]
        finished = count is not None and count < at
        go_on(agent, finished=finished)
        if finished:
            break
    assert at > 25


# ---------------------------------------------------------------- where the run waits


class CtrlC:
    """Presses Ctrl-C once a wait on another thread is over and the main thread has come to rest.

    A signal that comes just before the main thread blocks is only noticed when it wakes; then it is pressed again, as
    somebody at a keyboard would.

    Args:
        condition: Blocks until it is time.
    """

    def __init__(self, condition: Callable[[], Any]) -> None:
        self._condition = condition
        self._noticed = threading.Event()
        self._thread = threading.Thread(target=self._press, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._noticed.set()
        self._thread.join()

    def _press(self) -> None:
        self._condition()
        _wait_for_rest()
        while not self._noticed.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            self._noticed.wait(10)


def _wait_for_rest() -> None:
    main = threading.main_thread().ident or 0
    spot, same = (0, 0), 0
    while same < 15:
        frame = sys._current_frames()[main]
        before, spot = spot, (id(frame), frame.f_lasti)
        del frame
        same = same + 1 if spot == before else 0
        threading.Event().wait(0.002)


def go(agent: Any, streaming: bool) -> None:
    if streaming:
        list(agent.stream("Go"))
    else:
        agent.run("Go")


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("streaming", [False, True], ids=["run", "stream"])
def test_ctrl_c_while_tools_are_running(turn: int, streaming: bool) -> None:
    with set_up() as stage:
        for provider in stage.providers:
            play = Play()
            slow_ones = 2
            if turn == 2:
                play.gates[1].set()
                slow_ones = 3
            agent = llm_client.sync.Agent(provider, tools=play.tools)

            def all_are_running(play: Play = play, slow_ones: int = slow_ones) -> None:
                for _ in range(slow_ones):
                    assert play.entered.acquire(timeout=60)

            with pytest.raises(KeyboardInterrupt), CtrlC(all_are_running):
                go(agent, streaming)
            assert any("interrupted" in message.text for message in agent.conversation)
            go_on(agent)
            play.open()


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("streaming", [False, True], ids=["run", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_ctrl_c_while_the_model_is_silent(dialect: str, streaming: bool, turn: int) -> None:
    watch = Watch()
    with FakeAPI(strict_rules=True) as api:
        play = Play(open_gates=True)
        provider = provider_for(llm_client.sync, api, dialect)
        agent = llm_client.sync.Agent(provider, tools=play.tools)
        for _ in range(turn - 1):
            api.reply(tool_calls=[("quick", {"turn": 1}), ("fail", {"turn": 1})])
        api.stall(reply="never said")
        with pytest.raises(KeyboardInterrupt), CtrlC(lambda: api.wait_for_requests(turn, timeout=60)):
            go(agent, streaming)
        assert_valid(agent.conversation)
        api.on_request(answer)
        assert agent.chat("And now?") == "It goes on."
        assert_valid(agent.conversation)
        provider.close()
        assert watch.wait(api)
        assert_accepted(api)
