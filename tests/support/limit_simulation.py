"""A busy program before a server with hidden limits, in virtual time: seconds of CPU instead of minutes of waiting.

One event loop does one thing after the other, each of which costs time, as in a real program; now and then the machine
gives it no time at all. The learning that is tested is the real one, and so is the server's strict counting.
"""

from __future__ import annotations

import heapq
import random
import threading
from dataclasses import dataclass, field
from typing import Any

from llm_client._core.limit_learning import Limits, Outcome, Used, refused_dimensions
from llm_client._core.retry import RetryBudget, RetryPolicy, retry_after
from llm_client._core.turns import Turn

from .hidden_limits import HiddenLimits, Kind


@dataclass
class Simulation:
    """Many tasks that ask without a pause.

    Args:
        kind: How the server counts.
        requests: What it allows in a window.
        tokens: Tokens of questions that it allows in a window; None for no limit.
        window: Seconds.
        headers: Whether it announces its limits.
        retry_after: Whether its refusals say how long to wait.
        tasks: How many ask at once.
        cost: Seconds of the program's own time for sending, and again for taking an answer.
        latency: Seconds that the server takes.
        connect: Seconds that the first request of a task takes longer to arrive, at most.
        stalls: Share of the time in which the machine does something else.
        longest_stall: Seconds.
        error: How far estimates of tokens are off: 1.0 is right.
        phase: Seconds of the server's first window that are over when the crowd begins.
        seed: For stalls, jitter and backoff.
    """

    kind: Kind = "sliding"
    requests: int = 900
    tokens: int | None = None
    window: float = 3.0
    headers: bool = False
    retry_after: bool = True
    tasks: int = 200
    cost: float = 0.0007
    latency: float = 0.01
    connect: float = 0.0
    stalls: float = 0.0
    longest_stall: float = 0.1
    error: float = 1.0
    phase: float = 0.0
    seed: int = 1
    limits: Limits = field(init=False)
    server: HiddenLimits = field(init=False)
    found: float | None = field(init=False, default=None)
    waits: list[float] = field(init=False, default_factory=list)
    """For each call how long it took."""
    too_early: int = field(init=False, default=0)
    """Requests that were sent before a pause was over of which the program knew."""

    def __post_init__(self) -> None:
        self.now = 0.0
        self._server_time = 0.0
        self._chance = random.Random(self.seed)
        self.limits = Limits(threading.Lock(), {}, self.window)
        self.server = HiddenLimits(
            self.kind,
            self.requests,
            self.tokens,
            self.window,
            headers=self.headers,
            retry_after=self.retry_after,
            clock=lambda: self._server_time + self.phase,
        )
        self._events: list[tuple[float, int, Any, tuple[Any, ...]]] = []
        self._number = 0
        self._next_stall = 0.0
        self._pause_until = 0.0
        self._budget = RetryBudget()
        self._policy = RetryPolicy()

    def run(self, windows: float) -> Simulation:
        """Let time pass."""
        end = windows * self.window
        for task in range(self.tasks):
            self._at(0.0, self._ask, task)
        while self._events and self._events[0][0] < end:
            when, _, handle, arguments = heapq.heappop(self._events)
            self.now = max(self.now, when)
            self._stall()
            handle(*arguments)
            if self.found is None and self.limits.limits(self.now):
                self.found = self.now
        return self

    # -- what came of it ----------------------------------------------------------------------------------------

    def used(self, windows: float, start: float = 0.0) -> float:
        """The share of what was allowed that was made use of."""
        end = windows * self.window
        counted = [(1, tokens) for at, tokens in self.server.passed if start <= at - self.phase < end]
        shares = (
            sum(amounts) / limit for amounts, limit in zip(zip(*counted, strict=True), self.server.limits, strict=True)
        )
        return max(shares) / (windows - start / self.window)

    def refused(self, since: float = 0.0) -> float:
        """The share that was answered 429."""
        seen = [fits for at, fits in self.server.log if at - self.phase >= since]
        return seen.count(False) / max(1, len(seen))

    # -- the program --------------------------------------------------------------------------------------------

    def _at(self, when: float, handle: Any, *arguments: Any) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, handle, arguments))

    def _stall(self) -> None:
        if self.stalls and self.now >= self._next_stall:
            length = self._chance.uniform(0.01, self.longest_stall)
            self.now += length
            self._next_stall = self.now + length / self.stalls * self._chance.uniform(0.0, 2.0)

    def _ask(self, number: int, asked: float | None = None, tried: int = 0) -> None:
        if asked is None:
            asked = self.now
            self._budget.note_call(self.now)
        tokens = 8 + (number * 7 % 60) * 5 / 4 if self.tokens else 10.0
        turn = self.limits.begin(tokens, 1, self.now)
        call = (number, asked, tried + 1)
        if turn.taken:
            self._send(turn, call)
        else:
            self._wait(turn, call)

    def _wait(self, turn: Turn, call: tuple[int, float, int]) -> None:
        delay = turn.delay(self.now)  # as the seam does
        if delay > 0:
            self._at(self.now + min(delay, max(0.25, delay / 4)), self._wait, turn, call)
        else:
            self._send(turn, call)

    def _send(self, turn: Turn, call: tuple[int, float, int]) -> None:
        assert turn.taken, "it goes without being counted"
        sent = self.now
        self.too_early += sent < self._pause_until
        self.now += self.cost
        arrives = self.now + self._chance.uniform(0.0002, 0.001)
        if call[0] < self.tasks and call[2] == 1:
            arrives += self._chance.uniform(0.0, self.connect)
        self._at(arrives, self._arrived, turn, call, sent, arrives)

    def _arrived(self, turn: Turn, call: tuple[int, float, int], sent: float, arrives: float) -> None:
        self._server_time = arrives
        amount = round(turn.amounts[2] * self.error)
        headers, failure = self.server.take("openai", "key", amount)
        status = 200 if failure is None else 429
        if failure is not None:
            headers = {**headers, **failure.headers}
        self._at(self._server_time + self.latency, self._answered, turn, call, sent, status, headers)

    def _answered(
        self, turn: Turn, call: tuple[int, float, int], sent: float, status: int, headers: dict[str, str]
    ) -> None:
        self.now += self.cost
        number, asked, tried = call
        outcome = Outcome(turn, self.now, sent, status, headers, 0.0)
        if status == 429:
            outcome.about = refused_dimensions(b"Rate limit reached.")
            asked_for = retry_after(status, headers, now=0.0)
            if asked_for is not None:
                self._pause_until = max(self._pause_until, self.now + asked_for - 1e-9)
        self.limits.returned.append(outcome)
        if status == 200:
            self.limits.returned.append(Used(turn, self.now, round(turn.amounts[2] * self.error), 2))
        else:
            delay = self._policy.delay(tried, status, headers, chance=self._chance.random(), now=0.0)
            if delay is not None and self._budget.take(self.now):
                self._at(self.now + delay, self._ask, number, asked, tried)
                return
        self.waits.append(self.now - asked)
        self._ask(number + self.tasks)
