"""Embeddings with the client of version 1 and the file cache; where QDRANT_URL is set, in Qdrant as well.

    python examples/embeddings_with_cache.py

New code is better off with OpenAIProvider: see embeddings_provider.py.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from offline import fake_api_without_key, working_folder

from llm_client import OpenAIClient

MODEL = "text-embedding-3-small"


async def embed(client: OpenAIClient, texts: str | list[str]) -> Any:
    """One input gives one vector, a list gives a list."""
    result = await client.get_response(input=texts, dimensions=256, cache_response=True)
    print(result["error"], result["usage"]["input_tokens"], "tokens,", f"{result['usage']['total_cost']:.8f} dollars")
    return result["output"]


async def main() -> None:
    """Only texts that are not in the cache are asked for."""
    print("== files")
    client = OpenAIClient(model=MODEL, cache_backend="fs", cache_dir="cache")
    vector = await embed(client, "first text")
    print(len(vector), "numbers")
    vectors = await embed(client, ["first text", "second text", "third text"])
    print(len(vectors), "vectors, the first from the cache:", vectors[0] == vector)
    await embed(client, ["third text", "first text"])
    await client.close()

    print("\n== Qdrant")
    if os.environ.get("QDRANT_URL"):
        client = OpenAIClient(model=MODEL, cache_backend="qdrant", cache_collection="example")
        await embed(client, ["first text", "second text"])
        await embed(client, ["first text", "second text"])
        await client.close()
    else:
        print("left out: QDRANT_URL is not set")


if __name__ == "__main__":
    with working_folder(), fake_api_without_key("OPENAI_API_KEY"):
        asyncio.run(main())
