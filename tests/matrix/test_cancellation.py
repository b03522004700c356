"""Cancelling a task in the middle of a call: the server sees it, the agent is free and its conversation valid."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import llm_client
from llm_client.testing import FakeAPI, Reply, ScriptedProvider
from support.calls import VENDORS, provider_of
from support.leaks import Watch, assert_valid
from support.tools import Hanging

ENDLESS = Reply("word " * 20, endless=True)


async def cancel_when(condition: Callable[[], Any], work: Coroutine[Any, Any, Any]) -> None:
    """Start some work, cancel it when a blocking wait is over, and see it cancelled."""
    task = asyncio.get_running_loop().create_task(work)
    await asyncio.to_thread(condition)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def ignore(event: Any) -> None:
    """Do nothing with an event."""


async def read(stream: Any, see: Callable[[Any], None] = ignore) -> None:
    async for event in stream:
        see(event)


async def read_in_context(stream: Any, see: Callable[[Any], None] = ignore) -> None:
    async with stream as events:
        async for event in events:
            see(event)


@pytest.mark.parametrize("reader", [read, read_in_context])
@pytest.mark.parametrize("who", ["provider", "agent"])
@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_stream(api: FakeAPI, vendor: str, who: str, reader: Callable[..., Any]) -> None:
    watch = Watch()
    provider = provider_of(llm_client, api.anthropic_url, vendor)
    agent = llm_client.Agent(provider)
    api.reply(ENDLESS)
    stream = (provider if who == "provider" else agent).stream("Go")
    came = threading.Event()
    await cancel_when(
        lambda: came.wait(10), reader(stream, lambda event: came.set() if event.type.value == "token" else None)
    )
    await asyncio.to_thread(api.wait_for_hang_up)
    if who == "agent":
        assert_valid(agent.conversation)
        assert agent.conversation[-1].text.startswith("word")
        api.reply("yes")
        assert await agent.chat("And?") == "yes"
    await provider.close()
    assert await asyncio.to_thread(watch.wait, api)


@pytest.mark.parametrize("who", ["complete", "stream", "run", "agent stream"])
@pytest.mark.parametrize("vendor", VENDORS)
async def test_before_the_answer(api: FakeAPI, vendor: str, who: str) -> None:
    watch = Watch()
    provider = provider_of(llm_client, api.anthropic_url, vendor)
    agent = llm_client.Agent(provider)
    api.stall()
    work: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "complete": lambda: provider.complete("Go"),
        "stream": lambda: read(provider.stream("Go")),
        "run": lambda: agent.run("Go"),
        "agent stream": lambda: read(agent.stream("Go")),
    }
    await cancel_when(api.wait_for_requests, work[who]())
    await asyncio.to_thread(api.wait_for_hang_up)
    api.reply("yes")
    assert await agent.chat("And?") == "yes"
    assert_valid(agent.conversation)
    await provider.close()
    assert await asyncio.to_thread(watch.wait, api)


@pytest.mark.parametrize("colour", ["plain", "asynchronous"])
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("streaming", [False, True])
async def test_while_a_tool_is_running(colour: str, alone: bool, streaming: bool) -> None:
    watch = Watch()
    hanging = Hanging()
    slow = llm_client.tool(getattr(hanging, colour), name="slow")
    calls = [("slow", {})] if alone else [("slow", {}), ("quick", {})]
    agent = llm_client.Agent(ScriptedProvider([calls, "yes"]), tools=[slow, llm_client.tool(_quick, name="quick")])
    await cancel_when(hanging.entered.wait, read(agent.stream("Go")) if streaming else agent.run("Go"))
    results = [message for message in agent.conversation if message.role.value == "tool"]
    assert "interrupted" in results[0].text
    assert_valid(agent.conversation)
    if colour == "asynchronous":
        assert hanging.cancelled.is_set()  # before the run's own task had ended
    hanging.release.set()
    assert await agent.chat("And?") == "yes"
    assert await asyncio.to_thread(watch.wait)


async def test_a_time_out_around_a_run(api: FakeAPI) -> None:
    provider = provider_of(llm_client, api.anthropic_url)
    agent = llm_client.Agent(provider)
    api.stall()
    done, late = await asyncio.wait({asyncio.ensure_future(agent.run("Go"))}, timeout=0.05)
    assert not done
    await _cancel_all(late)
    await asyncio.to_thread(api.wait_for_hang_up)
    api.reply("yes")
    assert await agent.chat("And?") == "yes"


async def _cancel_all(tasks: set[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_task_that_is_cancelled_before_it_begins() -> None:
    agent = llm_client.Agent(ScriptedProvider(["yes"]))
    task = asyncio.ensure_future(agent.run("Go"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await agent.chat("Go") == "yes"


def _quick() -> str:
    return "42"
