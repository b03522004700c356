"""Agents whose tools run agents whose tools run agents, in every mixture of the faces."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.sync.testing import ScriptedProvider
from support.calls import double, provider_of, triple

COLOURS = ("plain", "async")
LEAVES = {"plain": (double, "double says 14"), "async": (triple, "triple says 21")}


class Nest:
    """Agents on one provider of each face."""

    def __init__(self, url: str) -> None:
        self._providers = {face: provider_of(face, url) for face in (llm_client, llm_client.sync)}

    def tool(self, colours: tuple[str, ...], streaming: bool) -> Callable[..., Any]:
        """A tool that runs an agent of its own colour with the next tool; the last colour is that of the leaf."""
        if len(colours) == 1:
            return LEAVES[colours[0]][0]
        if colours[0] == "plain":

            def plain_level(number: int) -> str:
                return self.blocking(colours[1:], number, streaming)

            return plain_level

        async def async_level(number: int) -> str:
            return await self.asynchronous(colours[1:], number, streaming)

        return async_level

    def _agent(self, face: Any, colours: tuple[str, ...], streaming: bool) -> Any:
        return face.Agent(self._providers[face], tools=[self.tool(colours, streaming)])

    def blocking(self, colours: tuple[str, ...], number: int, streaming: bool) -> str:
        agent = self._agent(llm_client.sync, colours, streaming)
        if streaming:
            return str(list(agent.stream(f"the number {number}"))[-1].data.content)
        return str(agent.chat(f"the number {number}"))

    async def asynchronous(self, colours: tuple[str, ...], number: int, streaming: bool) -> str:
        agent = self._agent(llm_client, colours, streaming)
        if streaming:
            return str([event async for event in agent.stream(f"the number {number}")][-1].data.content)
        return str(await agent.chat(f"the number {number}"))


@pytest.mark.parametrize("streaming", [False, True], ids=["run", "stream"])
@pytest.mark.parametrize("outermost", COLOURS)
@pytest.mark.parametrize("colours", list(itertools.product(COLOURS, repeat=3)), ids="-".join)
def test_three_deep(url: str, outermost: str, colours: tuple[str, ...], streaming: bool) -> None:
    nest = Nest(url)
    if outermost == "plain":
        answer = nest.blocking(colours, 7, streaming)
    else:
        answer = asyncio.run(nest.asynchronous(colours, 7, streaming))
    assert LEAVES[colours[-1]][1] in answer
    assert answer.count("Here is what I found") == 3
    assert f"{colours[0]}_level says" in answer


def test_many_nests_at_once(url: str) -> None:
    # Were tools to share a pool of threads, tools that wait for tools would fill it and stand still.
    nest = Nest(url)
    nests = [("plain", "async", "plain"), ("async", "plain", "async"), ("plain", "plain", "plain")]

    async def main() -> list[str]:
        return list(
            await asyncio.gather(
                *(nest.asynchronous(nests[number % 3], 7, streaming=False) for number in range(12)),
                *(asyncio.to_thread(nest.blocking, nests[number % 3], 7, False) for number in range(12)),
            )
        )

    assert len([answer for answer in asyncio.run(main()) if answer.count("Here is what I found") == 3]) == 24


def test_a_blocking_agent_inside_an_async_tool_refuses_to_wait_for_itself() -> None:
    async def leaf() -> str:
        return "leaf"

    async def outer() -> str:
        inner = llm_client.sync.Agent(ScriptedProvider([[("leaf", {})], "inner"]), tools=[leaf])
        return inner.run("go").turns[0].tool_results[0].error or "no error"

    agent = llm_client.sync.Agent(ScriptedProvider([[("outer", {})], "done"]), tools=[outer])
    result = agent.run("go")
    assert result.ok
    said = str(result.turns[0].tool_results[0].content)
    assert "leaf is an async tool" in said
    assert "wait for itself" in said
    assert "llm_client" in said
