"""Rate limits that nobody configured: read from headers, or found out from refusals.

What a server announces is believed: its limits, and what it says is left, which also tells what others use. A server
that announces nothing is watched: what it let through in the window before it refused is its limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from .limit_headers import DIMENSIONS, Announced, read_limits
from .limit_through import Round, Through
from .retry import retry_after
from .turns import Turn, Turns
from .window import Window

REQUESTS, TOKENS, INPUT, OUTPUT = range(4)
UNSAID = (REQUESTS, TOKENS)
"""What a refusal may be about that does not say."""
NOTHING = (-1,)
"""Probing, though there is no limit to be found: the server announces them."""

SLACK = 0.015
"""Share of a learned limit that is left unused: requests do not arrive in the rhythm in which they were sent."""

_TOLERANCE, _MORE = 0.02, 0.005
_ENOUGH = 20
_LEAST_STEP, _LARGEST_STEP, _STEP_GROWTH = 1 / 300, 1 / 20, 1.5
_PLAINLY_LESS = 0.8
_CLEAN_WINDOWS, _CLEAN_REQUESTS, _RAISE, _LOWER = 5, 1000, 1.05, 0.95
_SURE_AFTER, _LOWER_UNSURE = 2.5, 0.8
_MEMORY = 0.1
_ON_THE_WAY = 1 / 50
_LATE = 1 / 20
_MOST_FRESH = 64
_HASTE = 1.2
_LARGE, _WITH_PICTURES = 50_000, 8000.0


@dataclass(slots=True)
class Outcome:
    """What became of a request.

    Args:
        turn: Its place in the queue.
        now: When the answer was there, by the queue's clock.
        sent: When the request was sent.
        status: HTTP status, or 503 / 408 where no answer came; 0 where nobody looked.
        headers: The answer's, names in lower case.
        wall: The same moment in seconds since the epoch.
        about: Which dimensions a refusal is about; see `refused_dimensions`.
    """

    turn: Turn
    now: float
    sent: float
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    wall: float = 0.0
    about: tuple[int, ...] = UNSAID


@dataclass(slots=True)
class Used:
    """What a request turned out to be.

    Args:
        turn: Its place in the queue.
        now: When that was known, by the queue's clock.
        input_tokens: Tokens of the question, None where they are not known.
        output_tokens: Tokens of the answer, None where they are not known.
    """

    turn: Turn
    now: float
    input_tokens: float | None
    output_tokens: float | None


def refused_dimensions(body: bytes) -> tuple[int, ...]:
    """Which limits a refusal's text speaks of: requests, tokens, both where it does not say; none for empty credit."""
    text = body[:4000].lower()
    if b"insufficient_quota" in text:
        return ()
    requests, tokens = b"requests per min" in text, b"tokens per min" in text
    if requests != tokens:
        return (REQUESTS,) if requests else (TOKENS,)
    return UNSAID


@dataclass(slots=True)
class _Plain:
    """A lock that has no inner one, which would cost half as much."""

    inner: Any


