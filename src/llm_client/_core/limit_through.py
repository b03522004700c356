"""What a server let through lately, which tells the limit that it keeps to itself once it refuses."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_SLOTS = 200
_KEPT = 3


@dataclass(slots=True)
class Round:
    """One wave of refusals, and the window that it speaks of.

    Args:
        earliest: When the window began, at the earliest.
        latest: The same, at the latest.
        end: When the window ends.
        about: The dimensions whose limits are to be found.
    """

    earliest: float
    latest: float
    end: float
    about: tuple[int, ...]

    def narrow(self, earliest: float, latest: float, end: float) -> None:
        """Another refusal of the wave tells more: it was delivered faster, or sent later."""
        if end < self.end:
            self.end = end
        self.earliest = max(self.earliest, earliest)
        self.latest = max(self.earliest, min(self.latest, latest))


class Through:
    """Counts what was let through, in slots of the time at which it was sent.

    Args:
        length: Seconds in which limits count.
    """

    def __init__(self, length: float) -> None:
        self.length = length
        self._slot = length / _SLOTS
        self._sent: dict[int, list[float]] = {}
        self._answered: deque[int] = deque()  # the slots in which answers came

    def note(self, sent: float, answered: float, amounts: Sequence[float]) -> None:
        """A request got through.

        Args:
            sent: When it was sent.
            answered: When its answer was there.
            amounts: What it counts for.
        """
        slot, last = int(sent // self._slot), int(answered // self._slot)
        sums = self._sent.get(slot)
        if sums is None:
            self._expire(last - _KEPT * _SLOTS)
            self._sent[slot] = list(amounts)
        else:
            for dimension, amount in enumerate(amounts):
                sums[dimension] += amount
        if not self._answered or self._answered[-1] < last:
            self._answered.append(last)

    def count(self, dimension: int, start: float, end: float) -> float:
        """What was sent in that time and got through."""
        first, last = start / self._slot - 0.5, end / self._slot - 0.5
        return sum(sums[dimension] for slot, sums in self._sent.items() if first < slot <= last)

    def count_window(self, dimension: int, round: Round) -> float:
        """What got through in the window of a wave of refusals.

        Where nothing was answered before the window began, all of it belongs to the window, when ever it was sent.
        Where something was, a request that was under way as the window began counts if it was sent after that: rather
        too little than what the window before let through.
        """
        before = round.earliest / self._slot - 0.5
        if not any(before - _SLOTS < slot <= before for slot in self._answered):
            return self.count(dimension, round.earliest - self.length, round.end)
        return self.count(dimension, round.latest, round.end)

    def _expire(self, before: int) -> None:
        answered = self._answered
        while answered and answered[0] < before:
            answered.popleft()
        if len(self._sent) > 2 * _KEPT * _SLOTS:
            self._sent = {slot: sums for slot, sums in self._sent.items() if slot >= before}
