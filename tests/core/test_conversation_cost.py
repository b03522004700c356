"""The cost of a window is that of what is returned, however long the conversation is."""

from __future__ import annotations

import pytest

from llm_client._core.conversation import Conversation
from llm_client._core.message_counts import TokenCounter
from llm_client._core.messages import Message, ToolCall
from llm_client._core.truncation import STRATEGIES
from support.histories import length


class Counting:
    def __init__(self, key: str = "k", exact: bool = True) -> None:
        self.calls = 0
        self.counter = TokenCounter(key, exact, self._count, 0)

    def _count(self, message: Message) -> int:
        self.calls += 1
        return length(message)


def long_conversation(size: int) -> Conversation:
    conv = Conversation("system", max_tokens=1000)
    for number in range(size // 4):
        conv.add_user("question")
        conv.add_assistant_with_tools(None, [ToolCall(f"c{number}", "f")])
        conv.add_tool_result(f"c{number}", "result")
        conv.add_assistant("answer")
    return conv


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_window_counts_only_what_is_near_it_and_nothing_twice(strategy: str) -> None:
    conv = long_conversation(20_000)
    conv.truncation_strategy = strategy  # type: ignore[assignment]
    tokens = Counting()
    window = conv.get_messages(tokens.counter)
    assert 100 < len(window) < 250
    assert tokens.calls < len(window) + 20
    tokens.calls = 0
    for number in range(50):
        conv.add_user(f"more {number}")
        conv.get_messages(tokens.counter)
    assert tokens.calls <= 60
    tokens.calls = 0
    conv.get_messages(tokens.counter)
    assert tokens.calls == 0


def test_all_messages_are_counted_once() -> None:
    conv = long_conversation(400)
    tokens = Counting()
    total = conv.count_tokens(tokens.counter)
    assert tokens.calls == 401
    conv.add_user("abc")
    assert conv.count_tokens(tokens.counter) == total + 4
    assert tokens.calls == 402
    forked = conv.fork()
    assert forked.count_tokens(tokens.counter) == total + 4
    assert tokens.calls == 403  # only the system message


def test_counts_belong_to_a_tokenizer_and_estimates_are_replaced() -> None:
    conv = Conversation(messages=["aaaa", "bbbb"])
    estimate, other = Counting(exact=False), Counting("other")
    assert conv.count_tokens(estimate.counter) == conv.count_tokens(estimate.counter) == 10
    assert conv.count_tokens(other.counter) == 10
    assert (estimate.calls, other.calls) == (2, 2)
    doubled = TokenCounter("k", True, lambda message: 2 * length(message), 0)
    assert conv.count_tokens(doubled) == 20
    # What is known exactly is not estimated again.
    assert conv.count_tokens(estimate.counter) == 20
    assert estimate.calls == 2


def test_a_branch_keeps_the_counts_of_what_it_keeps() -> None:
    conv = Conversation(messages=["a", "bb", "ccc"])
    tokens = Counting()
    conv.count_tokens(tokens.counter)
    branched = conv.branch(2)
    branched.add_user("dddd")
    tokens.calls = 0
    assert branched.count_tokens(tokens.counter) == 2 + 3 + 5
    assert tokens.calls == 1
