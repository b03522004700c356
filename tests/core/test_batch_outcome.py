"""Whether an item failed, whether it is tried again, when a batch gives up, and what it adds up."""

from __future__ import annotations

import math
import pickle
from functools import partial
from typing import Any

import pytest

from llm_client import AgentResult, CompletionResult, Conversation, EmbeddingResult, Usage
from llm_client._core.batch_errors import TooManyFailuresError
from llm_client._core.batch_options import check_checkpoint, length_of, retry_policy, returned_type, sync_seconds
from llm_client._core.batch_outcome import (
    BatchFailure,
    Problem,
    are_too_many,
    check_max_failures,
    delay_before_next,
    failure_of,
    problem_of_exception,
    problem_of_result,
    short_repr,
    usage_of,
)
from llm_client._core.batch_summary import BatchSummary, Tally
from llm_client._core.exceptions import RateLimitError
from llm_client._core.retry import RetryPolicy
from llm_client._core.v1 import Call, completion_dict
from llm_client._core.vendor_batch import BatchRequest

PRICED = Usage(10, 5, total_cost=0.5)


def v1(status: Any, error: Any, output: Any = None) -> dict[str, Any]:
    """What version 1 returned."""
    return {"params": {}, "output": output, "usage": {}, "status": status, "error": error, "identifier": "a", "body": 1}


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "result",
    [
        None,
        "text",
        {},
        {"error": "a user's own"},
        {"status": "done", "error": None},
        CompletionResult("hi"),
        EmbeddingResult([[1.0]]),
        {"output": "hi", "error": "OK", "status": 200},
        {"status": 0, "error": None},
        {"status": 404, "error": "a page that was looked for"},
        v1(200, "OK", "hi"),
        v1(201, None, "hi"),
        v1(200, "the model refused: I'd rather not"),
        v1(True, "x"),
        completion_dict(Call("q", {}, {}), CompletionResult("", refusal="no"), "i", None, str),
    ],
)
def test_results_that_are_answers(result: Any) -> None:
    assert problem_of_result(result) is None


@pytest.mark.parametrize(
    ("result", "error", "status"),
    [
        (CompletionResult(status=429, error="slow down"), "slow down", 429),
        (CompletionResult(status=200, error="the answer does not have the wanted form"), "the answer does not", 200),
        (EmbeddingResult(status=503, error="refused"), "refused", 503),
        (AgentResult("", [], Conversation(), Usage(), status="max_turns", error="no final answer"), "no final", None),
        (v1(429, "slow down"), "slow down", 429),
        (v1(200, "the answer does not have the wanted form: it is no JSON", "x"), "wanted form", 200),
        (v1(500, None), "500", 500),
        (v1(503, "OK"), "503", 503),
        (completion_dict(Call("q", {}, {}), CompletionResult(status=503, error="no"), "i", None, str), "no", 503),
        (completion_dict(Call("q", {}, {}, "json"), CompletionResult("no JSON"), "i", None, str), "wanted form", 200),
    ],
)
def test_results_that_are_failures(result: Any, error: str, status: int | None) -> None:
    problem = problem_of_result(result)
    assert problem is not None
    assert error in problem.error
    assert problem.status == status


def test_exceptions_are_failures_with_the_status_that_they_know() -> None:
    assert problem_of_exception(ValueError("x")) == Problem("ValueError: x", "ValueError")
    assert problem_of_exception(TimeoutError()).status == 408
    assert problem_of_exception(ConnectionResetError()).status == 503
    assert problem_of_exception(RateLimitError("slow", status=429)).status == 429


@pytest.mark.parametrize(
    ("status", "again"), [(None, True), (200, True), (429, True), (503, True), (400, False), (401, False), (404, False)]
)
def test_what_may_pass_is_tried_again(status: int | None, again: bool) -> None:
    policy = RetryPolicy(attempts=3, backoff=1.0)
    delay = delay_before_next(policy, 2, Problem("x", "y", status), chance=0.5)
    assert delay == (1.0 if again else None)
    assert delay_before_next(policy, 3, Problem("x", "y", status), chance=0.5) is None


