"""What a window costs in a short and in a long conversation: `python benchmarks/conversation.py`.

Prints a table in Markdown. The numbers of one column should not grow with the size of the conversation, except for the
first window of "all messages", which counts each of them once.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

from llm_client import Conversation, ToolCall

MODEL = "gpt-5.2"
STRATEGIES = ("sliding", "drop_oldest", "drop_middle")
TEXT = "The quick brown fox jumps over the lazy dog and says number {} to everybody who asks for it. "


def conversation(size: int) -> Conversation:
    """A conversation of questions, tool exchanges and answers."""
    made = Conversation("You are helpful.", max_tokens=8000, reserve_tokens=1000)
    for number in range(size // 4):
        made.add_user(TEXT.format(number))
        made.add_assistant_with_tools(None, [ToolCall(id=f"call_{number}", name="search", arguments='{"q": "fox"}')])
        made.add_tool_result(f"call_{number}", TEXT.format(number) * 2, "search")
        made.add_assistant(TEXT.format(number))
    return made


def timed(function: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1000


def appends(given: Conversation, count: int) -> float:
    """Milliseconds for each message that is added and followed by a window."""

    def run() -> None:
        for number in range(count):
            given.add_user(TEXT.format(number))
            given.get_messages(MODEL)

    return timed(run) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--appends", type=int, default=1000)
    options = parser.parse_args()
    conversation(100).get_messages(MODEL)  # loads the tokenizer
    print("| messages | strategy | first window (ms) | window again (ms) | append + window (ms each) | in the window |")
    print("|---:|---|---:|---:|---:|---:|")
    for size in options.sizes:
        for strategy in STRATEGIES:
            made = conversation(size)
            made.truncation_strategy = strategy  # type: ignore[assignment]
            first = timed(lambda made=made: made.get_messages(MODEL))  # type: ignore[misc]
            again = timed(lambda made=made: made.get_messages(MODEL))  # type: ignore[misc]
            each = appends(made, options.appends)
            inside = len(made.get_messages(MODEL))
            print(f"| {size:,} | {strategy} | {first:.2f} | {again:.2f} | {each:.3f} | {inside} |")
    print()
    print(
        "| messages | build (ms) | KB in memory, per message | count all (ms) | count again (ms) | save + load (ms) |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    for size in options.sizes:
        tracemalloc.start()
        made = conversation(size)
        memory = tracemalloc.get_traced_memory()[0] / size / 1000
        tracemalloc.stop()
        build = timed(lambda size=size: conversation(size))  # type: ignore[misc]
        first = timed(lambda made=made: made.count_tokens(MODEL))  # type: ignore[misc]
        again = timed(lambda made=made: made.count_tokens(MODEL))  # type: ignore[misc]
        through = timed(lambda made=made: Conversation.from_json(made.to_json()))  # type: ignore[misc]
        print(f"| {size:,} | {build:.0f} | {memory:.2f} | {first:.0f} | {again:.2f} | {through:.0f} |")


if __name__ == "__main__":
    main()
