"""First come, first served over one or more meters: each waiter's turn is computed, none needs another to run.

`settled` meters hold what was taken by those whose turn has come. `ahead` are copies of them on which the turns of all
waiters were worked out, in order. When something changes (a waiter leaves, a limit moves, a server asks for a pause)
the turns are worked out anew, by whoever asks next.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

_FEW = 16
_SECONDS_FOR_EACH = 1e-4
_SOON, _POLLING_FOR_EACH = 0.1, 1e-3


class Meter(Protocol):
    """What limits an amount over time: a Bucket or a Window."""

    def earliest(self, amount: float, now: float) -> float: ...

    def take(self, amount: float, at: float) -> None: ...

    def give(self, amount: float, at: float) -> None: ...

    def copy(self) -> Any: ...


class Turn:
    """A place in the queue, and after its turn the record of what was taken.

    Args:
        queue: Where it stands.
        amounts: One for each meter.
        at: When its turn is, as far as is known.
    """

    __slots__ = ("amounts", "at", "gone", "mark", "patience", "queue", "taken")

    def __init__(self, queue: Turns, amounts: Sequence[float], at: float) -> None:
        self.queue = queue
        self.amounts = amounts
        self.at = at
        self.taken = False
        self.gone = False
        self.patience = math.inf  # a longer hold ends the wait: whoever waits then asks what holds it
        self.mark: Any = None  # a subclass's note of how things stood at its turn

    def delay(self, now: float) -> float:
        """Seconds until its turn; 0 or less: now."""
        return self.queue.delay(self, now)

    def give_back(self) -> None:
        """Leave the queue, or put back what was taken. Never waits and takes no lock: a finalizer may call it."""
        self.queue.returned.append(self)


class Turns:
    """A queue before meters.

    Args:
        meters: What each amount is taken from, in the order of the amounts.
        lock: Held for moments only; one that a forked child finds free.
    """

    def __init__(self, meters: Sequence[Meter], lock: AbstractContextManager[Any]) -> None:
        self.meters = list(meters)
        self.lock = lock
        self.returned: deque[Any] = deque()
        self.pending: deque[Turn] = deque()
        self.hold = 0.0
        """Nobody's turn is before this time."""
        self.spacing = 0.0
        """Seconds between two turns, where they are to come one by one."""
        self._ahead: list[Meter] | None = None
        self._last = 0.0  # the latest turn that was settled
        self._last_ahead = 0.0
        self._settled_free = 0.0  # the next waiter's turn is not before this time
        self._free = 0.0
        self._stale = False  # turns may be too late, or too early, which is found out when they come
        self._moved = False  # they are known to be wrong
        self._worked_out = 0.0

    def enter(self, amounts: Sequence[float], now: float) -> Turn:
        """A place at the end of the queue; `delay` tells when its turn is."""
        with self.lock:
            return self.enter_locked(amounts, now)

    def enter_locked(self, amounts: Sequence[float], now: float) -> Turn:
        """The same, for those who hold the lock."""
        self._update(now)
        if self.pending:
            turn = Turn(self, amounts, now)
            self._place(turn, now)
            self.pending.append(turn)
            return turn
        at = self._earliest(self.meters, amounts, max(now, self._last + self.spacing, self.hold))
        turn = Turn(self, amounts, at)
        if at <= now:
            self._settle(turn)
        else:
            self._start_ahead()
            self._take_ahead(turn)
            self.pending.append(turn)
        return turn

    def try_enter(self, amounts: Sequence[float], now: float) -> Turn | None:
        """The amounts taken at once, None where that would mean waiting."""
        with self.lock:
            return self.try_enter_locked(amounts, now)

    def try_enter_locked(self, amounts: Sequence[float], now: float) -> Turn | None:
        """The same, for those who hold the lock."""
        self._update(now)
        if self.pending:
            return None
        at = self._earliest(self.meters, amounts, max(now, self._last + self.spacing, self.hold))
        if at > now:
            return None
        turn = Turn(self, amounts, at)
        self._settle(turn)
        return turn

    def delay(self, turn: Turn, now: float) -> float:
        """Seconds until a turn; 0 or less: now. A pause holds back those too whose turn has just come."""
        with self.lock:
            self._update(now)
            if self.hold - now > turn.patience:
                return 0.0
            if turn.taken:
                if self.hold > now and not self.spacing:
                    return self.hold - now
                return self.late(turn, now)
            # Nobody goes before the first, who may be one that was put back there and whose turn is later again.
            first = self.pending[0].at if self.pending else turn.at
            delay = max(turn.at, first, self.hold) - now
            # Spaced turns all come closer at once as soon as one got through, and whoever sleeps does not notice.
            return min(delay, max(_SOON, len(self.pending) * _POLLING_FOR_EACH)) if self.spacing else delay

    def late(self, turn: Turn, now: float) -> float:
        """Seconds until somebody may go who asks now and whose turn has come before; for a subclass."""
        return 0.0

    def change(self, make: Callable[[], None], now: float) -> None:
        """Alter meters, hold or spacing; all turns are worked out anew."""
        with self.lock:
            self._update(now)
            make()
            self._moved = True

    def forget_waiters(self) -> None:
        """Start without waiters and what they hold, in a forked child that has none of their threads."""
        self.returned.clear()
        self.pending.clear()
        self._ahead = None

    def waiting(self, now: float) -> int:
        """How many wait for their turn."""
        with self.lock:
            self._update(now)
            return len(self.pending)

    def on_return(self, item: Any) -> None:
        """Deal with one item of `returned`; more kinds are a subclass's."""
        turn: Turn = item
        if turn.gone:
            return
        turn.gone = True
        if turn.taken:
            self._give(turn)
        self._stale = True

    def gap(self, amounts: Sequence[float]) -> float:
        """Seconds that the next waiter keeps behind one with these amounts; for a subclass."""
        return 0.0

    def on_settled(self, turn: Turn) -> None:
        """A turn has come; for a subclass."""

    def _give(self, turn: Turn) -> None:
        for meter, amount in zip(self.meters, turn.amounts, strict=True):
            meter.give(amount, turn.at)

    def _update(self, now: float) -> None:
        returned = self.returned
        while returned:
            self.on_return(returned.popleft())
        if self.pending:
            self._advance(now)
            if self._moved or (self._stale and self._may_work_out(now)):
                self._work_out(now)
                self._advance(now)
        else:
            self._stale = self._moved = False

    def _may_work_out(self, now: float) -> bool:
        # With many waiters, an early place is found a moment later rather than for each one that leaves.
        many = len(self.pending)
        return many <= _FEW or now - self._worked_out >= many * _SECONDS_FOR_EACH

    def _advance(self, now: float) -> None:
        """Settle those whose turn has come."""
        pending = self.pending
        while pending:
            turn = pending[0]
            if not turn.gone:
                if turn.at > now:
                    return
                # Meters may have moved since the turn was worked out.
                start = max(turn.at, self._last + self.spacing, self.hold)
                turn.at = self._earliest(self.meters, turn.amounts, start)
                if turn.at > now:
                    self._moved = True
                    return
                self._settle(turn)
            pending.popleft()
        self._ahead = None

    def _settle(self, turn: Turn) -> None:
        turn.taken = True
        self._last = turn.at
        if self.pending:
            self._settled_free = turn.at + self.gap(turn.amounts)
        for meter, amount in zip(self.meters, turn.amounts, strict=True):
            if amount:
                meter.take(amount, turn.at)
        self.on_settled(turn)

    def _work_out(self, now: float) -> None:
        self._stale = self._moved = False
        self._worked_out = now
        self._start_ahead()
        self.pending = deque(turn for turn in self.pending if not turn.gone)
        for turn in self.pending:
            self._place(turn, now)

    def _start_ahead(self) -> None:
        self._ahead = [meter.copy() for meter in self.meters]
        self._last_ahead = self._last
        self._free = self._settled_free

    def _place(self, turn: Turn, now: float) -> None:
        ahead = self._ahead
        assert ahead is not None
        turn.at = self._earliest(ahead, turn.amounts, max(now, self._last_ahead + self.spacing, self.hold, self._free))
        self._take_ahead(turn)

    def _take_ahead(self, turn: Turn) -> None:
        ahead = self._ahead
        assert ahead is not None
        for meter, amount in zip(ahead, turn.amounts, strict=True):
            if amount:
                meter.take(amount, turn.at)
        self._last_ahead = turn.at
        self._free = turn.at + self.gap(turn.amounts)

    @staticmethod
    def _earliest(meters: Sequence[Meter], amounts: Sequence[float], start: float) -> float:
        at = start
        for meter, amount in zip(meters, amounts, strict=True):
            if amount:
                ready = meter.earliest(amount, start)
                if ready > at:
                    at = ready
        return at
