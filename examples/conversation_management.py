"""Conversations: what fits, what is mended, copies, files, summaries.

python examples/conversation_management.py
"""

from __future__ import annotations

import asyncio
import os

from offline import fake_api_without_key, working_folder

from llm_client import Agent, Conversation, OpenAIProvider, ToolCall
from llm_client.conversation import compact

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


def fitting() -> None:
    """Each strategy leaves something else out."""
    print("== what fits")
    for strategy in ("sliding", "drop_oldest", "drop_middle"):
        conversation = Conversation(system_message="Be brief.", max_tokens=120, truncation_strategy=strategy)
        for number in range(1, 9):
            conversation.add_user(f"Question {number} about a rather long and winding subject.")
            conversation.add_assistant(f"Answer {number}.")
        kept = [message.text.split(" about")[0] for message in conversation.get_messages(MODEL)]
        print(f"{strategy}: {len(conversation)} messages, kept {kept}")


def mending() -> None:
    """What an interruption leaves behind cannot be refused."""
    print("\n== what is mended")
    conversation = Conversation(messages=["What's the weather?"])
    conversation.add_assistant_with_tools(tool_calls=[ToolCall(id="call_1", name="get_weather", arguments="{}")])
    print([message.role.value for message in conversation.get_messages()])
    print(conversation.repair())


def copies_and_files() -> None:
    """Forks, branches, and files."""
    print("\n== copies and files")
    conversation = Conversation(messages=["Hello"], session_id="example")
    conversation.add_assistant("Hello! How can I help?")
    fork, branch = conversation.fork(), conversation.branch(1)
    fork.add_user("Tell me a story.")
    print(len(conversation), len(fork), len(branch))
    conversation.save("conversation.json")
    print(Conversation.load("conversation.json").format_history())


async def with_an_agent() -> None:
    """An agent goes on with a conversation; the older half can be summarised."""
    print("\n== with an agent")
    async with OpenAIProvider(model=MODEL) as provider:
        agent = Agent(provider, conversation=Conversation(system_message="You are a poet."))
        print(await agent.chat("A line about rain."))
        print(await agent.chat("And one about snow."))
        done = await compact(agent.conversation, provider)
        print(f"{len(done.replaced)} messages became: {done.summary}")
        print(len(agent.conversation), "messages are left")


if __name__ == "__main__":
    answers = ["Rain writes its letters on the glass.", "Snow edits them away.", "A poet spoke of rain."]
    with working_folder(), fake_api_without_key("OPENAI_API_KEY", answers):
        fitting()
        mending()
        copies_and_files()
        asyncio.run(with_an_agent())