@pytest.mark.parametrize(
    ("limit", "failed", "ended", "total", "stop"),
    [
        (None, 10**6, 10**6, None, False),
        (0, 0, 5, None, False),
        (0, 1, 1, None, True),
        (2, 2, 2, 10, False),
        (2, 3, 3, 10, True),
        (0.1, 10, 10, 100, False),
        (0.1, 11, 11, 100, True),
        (0.1, 10, 20, None, False),
        (0.1, 11, 20, None, True),
        (0.1, 40, 1000, None, False),
        (1.0, 100, 100, 100, False),
    ],
)
def test_when_failures_are_too_many(limit: Any, failed: int, ended: int, total: int | None, stop: bool) -> None:
    check_max_failures(limit)
    assert are_too_many(limit, failed, ended, total) is stop


@pytest.mark.parametrize("limit", [-1, 1.5, -0.1, True, "3", math.nan])
def test_limits_that_make_no_sense(limit: Any) -> None:
    with pytest.raises(ValueError, match="max_failures"):
        check_max_failures(limit)


def test_a_failure_shows_what_it_can_of_item_and_result() -> None:
    problem = Problem("x", "y", 400)
    assert failure_of(problem, {"a": 1}, 2).to_dict() == {
        "error": "x",
        "type": "y",
        "status": 400,
        "attempts": 2,
        "item": {"a": 1},
        "result": None,
    }
    shown = failure_of(problem, "x" * 5000, 1, result=CompletionResult(error="no", status=400))
    assert len(shown.item) < 2100
    assert "CompletionResult" in str(shown.result)
    assert "RuntimeError" in short_repr(Odd())


def test_a_failure_shows_no_headers_and_no_keys() -> None:
    item = {
        "messages": [{"role": "user", "content": "what is an api_key?"}],
        "extra_headers": {"Authorization": "Bearer s3cret", "x-run": "s3cret"},
        "headers": ["s3cret"],
        "client": {"api_key": "s3cret", "X-Api-Key": "s3cret", "openai_api_key": "s3cret", "authorization": "s3cret"},
        "max_tokens": 7,
    }
    plain, hidden = "what is an api_key?", "[hidden]"
    for given in (item, [item], (item, 1), {**item, "more": object()}, {**item, "more": "x" * 5000}):
        shown = failure_of(Problem("x", "y"), given, 1).item
        assert "s3cret" not in str(shown)
        assert plain in str(shown)
        assert hidden in str(shown)
    shown = failure_of(Problem("x", "y"), item, 1).item
    assert shown["extra_headers"] == {"Authorization": hidden, "x-run": hidden}
    assert shown["max_tokens"] == 7
    assert item["client"]["api_key"] == "s3cret"  # type: ignore[call-overload, index]
    request = BatchRequest("hi", extra_headers={"Authorization": "s3cret"})
    for given in (request, [request], {"request": request}):
        shown = str(failure_of(Problem("x", "y"), given, 1).item)
        assert "s3cret" not in shown
        assert hidden in shown
    harmless = BatchRequest("hi", temperature=0.5)
    assert failure_of(Problem("x", "y"), harmless, 1).item == repr(harmless)
    endless: list[Any] = []
    endless.append(endless)
    assert failure_of(Problem("x", "y"), endless, 1).item is not None


@pytest.mark.parametrize(
    "address",
    ["postgresql+psycopg://u:s3cret@h/db", "mysql://u:s3cret@h", "u:s3cret@h://x", "s3://s3cret/x", "://s3cret"],
)
def test_addresses_of_no_database_that_can_be_used_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="a checkpoint is a file's path or postgresql://") as caught:
        check_checkpoint(address)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("good", [None, "a.jsonl", "C:\\a.jsonl", "postgres://u:p@h/db", "postgresql://h/db"])
