"""Embeddings: single texts, lists, similarity search.

python examples/embeddings_provider.py
"""

from __future__ import annotations

import asyncio
import math

from offline import fake_api_without_key

from llm_client import OpenAIProvider
from llm_client.testing import Reply

TEXTS = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Shares fell on Monday."]


def cosine(one: list[float], other: list[float]) -> float:
    """How alike two vectors are, -1 to 1."""
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / (math.hypot(*one) * math.hypot(*other))


async def main() -> None:
    """One text, several texts, and a search among them."""
    async with OpenAIProvider(model="text-embedding-3-small") as provider:
        print("== one text")
        result = await provider.embed("Where is the cat?", dimensions=256)
        question = result.embedding
        print(len(question), "dimensions,", result.usage.total_tokens, "tokens")

        print("\n== several texts, one request; more than one request may hold are split and joined in order")
        result = await provider.embed(TEXTS, dimensions=256)
        print(len(result.embeddings), "vectors")

        print("\n== search")
        ranked = sorted(zip(TEXTS, result.embeddings, strict=True), key=lambda pair: -cosine(question, pair[1]))
        for text, vector in ranked:
            print(f"{cosine(question, vector):.2f}  {text}")


def made_up(*weights: float) -> list[float]:
    """A vector of 256 numbers for the fake API."""
    return [*weights, *[0.0] * (256 - len(weights))]


if __name__ == "__main__":
    answers = [
        Reply(embeddings=[made_up(1.0, 0.2, 0.0)]),
        Reply(embeddings=[made_up(0.9, 0.4, 0.0), made_up(0.8, 0.6, 0.1), made_up(0.0, 0.1, 1.0)]),
    ]
    with fake_api_without_key("OPENAI_API_KEY", answers):
        asyncio.run(main())
