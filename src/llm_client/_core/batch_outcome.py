"""What came of an item: whether it failed, why, and whether to try again. Pure: clock and chance are handed in."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from . import jsons
from .batch_job import Failure
from .exceptions import APIError
from .retry import RetryPolicy
from .usage import Usage

ONCE = RetryPolicy(attempts=1)
_UNKNOWN_STATUS = 500
_SHORT = 2000
_SAMPLE = 100
_V1_MEMBERS = frozenset({"params", "output", "usage", "identifier", "status", "error"})
_V1_ANSWERS = (None, "", "OK")
_V1_REFUSAL = "the model refused"
_HIDDEN = "[hidden]"
_HEADERS = frozenset({"headers", "extra_headers", "default_headers"})
_SECRETS = frozenset(
    {
        "authorization",
        "proxy_authorization",
        "api_key",
        "apikey",
        "access_token",
        "auth_token",
        "bearer_token",
        "password",
        "secret",
        "client_secret",
        "secret_key",
    }
)
_DEEP = 50


@dataclass(frozen=True, slots=True)
class BatchFailure:
    """Stands in the place of a result whose processor raised; like a failed result it has `ok` and `error`.

    Args:
        index: The item's position in the input, from 0.
        error: What went wrong, in words.
        exception: What the processor raised at the last try.
        attempts: How often it was tried.
    """

    index: int
    error: str
    exception: Exception = field(compare=False)
    attempts: int = 1

    @property
    def ok(self) -> bool:
        """Always False."""
        return False

    def raise_for_error(self) -> None:
        """Raise what the processor raised."""
        raise self.exception


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a try failed.

    Args:
        error: In words.
        kind: The class of the exception or of the result.
        status: HTTP status, or 503 / 408 where no answer came; None where nothing says.
    """

    error: str
    kind: str
    status: int | None = None


def problem_of_result(result: Any) -> Problem | None:
    """Why a result is none: its `ok` is False, or it is a dict of version 1 that says so; else None.

    A dict is one of version 1 when it has all members that those have; any other is an answer, whatever it holds. It is
    judged as the CompletionResult that it was made of: a status of 200 to 299 is an answer, a refusal as well, but not
    one with another error, such as an answer that does not have the wanted form.
    """
    if isinstance(result, Mapping):
        status, error = result.get("status"), result.get("error")
        if isinstance(status, bool) or not isinstance(status, int) or not result.keys() >= _V1_MEMBERS:
            return None
        if 200 <= status < 300 and (error in _V1_ANSWERS or str(error).startswith(_V1_REFUSAL)):
            return None
        said = f"the API answered with status {status}" if error in _V1_ANSWERS else str(error)
        return Problem(said, "dict", status)
    if getattr(result, "ok", None) is not False:
        return None
    status, error = getattr(result, "status", None), getattr(result, "error", None)
    known = status if isinstance(status, int) else None
    return Problem(str(error or f"its ok is False, its status {status!r}"), type(result).__name__, known)


def problem_of_exception(error: BaseException) -> Problem:
    """Why a processor raised."""
    status = getattr(error, "status", None) if isinstance(error, APIError) else None
    if status is None and isinstance(error, TimeoutError):
        status = 408
    elif status is None and isinstance(error, ConnectionError):
        status = 503
    return Problem(f"{type(error).__name__}: {error}", type(error).__name__, status)


def delay_before_next(policy: RetryPolicy, tried: int, problem: Problem, chance: float) -> float | None:
    """Seconds to wait before an item is tried again, None where it is not.

    An error that says nothing of a status (a ValueError of the processor, an answer of the wrong form) counts as one
    that may pass; one with a status is retried where the policy says so.

    Args:
        policy: How often and how patiently.
        tried: How often it was tried.
        problem: Why the last try failed.
        chance: An even random number from 0 to 1.
    """
    status = problem.status if problem.status not in (None, 200) else _UNKNOWN_STATUS
    return policy.delay(tried, status, {}, chance=chance, now=0.0)


def failure_of(problem: Problem, item: Any, attempts: int, result: Any = None) -> Failure:
    """The record of an item that failed.

    Args:
        problem: Why.
        item: The item; what is long, or no JSON, is shown as the start of its repr. Headers and keys in it are hidden.
        attempts: How often it was tried.
        result: The failed result, None where the processor raised.
    """
    return Failure(
        error=problem.error,
        kind=problem.kind,
        status=problem.status,
        attempts=attempts,
        item=_shown(item),
        result=None if result is None else short_repr(result),
    )


def _shown(item: Any) -> Any:
    item = _without_secrets(item)
    try:
        if len(jsons.canonical(item)) <= _SHORT:
            return item
    except TypeError:
        pass  # no JSON: its repr
    return short_repr(item)


def _without_secrets(value: Any, depth: int = 0) -> Any:
    """The same with hidden headers and keys; the very same object where there are none."""
    if depth > _DEEP:
        return "..."
    if type(value) in (list, tuple):
        items = type(value)(_without_secrets(item, depth + 1) for item in value)
        return value if all(map(operator.is_, items, value)) else items
    if isinstance(value, Mapping):
        members = dict(value)
    elif is_dataclass(value) and not isinstance(value, type):
        members = {item.name: getattr(value, item.name, None) for item in fields(value)}
    else:
        return value
    shown = {name: _member(name, item, depth) for name, item in members.items()}
    return value if all(shown[name] is item for name, item in members.items()) else shown


def _member(name: Any, value: Any, depth: int) -> Any:
    plain = name.lower().replace("-", "_").removeprefix("x_") if isinstance(name, str) else ""
    if plain in _HEADERS and value is not None:
        return dict.fromkeys(value, _HIDDEN) if isinstance(value, Mapping) else _HIDDEN
    if (plain in _SECRETS and value is not None) or plain.endswith("_api_key"):
        return _HIDDEN
    return _without_secrets(value, depth + 1)


def short_repr(value: Any) -> str:
    """The start of a value's repr; a repr that raises is a repr, too."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return text if len(text) <= _SHORT else text[:_SHORT] + "..."


def usage_of(result: Any) -> Usage | None:
    """The tokens and the price that a result states; None where it states none."""
    usage = result.get("usage") if isinstance(result, Mapping) else getattr(result, "usage", None)
    if isinstance(usage, Usage):
        return usage
    if isinstance(usage, Mapping):
        try:
            return Usage.from_dict(usage)
        except TypeError:
            return None
    return None


def check_max_failures(value: Any) -> None:
    """Refuse what is neither a count nor a share.

    Raises:
        ValueError: It is out of range, or of the wrong type.
    """
    if value is None:
        return
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    is_share = isinstance(value, float) and 0.0 <= value <= 1.0
    if not is_count and not is_share:
        raise ValueError(
            f"max_failures is a count (10), a share (0.05: 5 %) or None for any number of failures; got {value!r}"
        )


def are_too_many(max_failures: int | float | None, failed: int, ended: int, total: int | None) -> bool:
    """Whether a batch should stop because of its failures.

    Args:
        max_failures: So many may fail: a count, or a share of the whole; of an input of unknown length a share of what
            has ended, and at first of 100 items.
        failed: How many failed.
        ended: How many have ended.
        total: How many there are, None where nobody knows.
    """
    if max_failures is None:
        return False
    if isinstance(max_failures, int):
        return failed > max_failures
    return failed > max_failures * (total if total is not None else max(ended, _SAMPLE))