class Limits(Turns):
    """The limits of one endpoint, key and model, and the queue before them.

    Args:
        lock: Held for moments only; one that a forked child finds free.
        caps: Numbers that the user gave, by dimension: never exceeded, whatever a server announces.
        length: Seconds in which limits count.
    """

    def __init__(self, lock: AbstractContextManager[Any], caps: Mapping[str, float | None], length: float) -> None:
        self.windows = [Window(caps.get(name), length) for name in DIMENSIONS]
        super().__init__(self.windows, lock)
        self._quick: Any = lock if hasattr(lock, "inner") else _Plain(lock)
        self._room: list[float] | None = None  # what may be taken without a look at the books, if that is known
        self._fresh: list[Turn] = []  # taken in that way
        _living.add(self)
        self.length = length
        self.caps = [caps.get(name) for name in DIMENSIONS]
        self.announced: list[float | None] = [None] * 4
        self.found: list[float | None] = [None] * 4
        self.expected_output = 0.0
        self._estimated = [0.0] * 4  # of what was settled lately, the usual size as it was estimated, and as it was
        self._settled_for = [0.0] * 4
        self._true_shares = [1.0] * 4
        self._in_flight = [0.0] * 4
        self._landed = [0.0] * 4  # all that ever was in flight and is no more
        self._through = Through(length)  # requests and tokens
        self._refusal_sent = -math.inf
        self._refused_at = -math.inf  # turns before this belong to a wave of refusals that was looked at
        self._round: Round | None = None
        self._before: list[float | None] = [None] * 4
        self._found_at = -math.inf
        self._least_share = _LOWER
        self._probing: tuple[int, ...] = ()
        self._clean_since = -math.inf
        self._clean = 0

    def begin(self, tokens: float, requests: float, now: float) -> Turn:
        """A place in the queue for a question of some tokens; for the answer the usual size is set aside."""
        output = self.expected_output * requests
        both = tokens + output
        amounts = (requests, both, tokens, output)
        with self._quick.inner:
            room = self._room
            if (
                room is None
                or self.returned
                or requests > room[0]
                or both > room[1]
                or tokens > room[2]
                or output > room[3]
                or not self.hold <= now >= self._last
                or len(self._fresh) >= _MOST_FRESH
            ):
                return self._begin(amounts, now)
            room[0] -= requests
            room[1] -= both
            room[2] -= tokens
            room[3] -= output
            turn = Turn(self, amounts, now)
            turn.taken = True
            self._last = now
            self._fresh.append(turn)
            return turn

    def _begin(self, amounts: tuple[float, float, float, float], now: float) -> Turn:
        """The same after a look at the books, which tells what may be taken next without one."""
        turn = self.try_enter_locked(amounts, now)
        if turn is None:
            return self.enter_locked(amounts, now)
        if not self.spacing:
            self._room = [math.inf if window.limit is None else window.limit - window.total for window in self.windows]
        return turn

    def _update(self, now: float) -> None:
        self._room = None
        if self._fresh:
            self._book()
        super()._update(now)

    def _book(self) -> None:
        """Enter in the books what was taken without looking at them."""
        fresh, windows, in_flight = self._fresh, self.windows, self._in_flight
        self._fresh = []
        mark = (tuple(self._landed), tuple([window.left for window in windows]))
        slot, sums = windows[0].slot, [0.0] * 4
        end = fresh[0].at // slot
        for turn in fresh:
            turn.mark = mark
            if turn.at // slot > end:
                self._book_slot(sums, (end + 1) * slot)
                end = turn.at // slot
                sums = [0.0] * 4
            requests, both, tokens, output = turn.amounts
            sums[0] += requests
            sums[1] += both
            sums[2] += tokens
            sums[3] += output
        self._book_slot(sums, (end + 1) * slot)
        for dimension, turns in enumerate(zip(*[turn.amounts for turn in fresh], strict=True)):
            in_flight[dimension] += sum(turns)

    def _book_slot(self, sums: list[float], end: float) -> None:
        for window, amount in zip(self.windows, sums, strict=True):
            if amount:
                window.add(amount, end)

    def limits(self, now: float) -> dict[str, float]:
        """The limits that hold now, by dimension."""
        with self.lock:
            self._update(now)
            return {
                name: window.limit
                for name, window in zip(DIMENSIONS, self.windows, strict=True)
                if window.limit is not None
            }

    def held(self, now: float) -> float:
        """Seconds for which a server asked everybody to wait."""
        with self.lock:
            self._update(now)
            return max(0.0, self.hold - now)

    def late(self, turn: Turn, now: float) -> float:
        # Who overslept sends later than was counted on, when the room that was kept may have been given to others.
        if turn.gone or now - turn.at <= self.length * _LATE:
            return 0.0
        self._give(turn)
        for dimension, amount in enumerate(turn.amounts):
            self._in_flight[dimension] -= amount
        turn.at = self._earliest(self.meters, turn.amounts, max(now, self._last + self.spacing, self.hold))
        if turn.at <= now:
            self._settle(turn)
            return 0.0
        turn.taken = False
        if self._ahead is None:
            self._start_ahead()
        self._take_ahead(turn)
        self.pending.appendleft(turn)
        self._stale = True
        return turn.at - now

    def gap(self, amounts: Sequence[float]) -> float:
        # Those who had to wait go at a little more than the limit's own pace. All at once, as room comes back from a
        # burst, they would arrive in another order than the server counted the burst in.
        share = 0.0
        for window, amount, true in zip(self.windows, amounts, self._true_shares, strict=True):
            if window.limit is not None and amount * true > share * window.limit:
                share = amount * true / window.limit
        return share * self.length / _HASTE

    def forget_waiters(self) -> None:
        super().forget_waiters()
        self._room = None
        self._fresh = []
        self._in_flight = [0.0] * 4

    def on_settled(self, turn: Turn) -> None:
        in_flight, landed, windows = self._in_flight, self._landed, self.windows
        turn.mark = (tuple(landed), tuple([window.left for window in windows]))
        for dimension, amount in enumerate(turn.amounts):
            in_flight[dimension] += amount

    def on_return(self, item: Any) -> None:
        if isinstance(item, Outcome):
            if not item.turn.gone:
                item.turn.gone = True
                self._stale = True
                self._land(item.turn)
                self._learn(item)
        elif isinstance(item, Used):
            self._correct_usage(item)
        elif not item.gone:
            if item.taken:
                self._land(item)
            super().on_return(item)

    def _land(self, turn: Turn) -> None:
        for dimension, amount in enumerate(turn.amounts):
            self._in_flight[dimension] -= amount
            self._landed[dimension] += amount

    def _learn(self, outcome: Outcome) -> None:
        announced = read_limits(outcome.headers, outcome.wall) if outcome.headers else {}
        if outcome.status == 429:
            self._give(outcome.turn)
        else:
            self._date(outcome)
        for name, said in announced.items():
            self._believe(DIMENSIONS.index(name), said, outcome)
        asked = retry_after(outcome.status, outcome.headers, now=outcome.wall)
        if asked is not None:
            self.hold = max(self.hold, outcome.now + asked)
            self._moved = True
        if outcome.status == 429:
            self._refused(outcome, asked)
        elif 200 <= outcome.status < 300:
            self._passed(outcome)
            if not announced:
                self._through.note(outcome.sent, outcome.now, outcome.turn.amounts[: TOKENS + 1])
        self._recount(outcome.now)

    def _date(self, outcome: Outcome) -> None:
        """Count a request from when the server is likely to have counted it: a busy program sends late."""
        turn = outcome.turn
        at = min(outcome.now, outcome.sent + self.length * _ON_THE_WAY)
        for window, amount in zip(self.windows, turn.amounts, strict=True):
            if amount:
                window.move(amount, turn.at, at)
        turn.at = at

    def _correct_usage(self, used: Used) -> None:
        turn = used.turn
        more_output = 0.0
        more_input = 0.0 if used.input_tokens is None else used.input_tokens - turn.amounts[INPUT]
        if used.output_tokens is not None:
            more_output = used.output_tokens - turn.amounts[OUTPUT]
            self.expected_output += (used.output_tokens - self.expected_output) * _MEMORY
        for dimension, more in ((TOKENS, more_input + more_output), (INPUT, more_input), (OUTPUT, more_output)):
            if more > 0:
                self.windows[dimension].take(more, max(used.now, self._last))
            elif more < 0:
                self.windows[dimension].give(-more, turn.at)
            estimate = turn.amounts[dimension]
            self._estimated[dimension] += (estimate - self._estimated[dimension]) * _MEMORY
            self._settled_for[dimension] += (estimate + more - self._settled_for[dimension]) * _MEMORY
            if self._estimated[dimension] > 0:
                self._true_shares[dimension] = min(1.0, self._settled_for[dimension] / self._estimated[dimension])
        self._stale = True

    # -- what servers announce ----------------------------------------------------------------------------------

    def _believe(self, dimension: int, said: Announced, outcome: Outcome) -> None:
        if self.announced[dimension] != said.limit:
            self.announced[dimension] = said.limit
            self._apply(dimension)
        if said.remaining is None:
            return
        window = self.windows[dimension]
        window.expire(outcome.now)
        room = said.limit - window.total
        # The server counted at some moment between sending and now. What was on its way at any time since, it may not
        # have counted yet; what left the window since, it may still have counted.
        landed, left = (mark[dimension] for mark in outcome.turn.mark)
        most = room + self._in_flight[dimension] + self._landed[dimension] - landed
        least = room - (window.left - left)
        if said.remaining < least - said.limit * _TOLERANCE:
            window.take(least - said.remaining, max(outcome.now, self._last))  # somebody else's
        elif said.remaining > most + said.limit * _MORE:
            window.forget(said.remaining - most)

    def _apply(self, dimension: int) -> None:
        known = self.announced[dimension] if self.announced[dimension] is not None else self.found[dimension]
        cap = self.caps[dimension]
        if known is not None:
            known -= math.floor(known * SLACK)
        limit = cap if known is None else known if cap is None else min(cap, known)
        if self.windows[dimension].limit != limit:
            self.windows[dimension].limit = limit
            self._moved = True

    # -- what refusals tell -------------------------------------------------------------------------------------

    def _refused(self, outcome: Outcome, asked: float | None) -> None:
        if not outcome.about:
            return
        self._refusal_sent = max(self._refusal_sent, outcome.sent)
        about = self._unknown(outcome.about, outcome.now)
        first, probing = outcome.turn.at > self._refused_at, bool(self._probing)
        if asked is None and (first or self._probing):
            self._probe(outcome)
        if not first:
            if asked is not None and self._round is not None:
                self._round.narrow(*self._window(outcome, asked))
            return
        if not probing:
            # What was found first may be too much: a window that was cut short, with the one after it.
            sure = outcome.now - max(self._found_at, self._refused_at) > _SURE_AFTER * self.length
            self._least_share = _LOWER if sure else _LOWER_UNSURE
            self._before = list(self.found)
        self._refused_at = outcome.now
        self._clean_since, self._clean = outcome.now, 0
        self._round = Round(*self._window(outcome, asked or 0.0), about)

    def _window(self, outcome: Outcome, asked: float) -> tuple[float, float, float]:
        """The window that a refusal speaks of: its start at the earliest and at the latest, and its end."""
        # The server counted some time between sending and now, soon after sending if the program was busy.
        sent = outcome.sent + asked - self.length
        return sent, sent, outcome.now + asked

    def _unknown(self, about: tuple[int, ...], now: float) -> tuple[int, ...]:
        """The dimensions whose limits a refusal helps to find: none where the server announces what it refuses for."""
        if about is UNSAID:
            if any(limit is not None for limit in self.announced):
                return ()
            about = (self._suspect(now),)
        return tuple(dimension for dimension in about if self.announced[dimension] is None)

    def _suspect(self, now: float) -> int:
        """Which limit it is that a server keeps to itself: that of requests, until it refuses with room for more."""
        found = self.found[REQUESTS]
        if self.found[TOKENS] is not None:
            return TOKENS
        if found is None or now - self._found_at < 2 * self.length:
            return REQUESTS
        if self._through.count(REQUESTS, now - self.length, now) >= found * _PLAINLY_LESS:
            return REQUESTS
        self.found[REQUESTS] = None
        self._apply(REQUESTS)
        return TOKENS

    def _probe(self, outcome: Outcome) -> None:
        """Nobody says how long to wait: let one go after the other until one gets through."""
        least, largest = self.length * _LEAST_STEP, self.length * _LARGEST_STEP
        if not self._probing:
            self._probing = self._unknown(outcome.about, outcome.now) or NOTHING
        self.spacing = min(max(self.spacing * _STEP_GROWTH, least), largest)
        self.hold = max(self.hold, outcome.now + self.spacing)
        self._moved = True

    def _passed(self, outcome: Outcome) -> None:
        turn = outcome.turn
        if self._probing and turn.at > self._refused_at:
            # The window has moved on just now: what it let through before is its limit.
            earliest, latest = self._refusal_sent - self.length, outcome.sent - self.length
            self._round = Round(earliest, (earliest + latest) / 2, outcome.now, self._probing)
            self._probing = ()
            self.spacing = self.hold = 0.0
            self._moved = True
            self._recount(outcome.now, last=True)
        self._clean += 1
        if (
            self._clean >= _CLEAN_REQUESTS
            and outcome.now - self._clean_since >= _CLEAN_WINDOWS * self.length
            and self.pending
        ):
            # Perhaps others used a part of it then, or the limit was raised: try a little more.
            self._clean_since, self._clean = outcome.now, 0
            for dimension, found in enumerate(self.found):
                if found is not None:
                    self.found[dimension] = found * _RAISE
                    self._apply(dimension)

    def _recount(self, now: float, *, last: bool = False) -> None:
        """Work out the limits of a round of refusals anew: others of its wave may have been answered since."""
        round = self._round
        if round is None:
            return
        if not last and now > round.end and not self._probing:
            self._round = None
            return
        if last:
            self._round = None
        through = self._through.count_window(REQUESTS, round)
        for dimension in round.about:
            if dimension < 0 or through < _ENOUGH:
                continue  # nothing to find, or too little to tell a limit from a passing mood
            count = self._through.count_window(dimension, round)
            before = self._before[dimension]
            if before is None and self.found[dimension] is None:
                self._found_at = now
            if before is not None:
                count = min(before, max(count, before * self._least_share))
            self.found[dimension] = max(count, 1.0)
            self._apply(dimension)


_living: WeakSet[Limits] = WeakSet()
_shared: dict[Hashable, Limits] = {}


def limits_for(key: Hashable, make: Callable[[], Limits]) -> Limits:
    """The limits that all providers of this process share for one endpoint, key and model."""
    found = _shared.get(key)
    return found if found is not None else _shared.setdefault(key, make())


def forget_all_waiters() -> None:
    """Let all limits start without waiters; for a forked child."""
    for limits in list(_living):
        limits.forget_waiters()


def estimate_tokens(body: bytes | None) -> float:
    """The tokens of a request's JSON, as far as its size tells."""
    size = len(body) if body else 0
    tokens = size / 4 + 1
    if size > _LARGE and b"base64" in body:  # type: ignore[operator]
        return min(tokens, _WITH_PICTURES)  # pictures and files are charged by other measures than their letters
    return tokens
