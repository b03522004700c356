"""pydantic-ai, on Chat Completions."""

from __future__ import annotations

from typing import Any

from comparing.child import Session, counted_until_now
from comparing.work_raw import MODEL


def _agent(session: Session, kind: str = "plain", tools: Any = ()) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=f"{session.url}/{kind}/v1", api_key="none")
    return Agent(OpenAIChatModel(MODEL, provider=provider), tools=list(tools))


def _call(session: Session) -> Any:
    agent = _agent(session)

    async def one() -> None:
        assert (await agent.run("Hello")).output

    return one


def async_call(session: Session) -> Any:
    return session.calls(_call(session))


def async_50(session: Session) -> Any:
    return session.in_flight(_call(session), 50)


def blocking_call(session: Session) -> Any:
    import asyncio

    asyncio.set_event_loop(session.loop)
    agent = _agent(session)

    def one() -> None:
        assert agent.run_sync("Hello").output

    return session.blocking(one)


def _async_stream(session: Session, kind: str) -> Any:
    agent = _agent(session, kind)

    async def one() -> None:
        length = 0
        async with agent.run_stream("Hello") as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                length += len(piece)
        assert length == session.chunks * 5

    return session.calls(one, session.chunks)


def async_stream(session: Session) -> Any:
    return _async_stream(session, "plain")


def async_packets(session: Session) -> Any:
    return _async_stream(session, "packets")


def first_token(session: Session) -> Any:
    agent = _agent(session, "first")

    async def one() -> Any:
        taken = None
        async with agent.run_stream("Hello") as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                taken = taken or counted_until_now()
        return taken

    return session.calls(one, own=True)


def agent(session: Session) -> Any:
    async def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    agent = _agent(session, tools=[weather])

    async def one() -> None:
        assert (await agent.run("Hello")).output

    return session.calls(one)


def agent_blocking(session: Session) -> Any:
    import asyncio

    asyncio.set_event_loop(session.loop)

    def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    agent = _agent(session, tools=[weather])

    def one() -> None:
        assert agent.run_sync("Hello").output

    return session.blocking(one)


def tool_schema(session: Session) -> Any:
    from pydantic_ai import Tool

    def one() -> None:
        def weather(city: str, days: int = 1, units: str = "metric") -> str:
            """The weather of some days.

            Args:
                city: Where.
                days: How many, from today on.
                units: "metric" or "imperial".
            """
            return f"{city}: sun for {days} days, {units}"

        assert Tool(weather).function_schema.json_schema

    return session.blocking(one)


IMPORT = "import pydantic_ai, pydantic_ai.models.openai"


async def first_call(session: Session) -> None:
    assert (await _agent(session).run("Hello")).output
