"""Items of a batch that another process works on: kept until they are asked for again, and not too many of them."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

E = TypeVar("E")

PER_WORKER = 32
"""So many are kept for each worker. Fewer would idle whoever comes late where many processes share a job: it has to
get past everything that they have in flight before it finds an item of its own."""


class Elsewhere(Generic[E]):
    """The first that comes in is the first to be asked for again.

    Args:
        workers: How many workers the batch has.
    """

    __slots__ = ("_most", "_waiting")

    def __init__(self, workers: int) -> None:
        self._most = PER_WORKER * workers
        self._waiting: deque[tuple[float, E]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entry: E, due: float) -> None:
        """Keep an item.

        Args:
            entry: The item.
            due: When to ask for it again.
        """
        self._waiting.append((due, entry))

    def next(self, now: float) -> E | None:
        """An item to ask for again before a new one is taken: it is due, or no more can be kept; None for none."""
        if self._waiting and (self._waiting[0][0] <= now or len(self._waiting) >= self._most):
            return self._waiting.popleft()[1]
        return None

    def all(self) -> list[E]:
        """All items, which are no longer kept here."""
        entries = [entry for _, entry in self._waiting]
        self._waiting.clear()
        return entries
