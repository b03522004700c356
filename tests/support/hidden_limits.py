"""Rate limits that a fake API keeps to itself, counted strictly: in sliding or in fixed windows."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from llm_client.testing import Failure, FakeAPI

Kind = Literal["sliding", "fixed"]


class HiddenLimits:
    """Takes the place of a FakeAPI's own limits, and keeps a record.

    Args:
        kind: How windows are counted.
        requests: Requests in a window.
        tokens: Tokens of the questions in a window; None for no limit.
        window: Seconds.
        headers: Whether answers announce the limits.
        retry_after: Whether refusals say how long to wait.
        clock: Seconds, of a monotonic clock.
    """

    def __init__(
        self,
        kind: Kind,
        requests: int,
        tokens: int | None,
        window: float,
        *,
        headers: bool,
        retry_after: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self.limits = (requests, math.inf if tokens is None else tokens)
        self.window = window
        self.headers = headers
        self.retry_after = retry_after
        self.clock = clock
        self.log: list[tuple[float, bool]] = []
        """Of each request its time and whether it passed."""
        self.passed: list[tuple[float, int]] = []
        """Of each request that passed its time and the tokens that it counted for."""
        self.too_early = 0
        """Requests that came before a retry-after had passed, though its refusal had long been delivered."""
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int]] = deque()
        self._used = [0.0, 0.0]
        self._boundary = 0.0
        self.pauses: list[tuple[float, float]] = []
        """Of each refusal with a retry-after its time, and when it ends."""
        self._pauses: deque[tuple[float, float]] = deque()

    def install(self, api: FakeAPI) -> None:
        """Let a fake API, which must not have answered yet, keep to these limits."""
        api._service.limits = self  # type: ignore[assignment]  # it has the one method that is called

    def take(self, vendor: str, key: Any, tokens: int) -> tuple[dict[str, str], Failure | None]:
        """Judge a request, as the FakeAPI's own limits do."""
        with self._lock:
            now = self.clock()
            self._expire(now)
            amounts = (1, tokens)
            fits = all(
                used + amount <= limit for used, amount, limit in zip(self._used, amounts, self.limits, strict=True)
            )
            self._note(now, fits)
            if fits:
                self._used[0] += 1
                self._used[1] += tokens
                self._recent.append((now, tokens))
                self.passed.append((now, tokens))
            reset = self._reset(now, tokens)
            headers = self._announce(reset) if self.headers else {}
            if fits:
                return headers, None
            waits = {}
            if self.retry_after:
                self._pauses.append((now, now + reset))
                self.pauses.append((now, now + reset))
                waits = {"retry-after-ms": str(math.ceil(reset * 1000))}
        return headers, Failure(429, "Rate limit reached.", headers=waits)

    def _note(self, now: float, fits: bool) -> None:
        self.log.append((now, fits))
        while self._pauses and self._pauses[0][1] <= now:
            self._pauses.popleft()
        # A refusal takes a moment to arrive, and what was sent in that moment is nobody's fault.
        if any(said + 0.15 < now < until - 0.002 for said, until in self._pauses):
            self.too_early += 1

    def _expire(self, now: float) -> None:
        if self.kind == "fixed":
            if now >= self._boundary:
                self._boundary = (now // self.window + 1) * self.window
                self._used = [0.0, 0.0]
            return
        while self._recent and self._recent[0][0] <= now - self.window:
            self._used[0] -= 1
            self._used[1] -= self._recent.popleft()[1]

    def _reset(self, now: float, tokens: int) -> float:
        if self.kind == "fixed":
            return self._boundary - now
        over_requests, over_tokens = self._used[0] + 1 - self.limits[0], self._used[1] + tokens - self.limits[1]
        if over_requests <= 0 and over_tokens <= 0:
            return 0.0
        for at, taken in self._recent:
            over_requests -= 1
            over_tokens -= taken
            if over_requests <= 0 and over_tokens <= 0:
                return max(0.0, at + self.window - now)
        return self.window

    def _announce(self, reset: float) -> dict[str, str]:
        said = {}
        for name, limit, used in zip(("requests", "tokens"), self.limits, self._used, strict=True):
            if limit != math.inf:
                said[f"x-ratelimit-limit-{name}"] = str(int(limit))
                said[f"x-ratelimit-remaining-{name}"] = str(int(limit - used))
                said[f"x-ratelimit-reset-{name}"] = f"{math.ceil(reset * 1000)}ms"
        return said
