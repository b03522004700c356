"""What headers and refusals teach a limiter; all times are the test's own."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.limit_headers import Announced, read_limits, seconds_of
from llm_client._core.limit_learning import (
    REQUESTS,
    TOKENS,
    UNSAID,
    Limits,
    Outcome,
    Used,
    estimate_tokens,
    refused_dimensions,
)
from llm_client._core.turns import Turn
from llm_client.testing.limits import duration


def limits(length: float = 60.0, **caps: float) -> Limits:
    return Limits(threading.Lock(), caps, length)


def openai_headers(limit: int, remaining: int) -> dict[str, str]:
    return {"x-ratelimit-limit-requests": str(limit), "x-ratelimit-remaining-requests": str(remaining)}


def answer(learning: Limits, turn: Turn, now: float, status: int = 200, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    learning.returned.append(Outcome(turn, now, turn.at, status, named, 0.0))


# ---------------------------------------------------------------- headers


def test_openai_headers() -> None:
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "29000",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert read_limits(headers, 0.0) == {
        "requests": Announced(500, 499, 0.12),
        "tokens": Announced(30000, 29000, 360.0),
    }


def test_anthropic_headers() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-22T10:00:30Z",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "0",
    }
    now = 1795341600.0  # 2026-11-22T10:00:00Z
    assert read_limits(headers, now) == {
        "requests": Announced(50, 49, 30.0),
        "input_tokens": Announced(40000),
        "output_tokens": Announced(8000, 0, None),
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("1h2m3s", 3723), ("120ms", 0.12), ("1.5s", 1.5), ("2", 2), ("1d", 86400), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@given(st.floats(0, 1e5))
def test_the_fake_apis_durations_are_read_back(seconds: float) -> None:
    assert seconds_of(duration(seconds)) == pytest.approx(seconds, abs=0.5, rel=1e-4)


@given(st.text())
def test_any_header_is_read_or_left_out(text: str) -> None:
    seconds = seconds_of(text)
    assert seconds is None or seconds >= 0
    for name in ("x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit"):
        found = read_limits({name: text, name.replace("limit-requests", "reset-requests"): text}, 0.0)
        assert all(said.limit > 0 for said in found.values())


# ---------------------------------------------------------------- learning


def test_it_starts_without_limits_and_believes_what_is_announced() -> None:
    learning = limits()
    turns = [learning.begin(10, 1, 0.0) for _ in range(50)]
    assert all(turn.taken for turn in turns)
    assert learning.limits(0.0) == {}
    for left, turn in enumerate(turns):
        answer(learning, turn, 0.1, **openai_headers(100, 99 - left))
    assert learning.begin(10, 1, 0.2).taken
    assert learning.limits(0.2) == {"requests": 99}  # of large limits a little is left unused
    more = [learning.begin(10, 1, 0.2) for _ in range(60)]
    assert sum(turn.taken for turn in more) == 48
    # 60 s after they were counted, and one after the other.
    assert [60.0 < turn.at < 70.0 for turn in more[48:]] == [True] * 12


def test_what_others_use_counts() -> None:
    learning = limits()
    answer(learning, learning.begin(10, 1, 0.0), 0.1, **openai_headers(1000, 10))
    turns = [learning.begin(10, 1, 0.2) for _ in range(40)]
    assert sum(turn.taken for turn in turns) <= 16  # 10 remain, less the slack and tolerance of 2 %


def test_room_that_the_server_sees_is_used() -> None:
    learning = limits()
    first = [learning.begin(10, 1, 0.0) for _ in range(100)]
    for turn in first:
        answer(learning, turn, 0.1, **openai_headers(100, 0))
    late = learning.begin(10, 1, 0.2)
    assert not late.taken
    # A minute has not passed, but the server has begun a new window.
    assert late.delay(61.0) <= 0
    answer(learning, late, 61.0, **openai_headers(100, 99))
    assert sum(learning.begin(10, 1, 61.1).taken for _ in range(95)) == 95


def test_numbers_of_the_user_are_never_exceeded() -> None:
    learning = limits(requests=10)
    answer(learning, learning.begin(10, 1, 0.0), 0.1, **openai_headers(1000, 999))
    assert sum(learning.begin(10, 1, 0.2).taken for _ in range(20)) == 9
    assert learning.limits(0.2)["requests"] == 10


def test_a_retry_after_stops_everybody() -> None:
    learning = limits()
    turns = [learning.begin(10, 1, 0.0) for _ in range(3)]
    answer(learning, turns[0], 1.0, 429, retry_after="7")
    waiting = learning.begin(10, 1, 1.5)
    assert waiting.delay(1.5) == pytest.approx(6.5)
    assert learning.held(2.0) == pytest.approx(6.0)
    assert waiting.delay(8.0) <= 0


def test_an_overloaded_server_may_ask_for_a_pause_too() -> None:
    learning = limits()
    answer(learning, learning.begin(10, 1, 0.0), 1.0, 529, retry_after="5")
    assert learning.held(1.0) == pytest.approx(5.0)
    answer(learning, learning.begin(10, 1, 10.0), 10.0, 200, retry_after="5")
    assert learning.held(10.0) == 0.0


def hidden_server(learning: Limits, allowed: int, seconds: float, *, tells: bool) -> dict[str, Any]:
    """A server that lets through so many in a sliding window of 60 s, and a crowd that always wants more."""
    passed: list[float] = []
    waiting: list[Turn] = []
    log: list[tuple[float, bool]] = []
    now = 0.0
    while now < seconds:
        while len(waiting) < 20:
            waiting.append(learning.begin(10, 1, now))
        for turn in [turn for turn in waiting if turn.delay(now) <= 0]:
            waiting.remove(turn)
            passed = [at for at in passed if at > now - 60.0]
            fits = len(passed) < allowed
            log.append((now, fits))
            if fits:
                passed.append(now)
                answer(learning, turn, now + 0.01)
            elif tells:
                answer(learning, turn, now + 0.01, 429, retry_after=str(passed[0] + 60.0 - now))
            else:
                answer(learning, turn, now + 0.01, 429)
        now += 0.05
    return {"passed": [at for at, fits in log if fits], "refused": [at for at, fits in log if not fits]}


@pytest.mark.parametrize("tells", [True, False])
def test_a_hidden_limit_is_found(tells: bool) -> None:
    learning = limits()
    seen = hidden_server(learning, 300, 420.0, tells=tells)
    assert 285 <= learning.limits(420.0)["requests"] <= 300
    assert len(seen["passed"]) >= 0.95 * 300 * 7
    assert len(seen["refused"]) <= 0.05 * len(seen["passed"])
    assert sum(at > 70 for at in seen["refused"]) <= 0.005 * len(seen["passed"])


def test_one_refusal_out_of_the_blue_sets_no_limit() -> None:
    learning = limits()
    answer(learning, learning.begin(10, 1, 0.0), 0.1, 429)
    again = learning.begin(10, 1, 0.2)
    assert again.delay(1.0) <= 0
    answer(learning, again, 1.1)
    assert learning.limits(1.2) == {}
    assert all(learning.begin(10, 1, 2.0).taken for _ in range(100))


def test_what_a_refusal_is_about() -> None:
    assert refused_dimensions(b"Rate limit reached on requests per min (RPM): Limit 3") == (REQUESTS,)
    assert refused_dimensions(b"Rate limit reached on tokens per min (TPM): Limit 40000") == (TOKENS,)
    assert refused_dimensions(b"slow down") == UNSAID
    assert refused_dimensions(b'{"error": {"code": "insufficient_quota"}}') == ()


# ---------------------------------------------------------------- tokens


def test_tokens_are_settled_without_waiting() -> None:
    learning = limits(tokens=1000)
    first = learning.begin(100, 1, 0.0)
    answer(learning, first, 1.0)
    learning.returned.append(Used(first, 1.0, 100, 700))
    assert learning.begin(100, 1, 2.0).taken  # 100 for the question and 70, a tenth of what was learned, for the answer
    assert not learning.begin(100, 1, 2.0).taken


def test_the_largest_request_is_served_in_its_turn() -> None:
    learning = limits(length=10.0, tokens=1000)
    learning.begin(900, 1, 0.0)
    large = learning.begin(1000, 1, 0.0)
    small = [learning.begin(1, 1, 0.0) for _ in range(100)]
    assert large.delay(10.1) <= 0
    assert all(turn.at >= large.at for turn in small)


def test_a_forked_child_starts_without_waiters() -> None:
    learning = limits(requests=1)
    learning.begin(1, 1, 0.0)
    learning.begin(1, 1, 0.0)
    learning.forget_waiters()
    assert learning.waiting(0.0) == 0


@pytest.mark.parametrize(
    ("body", "tokens"),
    [(None, 1), (b"x" * 400, 101), (b'"base64"' + b"x" * 4_000_000, 8000), (b"x" * 400_000, 100_001)],
)
def test_estimates(body: bytes | None, tokens: float) -> None:
    assert estimate_tokens(body) == tokens
