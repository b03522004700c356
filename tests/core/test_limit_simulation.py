"""Limits that nobody configured, found and used by a busy program; in virtual time: the machine plays no part."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from llm_client._core.limit_learning import Limits, Outcome
from llm_client._core.turns import Turn
from support.hidden_limits import Kind
from support.limit_simulation import Simulation

WINDOWS = 6
SMALLER: dict[str, Any] = {"requests": 300, "tasks": 67, "cost": 0.0015}


@pytest.mark.parametrize("kind", ["sliding", "fixed"])
def test_announced_limits_are_used_and_kept(kind: Kind) -> None:
    seen = Simulation(kind, headers=True, **SMALLER).run(WINDOWS)
    assert seen.used(WINDOWS) >= 0.95
    assert seen.refused(since=1.0) <= 0.005
    assert seen.found is not None
    assert seen.found < 1.0


@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.parametrize("kind", ["sliding", "fixed"])
def test_hidden_limits_are_found_used_and_kept(kind: Kind, retry_after: bool) -> None:
    seen = Simulation(kind, retry_after=retry_after, **SMALLER).run(WINDOWS)
    assert seen.used(WINDOWS) >= 0.95
    assert seen.refused() <= 0.05
    assert seen.found is not None
    assert seen.found - first_refusal(seen) < 2.0
    assert seen.refused(since=max(seen.found, seen.window)) <= 0.005
    assert max(seen.waits) <= 2 * seen.window
    assert seen.too_early == 0


@pytest.mark.parametrize("phase", [0.5, 1.5, 2.3, 2.9])
def test_a_window_that_is_cut_short_is_no_limit(phase: float) -> None:
    # The crowd begins in the middle of the server's window, so nearly two of them pass within the length of one.
    seen = Simulation("fixed", requests=300, tasks=67, cost=0.003, phase=phase, connect=0.1).run(WINDOWS)
    assert seen.used(WINDOWS) >= 0.95
    assert seen.refused() <= 0.05
    assert seen.found is not None
    assert seen.refused(since=max(seen.found, seen.window)) <= 0.01  # 0.5 %, and the few of one window more or less
    assert seen.too_early == 0


@pytest.mark.parametrize("phase", [0.5, 1.5, 2.3])
def test_a_window_that_is_cut_short_is_no_limit_though_nobody_says_when_it_ends(phase: float) -> None:
    seen = Simulation("fixed", requests=300, tasks=67, cost=0.003, phase=phase, retry_after=False).run(WINDOWS)
    assert seen.used(WINDOWS) >= 0.95
    assert seen.refused() <= 0.05
    assert seen.limits.limits(seen.now)["requests"] <= 300 * 1.06


@pytest.mark.parametrize("headers", [True, False])
def test_tokens_are_used_though_estimates_are_a_quarter_too_large(headers: bool) -> None:
    seen = Simulation(headers=headers, tokens=12_000, error=0.75, **{**SMALLER, "requests": 1200}).run(WINDOWS)
    assert seen.used(WINDOWS) >= 0.93  # what answers used counts too, though not for this server
    assert seen.refused() <= 0.05


def test_a_machine_that_is_busy_elsewhere_costs_some_speed_and_no_refusals() -> None:
    seen = Simulation(retry_after=False, stalls=0.3, **SMALLER).run(WINDOWS)
    assert seen.used(WINDOWS) >= 0.85
    assert seen.refused() <= 0.05
    assert seen.found is not None
    assert seen.refused(since=max(seen.found, seen.window)) <= 0.005


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_machine_that_stands_still_now_and_then_lets_nobody_slip_through(retry_after: bool) -> None:
    seen = Simulation(retry_after=retry_after, stalls=0.3, longest_stall=0.8, **SMALLER).run(WINDOWS)
    assert seen.refused() <= 0.08
    assert seen.too_early == 0


def first_refusal(seen: Simulation) -> float:
    return min((at for at, fits in seen.server.log if not fits), default=0.0)


# ---------------------------------------------------------------- fairness


def test_the_largest_request_is_served_within_its_fair_time() -> None:
    length, limit, small = 10.0, 1000.0, 20.0
    limits = Limits(threading.Lock(), {"tokens": limit}, length)
    now = 0.0
    waiting: list[Turn] = []
    large: Turn | None = None
    asked = ahead = served = 0.0
    later_ones: list[Turn] = []
    while now < 100.0 and not served:
        while len(waiting) < 100:  # a crowd that asks for twice the limit at any time
            turn = limits.begin(small, 1, now)
            waiting.append(turn)
            if large is not None:
                later_ones.append(turn)
        if large is None and now > 25.0:
            asked, ahead = now, sum(turn.amounts[1] for turn in waiting)
            large = limits.begin(limit, 1, now)
        if large is not None and large.delay(now) <= 0:
            served = now
        for turn in [turn for turn in waiting if turn.delay(now) <= 0]:
            waiting.remove(turn)
            limits.returned.append(Outcome(turn, now, now, 200))
        now += 0.05
    fair = ahead / limit * length + length  # those before it, and a window that is empty for all of it
    assert 0 < served - asked <= fair * 1.1
    assert not any(turn.taken for turn in later_ones)


# ---------------------------------------------------------------- turns that move


def test_whoever_overslept_counts_from_when_it_goes() -> None:
    limits = Limits(threading.Lock(), {"requests": 10}, 10.0)
    assert all(limits.begin(1, 1, 0.0).taken for _ in range(10))
    slow = limits.begin(1, 1, 0.0)
    assert 10.0 <= slow.at <= 10.1
    prompt = [limits.begin(1, 1, 11.0) for _ in range(9)]
    assert prompt[-1].delay(19.0) <= 0  # nine and the one that sleeps are in the window
    others = [limits.begin(1, 1, 29.9) for _ in range(10)]
    assert all(turn.taken for turn in others)
    delay = slow.delay(30.0)  # its room was given away long ago
    assert delay > 9.0
    after = limits.begin(1, 1, 30.0)
    assert after.at >= slow.at
    assert slow.delay(30.0 + delay) <= 0
    assert slow.taken


def test_nobody_slips_past_one_who_overslept() -> None:
    limits = Limits(threading.Lock(), {"requests": 10}, 10.0)
    for _ in range(10):
        limits.begin(1, 1, 0.0)
    slow: Turn | None = limits.begin(1, 1, 0.0)
    assert slow is not None
    assert limits.waiting(11.0) == 0
    for _ in range(10):
        limits.begin(1, 1, 21.0)
    behind = [limits.begin(1, 1, 21.0) for _ in range(20)]
    assert slow.delay(22.0) > 0
    for step in range(600):
        now = 22.0 + step / 10
        ready = [turn for turn in behind if turn.delay(now) <= 0]
        assert all(turn.taken for turn in ready)
        behind = [turn for turn in behind if turn not in ready]
        if slow is not None and slow.delay(now) <= 0:
            assert slow.taken
            slow = None
    assert slow is None
    assert behind == []


def test_a_short_nap_costs_nobody_the_turn() -> None:
    limits = Limits(threading.Lock(), {"requests": 1}, 10.0)
    limits.begin(1, 1, 0.0)
    waiting = limits.begin(1, 1, 0.0)
    assert waiting.delay(waiting.at + 0.4) <= 0


def test_a_pause_beyond_patience_ends_the_wait() -> None:
    limits = Limits(threading.Lock(), {"requests": 1}, 10.0)
    first = limits.begin(1, 1, 0.0)
    patient, impatient = limits.begin(1, 1, 0.0), limits.begin(1, 1, 0.0)
    patient.patience, impatient.patience = 4000.0, 60.0
    limits.returned.append(Outcome(first, 0.1, 0.0, 429, {"retry-after": "3600"}))
    assert patient.delay(0.2) > 3599
    assert impatient.delay(0.2) <= 0
    impatient.give_back()
    assert limits.waiting(0.3) == 1


def test_what_was_taken_without_a_look_at_the_books_is_in_them() -> None:
    limits = Limits(threading.Lock(), {"requests": 100, "tokens": 10_000}, 10.0)
    turns = [limits.begin(10, 1, number / 10) for number in range(99)]
    assert all(turn.taken for turn in turns)
    assert limits.begin(10, 1, 9.9).taken
    late = limits.begin(10, 1, 9.95)
    assert not late.taken
    assert 10.0 <= late.at <= 10.2  # the first of them has left the window then
    assert limits.waiting(9.96) == 1
    assert limits._in_flight == [100.0, 1000.0, 1000.0, 0.0]
    for turn in turns:
        turn.give_back()
    assert late.delay(9.97) <= 0
    assert limits.windows[0].total == 2
