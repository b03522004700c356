"""Agents: tools, several turns, streams, objects as answers, agents as tools.

python examples/agent_with_tools.py
"""

from __future__ import annotations

import asyncio
import os

from offline import fake_api_without_key
from pydantic import BaseModel

from llm_client import Agent, AgentConfig, OpenAIProvider, StreamEventType, tool
from llm_client.testing import Reply

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


@tool
async def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: Name of the city.
    """
    return f"Weather in {city}: sunny, 22 degrees"


@tool
def convert(celsius: float) -> float:
    """Convert degrees from Celsius to Fahrenheit."""
    return celsius * 9 / 5 + 32


class Weather(BaseModel):
    """What the last agent answers with."""

    city: str
    celsius: float


async def several_turns(provider: OpenAIProvider) -> None:
    """The model calls tools, sees their results, and goes on; then the conversation does."""
    print("== several turns")
    agent = Agent(provider, tools=[get_weather, convert], system_message="You are brief.")
    result = await agent.run("How warm is it in Tokyo and in Oslo, in Fahrenheit?")
    for turn in result.turns:
        for call, outcome in zip(turn.tool_calls, turn.tool_results, strict=True):
            print(f"turn {turn.turn}: {call.name}({call.arguments}) -> {outcome.content}")
    print(result.content)
    print(f"{result.status}, {result.num_turns} turns")
    print(await agent.chat("And which of them is farther north?"))


async def streamed(provider: OpenAIProvider) -> None:
    """The same as it happens."""
    print("\n== streamed")
    agent = Agent(provider, tools=[get_weather], config=AgentConfig(max_turns=5, tool_timeout=10))
    async with agent.stream("How is the weather in Kyoto?") as events:
        async for event in events:
            if event.type is StreamEventType.TOKEN:
                print(event.data, end="", flush=True)
            elif event.type is StreamEventType.META and event.data["event"] == "tool_result":
                print(f"[{event.data['tool_name']}: {event.data['content']}]")
            elif event.type is StreamEventType.DONE:
                print(f"\n({event.data.status})")


async def object_as_answer(provider: OpenAIProvider) -> None:
    """The final answer as an object, after the tools that it needed."""
    print("\n== an object as answer")
    agent = Agent(provider, tools=[get_weather], output_type=Weather)
    result = await agent.run("How is the weather in Tokyo?")
    print(repr(result.output))


async def agent_as_tool(provider: OpenAIProvider) -> None:
    """One agent asks another."""
    print("\n== an agent as a tool")
    expert = Agent(provider, tools=[get_weather], system_message="You know the weather.")
    planner = Agent(provider, tools=[expert.as_tool("ask_weather_expert", "Answers questions about the weather.")])
    print(await planner.chat("Do I need an umbrella in Tokyo?"))


async def main() -> None:
    """One after the other."""
    async with OpenAIProvider(model=MODEL) as provider:
        await several_turns(provider)
        await streamed(provider)
        await object_as_answer(provider)
        await agent_as_tool(provider)


def call(name: str, **arguments: object) -> tuple[str, dict[str, object]]:
    """A call that the fake model makes."""
    return name, arguments


if __name__ == "__main__":
    answers = [
        Reply(tool_calls=[call("get_weather", city="Tokyo"), call("get_weather", city="Oslo")]),
        Reply(tool_calls=[call("convert", celsius=22)]),
        "It is 71.6 degrees Fahrenheit in both.",
        "Oslo.",
        Reply(tool_calls=[call("get_weather", city="Kyoto")]),
        "Sunny, 22 degrees.",
        Reply(tool_calls=[call("get_weather", city="Tokyo")]),
        '{"city": "Tokyo", "celsius": 22}',
        Reply(tool_calls=[call("ask_weather_expert", prompt="Will it rain in Tokyo?")]),
        Reply(tool_calls=[call("get_weather", city="Tokyo")]),
        "It is sunny.",
        "No umbrella needed: it is sunny.",
    ]
    with fake_api_without_key("OPENAI_API_KEY", answers):
        asyncio.run(main())
