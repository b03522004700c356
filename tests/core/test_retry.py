"""When a failed call is tried again, and the budget of retries."""

from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.retry import RetryBudget, RetryPolicy, budget_for, is_retryable, retry_after

NOW = 1_800_000_000.0


def delay(tried: int = 1, status: int = 500, *, chance: float = 1.0, policy: RetryPolicy | None = None, **headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (policy or RetryPolicy()).delay(tried, status, named, chance=chance, now=NOW)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529, 599])
def test_what_is_tried_again(status: int) -> None:
    assert is_retryable(status, {})
    assert not is_retryable(status, {"x-should-retry": "false"})


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 413, 422])
def test_what_is_not_tried_again(status: int) -> None:
    assert not is_retryable(status, {})
    assert is_retryable(status, {"x-should-retry": "true"})
    assert delay(1, status) is None


def test_attempts_count_all_tries() -> None:
    assert delay(1, policy=RetryPolicy(attempts=1)) is None
    assert delay(2, policy=RetryPolicy(attempts=3)) is not None
    assert delay(3, policy=RetryPolicy(attempts=3)) is None


def test_the_wait_doubles_up_to_a_limit_and_is_drawn_evenly() -> None:
    patient = RetryPolicy(attempts=20, backoff=1.0, max_backoff=30.0)
    assert [delay(tried, policy=patient) for tried in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert delay(3, policy=patient, chance=0.25) == 1.0
    assert delay(3, policy=patient, chance=0.0) == 0.0
    assert delay(1, policy=RetryPolicy(backoff=0)) == 0.0


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_what_the_server_asks_for_binds(status: int) -> None:
    assert delay(status=status, retry_after="7", chance=0.0) == 7.0
    assert delay(status=status, retry_after_ms="2500", retry_after="9", chance=0.0) == 2.5
    # Never less than our own wait.
    assert delay(3, status, policy=RetryPolicy(attempts=5, backoff=10.0, max_backoff=40), retry_after="1") == 40.0
    assert delay(status=status, retry_after="60") == 60.0
    assert delay(status=status, retry_after="61") is None
    assert delay(status=status, retry_after=formatdate(NOW + 12, usegmt=True), chance=0.0) == 12.0
    assert delay(status=status, retry_after=formatdate(NOW - 12, usegmt=True), chance=0.0) == 0.0


def test_a_pause_on_other_answers_does_not_bind() -> None:
    for status in (200, 400, 408, 409):
        assert retry_after(status, {"retry-after": "7"}, now=NOW) is None


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "inf", "1e400", "Fri, 99 Foo 2026", "\x00"])
def test_pauses_that_nobody_can_read(value: str) -> None:
    assert retry_after(429, {"retry-after": value}, now=NOW) is None
    assert retry_after(429, {"retry-after-ms": value, "retry-after": "3"}, now=NOW) == 3.0


@given(st.text())
def test_any_header_is_read(value: str) -> None:
    asked = retry_after(503, {"retry-after": value, "retry-after-ms": value}, now=NOW)
    assert asked is None or (asked >= 0 and math.isfinite(asked))


@pytest.mark.parametrize(
    "given_", [{"attempts": 0}, {"attempts": True}, {"attempts": 1.5}, {"backoff": -1}, {"backoff": math.nan},
               {"max_backoff": "1"}, {"max_retry_after": None}]
)  # fmt: skip
def test_numbers_out_of_range(given_: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(given_))):
        RetryPolicy(**given_)


def test_the_budget_allows_some_retries_and_a_share_of_the_traffic() -> None:
    budget = RetryBudget(per_minute=2, share=0.1)
    assert [budget.take(100.0) for _ in range(3)] == [True, True, False]
    for _ in range(10):
        budget.note_call(101.0)
    assert [budget.take(102.0) for _ in range(2)] == [True, False]


def test_the_budget_forgets_after_a_minute() -> None:
    budget = RetryBudget(per_minute=1, share=0.0)
    assert budget.take(100.9)
    assert not budget.take(159.9)
    assert budget.take(160.0)
    assert not budget.take(219.9)
    # The same slot, many minutes later.
    assert budget.take(160.0 + 60 * 7)


@given(st.lists(st.floats(0, 300), min_size=1, max_size=60))
def test_never_more_than_allowed_in_any_minute(times: list[float]) -> None:
    budget = RetryBudget(per_minute=3, share=0.0)
    taken = [now for now in sorted(times) if budget.take(now)]
    for start in taken:
        assert sum(start <= now < start + 59 for now in taken) <= 3


def test_one_budget_for_a_server_and_a_key() -> None:
    first = budget_for("https://one.example/v1", "key")
    assert budget_for("https://one.example/v1", "key") is first
    assert budget_for("https://one.example/v1", "other") is not first
    assert budget_for("https://two.example/v1", "key") is not first
