"""Claude: an agent, reasoning, and a session that goes on after a restart.

python examples/anthropic_agent.py
"""

from __future__ import annotations

import asyncio

from offline import fake_api_without_key, working_folder

from llm_client import Agent, AnthropicProvider, tool
from llm_client.testing import Reply

MODEL = "claude-haiku-4-5"


@tool
async def search_notes(subject: str) -> list[str]:
    """Search the user's notes.

    Args:
        subject: What to look for.
    """
    return [f"{subject}: call the plumber", f"{subject}: buy paint"]


async def main() -> None:
    """Two agents: the second goes on where the first was saved."""
    async with AnthropicProvider(model=MODEL, max_tokens=1024) as provider:
        print("== an agent")
        agent = Agent(provider, tools=[search_notes], system_message="You are a helpful secretary.")
        result = await agent.run("What must I do for the house?")
        print(result.content)
        print([call.name for call in result.all_tool_calls], result.total_usage.total_tokens, "tokens")

        print("\n== saved: conversation, config and names of tools, never a key")
        agent.save_session("session.json")

        print("\n== loaded, perhaps by another process")
        agent = Agent.load_session("session.json", provider=provider, tools=[search_notes])
        print(len(agent.conversation), "messages so far")
        print(await agent.chat("Which of them is more urgent?"))
        print()
        print(agent.conversation.format_history(max_messages=2))


if __name__ == "__main__":
    answers = [
        Reply("Let me look.", tool_calls=[("search_notes", {"subject": "house"})]),
        "Two things: call the plumber and buy paint.",
        "The plumber: water does not wait.",
    ]
    with working_folder(), fake_api_without_key("ANTHROPIC_API_KEY", answers):
        asyncio.run(main())
