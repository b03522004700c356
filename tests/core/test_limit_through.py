"""What counts of what a server let through, once it refuses; all times are the test's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.limit_through import Round, Through

LENGTH = 10.0


def test_all_that_passed_counts_where_traffic_began_in_the_window() -> None:
    through = Through(LENGTH)
    for number in range(30):  # sent together, long before the first of them was counted
        through.note(4.0, 5.1 + number / 100, (1, 7))
    assert through.count_window(0, Round(5.0, 5.0, 15.0, (0,))) == 30
    assert through.count_window(1, Round(5.0, 5.0, 15.0, (0,))) == 210


def test_what_the_window_before_let_through_does_not_count() -> None:
    through = Through(LENGTH)
    for number in range(100):  # answers take a second
        through.note(number / 10 + 0.03, number / 10 + 1.0, (1, 0))
    assert through.count_window(0, Round(4.0, 4.0, 14.0, (0,))) == 60
    assert through.count_window(0, Round(3.0, 5.0, 14.0, (0,))) == 50


def test_a_refusal_that_was_delivered_faster_tells_more() -> None:
    round = Round(4.0, 4.0, 15.0, (0,))
    round.narrow(4.5, 4.5, 14.8)
    round.narrow(4.2, 4.2, 15.2)
    assert (round.earliest, round.latest, round.end) == (4.5, 4.5, 14.8)


@given(st.lists(st.floats(980, 1000), max_size=50), st.floats(970, 1010), st.floats(970, 1010))
def test_a_count_is_that_of_a_plain_sum_within_a_slot(times: list[float], start: float, end: float) -> None:
    through = Through(LENGTH)
    for at in sorted(times):
        through.note(at, at, (1,))
    slot = LENGTH / 200
    surely = sum(start + slot <= at <= end - slot for at in times)
    possibly = sum(start - slot <= at <= end + slot for at in times)
    assert surely <= through.count(0, start, end) <= possibly


def test_what_is_long_gone_is_forgotten() -> None:
    through = Through(LENGTH)
    for number in range(10_000):
        through.note(float(number), number + 0.5, (1,))
    assert len(through._sent) < 2000
    assert through.count(0, 9_900.5, 10_000.0) == 99
    assert through.count(0, 0.0, 1000.0) == 0
