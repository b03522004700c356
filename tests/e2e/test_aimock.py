"""Against aimock, a fake API that nobody here wrote: three dialects, embeddings, both faces."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client import StreamEventType, tool

FACES = [pytest.param(llm_client, id="async"), pytest.param(llm_client.sync, id="blocking")]
DIALECTS = ["chat", "responses", "messages"]
GREETING = "Hello! Grüße, 世界, and good morning to everybody."


@tool
async def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"sunny in {city}"


@tool
def get_time(city: str) -> str:
    """Get the time of a city."""
    return f"14:30 in {city}"


def _provider(face: Any, dialect: str, url: str) -> Any:
    if dialect == "messages":
        return face.AnthropicProvider(model="claude-haiku-4-5", base_url=url, api_key="test-key")
    return face.OpenAIProvider(
        model="gpt-5.6-luna", base_url=f"{url}/v1", api_key="test-key", use_responses_api=dialect == "responses"
    )


def _do(thing: Any) -> Any:
    """The result of a call of either face; the events of a stream."""
    if inspect.isawaitable(thing):
        return asyncio.run(_wait(thing))
    if hasattr(thing, "__aiter__"):
        return asyncio.run(_collect(thing))
    return list(thing) if hasattr(thing, "__next__") else thing


async def _wait(thing: Any) -> Any:
    return await thing


async def _collect(stream: Any) -> list[Any]:
    return [event async for event in stream]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("face", FACES)
def test_an_answer(face: Any, dialect: str, aimock: str) -> None:
    result = _do(_provider(face, dialect, aimock).complete("Please greet everybody"))
    assert (result.content, result.ok, result.finish_reason) == (GREETING, True, "stop")
    if dialect == "chat":  # aimock counts tokens nowhere else
        assert result.usage.output_tokens > 0


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("face", FACES)
def test_a_stream(face: Any, dialect: str, aimock: str) -> None:
    events = _do(_provider(face, dialect, aimock).stream("Please greet everybody"))
    tokens = [event.data for event in events if event.type is StreamEventType.TOKEN]
    assert len(tokens) > 1
    assert "".join(tokens) == GREETING
    assert events[-1].type is StreamEventType.DONE
    assert events[-1].data.content == GREETING


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("face", FACES)
def test_an_agent_with_parallel_tools(face: Any, dialect: str, aimock: str) -> None:
    agent = face.Agent(_provider(face, dialect, aimock), tools=[get_weather, get_time])
    result = _do(agent.run("What is the weather in Tokyo?"))
    assert result.content == "It is sunny in Tokyo, and 14:30."
    assert [call.name for call in result.all_tool_calls] == ["get_time", "get_weather"]
    assert [item.content for item in result.turns[0].tool_results] == ["14:30 in Tokyo", "sunny in Tokyo"]
    streamed = _do(
        face.Agent(_provider(face, dialect, aimock), tools=[get_weather, get_time]).stream("weather in Tokyo")
    )
    assert streamed[-1].data.content == result.content


@pytest.mark.parametrize("face", FACES)
def test_embeddings(face: Any, aimock: str) -> None:
    provider = face.OpenAIProvider(model="text-embedding-3-small", base_url=f"{aimock}/v1", api_key="test-key")
    for form in ("float", "base64"):
        result = _do(provider.embed(["one", "two"], encoding_format=form))
        assert result.ok, result.error
        assert result.embeddings == [[0.125, -0.5, 0.25], [0.125, -0.5, 0.25]]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("face", FACES)
def test_a_question_without_an_answer_is_an_error_result(face: Any, dialect: str, aimock: str) -> None:
    result = _do(_provider(face, dialect, aimock).complete("What does nobody know?", attempts=1))
    assert not result.ok
    assert result.status >= 400
    assert result.error
