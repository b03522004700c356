from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.conversation import Conversation
from llm_client._core.messages import Message, Role
from llm_client._core.parts import TextPart
from llm_client._core.truncation import STRATEGIES, choose, marker, shorten
from support.histories import IMAGE, LENGTHS, healthy, length


def chosen(strategy: str, costs: list[int], users: str, budget: int) -> list[int]:
    """`users` has a "u" at the position of each user message."""
    turns = [position for position, kind in enumerate(users) if kind == "u"]
    return list(choose(strategy, len(costs), turns, costs.__getitem__, budget))


def fits(costs: list[int], positions: list[int], budget: int) -> bool:
    return sum(costs[position] for position in positions) <= budget


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_everything_is_kept_where_it_fits(strategy: str) -> None:
    assert chosen(strategy, [1] * 6, "uaauaa", 6) == [0, 1, 2, 3, 4, 5]
    assert chosen(strategy, [], "", 0) == []


def test_sliding_keeps_the_longest_suffix_of_units() -> None:
    assert chosen("sliding", [1] * 6, "uaauaa", 4) == [2, 3, 4, 5]


def test_drop_oldest_drops_whole_turns() -> None:
    assert chosen("drop_oldest", [1] * 6, "uaauaa", 5) == [3, 4, 5]
    assert chosen("drop_oldest", [1] * 6, "auauau", 5) == [1, 2, 3, 4, 5]
    assert chosen("drop_oldest", [1] * 6, "aauaua", 3) == [4, 5]


def test_drop_oldest_cuts_inside_the_last_turn_where_that_alone_is_too_long() -> None:
    assert chosen("drop_oldest", [1] * 6, "uauaaa", 3) == [2, 4, 5]


def test_drop_middle_keeps_the_first_turn_and_the_latest_units() -> None:
    assert chosen("drop_middle", [1] * 8, "uauauaua", 5) == [0, 1, 5, 6, 7]


def test_drop_middle_gives_up_the_first_turn_rather_than_the_newest_unit() -> None:
    assert chosen("drop_middle", [9, 9, 1, 1, 1, 1], "uauaua", 10) == [2, 3, 4, 5]
    assert chosen("drop_middle", [2, 2, 1, 5, 1, 5], "uauaua", 7) == [4, 5]


def test_summarize_alone_cuts_as_drop_middle() -> None:
    assert chosen("summarize", [1] * 8, "uauauaua", 5) == chosen("drop_middle", [1] * 8, "uauauaua", 5)


def test_the_three_strategies_differ() -> None:
    costs, users = [1] * 9, "uaauaauaa"
    kept = {strategy: chosen(strategy, costs, users, 7) for strategy in ("sliding", "drop_oldest", "drop_middle")}
    assert kept["sliding"] == [2, 3, 4, 5, 6, 7, 8]
    assert kept["drop_oldest"] == [3, 4, 5, 6, 7, 8]
    assert kept["drop_middle"] == [0, 1, 2, 5, 6, 7, 8]


@given(
    st.sampled_from(STRATEGIES),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ua")), max_size=30),
    st.integers(-5, 120),
)
def test_what_is_chosen_fits_and_is_as_much_as_the_strategy_allows(
    strategy: str, units: list[tuple[int, str]], budget: int
) -> None:
    costs = [cost for cost, _ in units]
    users = "".join(kind for _, kind in units)
    kept = chosen(strategy, costs, users, budget)
    assert kept == sorted(set(kept))
    last = users.rfind("u")
    pinned = [last] if last >= 0 else []
    assert set(pinned) <= set(kept)
    if kept != pinned:
        assert fits(costs, kept, budget)
    if strategy == "sliding":
        best = max(
            (start for start in range(len(units) + 1)),
            key=lambda start: (
                fits(costs, sorted({*pinned, *range(start, len(units))}), budget) or start == len(units),
                -start,
            ),
        )
        assert kept == sorted({*pinned, *range(best, len(units))})
    if strategy == "drop_oldest":
        begins = [0, *(place for place, kind in enumerate(users) if kind == "u")]
        whole = [
            place for place in begins if place <= max(last, 0) and fits(costs, list(range(place, len(units))), budget)
        ]
        if whole:
            assert kept == list(range(min(whole), len(units)))


def test_only_what_is_near_the_kept_units_is_counted() -> None:
    asked: list[int] = []

    def cost(position: int) -> int:
        asked.append(position)
        return 1

    turns = list(range(0, 100_000, 2))
    for strategy in STRATEGIES:
        asked.clear()
        assert len(list(choose(strategy, 100_000, turns, cost, 50))) >= 49
        assert len(asked) < 120


@given(st.integers(1, 300), st.integers(45, 200))
def test_a_shortened_text_fits_and_shows_its_marker(size: int, budget: int) -> None:
    message = Message.user("".join(chr(97 + n % 26) for n in range(size)))
    short = shorten(message, budget, length)
    assert length(short) <= budget
    if length(message) <= budget:
        assert short is message
    else:
        head, _, tail = short.text.partition("\n[... ")
        assert "characters left out" in tail
        assert message.text.startswith(head)
        assert message.text.endswith(tail.partition("...]\n")[2])
        kept = len(head) + len(tail.partition("...]\n")[2])
        assert marker(size - kept) in short.text


def test_what_cannot_fit_is_the_marker_alone() -> None:
    assert shorten(Message.user("x" * 500), 3, length).text == marker(500)


def test_attachments_stay_while_text_can_give_way() -> None:
    def count(message: Message) -> int:
        return length(message) + 100 * sum(not isinstance(part, TextPart) for part in message.parts)

    short = shorten(Message.user(["x" * 500, IMAGE]), 200, count)
    assert IMAGE in short.parts
    assert "left out" in short.text
    without = shorten(Message.user(["x" * 500, IMAGE, IMAGE]), 120, count)
    assert without.parts[0] == TextPart(without.text)
    assert without.text.startswith("[2 attachments left out]\n")
    assert count(without) <= 120


@given(healthy(), st.sampled_from(STRATEGIES), st.integers(1, 400), st.integers(0, 60))
def test_a_window_fits_keeps_units_whole_and_keeps_the_question(
    messages: list[Message], strategy: str, limit: int, reserve: int
) -> None:
    conversation = Conversation("be kind", messages=messages)
    conversation.truncation_strategy = strategy  # type: ignore[assignment]
    conversation.max_tokens, conversation.reserve_tokens = limit, reserve
    window = conversation.get_messages(LENGTHS)
    assert window.pop(0) == Message.system("be kind")
    questions = [message for message in messages if message.role is Role.USER]
    asked = [message for message in window if message.role is Role.USER]
    whole = [message for message in window if message in messages]
    shortened = [message for message in window if message not in messages]
    assert len(shortened) <= 1
    if questions:
        assert asked
        assert asked[-1] == questions[-1] or "characters left out" in asked[-1].text
    budget = limit - (reserve if reserve < limit else limit // 2) - LENGTHS.base - length(Message.system("be kind"))
    if whole:
        assert sum(map(length, window)) <= budget
    if window:
        assert window[0].role is not Role.TOOL
    waiting: set[str] = set()
    for message in window:
        if message.role is Role.TOOL:
            waiting.remove(message.tool_call_id or "")
            continue
        assert not waiting
        waiting = {call.id for call in message.tool_calls or ()}
    assert not waiting
