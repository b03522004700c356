"""Counts that several threads add to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._fork import ForkLock


class Tally:
    """Named sums.

    Args:
        names: What is counted.
    """

    __slots__ = ("_lock", "_sums")

    def __init__(self, names: Iterable[str]) -> None:
        self._sums: dict[str, Any] = dict.fromkeys(names, 0)
        self._lock = ForkLock()

    def add(self, **amounts: float) -> None:
        """Add to some of the sums."""
        with self._lock:
            for name, amount in amounts.items():
                self._sums[name] += amount

    def values(self) -> dict[str, Any]:
        """All sums as they stand."""
        with self._lock:
            return dict(self._sums)
