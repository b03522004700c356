"""Events per CPU second through each adapter, on both faces: `python benchmarks/adapters.py`.

Prints a table in Markdown. Each row reads the same stream of tokens, made in advance; "the stream alone" is what
reading it costs by itself. CPU seconds are those of the whole process, the threads of the blocking heartbeat included.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import llm_client
import llm_client.sync
from llm_client import CompletionResult, StreamEvent, StreamEventType, Usage
from llm_client._core.pusher_batch import PusherBatch

TEXT = "word "


def events(count: int) -> list[StreamEvent]:
    """A stream of so many tokens."""
    made = [StreamEvent(StreamEventType.TOKEN, TEXT) for _ in range(count)]
    return [*made, StreamEvent(StreamEventType.DONE, CompletionResult(TEXT * count, usage=Usage(10, count)))]


async def asynchronous(given: list[StreamEvent]) -> AsyncIterator[StreamEvent]:
    """As a stream of the asynchronous face."""
    for event in given:
        yield event


def blocking(given: list[StreamEvent]) -> Iterator[StreamEvent]:
    """As a stream of the blocking face."""
    yield from given


async def read_asynchronous(stream: Any) -> None:
    async for _ in stream:
        pass


def read_blocking(stream: Any) -> None:
    for _ in stream:
        pass


def batch(given: list[StreamEvent]) -> None:
    """What PusherStreamer does besides sending: a thousand tokens a second."""
    made = PusherBatch()
    for number, event in enumerate(given):
        made.add(event, number / 1000)
    made.flush()


def rows() -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]:
    """Name, and what is done with a stream on the asynchronous and on the blocking face."""
    ours, theirs = llm_client, llm_client.sync
    return [
        ("the stream alone", read_asynchronous, read_blocking),
        (
            "SSEAdapter(heartbeat=None)",
            lambda stream: read_asynchronous(ours.SSEAdapter(heartbeat=None).transform(stream)),
            lambda stream: read_blocking(theirs.SSEAdapter(heartbeat=None).transform(stream)),
        ),
        (
            "SSEAdapter()",
            lambda stream: read_asynchronous(ours.SSEAdapter().transform(stream)),
            lambda stream: read_blocking(theirs.SSEAdapter().transform(stream)),
        ),
        (
            "CallbackAdapter(on_token=len)",
            lambda stream: ours.CallbackAdapter(on_token=len).consume(stream),
            lambda stream: theirs.CallbackAdapter(on_token=len).consume(stream),
        ),
        (
            "BufferingAdapter",
            lambda stream: read_asynchronous(ours.BufferingAdapter().wrap(stream)),
            lambda stream: read_blocking(theirs.BufferingAdapter().wrap(stream)),
        ),
        ("stream_to_string", ours.stream_to_string, theirs.stream_to_string),
    ]


def rate(count: int, run: Callable[[], Any], rounds: int) -> float:
    """Events per CPU second, of the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return count / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    given = events(options.events)
    print(f"Python {platform.python_version()}, {options.events:,} events, best of {options.rounds} rounds\n")
    print("| adapter | async (events per CPU second) | blocking (events per CPU second) |")
    print("|:---|---:|---:|")
    for name, ours, theirs in rows():

        async def once(use: Callable[[Any], Any] = ours) -> None:
            await use(asynchronous(given))

        fast = rate(options.events, lambda once=once: asyncio.run(once()), options.rounds)  # type: ignore[misc]
        plain = rate(options.events, lambda use=theirs: use(blocking(given)), options.rounds)  # type: ignore[misc]
        print(f"| {name} | {fast:,.0f} | {plain:,.0f} |")
    batching = rate(options.events, lambda: batch(given), options.rounds)
    print(f"| PusherStreamer, batching alone | {batching:,.0f} | {batching:,.0f} |")


if __name__ == "__main__":
    main()
