"""What every row of the loop matrix does on either face: ask, stream, run an agent; each call checks its answer.

The answers are the built-in ones of FakeAPI: it repeats the question, or calls every tool once with the number of the
question and reports the results.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import llm_client
import llm_client.sync

Kind = Literal["complete", "stream", "agent"]
Tools = tuple[Callable[..., Any], ...]

KINDS: tuple[Kind, ...] = ("complete", "stream", "agent")
VENDORS = ("openai", "anthropic")


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def triple(number: int) -> int:
    """Triple a number."""
    await asyncio.sleep(0)
    return 3 * number


BOTH_COLOURS: Tools = (double, triple)


def question(number: int) -> str:
    return f"the number {number}"


def provider_of(face: Any, url: str, vendor: str = "openai", **options: Any) -> Any:
    """A provider of a face for the server at `url`, patient and without a second try."""
    options = {"attempts": 1, "timeout": 60.0, **options}
    if vendor == "anthropic":
        return face.AnthropicProvider(model="claude-haiku-4-5", base_url=url, max_tokens=100, **options)
    return face.OpenAIProvider(model="gpt-5.6-luna", base_url=f"{url}/v1", **options)


class _Calls:
    def __init__(
        self,
        face: Any,
        url: str,
        vendor: str = "openai",
        tools: Tools = BOTH_COLOURS,
        config: llm_client.AgentConfig | None = None,
    ) -> None:
        self.provider = provider_of(face, url, vendor)
        self.agent = face.Agent(self.provider, tools=tools, config=config)
        self._tools = tools

    def _check(self, found: str, number: int, *, agent: bool = False) -> None:
        expected = question(number)
        if agent:
            results = {double: 2 * number, triple: 3 * number}
            said = "; ".join(f"{tool.__name__} says {results[tool]}" for tool in self._tools)
            expected = f"Here is what I found: {said}."
        assert found == expected, (found, expected)

    def _check_events(self, events: list[Any], number: int, *, agent: bool = False) -> None:
        assert events, number
        assert events[-1].type.value == "done", events[-1]
        self._check(events[-1].data.content, number, agent=agent)
        tokens = "".join(event.data for event in events if event.type.value == "token")
        assert tokens == events[-1].data.content, tokens


class Blocking(_Calls):
    """One provider and one agent of the blocking face, for any number of threads.

    Args:
        url: The server.
        vendor: Whose dialect.
        tools: What the agent may call, of `double` and `triple`.
        config: How the agent works.
    """

    def __init__(self, url: str, *arguments: Any, **options: Any) -> None:
        super().__init__(llm_client.sync, url, *arguments, **options)

    def call(self, kind: Kind, number: int) -> None:
        """Make a call and check its answer; agents run for even numbers and stream for odd ones."""
        if kind == "complete":
            self._check(self.provider.complete(question(number)).content, number)
        elif kind == "stream":
            self._check_events(list(self.provider.stream(question(number))), number)
        elif number % 2:
            self._check_events(list(self.agent.fork().stream(question(number))), number, agent=True)
        else:
            self._check(self.agent.fork().run(question(number)).content, number, agent=True)

    def all(self, number: int) -> None:
        """Make a call of each kind."""
        for kind in KINDS:
            self.call(kind, number)


class Asynchronous(_Calls):
    """One provider and one agent of the asynchronous face, for any number of loops; arguments as for `Blocking`."""

    def __init__(self, url: str, *arguments: Any, **options: Any) -> None:
        super().__init__(llm_client, url, *arguments, **options)

    async def call(self, kind: Kind, number: int) -> None:
        """Make a call and check its answer; agents run for even numbers and stream for odd ones."""
        if kind == "complete":
            self._check((await self.provider.complete(question(number))).content, number)
        elif kind == "stream":
            self._check_events([event async for event in self.provider.stream(question(number))], number)
        elif number % 2:
            events = [event async for event in self.agent.fork().stream(question(number))]
            self._check_events(events, number, agent=True)
        else:
            self._check((await self.agent.fork().run(question(number))).content, number, agent=True)

    async def all(self, number: int) -> None:
        """Make a call of each kind."""
        for kind in KINDS:
            await self.call(kind, number)
