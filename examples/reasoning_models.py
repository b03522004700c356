"""Reasoning models: effort, the reasoning's text and tokens, on all three dialects.

python examples/reasoning_models.py
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from offline import fake_api_without_key

from llm_client import CompletionResult, ModelProfile, OpenAIProvider, StreamEventType
from llm_client.testing import Reply, TokenCounts

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")
QUESTION = "A bat and a ball cost 1.10. The bat costs 1.00 more than the ball. What does the ball cost?"
SUMMARY = {"reasoning": {"effort": "medium", "summary": "auto"}}
"""What the Responses API wants in order to show a summary of the reasoning."""


def show(result: CompletionResult) -> None:
    """An answer, and what thinking cost."""
    print(result.content)
    print(f"  reasoning shown: {result.reasoning!r}")
    print(f"  {result.usage.reasoning_tokens} of {result.usage.output_tokens} output tokens were spent on thinking")


async def main() -> None:
    """Effort, then the Responses API, which shows summaries, then a stream."""
    profile = ModelProfile.get(MODEL)
    print(f"== {profile.model_name} takes the efforts {', '.join(profile.accepted_efforts)}")
    async with OpenAIProvider(model=MODEL) as provider:
        for effort in ("low", "high"):
            print(f"\n== effort {effort}")
            show(await provider.complete(QUESTION, reasoning_effort=effort, max_tokens=2000))

        print("\n== a parameter that the model does not take is left out, with one warning")
        await provider.complete(QUESTION, temperature=0.2)

    async with OpenAIProvider(model=MODEL, use_responses_api=True) as provider:
        print("\n== the Responses API")
        show(await provider.complete(QUESTION, extra_body=SUMMARY))

        print("\n== streamed")
        async with provider.stream(QUESTION, extra_body=SUMMARY) as events:
            async for event in events:
                if event.type is StreamEventType.REASONING:
                    print(f"({event.data})", end="")
                elif event.type is StreamEventType.TOKEN:
                    print(event.data, end="")
        print()


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING, stream=sys.stdout)
    answers = [
        Reply("0.10", usage=TokenCounts(input=30, output=20, reasoning=12)),
        Reply("0.05", usage=TokenCounts(input=30, output=180, reasoning=172)),
        "0.05",
        Reply("0.05", reasoning="x + x + 1.00 = 1.10", usage=TokenCounts(input=30, output=90, reasoning=82)),
        Reply("0.05", reasoning="x + x + 1.00 = 1.10"),
    ]
    with fake_api_without_key("OPENAI_API_KEY", answers):
        asyncio.run(main())
