"""When a failed call is tried again, and after how long. Pure: clock and chance are handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_RETRIED_STATUSES = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a call is tried.

    Args:
        attempts: Tries in all, the first one included.
        backoff: Seconds: the longest wait before the second try; it doubles with each further one. The wait itself
            is drawn evenly between 0 and that (full jitter), so that many clients do not come back in step.
        max_backoff: Seconds: where the doubling ends.
        max_retry_after: Seconds: a server that asks for a longer pause gets no further try; its answer is returned.

    Raises:
        ValueError: A number is out of range.
    """

    attempts: int = 3
    backoff: float = 1.0
    max_backoff: float = 30.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ValueError(f"attempts counts all tries and is at least 1, got {self.attempts!r}")
        for name in ("backoff", "max_backoff", "max_retry_after"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not value >= 0:
                raise ValueError(f"{name} is a number of seconds, at least 0, got {value!r}")

    def delay(self, tried: int, status: int, headers: Mapping[str, str], *, chance: float, now: float) -> float | None:
        """Seconds to wait before the next try, None where there is none.

        Args:
            tried: How many tries were made.
            status: What the last one ended with: an HTTP status, or 503 / 408 where no answer came.
            headers: The last answer's, names in lower case; empty where no answer came.
            chance: An even random number from 0 to 1.
            now: Seconds since the epoch, for a retry-after that is a date.
        """
        if tried >= self.attempts or not is_retryable(status, headers):
            return None
        jittered = chance * min(self.backoff * 2.0 ** min(tried - 1, 60), self.max_backoff)
        asked = retry_after(status, headers, now=now)
        if asked is None:
            return jittered
        # What the server asks for binds: never less. Beyond the limit nobody waits for it.
        return None if asked > self.max_retry_after else max(asked, jittered)


def is_retryable(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a later try may succeed; both vendors' `x-should-retry` header overrules the status."""
    advice = headers.get("x-should-retry")
    if advice == "true":
        return True
    if advice == "false":
        return False
    return status in _RETRIED_STATUSES or status >= 500


def retry_after(status: int, headers: Mapping[str, str], *, now: float) -> float | None:
    """The pause in seconds that the server asks for, None where it asks for none.

    Only on 429 and 5xx: Anthropic's successful answers can carry the header too.
    """
    if status != 429 and status < 500:
        return None
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        from email.utils import parsedate_to_datetime

        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0.0 <= number < float("inf") else None


class RetryBudget:
    """Keeps retries from becoming a storm: so many a minute, plus a share of that minute's traffic.

    One budget stands for one server and key. The minute slides in steps of a second; counting needs no lock, since
    a count that is off by one under a race of threads does no harm.

    Args:
        per_minute: Retries always allowed in a minute.
        share: Further retries, as a share of the first tries of that minute.
    """

    __slots__ = ("_firsts", "_retries", "_seconds", "per_minute", "share")

    def __init__(self, per_minute: int = 10, share: float = 0.1) -> None:
        self.per_minute = per_minute
        self.share = share
        self._seconds = [-1] * 60
        self._firsts = [0] * 60
        self._retries = [0] * 60

    def _slot(self, now: float) -> int:
        second = int(now)
        slot = second % 60
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._firsts[slot] = self._retries[slot] = 0
        return slot

    def note_call(self, now: float) -> None:
        """A call begins.

        Args:
            now: Seconds of a monotonic clock.
        """
        self._firsts[self._slot(now)] += 1

    def take(self, now: float) -> bool:
        """Whether one more retry is allowed now; if so it is counted."""
        slot = self._slot(now)
        oldest = int(now) - 59
        firsts = retries = 0
        for position, second in enumerate(self._seconds):
            if second >= oldest:
                firsts += self._firsts[position]
                retries += self._retries[position]
        if retries + 1 > self.per_minute + self.share * firsts:
            return False
        self._retries[slot] += 1
        return True


_budgets: dict[tuple[str, str | None], RetryBudget] = {}


def budget_for(base_url: str, api_key: str | None) -> RetryBudget:
    """The budget that all providers of this process share for one server and key."""
    return _budgets.setdefault((base_url, api_key), RetryBudget())
