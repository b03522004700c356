"""OpenAI's agents SDK, on Chat Completions, with tracing off."""

from __future__ import annotations

from typing import Any

from comparing.child import Session, counted_until_now
from comparing.work_raw import MODEL


def _agent(session: Session, kind: str = "plain", tools: Any = ()) -> Any:
    import agents
    import openai

    agents.set_tracing_disabled(True)
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{session.url}/{kind}/v1")
    return agents.Agent(
        name="a", model=agents.OpenAIChatCompletionsModel(model=MODEL, openai_client=client), tools=list(tools)
    )


def _call(session: Session) -> Any:
    import agents

    agent = _agent(session)

    async def one() -> None:
        assert (await agents.Runner.run(agent, "Hello")).final_output

    return one


def async_call(session: Session) -> Any:
    return session.calls(_call(session))


def async_50(session: Session) -> Any:
    return session.in_flight(_call(session), 50)


def blocking_call(session: Session) -> Any:
    import asyncio

    import agents

    asyncio.set_event_loop(session.loop)
    agent = _agent(session)

    def one() -> None:
        assert agents.Runner.run_sync(agent, "Hello").final_output

    return session.blocking(one)


def _async_stream(session: Session, kind: str) -> Any:
    import agents

    agent = _agent(session, kind)

    async def one() -> None:
        tokens = 0
        async for event in agents.Runner.run_streamed(agent, "Hello").stream_events():
            if event.type == "raw_response_event":
                tokens += event.data.type == "response.output_text.delta"
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


def async_stream(session: Session) -> Any:
    return _async_stream(session, "plain")


def async_packets(session: Session) -> Any:
    return _async_stream(session, "packets")


def first_token(session: Session) -> Any:
    import agents

    agent = _agent(session, "first")

    async def one() -> Any:
        taken = None
        async for event in agents.Runner.run_streamed(agent, "Hello").stream_events():
            if taken is None and event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                taken = counted_until_now()
        return taken

    return session.calls(one, own=True)


def agent(session: Session) -> Any:
    import agents

    @agents.function_tool
    async def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    agent = _agent(session, tools=[weather])

    async def one() -> None:
        assert (await agents.Runner.run(agent, "Hello")).final_output

    return session.calls(one)


def agent_blocking(session: Session) -> Any:
    import asyncio

    import agents

    asyncio.set_event_loop(session.loop)

    @agents.function_tool
    def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    agent = _agent(session, tools=[weather])

    def one() -> None:
        assert agents.Runner.run_sync(agent, "Hello").final_output

    return session.blocking(one)


def tool_schema(session: Session) -> Any:
    import agents

    def one() -> None:
        def weather(city: str, days: int = 1, units: str = "metric") -> str:
            """The weather of some days.

            Args:
                city: Where.
                days: How many, from today on.
                units: "metric" or "imperial".
            """
            return f"{city}: sun for {days} days, {units}"

        assert agents.function_tool(weather).params_json_schema

    return session.blocking(one)


IMPORT = "import agents"


async def first_call(session: Session) -> None:
    import agents

    assert (await agents.Runner.run(_agent(session), "Hello")).final_output
