"""The circuit breaker."""

from __future__ import annotations

from itertools import pairwise

from llm_client._core.breaker import Breaker, breaker_for


def opened(now: float = 2.0) -> Breaker:
    breaker = Breaker(failures=3, seconds=1.0, pause=0.5, longest_pause=2.0)
    for at in (0.0, 0.5, now):
        assert breaker.allow(at)
        changed = breaker.note(503, at)
    assert changed == "open"
    return breaker


def test_it_opens_on_sustained_failure_only() -> None:
    breaker = Breaker(failures=3, seconds=1.0)
    for _ in range(50):
        assert breaker.note(503, 0.5) is None  # many at once are one event
    assert breaker.state(0.5) == "closed"
    assert breaker.note(500, 1.6) == "open"
    assert breaker.state(1.6) == "open"


def test_a_success_and_every_answer_to_blame_on_the_caller_starts_anew() -> None:
    breaker = Breaker(failures=3, seconds=0.0)
    for status in (200, 400, 401, 429):
        assert breaker.note(503, 0.0) is None
        assert breaker.note(503, 0.0) is None
        assert breaker.note(status, 0.0) is None
    assert breaker.allow(0.0)


def test_one_request_probes_and_a_success_closes() -> None:
    breaker = opened()
    assert not breaker.allow(2.4)
    assert breaker.wait(2.4) > 0
    assert breaker.allow(2.5)
    assert breaker.state(2.5) == "probing"
    assert not breaker.allow(2.5)
    assert breaker.note(200, 2.6) == "closed"
    assert breaker.allow(2.6)


def test_probes_that_fail_come_more_and_more_seldom() -> None:
    breaker, now, probes = opened(), 2.0, []
    while now < 12.0:
        if breaker.allow(now):
            probes.append(now)
            breaker.note(503, now)
        now += 0.125
    assert [later - earlier for earlier, later in pairwise(probes)] == [1.0, 2.0, 2.0, 2.0, 2.0]


def test_a_probe_that_is_abandoned_or_lost_makes_room_for_another() -> None:
    breaker = opened()
    assert breaker.allow(3.0)
    breaker.note(0, 3.1)
    assert breaker.allow(3.1, patience=5.0)
    assert not breaker.allow(8.0)
    assert breaker.allow(8.2)


def test_all_providers_of_an_endpoint_share_one() -> None:
    assert breaker_for("http://127.0.0.1:1/v1") is breaker_for("http://127.0.0.1:1/v1")
    assert breaker_for("http://127.0.0.1:1/v1") is not breaker_for("http://127.0.0.1:2/v1")
