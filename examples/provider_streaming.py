"""Taking an answer in pieces: events, adapters, leaving early.

python examples/provider_streaming.py
"""

from __future__ import annotations

import asyncio
import os

from offline import fake_api_without_key

from llm_client import (
    BufferingAdapter,
    CallbackAdapter,
    OpenAIProvider,
    SSEAdapter,
    StreamEventType,
    collect_stream,
    stream_to_string,
)

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")
QUESTION = "Write a haiku about coding."


async def events(provider: OpenAIProvider) -> None:
    """The events themselves; leaving the block hangs up."""
    print("== events")
    async with provider.stream(QUESTION) as stream:
        async for event in stream:
            if event.type is StreamEventType.TOKEN:
                print(event.data, end="|", flush=True)
            elif event.type is StreamEventType.DONE:
                print(f"\n{event.data.finish_reason}, {event.data.usage.output_tokens} tokens")
            elif event.type is StreamEventType.ERROR:
                print(f"\nfailed: {event.data['status']} {event.data['error']}")


async def early(provider: OpenAIProvider) -> None:
    """Who has read enough leaves; the connection is closed at once."""
    print("\n== leaving early")
    pieces = []
    async with provider.stream(QUESTION) as stream:
        async for event in stream:
            if event.type is StreamEventType.TOKEN:
                pieces.append(event.data)
            if len(pieces) == 3:
                break
    print("".join(pieces))


async def callbacks(provider: OpenAIProvider) -> None:
    """A function for each kind of event; plain or async."""
    print("\n== callbacks")

    async def token(text: str) -> None:
        print(text.upper(), end="")

    adapter = CallbackAdapter(on_token=token, on_done=lambda result: print(f"\n(done: {result.finish_reason})"))
    await adapter.consume(provider.stream(QUESTION))


async def buffer(provider: OpenAIProvider) -> None:
    """What has come so far, at any time, also after an error."""
    print("\n== buffer")
    adapter = BufferingAdapter()
    longest = 0
    async for _ in adapter.wrap(provider.stream(QUESTION)):
        longest = max(longest, len(adapter.content))
    print(f"{longest} characters, error={adapter.error}")
    print(adapter.get_result().content)


async def whole(provider: OpenAIProvider) -> None:
    """Streams as one result, or as text."""
    print("\n== whole")
    result = await collect_stream(provider.stream(QUESTION))
    print(result.usage.total_tokens, "tokens")
    print(await stream_to_string(provider.stream(QUESTION)))


async def server_sent_events(provider: OpenAIProvider) -> None:
    """What a browser's EventSource reads."""
    print("\n== Server-Sent Events")
    lines = [line async for line in SSEAdapter().transform(provider.stream(QUESTION))]
    print(repr(lines[0]))
    print(len(lines), "events, the last one is", lines[-1].splitlines()[0])


async def main() -> None:
    """One after the other."""
    async with OpenAIProvider(model=MODEL) as provider:
        await events(provider)
        await early(provider)
        await callbacks(provider)
        await buffer(provider)
        await whole(provider)
        await server_sent_events(provider)


if __name__ == "__main__":
    haiku = "Braces open wide,\nthe tests are green at midnight.\nWho wrote this? I did."
    with fake_api_without_key("OPENAI_API_KEY", [haiku] * 7):
        asyncio.run(main())
