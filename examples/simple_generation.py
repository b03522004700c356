"""Asking a model: input formats, options, the cache, tries and failures.

python examples/simple_generation.py
"""

from __future__ import annotations

import asyncio
import os

from offline import fake_api_without_key, working_folder

from llm_client import Conversation, Message, OpenAIProvider
from llm_client.exceptions import APIError

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


async def inputs(provider: OpenAIProvider) -> None:
    """A question may be text, messages, dicts or a conversation."""
    print("== inputs")
    result = await provider.complete("Name a planet.")
    print(result.content)

    result = await provider.complete([Message.system("Answer in one word."), Message.user("Name a planet.")])
    print(result.content)

    result = await provider.complete([{"role": "user", "content": "Name a planet."}])
    print(result.content)

    conversation = Conversation(system_message="Answer in one word.", messages=["Name a planet."])
    result = await provider.complete(conversation)
    print(result.content)


async def options(provider: OpenAIProvider) -> None:
    """What a call may ask for, and what a result tells."""
    print("\n== options")
    result = await provider.complete("Why is the sky blue?", max_tokens=300, reasoning_effort="low", timeout=60)
    print(result.content)
    print(f"finish_reason={result.finish_reason}, model={result.model}")
    print(f"{result.usage.input_tokens} + {result.usage.output_tokens} tokens, {result.usage.total_cost:.6f} dollars")


async def cache(provider: OpenAIProvider) -> None:
    """With cache_response=True the same question is asked once."""
    print("\n== cache (files)")
    for _ in range(2):
        result = await provider.complete("What is a cache?", cache_response=True)
        print(f"cached={result.cached}, dollars={result.usage.total_cost:.6f}: {result.content}")
    result = await provider.complete("What is a cache?", cache_response=True, regen_cache=True)
    print(f"asked again: cached={result.cached}")


async def failures() -> None:
    """Failed tries are repeated; what still fails is a result that says why."""
    print("\n== failures")
    async with OpenAIProvider(model=MODEL, attempts=2, backoff=0.05, base_url="http://127.0.0.1:9/v1") as nobody:
        result = await nobody.complete("Is anybody there?")
        print(f"ok={result.ok}, status={result.status}, tries={len(result.attempts)}")
        try:
            result.raise_for_error()
        except APIError as error:
            print(type(error).__name__)


async def main() -> None:
    """All of it, with one provider."""
    async with OpenAIProvider(model=MODEL, cache_dir="cache") as provider:
        await inputs(provider)
        await options(provider)
        await cache(provider)
    await failures()


if __name__ == "__main__":
    answers = [
        "Saturn, with its rings.", "Mars", "Venus", "Jupiter",
        "Air scatters blue light more than red light.",
        "A cache keeps answers, so that they need not be asked for twice.",
        "A cache keeps what was answered before.",
    ]  # fmt: skip
    with working_folder(), fake_api_without_key("OPENAI_API_KEY", answers):
        asyncio.run(main())
