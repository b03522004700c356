"""The blocking face makes no event loop, and no thread for a plain call: proven with both made impossible."""

from __future__ import annotations

import asyncio.base_events
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_client.sync import Agent, AgentConfig
from llm_client.sync.testing import ScriptedProvider
from support.calls import VENDORS, Blocking, double, triple
from support.processes import run_python


def impossible(*arguments: Any) -> None:
    raise AssertionError("the blocking face made an event loop or a thread")


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "run_forever", impossible)
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "__init__", impossible)


@contextmanager
def counted_threads() -> Iterator[list[threading.Thread]]:
    """Collect every thread that is started."""
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def counting(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", counting)
        yield started


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", ["complete", "stream", "agent"])
def test_plain_calls_need_neither(monkeypatch: pytest.MonkeyPatch, url: str, vendor: str, kind: Any) -> None:
    monkeypatch.setattr(threading.Thread, "start", impossible)
    calls = Blocking(url, vendor, tools=(double,), config=AgentConfig(tool_timeout=None))
    for number in (2, 3):  # an agent's run and an agent's stream
        calls.call(kind, number)
    calls.provider.close()


@pytest.mark.usefixtures("no_loop")
def test_tools_one_at_a_time_without_a_limit_run_on_the_callers_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", impossible)
    seen: list[threading.Thread] = []

    def here() -> str:
        seen.append(threading.current_thread())
        return "here"

    config = AgentConfig(tool_timeout=None, parallel_tool_execution=False)
    agent = Agent(ScriptedProvider([[("here", {})] * 3, "done"]), tools=[here], config=config)
    assert agent.chat("go") == "done"
    assert seen == [threading.current_thread()] * 3


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("calls", "parallel"), [(1, True), (3, True), (3, False)], ids=["one", "three parallel", "three in turn"]
)
def test_one_daemon_thread_for_each_tool_call(streaming: bool, calls: int, parallel: bool) -> None:
    config = AgentConfig(parallel_tool_execution=parallel)
    provider = ScriptedProvider([[("double", {"number": n}) for n in range(calls)], "done"])
    agent = Agent(provider, tools=[double], config=config)
    with counted_threads() as started:
        if streaming:
            assert list(agent.stream("go"))[-1].data.content == "done"
        else:
            assert agent.chat("go") == "done"
    assert len(started) == calls
    assert all(thread.daemon and "double" in thread.name for thread in started)
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_against_a_server(url: str, vendor: str) -> None:
    calls = Blocking(url, vendor, tools=(double,))
    with counted_threads() as started:
        calls.all(4)
        calls.all(5)
    assert [thread.daemon for thread in started] == [True, True]  # two agents, a tool call each
    calls.provider.close()


def test_async_tools_share_one_loop_thread() -> None:
    def script() -> ScriptedProvider:
        return ScriptedProvider([[("triple", {"number": n}) for n in range(3)], "done"])

    assert Agent(script(), tools=[triple]).chat("go") == "done"  # the first one starts it
    started = _names_of(lambda: Agent(script(), tools=[triple]).chat("go"))
    assert len(started) == 3  # a thread for each of the parallel calls, which waits for the loop
    config = AgentConfig(parallel_tool_execution=False)
    assert _names_of(lambda: Agent(script(), tools=[triple], config=config).chat("go")) == []


def _names_of(work: Callable[[], Any]) -> list[str]:
    with counted_threads() as started:
        assert work() == "done"
    return [thread.name for thread in started]


def test_in_a_process_that_never_had_either(url: str, tmp_path: Path) -> None:
    # With no vocabulary on disk and no thread to fetch one, tokens are estimated.
    run_python(f"""
        import asyncio.base_events, os, threading
        def impossible(*arguments): raise AssertionError("a loop or a thread was made")
        asyncio.base_events.BaseEventLoop.run_forever = impossible
        threading.Thread.start = impossible
        os.environ.update(
            XDG_CACHE_HOME={str(tmp_path)!r}, TMPDIR={str(tmp_path)!r}, LLM_CLIENT_VOCABULARY_URL={url!r}
        )
        from llm_client.sync import AgentConfig
        from support.calls import VENDORS, Blocking, double
        for vendor in VENDORS:
            calls = Blocking({url!r}, vendor, tools=(double,), config=AgentConfig(tool_timeout=None))
            calls.all(2)
            calls.all(3)
    """)
