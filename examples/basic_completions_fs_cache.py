"""The client of version 1 with the file cache; where PG_DSN and REDIS_URL are set, with PostgreSQL and Redis as well.

    python examples/basic_completions_fs_cache.py

New code is better off with OpenAIProvider: see simple_generation.py.
"""

from __future__ import annotations

import asyncio
import os

from offline import fake_api_without_key, working_folder

from llm_client import OpenAIClient

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


async def ask(client: OpenAIClient) -> None:
    """The same question twice: the second answer comes from the cache."""
    for _ in range(2):
        result = await client.get_response(
            messages=[{"role": "user", "content": "What is a cache?"}],
            body={"number": 7},
            cache_response=True,
        )
        print(result["status"], result["error"], "|", result["output"])
        print("   dollars:", f"{result['usage']['total_cost']:.6f}", "| body:", result["body"])


async def main() -> None:
    """Files first, then the servers, where there are any."""
    print("== files")
    client = OpenAIClient(model=MODEL, cache_backend="fs", cache_dir="cache")
    await ask(client)

    print("\n== JSON")
    result = await client.get_response(
        messages="A city, as JSON.", response_format={"type": "json_object"}, identifier="city-1"
    )
    print(result["identifier"], result["output"])
    await client.close()

    print("\n== PostgreSQL and Redis")
    if os.environ.get("PG_DSN") and os.environ.get("REDIS_URL"):
        client = OpenAIClient(model=MODEL, cache_backend="pg_redis", cache_collection="example")
        await client.warm_cache()
        await ask(client)
        await client.close()
    else:
        print("left out: PG_DSN and REDIS_URL are not set")


if __name__ == "__main__":
    cache = "A cache keeps answers, so that they need not be asked for twice."
    with working_folder(), fake_api_without_key("OPENAI_API_KEY", [cache, '{"city": "Tokyo"}', cache]):
        asyncio.run(main())
