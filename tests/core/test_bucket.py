"""Buckets, windows and the queue before them, against simple models and a clock that the test moves."""

from __future__ import annotations

import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.bucket import Bucket
from llm_client._core.turns import Turn, Turns
from llm_client._core.window import Window

AMOUNTS = st.integers(1, 30)
STEPS = st.lists(st.tuples(st.integers(0, 40), AMOUNTS), min_size=1, max_size=40)


def bucket_queue(capacity: float = 10, rate: float = 2) -> tuple[Turns, Bucket]:
    bucket = Bucket(capacity, rate, 0.0)
    return Turns([bucket], threading.Lock()), bucket


def model_turns(steps: list[tuple[int, int]], capacity: int, rate: int) -> list[Fraction]:
    """When each is served: one after the other, each as soon as the bucket has enough, or is full."""
    clock, level, arrival, turns = Fraction(0), Fraction(capacity), Fraction(0), []
    for tenths, amount in steps:
        arrival += Fraction(tenths, 10)
        start = max(clock, arrival)
        level = min(Fraction(capacity), level + (start - clock) * rate)
        missing = max(Fraction(0), min(amount, capacity) - level)
        clock = start + missing / rate
        level += missing - amount
        turns.append(clock)
    return turns


@given(STEPS, st.integers(1, 20), st.integers(1, 7))
def test_turns_are_those_of_the_simple_model(steps: list[tuple[int, int]], capacity: int, rate: int) -> None:
    queue, _ = bucket_queue(capacity, rate)
    now, entered = 0.0, []
    for tenths, amount in steps:
        now += tenths / 10
        entered.append(queue.enter((amount,), now))
    for turn, expected in zip(entered, model_turns(steps, capacity, rate), strict=True):
        assert turn.at == pytest.approx(float(expected), abs=1e-6)


@given(STEPS, st.data())
def test_a_cancelled_waiter_leaves_no_trace(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    """All enter at once; those who leave before their turn might as well never have come."""
    amounts = [amount for _, amount in steps]
    queue, _ = bucket_queue()
    entered = [queue.enter((amount,), 0.0) for amount in amounts]
    leaving = data.draw(st.sets(st.sampled_from(range(len(amounts)))))
    leaving = {index for index in leaving if not entered[index].taken}
    for index in leaving:
        entered[index].give_back()
    staying = [index for index in range(len(amounts)) if index not in leaving]
    now, served = 0.0, {}
    while len(served) < len(staying):
        for index in staying:
            if index not in served and entered[index].delay(now) <= 0:
                served[index] = entered[index].at
        now += 0.5
    expected = model_turns([(0, amounts[index]) for index in staying], 10, 2)
    assert [served[index] for index in staying] == pytest.approx([float(at) for at in expected], abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 6)), min_size=1, max_size=60), st.integers(6, 12))
def test_no_window_ever_holds_more_than_its_limit(steps: list[tuple[float, int]], limit: int) -> None:
    queue = Turns([Window(limit, 10.0)], threading.Lock())
    now, entered = 0.0, []
    for wait, amount in steps:
        now += wait
        entered.append((queue.enter((amount,), now), amount))
    for last, _ in entered:
        inside = sum(amount for turn, amount in entered if last.at - 10.0 + 1e-6 < turn.at <= last.at)
        assert inside <= limit
    ats = [turn.at for turn, _ in entered]
    assert ats == sorted(ats)


def test_a_window_gives_away_no_more_than_half_a_percent() -> None:
    window = Window(100, 60.0)
    for number in range(100):
        window.take(1, number / 100)
    assert 60.0 <= window.earliest(1, 1.0) <= 60.3


def test_an_amount_above_the_capacity_goes_into_debt() -> None:
    queue, bucket = bucket_queue(capacity=10, rate=2)
    assert queue.enter((4,), 0.0).taken
    large = queue.enter((30,), 0.0)
    assert large.at == 2.0  # full again
    after = queue.enter((1,), 0.0)
    assert after.at == pytest.approx(2.0 + (20 + 1) / 2)
    assert large.delay(2.0) <= 0
    bucket.refill(2.0)
    assert bucket.level == -20


def test_a_window_pays_its_debt_from_the_windows_that_follow() -> None:
    queue = Turns([Window(10, 10.0)], threading.Lock())
    assert queue.enter((25,), 0.0).taken
    assert 20.0 <= queue.enter((5,), 0.0).at <= 20.1
    assert 30.0 <= queue.enter((6,), 0.0).at <= 30.2


def test_what_was_taken_and_given_back_is_there_again() -> None:
    queue, bucket = bucket_queue()
    first = queue.enter((8,), 0.0)
    second = queue.enter((8,), 0.0)
    first.give_back()
    assert second.delay(0.0) <= 0
    first.give_back()  # once is enough
    bucket.refill(0.0)
    assert queue.try_enter((3,), 0.0) is None
    assert bucket.level == 2


def test_a_pause_holds_back_everybody_and_a_turn_that_has_just_come() -> None:
    queue, _ = bucket_queue(rate=10)
    queue.enter((10,), 0.0)
    turn = queue.enter((1,), 0.0)
    assert turn.delay(0.1) <= 0

    def pause() -> None:
        queue.hold = 5.0

    queue.change(pause, 0.1)
    assert turn.delay(0.2) == pytest.approx(4.8)
    assert queue.enter((1,), 0.2).at == 5.0
    assert queue.try_enter((1,), 0.2) is None


def test_nobody_who_tries_overtakes_one_who_waits() -> None:
    queue, _ = bucket_queue()
    queue.enter((9,), 0.0)
    waiting = queue.enter((10,), 0.0)
    assert queue.try_enter((1,), 0.0) is None
    assert waiting.delay(4.5) <= 0


def test_ten_thousand_waiters_come_in_order_and_may_all_leave() -> None:
    queue, _ = bucket_queue(capacity=1, rate=1000)
    turns: list[Turn] = [queue.enter((1,), 0.0) for _ in range(10_000)]
    assert turns[-1].at == pytest.approx(9.999)
    assert [turn.delay(5.0005) <= 0 for turn in turns] == [True] * 5001 + [False] * 4999
    for turn in turns[5001:]:
        turn.give_back()
    assert queue.waiting(5.0005) == 0
