"""What belongs to the other face, or is no provider, no tool, no callback at all: one clear error, and no warning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import llm_client
import llm_client.sync
import llm_client.sync.testing
import llm_client.testing
from llm_client.exceptions import AgentBusyError
from support.calls import VENDORS, provider_of
from support.leaks import assert_valid
from support.processes import run_python


async def read(stream: Any) -> list[Any]:
    return [event async for event in stream]


def providers(face: Any) -> list[Any]:
    scripted = (llm_client.testing if face is llm_client else llm_client.sync.testing).ScriptedProvider
    return [scripted(["yes"], strict=False), *(provider_of(face, "http://127.0.0.1:9", vendor) for vendor in VENDORS)]


# ---------------------------------------------------------------- providers


@pytest.mark.parametrize("provider", providers(llm_client.sync), ids=lambda provider: type(provider).__name__)
def test_a_blocking_provider_in_the_async_agent(provider: Any) -> None:
    agent = llm_client.Agent(provider)
    name = f"llm_client.{type(provider).__name__}"
    with pytest.raises(TypeError, match=f"belongs to the blocking face.*{name}.*llm_client.sync.Agent"):
        asyncio.run(agent.run("Go"))
    with pytest.raises(TypeError, match=f"belongs to the blocking face.*{name}.*llm_client.sync.Agent"):
        asyncio.run(read(agent.stream("Go")))
    assert_valid(agent.conversation)
    agent.reset()  # it is not busy


@pytest.mark.parametrize("provider", providers(llm_client), ids=lambda provider: type(provider).__name__)
def test_an_async_provider_in_the_blocking_agent(provider: Any) -> None:
    agent = llm_client.sync.Agent(provider)
    name = f"llm_client.sync.{type(provider).__name__}"
    with pytest.raises(TypeError, match=f"belongs to the asynchronous face.*{name}.*llm_client.Agent"):
        agent.run("Go")
    with pytest.raises(TypeError, match=f"belongs to the asynchronous face.*{name}.*llm_client.Agent"):
        list(agent.stream("Go"))
    assert_valid(agent.conversation)
    agent.reset()


class PlainProvider:
    def complete(self, messages: Any, **options: Any) -> llm_client.CompletionResult:
        return llm_client.CompletionResult(content="yes")

    def stream(self, messages: Any, **options: Any) -> Iterator[Any]:
        yield llm_client.StreamEvent(llm_client.StreamEventType.DONE, self.complete(messages))


class AsyncProvider:
    async def complete(self, messages: Any, **options: Any) -> llm_client.CompletionResult:
        return llm_client.CompletionResult(content="yes")

    async def stream(self, messages: Any, **options: Any) -> AsyncIterator[Any]:
        yield llm_client.StreamEvent(llm_client.StreamEventType.DONE, await self.complete(messages))


class WithoutYield(AsyncProvider):
    async def stream(self, messages: Any, **options: Any) -> Any:
        return await self.complete(messages)


def test_providers_of_ones_own_are_judged_by_what_they_return() -> None:
    assert llm_client.sync.Agent(PlainProvider()).chat("Go") == "yes"
    assert list(llm_client.sync.Agent(PlainProvider()).stream("Go"))[-1].data.content == "yes"
    assert asyncio.run(llm_client.Agent(AsyncProvider()).chat("Go")) == "yes"
    assert asyncio.run(read(llm_client.Agent(AsyncProvider()).stream("Go")))[-1].data.content == "yes"
    with pytest.raises(TypeError, match=r"PlainProvider.complete\(\) returned a CompletionResult.*blocking face"):
        asyncio.run(llm_client.Agent(PlainProvider()).run("Go"))
    with pytest.raises(TypeError, match=r"PlainProvider.stream\(\) returned a generator.*blocking face"):
        asyncio.run(read(llm_client.Agent(PlainProvider()).stream("Go")))
    with pytest.raises(TypeError, match=r"AsyncProvider.complete\(\) returned a coroutine.*asynchronous face"):
        llm_client.sync.Agent(AsyncProvider()).run("Go")
    with pytest.raises(TypeError, match=r"AsyncProvider.stream\(\) returned an asynchronous generator.*asynchronous"):
        list(llm_client.sync.Agent(AsyncProvider()).stream("Go"))
    with pytest.raises(TypeError, match="with `yield`"):
        asyncio.run(read(llm_client.Agent(WithoutYield()).stream("Go")))


@pytest.mark.parametrize("face", [llm_client, llm_client.sync])
@pytest.mark.parametrize("provider", [None, "gpt-5", object(), llm_client.OpenAIProvider, 7])
def test_something_that_is_no_provider(face: Any, provider: Any) -> None:
    with pytest.raises(TypeError, match=r"provider is an object with complete\(\) and stream\(\)"):
        face.Agent(provider)


# ---------------------------------------------------------------- callbacks and scripted answers


async def async_hook(value: Any) -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("hook", ["on_turn_start", "on_tool_call", "on_tool_result", "on_turn_end"])
def test_an_async_hook(hook: str) -> None:
    def answer() -> str:
        return "42"

    script = [[("answer", {})], "done"]
    agent = llm_client.sync.Agent(
        llm_client.sync.testing.ScriptedProvider(script, strict=False), tools=[answer], **{hook: async_hook}
    )
    with pytest.raises(TypeError, match=f"{hook} returned a coroutine.*asynchronous face, llm_client"):
        agent.run("Go")
    assert_valid(agent.conversation)
    agent.reset()
    fine = llm_client.Agent(llm_client.testing.ScriptedProvider(script), tools=[answer], **{hook: async_hook})
    assert asyncio.run(fine.chat("Go")) == "done"


async def async_answer(messages: Any) -> str:
    await asyncio.sleep(0)
    return "yes"


def test_an_async_answer_of_a_script() -> None:
    blocking = llm_client.sync.testing.ScriptedProvider([async_answer, async_answer])
    with pytest.raises(TypeError, match=r"the scripted answer returned a coroutine.*asynchronous face, llm_client"):
        blocking.complete("Go")
    with pytest.raises(TypeError, match=r"the scripted answer returned a coroutine.*asynchronous face, llm_client"):
        list(blocking.stream("Go"))
    scripted = llm_client.testing.ScriptedProvider([async_answer, lambda messages: "plain"])
    assert asyncio.run(llm_client.Agent(scripted).chat("Go")) == "yes"
    assert asyncio.run(llm_client.Agent(scripted).chat("Go")) == "plain"


def test_a_stream_in_the_wrong_kind_of_loop() -> None:
    async def wrong() -> None:
        async for _ in llm_client.sync.testing.ScriptedProvider(["yes"]).stream("Go"):  # type: ignore[attr-defined]
            pass

    with pytest.raises(TypeError, match="__aiter__"):
        asyncio.run(wrong())
    with pytest.raises(TypeError, match="not iterable"):
        for _ in llm_client.testing.ScriptedProvider(["yes"]).stream("Go"):  # type: ignore[attr-defined]
            pass


def test_nothing_is_left_to_warn_of() -> None:
    assert (
        run_python("""
        import asyncio, gc, llm_client, llm_client.sync
        from llm_client.testing import ScriptedProvider
        from llm_client.sync.testing import ScriptedProvider as Blocking
        from matrix.test_colours import AsyncProvider, async_answer, async_hook, read
        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60.0
            agent = llm_client.Agent(Blocking(["yes"] * 2))
            for work in (agent.run("Go"), read(agent.stream("Go"))):
                try: await work
                except TypeError: pass
                else: raise SystemExit("no error")
        asyncio.run(main())
        for provider in (ScriptedProvider(["yes"]), AsyncProvider()):
            agent = llm_client.sync.Agent(provider)
            for work in (lambda: agent.run("Go"), lambda: list(agent.stream("Go"))):
                try: work()
                except TypeError: pass
                else: raise SystemExit("no error")
        for provider, hook in ((Blocking([async_answer]), None), (Blocking(["yes"], strict=False), async_hook)):
            try: llm_client.sync.Agent(provider, on_turn_start=hook).run("Go")
            except TypeError: pass
            else: raise SystemExit("no error")
        gc.collect()
        print("done")
    """)
        == "done\n"
    )


# ---------------------------------------------------------------- tools


@pytest.mark.parametrize("face", [llm_client, llm_client.sync])
@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ([7], r"tools\[0\] must be a Tool or something that can be called, got int 7"),
        (["search"], r"tools\[0\] must be a Tool or something that can be called, got str 'search'"),
        ([async_answer, None], r"tools\[1\] must be .* got NoneType None"),
        ("search", r"tools is a list of tools or functions, got str 'search'"),
        (async_answer, r"tools is a list of tools or functions"),
        ([dict], r"tools\[0\]: dict is a class"),
    ],
)
def test_a_tool_that_is_none(face: Any, tools: Any, words: str) -> None:
    provider = provider_of(face, "http://127.0.0.1:9")
    with pytest.raises(TypeError, match=words):
        face.Agent(provider, tools=tools)


# ---------------------------------------------------------------- busy


def test_a_blocking_agent_that_is_already_running() -> None:
    errors: list[str] = []

    def again() -> str:
        for work in (
            lambda: agent.run("Again"),
            lambda: agent.chat("Again"),
            lambda: list(agent.stream("Again")),
            agent.reset,
        ):
            with pytest.raises(AgentBusyError, match=r"fork\(\)") as caught:
                work()
            errors.append(str(caught.value))
        return str(agent.fork().chat("A fork may"))

    provider = llm_client.sync.testing.ScriptedProvider([[("again", {})], "of the fork", "done"])
    agent = llm_client.sync.Agent(provider, tools=[again])
    result = agent.run("Go")
    assert result.content == "done"
    assert result.turns[0].tool_results[0].content == "of the fork"
    assert len(set(errors)) == 1
    assert len(errors) == 4
    assert [message.role.value for message in agent.conversation] == ["user", "assistant", "tool", "assistant"]


def test_an_async_agent_that_is_already_running() -> None:
    async def again() -> str:
        for work in (agent.run("Again"), agent.chat("Again"), read(agent.stream("Again"))):
            with pytest.raises(AgentBusyError, match=r"fork\(\)"):
                await work
        with pytest.raises(AgentBusyError, match=r"fork\(\)"):
            agent.reset()
        return str(await agent.fork().chat("A fork may"))

    provider = llm_client.testing.ScriptedProvider([[("again", {})], "of the fork", "done"])
    agent = llm_client.Agent(provider, tools=[again])
    result = asyncio.run(agent.run("Go"))
    assert result.content == "done"
    assert result.turns[0].tool_results[0].content == "of the fork"
    assert [message.role.value for message in agent.conversation] == ["user", "assistant", "tool", "assistant"]


def test_two_tasks_on_one_agent() -> None:
    async def main() -> list[Any]:
        agent = llm_client.Agent(llm_client.testing.ScriptedProvider([async_answer]))
        return list(await asyncio.gather(agent.run("One"), agent.run("Two"), return_exceptions=True))

    answers = asyncio.run(main())
    assert sorted(type(answer).__name__ for answer in answers) == ["AgentBusyError", "AgentResult"]


def test_a_tool_that_calls_its_own_agent_tells_the_model_so() -> None:
    def again() -> str:
        return str(agent.chat("Again"))

    agent = llm_client.sync.Agent(llm_client.sync.testing.ScriptedProvider([[("again", {})], "done"]), tools=[again])
    result = agent.run("Go")
    assert result.content == "done"
    assert "AgentBusyError" in (result.turns[0].tool_results[0].error or "")
    assert "fork()" in (result.turns[0].tool_results[0].error or "")
