"""llm-client with its default settings: retries, limiter, usage and cost on, cache off."""

from __future__ import annotations

from typing import Any

from comparing.child import Session, counted_until_now

MODEL = "gpt-5.6-luna"


def _provider(session: Session, kind: str = "plain", model: str = MODEL) -> Any:
    import llm_client

    return llm_client.OpenAIProvider(model=model, base_url=f"{session.url}/{kind}/v1")


def _blocking_provider(session: Session, model: str = MODEL) -> Any:
    import llm_client.sync

    return llm_client.sync.OpenAIProvider(model=model, base_url=f"{session.url}/plain/v1")


def _call(provider: Any) -> Any:
    async def one() -> None:
        assert (await provider.complete("Hello")).ok

    return one


def async_call(session: Session) -> Any:
    return session.calls(_call(_provider(session)))


def async_50(session: Session) -> Any:
    return session.in_flight(_call(_provider(session)), 50)


def blocking_call(session: Session) -> Any:
    provider = _blocking_provider(session)

    def one() -> None:
        assert provider.complete("Hello").ok

    return session.blocking(one)


def _async_stream(session: Session, provider: Any) -> Any:
    from llm_client import StreamEventType

    token = StreamEventType.TOKEN

    async def one() -> None:
        tokens = 0
        async for event in provider.stream("Hello"):
            tokens += event.type is token
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


def async_stream(session: Session) -> Any:
    return _async_stream(session, _provider(session))


def async_packets(session: Session) -> Any:
    return _async_stream(session, _provider(session, "packets"))


def blocking_stream(session: Session) -> Any:
    from llm_client import StreamEventType

    provider, token = _blocking_provider(session), StreamEventType.TOKEN

    def one() -> None:
        tokens = 0
        for event in provider.stream("Hello"):
            tokens += event.type is token
        assert tokens == session.chunks

    return session.blocking(one, session.chunks)


def first_token(session: Session) -> Any:
    from llm_client import StreamEventType

    provider, token = _provider(session, "first"), StreamEventType.TOKEN

    async def one() -> Any:
        taken = None
        async for event in provider.stream("Hello"):
            if taken is None and event.type is token:
                taken = counted_until_now()
        return taken

    return session.calls(one, own=True)


def agent(session: Session) -> Any:
    import llm_client

    provider = _provider(session)

    @llm_client.tool
    async def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    async def one() -> None:
        result = await llm_client.Agent(provider=provider, tools=[weather]).run("Hello")
        assert len(result.turns) == 2
        assert len(result.turns[0].tool_calls) == session.tool_calls

    return session.calls(one)


def agent_blocking(session: Session) -> Any:
    import llm_client
    import llm_client.sync

    provider = _blocking_provider(session)

    @llm_client.tool
    def weather(city: str, days: int) -> str:
        """The weather of some days."""
        return f"{city}: sun for {days} days"

    def one() -> None:
        result = llm_client.sync.Agent(provider=provider, tools=[weather]).run("Hello")
        assert len(result.turns) == 2
        assert len(result.turns[0].tool_calls) == session.tool_calls

    return session.blocking(one)


def _embeddings(session: Session, encoding: Any) -> Any:
    provider = _blocking_provider(session, "text-embedding-3-small")
    texts = [f"text {number}" for number in range(session.vectors)]

    def one() -> None:
        assert len(provider.embed(texts, encoding_format=encoding).embeddings) == session.vectors

    return session.blocking(one)


def embeddings_base64(session: Session) -> Any:
    return _embeddings(session, "base64")


def embeddings_float(session: Session) -> Any:
    return _embeddings(session, "float")


def tool_schema(session: Session) -> Any:
    from llm_client import tool

    def one() -> None:
        def weather(city: str, days: int = 1, units: str = "metric") -> str:
            """The weather of some days.

            Args:
                city: Where.
                days: How many, from today on.
                units: "metric" or "imperial".
            """
            return f"{city}: sun for {days} days, {units}"

        assert tool(weather).parameters["required"] == ["city"]

    return session.blocking(one)


IMPORT = "import llm_client"
IMPORT_BLOCKING = "import llm_client.sync"


async def first_call(session: Session) -> None:
    import llm_client

    async with llm_client.OpenAIProvider(model=MODEL, base_url=f"{session.url}/plain/v1") as provider:
        assert (await provider.complete("Hello")).ok


def _anthropic(session: Session) -> Any:
    import llm_client

    return llm_client.AnthropicProvider(model="claude-sonnet-5", base_url=f"{session.url}/plain", api_key="none")


def anthropic_call(session: Session) -> Any:
    return session.calls(_call(_anthropic(session)))


def anthropic_stream(session: Session) -> Any:
    return _async_stream(session, _anthropic(session))
