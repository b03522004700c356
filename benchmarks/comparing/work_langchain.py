"""LangChain, with langchain-openai; agents are `langchain.agents.create_agent`."""

from __future__ import annotations

from typing import Any

from comparing.child import Session, counted_until_now
from comparing.work_raw import MODEL


def _model(session: Session, kind: str = "plain") -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=MODEL, api_key="none", base_url=f"{session.url}/{kind}/v1", use_responses_api=False)


def _call(session: Session) -> Any:
    model = _model(session)

    async def one() -> None:
        assert (await model.ainvoke("Hello")).content

    return one


def async_call(session: Session) -> Any:
    return session.calls(_call(session))


def async_50(session: Session) -> Any:
    return session.in_flight(_call(session), 50)


def blocking_call(session: Session) -> Any:
    model = _model(session)

    def one() -> None:
        assert model.invoke("Hello").content

    return session.blocking(one)


def _async_stream(session: Session, kind: str) -> Any:
    model = _model(session, kind)

    async def one() -> None:
        tokens = 0
        async for chunk in model.astream("Hello"):
            tokens += bool(chunk.content)
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


def async_stream(session: Session) -> Any:
    return _async_stream(session, "plain")


def async_packets(session: Session) -> Any:
    return _async_stream(session, "packets")


def blocking_stream(session: Session) -> Any:
    model = _model(session)

    def one() -> None:
        assert sum(bool(chunk.content) for chunk in model.stream("Hello")) == session.chunks

    return session.blocking(one, session.chunks)


def first_token(session: Session) -> Any:
    model = _model(session, "first")

    async def one() -> Any:
        taken = None
        async for chunk in model.astream("Hello"):
            if taken is None and chunk.content:
                taken = counted_until_now()
        return taken

    return session.calls(one, own=True)


def _agent(session: Session, tool: Any) -> Any:
    from langchain.agents import create_agent

    return create_agent(_model(session), tools=[tool])


def agent(session: Session) -> Any:
    async def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    agent = _agent(session, weather)

    async def one() -> None:
        messages = (await agent.ainvoke({"messages": [("user", "Hello")]}))["messages"]
        assert len(messages) == 3 + session.tool_calls

    return session.calls(one)


def agent_blocking(session: Session) -> Any:
    def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    agent = _agent(session, weather)

    def one() -> None:
        assert len(agent.invoke({"messages": [("user", "Hello")]})["messages"]) == 3 + session.tool_calls

    return session.blocking(one)


def tool_schema(session: Session) -> Any:
    from langchain.tools import tool

    def one() -> None:
        def weather(city: str, days: int = 1, units: str = "metric") -> str:
            """The weather of some days.

            Args:
                city: Where.
                days: How many, from today on.
                units: "metric" or "imperial".
            """
            return f"{city}: sun for {days} days, {units}"

        assert tool(weather, parse_docstring=True).args

    return session.blocking(one)


IMPORT = "import langchain_openai"


async def first_call(session: Session) -> None:
    assert (await _model(session).ainvoke("Hello")).content
