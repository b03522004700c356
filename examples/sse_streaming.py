"""Server-Sent Events for web servers: what goes over the wire, for providers, agents and events of your own.

    python examples/sse_streaming.py

Whole servers with a page to look at: fastapi_sse.py, flask_sse.py, django_view.py.
"""

from __future__ import annotations

import asyncio
import os

from offline import fake_api_without_key

from llm_client import Agent, OpenAIProvider, SSEAdapter, StreamEvent, StreamEventType, format_sse_event, tool
from llm_client.testing import Reply

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


@tool
async def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"Weather in {city}: sunny"


def show(text: str) -> None:
    """The text of an event, its lines cut to the width of a terminal."""
    for line in text.rstrip("\n").split("\n"):
        print(line if len(line) <= 100 else f"{line[:97]}...")
    print()


async def main() -> None:
    """A provider's stream, an agent's, and single events."""
    adapter = SSEAdapter()
    async with OpenAIProvider(model=MODEL) as provider:
        print("== a provider's stream; a line break in the text is two data lines of one event")
        async for text in adapter.transform(provider.stream("Two lines, please.")):
            show(text)

        print("== an agent's stream: its turns and tools are visible, its conversation is not")
        agent = Agent(provider, tools=[get_weather])
        async for text in adapter.transform(agent.stream("How is the weather in Tokyo?")):
            if text.startswith(("event: meta", "event: tool_call_end", "event: done")):
                show(text)

    print("== events of your own")
    show(adapter.emit(StreamEvent(StreamEventType.META, {"event": "saved", "id": 7})))
    show(format_sse_event("saved", {"id": 7}))
    print("send it as", adapter.media_type, "with", adapter.headers)


if __name__ == "__main__":
    answers = [
        Reply(chunks=["First line.\n", "Second line."]),
        Reply(tool_calls=[("get_weather", {"city": "Tokyo"}, "call_1")]),
        "It is sunny in Tokyo.",
    ]
    with fake_api_without_key("OPENAI_API_KEY", answers):
        asyncio.run(main())
