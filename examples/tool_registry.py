"""Tools: making them, a registry of them, calling them, handing them to a provider.

python examples/tool_registry.py
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Annotated, Literal

from offline import fake_api_without_key
from pydantic import Field

from llm_client import Message, OpenAIProvider, Tool, ToolCall, ToolRegistry, sync_tool, tool, tool_from_function
from llm_client.testing import Reply

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


@tool
async def search(query: str, kind: Literal["web", "news"] = "web", limit: Annotated[int, Field(ge=1)] = 3) -> list[str]:
    """Search for pages.

    Args:
        query: What to look for.
        kind: Where to look.
        limit: Most results.
    """
    return [f"{kind} page {number} about {query}" for number in range(1, limit + 1)]


@sync_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


def divide(a: float, b: float) -> float:
    """Divide one number by another."""
    return a / b


async def main() -> None:
    """Make, register, call, and let a model choose."""
    print("== the schema comes from hints and docstring")
    print(json.dumps(search.parameters, indent=2))

    print("\n== a registry")
    registry = ToolRegistry([search, add])
    registry.register(tool_from_function(shout, name="say_louder"))
    registry.register(divide)
    by_hand = Tool(
        name="echo",
        description="Repeat a text.",
        parameters={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        handler=lambda text: text,
    )
    registry.register(by_hand)
    print(registry.names)

    print("\n== calls; what goes wrong is a result too")
    print((await registry.execute("add", {"a": 1, "b": "2"})).content)
    print((await registry.execute("divide", {"a": 1, "b": 0})).error)
    print((await registry.execute("search", {"query": "llamas", "limit": 0})).error)
    print(await registry.execute_json("say_louder", '{"text": "hello"}'))
    calls = [ToolCall(id=f"call_{n}", name="add", arguments=json.dumps({"a": n, "b": n})) for n in range(3)]
    print([result.content for result in await registry.execute_parallel(calls)])

    print("\n== with a provider, without an agent")
    messages = [Message.user("What is 20 + 22?")]
    async with OpenAIProvider(model=MODEL) as provider:
        result = await provider.complete(messages, tools=registry.tools)
        messages.append(result.to_message())
        for answer in await registry.execute_parallel(result.tool_calls or []):
            messages.append(answer.to_message())
        print((await provider.complete(messages, tools=registry.tools)).content)


if __name__ == "__main__":
    answers = [Reply(tool_calls=[("add", {"a": 20, "b": 22})]), "20 + 22 is 42."]
    with fake_api_without_key("OPENAI_API_KEY", answers):
        asyncio.run(main())
