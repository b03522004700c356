"""Leaving a stream before its end: the server sees it at once, and nothing is left over."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._seam import _async as seam
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.calls import VENDORS, provider_of
from support.leaks import Watch, assert_valid
from support.tools import Hanging

WAYS = ("temporary", "named", "context")
ENDLESS = Reply("word " * 20, endless=True)
DEEP = ("provider", "agent", "agent after a tool")


def answer() -> str:
    """Give an answer."""
    return "42"


class Left(Exception):
    """What a consumer raises."""


async def leave(make: Any, way: str, pieces: int, error: type[Exception] | None = None) -> None:
    """Take some tokens of a stream and leave it."""
    seen = 0
    if way == "temporary":
        async for event in make():
            seen += event.type.value == "token"
            if seen == pieces:
                if error is not None:
                    raise error
                break
    elif way == "named":
        stream = make()
        try:
            async for event in stream:
                seen += event.type.value == "token"
                if seen == pieces:
                    if error is not None:
                        raise error
                    break
        finally:
            await stream.aclose()
    else:
        async with make() as stream:
            async for event in stream:
                seen += event.type.value == "token"
                if seen == pieces:
                    if error is not None:
                        raise error
                    break
    assert seen == pieces


# ---------------------------------------------------------------- the server sees the hang-up


@pytest.mark.parametrize("raising", [False, True], ids=["break", "raise"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_server_sees_it(api: FakeAPI, vendor: str, deep: str, way: str, raising: bool) -> None:
    url = api.anthropic_url
    watch = Watch()
    provider = provider_of(face, url, vendor)
    agent = face.Agent(provider, tools=[answer])
    if deep == "agent after a tool":
        api.reply(Reply("Let me see. ", tool_calls=["answer"]))
    api.reply(ENDLESS)
    make = provider.stream if deep == "provider" else agent.stream
    before = 3 if deep == "agent after a tool" else 0  # words of the first turn
    if raising:
        with pytest.raises(Left):
            await leave(lambda: make("Go"), way, before + 2, Left)
    else:
        await leave(lambda: make("Go"), way, before + 2)
    left = await seam.offload(api.wait_for_hang_up)
    assert left.stream
    if deep != "provider":
        assert_valid(agent.conversation)
        api.reply("It goes on.")
        assert await agent.chat("And now?") == "It goes on."
        said = [message.text for message in agent.conversation if message.role.value == "assistant"]
        assert "word" in said[-2]  # what had come is kept
    await provider.close()
    assert await seam.offload(watch.wait, api)


async def test_a_stream_that_was_never_begun_asks_nothing(api: FakeAPI) -> None:
    provider = provider_of(face, api.anthropic_url)
    agent = face.Agent(provider)
    async with provider.stream("Go"):
        pass
    await provider.stream("Go").aclose()
    await agent.stream("Go").aclose()
    provider.stream("Go")
    agent.stream("Go")
    assert not api.requests
    assert len(agent.conversation) == 0
    api.reply("yes")
    assert await agent.chat("Go") == "yes"


async def test_closing_twice_and_after_the_end(api: FakeAPI) -> None:
    provider = provider_of(face, api.anthropic_url)
    api.reply("one two")
    stream = provider.stream("Go")
    assert [event async for event in stream][-1].data.content == "one two"
    await stream.aclose()
    await stream.aclose()
    assert [event async for event in stream] == []
    assert api.last_request.client_hung_up is not True
    api.reply(ENDLESS)
    async with provider.stream("Go") as again:
        async for _ in again:
            break
        await again.aclose()
    assert await seam.offload(api.wait_for_hang_up)


async def test_the_next_request_does_not_use_the_connection_that_was_left(api: FakeAPI) -> None:
    provider = provider_of(face, api.anthropic_url)
    api.reply(ENDLESS)
    await leave(lambda: provider.stream("Go"), "context", 1)
    api.reply("yes")
    assert (await provider.complete("And?")).content == "yes"
    first, second = api.requests
    assert first.connection != second.connection


# ---------------------------------------------------------------- agents


SCRIPT = [
    [("answer", {}), ("answer", {})],
    "It is 42.",
]


async def events_of_a_whole_run() -> int:
    agent = face.Agent(face.testing.ScriptedProvider(SCRIPT), tools=[answer])
    return len([event async for event in agent.stream("Go")])


@pytest.mark.parametrize("way", ["named", "context"])
async def test_leaving_after_any_event_leaves_a_valid_conversation(way: str) -> None:
    for pieces in range(1, await events_of_a_whole_run()):
        provider = face.testing.ScriptedProvider(SCRIPT, strict=False)
        agent = face.Agent(provider, tools=[answer])
        seen = 0
        stream = agent.stream("Go")
        async for _ in stream:
            seen += 1
            if seen == pieces:
                break
        if way == "named":
            await stream.aclose()
        else:
            async with stream:
                pass
        assert_valid(agent.conversation)
        provider.add(*["yes"] * 3)
        result = await agent.run("And now?")  # it is not busy
        assert result.ok
        assert_valid(agent.conversation)


@pytest.mark.parametrize("way", ["named", "context", "raise"])
@pytest.mark.parametrize("colour", ["plain", "asynchronous"])
async def test_leaving_while_a_tool_is_running(colour: str, way: str) -> None:
    watch = Watch()
    hanging = Hanging()
    slow = face.tool(getattr(hanging, colour), name="slow")
    provider = face.testing.ScriptedProvider([[("slow", {}), ("answer", {})], "done"])
    agent = face.Agent(provider, tools=[slow, answer])
    stream = agent.stream("Go")
    try:
        async with stream:
            async for event in stream:
                if event.type.value == "meta" and event.data["event"] == "tool_result":
                    assert event.data["tool_name"] == "answer"
                    assert await seam.offload(hanging.entered.wait, 10)
                    if way == "raise":
                        raise Left
                    if way == "named":
                        await stream.aclose()
                    break
    except Left:
        assert way == "raise"
    first, second = list(agent.conversation)[2:]
    assert "interrupted" in first.text  # in the order of the calls
    assert second.text == "42"
    assert_valid(agent.conversation)
    if colour == "asynchronous":
        assert await seam.offload(hanging.cancelled.wait, 10)
    hanging.release.set()
    assert await agent.chat("And now?") == "done"
    assert await seam.offload(watch.wait)


async def test_a_hook_that_raises_leaves_a_valid_conversation() -> None:
    for hook in ("on_turn_start", "on_tool_call", "on_tool_result", "on_turn_end"):

        def fail(value: Any) -> None:
            raise Left

        provider = face.testing.ScriptedProvider(SCRIPT, strict=False)
        agent = face.Agent(provider, tools=[answer], **{hook: fail})
        with pytest.raises(Left):
            await agent.run("Go")
        assert_valid(agent.conversation)
        agent.reset()  # it is not busy
        assert len(agent.conversation) == 0
