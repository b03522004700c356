"""A bucket of tokens that refills steadily."""

from __future__ import annotations

from typing import Any, NoReturn

from .._core.bucket import EPSILON, Bucket
from .._core.limit_checks import check_amount, check_rate
from .._core.turns import Turns
from .._seam import _async as seam
from .._seam._fork import ForkLock

_now = seam.now


class TokenBucket:
    """A bucket of tokens that refills steadily; first come, first served.

    All arithmetic is exact, waiting takes no background work, and one bucket serves any number of tasks and threads. An
    amount above the capacity waits for a full bucket and goes into debt. Who is cancelled while waiting gives back.

    Args:
        capacity: The most it holds; it is full at the start.
        refill_rate: Tokens a second. Default: the whole capacity in a minute.
        size: The same as `capacity`, under its older name.

    Raises:
        TypeError: An argument is no number.
        ValueError: An argument is not above 0.
    """

    def __init__(
        self, capacity: float = 10_000, refill_rate: float | None = None, *, size: float | None = None
    ) -> None:
        capacity = capacity if size is None else size
        self.capacity = check_rate("capacity", capacity)
        self.refill_rate = capacity / 60.0 if refill_rate is None else check_rate("refill_rate", refill_rate)
        self._bucket = Bucket(float(capacity), self.refill_rate, _now())
        self._lock = ForkLock()
        self._turns = Turns([self._bucket], self._lock)

    async def acquire(self, n: float = 1) -> None:
        """Take tokens, waiting for them if need be.

        Args:
            n: How many; 0 or more.

        Raises:
            TypeError: It is no number.
            ValueError: It is negative.
        """
        if not self.try_acquire(n):
            turn = self._turns.enter((n,), _now())
            if not turn.taken:
                await seam.wait_turn(turn)

    def try_acquire(self, n: float = 1) -> bool:
        """Take tokens if they are there now and nobody waits; never waits.

        Returns:
            Whether they were taken.

        Raises:
            TypeError: It is no number.
            ValueError: It is negative.
        """
        if n.__class__ is not int or n < 0:
            check_amount("n", n)
        turns, bucket = self._turns, self._bucket
        with self._lock.inner:  # the inner one: entering the outer one costs as much as all the rest
            now = _now()
            if turns.pending or turns.returned:
                return turns.try_enter_locked((n,), now) is not None
            passed = now - bucket.at
            level = bucket.level
            if passed > 0:
                level += passed * bucket.rate
                if level > bucket.capacity:
                    level = bucket.capacity
                bucket.level = level
                bucket.at = now
            if level + EPSILON < n and level + EPSILON < bucket.capacity:
                return False
            bucket.level = level - n
            return True

    async def consume(self, n: float = 1) -> None:
        """The same as `acquire`, under its older name."""
        await self.acquire(n)

    @property
    def tokens(self) -> float:
        """What is there now; negative while a debt is being paid."""
        with self._lock:
            self._bucket.refill(_now())
            return self._bucket.level

    def __repr__(self) -> str:
        return f"TokenBucket(capacity={self.capacity!r}, refill_rate={self.refill_rate!r})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("TokenBucket cannot be pickled or copied: it holds a lock. Make one where it is used.")
