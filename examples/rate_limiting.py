"""Limits: learned by providers, set by you, and the bucket beneath.

python examples/rate_limiting.py
"""

from __future__ import annotations

import asyncio
import os
import time

from offline import fake_api_without_key

from llm_client import Limiter, OpenAIProvider, TokenBucket

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


async def learned() -> None:
    """Providers read the API's limits from its headers, and keep to them; each has a limiter unless it is given one."""
    print("== learned")
    limiter = Limiter()
    async with OpenAIProvider(model=MODEL, limiter=limiter) as provider:
        print("before the first answer:", limiter.limits)
        await provider.complete("Hello")
        print("after it:", limiter.limits)


async def given() -> None:
    """Numbers of your own are never exceeded; here a minute lasts a second, so that there is something to see."""
    print("\n== given")
    limiter = Limiter(rpm=10, window=1.0)
    async with OpenAIProvider(model=MODEL, limiter=limiter) as provider:
        began = time.monotonic()
        await asyncio.gather(*(provider.complete(f"Question {number}") for number in range(20)))
        seconds = time.monotonic() - began
        print("20 calls, 10 of them at once and 10 a second:", "kept" if seconds > 0.8 else f"only {seconds:.2f} s")


async def around_any_call() -> None:
    """A limiter for calls of any kind: an estimate before, the truth afterwards."""
    print("\n== around any call")
    limiter = Limiter(tpm=1_000_000)
    async with limiter.limit(tokens=500, requests=1) as used:
        used.output_tokens = 120  # what the call really produced
    print("limits:", limiter.limits)


async def bucket() -> None:
    """Tokens that come back steadily; first come, first served."""
    print("\n== a bucket")
    tokens = TokenBucket(capacity=100, refill_rate=1000)
    await tokens.acquire(100)
    print("at once:", tokens.try_acquire(50))
    began = time.monotonic()
    await tokens.acquire(50)
    print("waited for 50 tokens at 1000 a second:", "yes" if time.monotonic() - began > 0.02 else "no")


async def shared() -> None:
    """With Redis, all processes and machines share one quota: what one of them learns, all know."""
    print("\n== shared over processes")
    if not os.environ.get("REDIS_URL"):
        print("left out: REDIS_URL is not set")
        return
    limiters = [Limiter(rpm=1000, redis_url=os.environ["REDIS_URL"]) for _ in range(2)]  # as two processes have them
    for limiter in limiters:
        async with OpenAIProvider(model=MODEL, limiter=limiter) as provider:
            print((await provider.complete("Hello")).ok)


async def main() -> None:
    """One after the other."""
    await learned()
    await given()
    await around_any_call()
    await bucket()
    await shared()


if __name__ == "__main__":
    with fake_api_without_key("OPENAI_API_KEY"):
        asyncio.run(main())