def test_checkpoints_that_may_be(good: Any) -> None:
    check_checkpoint(good)


def test_a_batch_failure_is_like_a_failed_result() -> None:
    failure = BatchFailure(3, "ValueError: x", ValueError("x"), 2)
    assert not failure.ok
    with pytest.raises(ValueError, match="x"):
        failure.raise_for_error()


def test_usage_is_found_where_results_have_it() -> None:
    assert usage_of(CompletionResult(usage=PRICED)) is PRICED
    assert usage_of({"usage": {"input_tokens": 1, "output_tokens": 2, "more": 3}}) == Usage(1, 2)
    assert usage_of("text") is None
    assert usage_of({"usage": "much"}) is None


def test_the_summary_adds_up() -> None:
    tally = Tally()
    tally.count(CompletionResult(usage=PRICED), failed=False, stored=False, attempts=3)
    tally.count(CompletionResult(usage=PRICED), failed=False, stored=True, attempts=1)
    tally.count(CompletionResult(status=500, error="x"), failed=True, stored=False, attempts=2)
    summary = tally.summary(1.5)
    assert summary == BatchSummary(2, 1, 1, 3, 15, 0.5, 1.5)
    assert "$0.5000" in str(summary)
    assert summary.to_dict()["failed"] == 1


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    tally = Tally()
    assert tally.summary(0.0).dollars is None
    tally.count("text", failed=False, stored=False, attempts=1)
    assert tally.summary(0.0).dollars is None
    tally.count(CompletionResult(usage=PRICED), failed=False, stored=False, attempts=1)
    assert tally.summary(0.0).dollars == 0.5
    tally.count(CompletionResult(usage=Usage(1, 1)), failed=False, stored=False, attempts=1)
    assert tally.summary(0.0).dollars is None
    assert "unknown price" in str(tally.summary(0.0))


def test_errors_of_batches_pickle_with_their_summary() -> None:
    error = pickle.loads(pickle.dumps(TooManyFailuresError("too many", summary=BatchSummary(done=3))))
    assert type(error) is TooManyFailuresError
    assert str(error) == "too many"
    assert error.summary == BatchSummary(done=3)


@pytest.mark.parametrize(("given", "seconds"), [("always", 0.0), ("never", None), (None, None), (2, 2.0), (0.5, 0.5)])
def test_fsync(given: Any, seconds: float | None) -> None:
    assert sync_seconds(given) == seconds


@pytest.mark.parametrize("given", ["often", 0, -1, True, math.nan])
def test_fsync_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="fsync"):
        sync_seconds(given)


def test_retry() -> None:
    assert retry_policy(None).attempts == 1
    assert retry_policy(4).attempts == 4
    policy = RetryPolicy(attempts=2)
    assert retry_policy(policy) is policy
    with pytest.raises(ValueError, match="retry"):
        retry_policy(0)
    for wrong in (True, "3", 1.5):
        with pytest.raises(TypeError, match="retry"):
            retry_policy(wrong)  # type: ignore[arg-type]


def test_what_a_processor_says_it_returns() -> None:
    def plain(item: Any) -> CompletionResult:
        return CompletionResult(str(item))

    async def later(item: Any) -> list[Usage]:
        return [item]

    class Callable:
        def __call__(self, item: Any) -> Usage:
            return Usage(item)

    def broken(item: Any) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
        return item

    assert returned_type(plain) is CompletionResult
    assert returned_type(later) == list[Usage]
    assert returned_type(Callable()) is Usage
    assert returned_type(partial(plain)) is CompletionResult
    assert returned_type(lambda item: item) is None
    assert returned_type(broken) is None
    assert returned_type(len) is None


def test_lengths() -> None:
    assert length_of([1, 2]) == 2
    assert length_of(iter([1])) is None
