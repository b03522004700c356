"""An agent with two tools, on both faces of the library, streaming its answer.

    make demo            or, with the library installed:    python examples/demo.py

It asks the real API where OPENAI_API_KEY is set, and otherwise a fake one on this machine, which needs no key.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator

import llm_client
import llm_client.sync
from llm_client import StreamEvent, StreamEventType, sync_tool, tool
from llm_client.testing import FakeAPI

QUESTION = "What is the weather in Tokyo, and what time is it there?"
MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


@tool
async def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: Name of the city.
    """
    await asyncio.sleep(0.2)
    return f"Weather in {city}: sunny, 22 degrees"


@sync_tool
def get_time(city: str) -> str:
    """Get the local time of a city.

    Args:
        city: Name of the city.
    """
    time.sleep(0.2)
    return f"Time in {city}: 14:30"


def show(event: StreamEvent) -> None:
    """Print one event of an agent's stream, as it comes."""
    if event.type is StreamEventType.TOKEN:
        print(event.data, end="", flush=True)
    elif event.type is StreamEventType.TOOL_CALL_END:
        print(f"tool {event.data.name}({event.data.arguments})", flush=True)
    elif event.type is StreamEventType.META and event.data["event"] == "tool_result":
        print(f"  -> {event.data['content']}", flush=True)
    elif event.type is StreamEventType.DONE:
        usage = event.data.usage
        print(f"\n  ({event.data.num_turns} turns, {usage.total_tokens} tokens, {event.data.status})", flush=True)
    elif event.type is StreamEventType.ERROR:
        print(f"\n  failed with status {event.data['status']}: {event.data['error']}", flush=True)
        raise SystemExit(1)


async def ask_async(base_url: str | None) -> None:
    """The asynchronous face."""
    async with llm_client.OpenAIProvider(model=MODEL, base_url=base_url) as provider:
        agent = llm_client.Agent(provider, tools=[get_weather, get_time])
        async with agent.stream(QUESTION) as events:
            async for event in events:
                show(event)


def ask_blocking(base_url: str | None) -> None:
    """The blocking face: the same names, no event loop."""
    with llm_client.sync.OpenAIProvider(model=MODEL, base_url=base_url) as provider:
        agent = llm_client.sync.Agent(provider, tools=[get_weather, get_time])
        with agent.stream(QUESTION) as events:
            for event in events:
                show(event)


@contextlib.contextmanager
def api() -> Iterator[str | None]:
    """The base URL to ask: None for the real API, which the environment names."""
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        print(f"asking {os.environ.get('OPENAI_BASE_URL') or 'the real OpenAI API'} for {MODEL}")
        yield None
    else:
        print("no OPENAI_API_KEY: asking a fake API on this machine (its answers are made up)")
        with FakeAPI() as fake:
            yield fake.openai_url


def main() -> None:
    """Ask on both faces, one after the other."""
    with api() as base_url:
        print(f"question: {QUESTION}")
        print("\nasync:")
        asyncio.run(ask_async(base_url))
        print("\nblocking:")
        ask_blocking(base_url)


if __name__ == "__main__":
    main()
