"""A bucket of tokens that fills at a steady rate: exact arithmetic, no clock and no waiting of its own."""

from __future__ import annotations

EPSILON = 1e-9
"""What rounding may leave: amounts this small are nothing."""


class Bucket:
    """What is in a bucket at a point in time, which may lie ahead; amounts are taken in the order of time.

    An amount above the capacity needs a full bucket and leaves a debt, which the refill pays first.

    Args:
        capacity: The most it holds; it is full at the start.
        rate: What flows in each second.
        now: Seconds of the caller's clock.
    """

    __slots__ = ("at", "capacity", "level", "rate")

    def __init__(self, capacity: float, rate: float, now: float) -> None:
        self.capacity = capacity
        self.rate = rate
        self.level = capacity
        self.at = now

    def refill(self, now: float) -> None:
        """Bring the level up to date; time that runs backwards changes nothing."""
        if now > self.at:
            self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
            self.at = now

    def earliest(self, amount: float, now: float) -> float:
        """When the amount can be taken, from `now` on, if nothing else is taken before."""
        self.refill(now)
        missing = min(amount, self.capacity) - self.level
        return self.at if missing <= EPSILON else self.at + missing / self.rate

    def take(self, amount: float, at: float) -> None:
        """Take an amount; more than there is becomes a debt."""
        self.refill(at)
        self.level -= amount

    def give(self, amount: float, at: float) -> None:
        """Put an amount back that was taken at that time."""
        self.level = min(self.capacity, self.level + amount)

    def copy(self) -> Bucket:
        """A bucket of the same state, to try out what would be."""
        twin = Bucket(self.capacity, self.rate, self.at)
        twin.level = self.level
        return twin
