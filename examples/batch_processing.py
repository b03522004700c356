"""A thousand requests, once each: checkpoint, resume, failures, results as they come, objects as results.

python examples/batch_processing.py
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from offline import fake_api_without_key, working_folder

from llm_client import BatchManager, CompletionResult, OpenAIProvider

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")
QUESTIONS = [f"What is {number} + {number}?" for number in range(1, 21)]


async def checkpoint(provider: OpenAIProvider) -> None:
    """What is in the checkpoint is not asked again, whatever ended the run before."""
    print("== a checkpoint")
    asked = 0

    async def processor(question: str) -> CompletionResult:
        nonlocal asked
        asked += 1
        return await provider.complete(question, max_tokens=200)

    manager = BatchManager(max_workers=5, checkpoint_file="answers.jsonl")
    results = await manager.process_batch(QUESTIONS[:12], processor, desc="First twelve")
    print(f"asked {asked}, {results[0].content!r}")

    # The next night: eight more, in another order. It could as well be another process, after a kill.
    manager = BatchManager(max_workers=5, checkpoint_file="answers.jsonl")
    results = await manager.process_batch(QUESTIONS[::-1], processor, desc="All twenty")
    summary = manager.summary
    print(f"asked {asked} in all; {summary.done} done, {summary.from_checkpoint} of them from the checkpoint")
    print(f"in the order of the items: {results[0].content!r} ... {results[-1].content!r}")


async def failures() -> None:
    """A failed item does not end the batch; the next run asks it again."""
    print("\n== failures")
    ill = {"three"}

    def processor(word: str) -> int:
        if word in ill:
            raise RuntimeError(f"{word} is ill")
        return len(word)

    words = ["one", "two", "three", "four"]
    manager = BatchManager(max_workers=2, checkpoint_file="words.jsonl", max_failures=0.5)
    results = await manager.process_batch(words, processor)
    print([result if isinstance(result, int) else result.error for result in results])
    line = json.loads(Path("failures.jsonl").read_text().splitlines()[-1])
    print("failures.jsonl says:", line["error"])

    ill.clear()
    print(await BatchManager(max_workers=2, checkpoint_file="words.jsonl").process_batch(words, processor))


async def as_they_come(provider: OpenAIProvider) -> None:
    """An input may be endless: no more of it is taken than the workers need."""
    print("\n== as they come")

    async def processor(question: str) -> str:
        return (await provider.complete(question)).content

    def endless():
        number = 0
        while True:
            number += 1
            yield f"Is {number} a prime number?"

    manager = BatchManager(max_workers=3)
    seen = 0
    stream = manager.process_stream(endless(), processor)
    async for _index, answer in stream:
        seen += bool(answer)
        if seen == 5:
            break
    await stream.aclose()
    print(seen, "answers were enough")


async def main() -> None:
    """One after the other."""
    async with OpenAIProvider(model=MODEL) as provider:
        await checkpoint(provider)
        await failures()
        await as_they_come(provider)


if __name__ == "__main__":
    with working_folder(), fake_api_without_key("OPENAI_API_KEY"):
        asyncio.run(main())
