"""The blocking face: the same names without an event loop; in threads, and inside a running loop as well.

python examples/sync_quickstart.py
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from offline import fake_api_without_key, working_folder

from llm_client import StreamEventType, tool
from llm_client.sync import Agent, BatchManager, OpenAIProvider, SSEAdapter
from llm_client.testing import Reply

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"Weather in {city}: sunny"


def main() -> None:
    """Nothing here waits for anything but the answers."""
    with OpenAIProvider(model=MODEL) as provider:
        print("== a call")
        print(provider.complete("Hello").content)

        print("\n== a stream")
        with provider.stream("Count to three.") as events:
            for event in events:
                if event.type is StreamEventType.TOKEN:
                    print(event.data, end="", flush=True)
        print()

        print("\n== an agent")
        agent = Agent(provider, tools=[get_weather])
        result = agent.run("How is the weather in Tokyo?")
        print(result.content, [call.name for call in result.all_tool_calls])

        print("\n== Server-Sent Events for a WSGI server")
        print(repr(next(iter(SSEAdapter().transform(provider.stream("Hello"))))))

        print("\n== ten threads, one provider")
        with ThreadPoolExecutor(10) as threads:
            answers = list(threads.map(lambda number: provider.complete(f"Question {number}").ok, range(10)))
        print(answers.count(True), "answers")

        print("\n== a batch")
        manager = BatchManager(max_workers=4, checkpoint_file="answers.jsonl")
        results = manager.process_batch([f"Question {number}" for number in range(8)], provider.complete)
        print(len(results), "results")

        print("\n== inside a running event loop, as in a notebook")

        async def cell() -> str:
            return provider.complete("Hello from a notebook.").content

        print(asyncio.run(cell()))


if __name__ == "__main__":
    answers = [
        "Hello!",
        "One, two, three.",
        Reply(tool_calls=[("get_weather", {"city": "Tokyo"})]),
        "It is sunny in Tokyo.",
    ]
    with working_folder(), fake_api_without_key("OPENAI_API_KEY", answers):
        main()
