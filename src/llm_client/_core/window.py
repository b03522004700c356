"""So much in any stretch of time of a given length: the strictest reading of "requests per minute".

Whoever keeps to it keeps to a server that counts in sliding windows, in fixed windows, or with a bucket that fills
steadily; and what was not used in the last minute may be used at once.
"""

from __future__ import annotations

from collections import deque

from .bucket import EPSILON

_SLOTS = 200


class Window:
    """What was taken in the last seconds, in slots; amounts are taken in the order of time.

    An amount counts until one length after the end of its slot, so the limit is never exceeded and at most half a
    percent of it is given away. An amount above the limit needs an empty window; its rest counts against the windows
    that follow.

    Args:
        limit: The most in any window; None for no limit, which only keeps the count.
        length: Seconds.
    """

    __slots__ = ("left", "length", "limit", "slot", "slots", "total")

    def __init__(self, limit: float | None, length: float) -> None:
        self.limit = limit
        self.length = length
        self.slot = length / _SLOTS
        self.slots: deque[list[float]] = deque()
        self.total = 0.0
        self.left = 0.0
        """All that ever left the window."""

    def expire(self, now: float) -> None:
        """Forget what left the window."""
        slots = self.slots
        gone = now - self.length
        while slots and slots[0][0] <= gone:
            amount = slots.popleft()[1]
            self.total -= amount
            self.left += amount
        if not slots:
            self.total = 0.0

    def earliest(self, amount: float, now: float) -> float:
        """When the amount can be taken, from `now` on, if nothing else is taken before."""
        self.expire(now)
        if self.limit is None:
            return now
        excess = self.total + min(amount, self.limit) - self.limit
        if excess <= EPSILON:
            return now
        for end, taken in self.slots:
            excess -= taken
            if excess <= EPSILON:
                return max(now, end + self.length)
        return max(now, self.slots[-1][0] + self.length) if self.slots else now

    def take(self, amount: float, at: float) -> None:
        """Take an amount, whether or not there is room."""
        end = self._end_of(at)
        limit = self.limit
        while limit is not None and limit > 0 and amount > limit:
            self.add(limit, end)
            amount -= limit
            end += self.length
        self.add(amount, end)

    def give(self, amount: float, at: float) -> None:
        """Put an amount back that was taken at that time; what has left the window since is given back already."""
        end = self._end_of(at)
        for slot in reversed(self.slots):
            if slot[0] <= end + EPSILON:
                break
        else:
            return
        if slot[0] >= end - EPSILON:
            amount = self._drain(slot, amount)
        for slot in reversed(self.slots):  # its rest was counted later, being above the limit
            if amount <= EPSILON or slot[0] < end - EPSILON:
                return
            amount = self._drain(slot, amount)

    def _drain(self, slot: list[float], amount: float) -> float:
        back = min(slot[1], amount)
        slot[1] -= back
        self.total -= back
        return amount - back

    def move(self, amount: float, taken: float, at: float) -> None:
        """Date an amount that was taken at one time to another, later one."""
        end = self._end_of(at)
        if end == self._end_of(taken):
            return
        before = self.total
        self.give(amount, taken)
        amount = before - self.total  # what has left the window stays out
        position = len(self.slots)
        for slot in reversed(self.slots):
            if abs(slot[0] - end) <= EPSILON:
                slot[1] += amount
                self.total += amount
                return
            if slot[0] < end:
                break
            position -= 1
        self.slots.insert(position, [end, amount])
        self.total += amount

    def forget(self, amount: float) -> None:
        """Drop an amount from the oldest slots: the server counts it no more."""
        while amount > EPSILON and self.slots:
            slot = self.slots[0]
            amount = self._drain(slot, amount)
            if slot[1] <= EPSILON:
                self.slots.popleft()

    def copy(self) -> Window:
        """A window of the same state, to try out what would be."""
        twin = Window(self.limit, self.length)
        twin.slots = deque(list(slot) for slot in self.slots)
        twin.total = self.total
        return twin

    def add(self, amount: float, end: float) -> None:
        """Count an amount in the slot that ends then, the last one or a later one."""
        slots = self.slots
        if slots and slots[-1][0] >= end - EPSILON:
            slots[-1][1] += amount
        else:
            slots.append([end, amount])
        self.total += amount

    def _end_of(self, at: float) -> float:
        return (at // self.slot + 1) * self.slot
