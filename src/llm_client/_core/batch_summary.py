"""What a batch has done, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .batch_outcome import usage_of


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What a run has done, while it runs or after.

    Args:
        done: Items that have their answers, those from the checkpoint included.
        from_checkpoint: Of these: answered by an earlier run, or by another process; they cost this run nothing.
        failed: Items without an answer, or with one that could not be recorded; the next run tries them again.
        retried: Tries beyond the first, of all items.
        tokens: Tokens of this run's results, where they say: of failed ones, too. Not of tries that a later one
            replaced.
        dollars: Price of this run's results; None where one of them has no known price, or none says anything.
        seconds: How long the run has taken.
    """

    done: int = 0
    from_checkpoint: int = 0
    failed: int = 0
    retried: int = 0
    tokens: int = 0
    dollars: float | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __str__(self) -> str:
        tokens = ""
        if self.tokens:
            price = "at an unknown price" if self.dollars is None else f"for ${self.dollars:.6f}"
            tokens = f" {self.tokens} tokens {price},"
        return (
            f"{self.done} done ({self.from_checkpoint} from the checkpoint), {self.failed} failed,"
            f" {self.retried} retries,{tokens} {self.seconds:.1f} s"
        )


class Tally:
    """Counts while a run goes on; one reader of the run counts, so that nothing here needs a lock."""

    __slots__ = ("_dollars", "_priced", "_unpriced", "done", "failed", "from_checkpoint", "retried", "tokens")

    def __init__(self) -> None:
        self.done = 0
        self.from_checkpoint = 0
        self.failed = 0
        self.retried = 0
        self.tokens = 0
        self._dollars = 0.0
        self._priced = False
        self._unpriced = False

    @property
    def ended(self) -> int:
        """How many items have ended, well or not."""
        return self.done + self.failed

    def count(self, result: Any, *, failed: bool, stored: bool, attempts: int) -> None:
        """An item has ended.

        Args:
            result: What came of it.
            failed: Whether it counts as failed.
            stored: Whether the answer was there before this run.
            attempts: How often this run tried it.
        """
        if failed:
            self.failed += 1
        else:
            self.done += 1
        if stored:
            self.from_checkpoint += 1
            return
        self.retried += max(0, attempts - 1)
        usage = usage_of(result)
        if usage is None:
            return
        self.tokens += usage.total_tokens or 0
        if usage.total_cost is None:
            # A failed call that says nothing of tokens cost nothing that anybody knows of.
            self._unpriced = self._unpriced or bool(usage.total_tokens)
        else:
            self._priced = True
            self._dollars += usage.total_cost

    def summary(self, seconds: float) -> BatchSummary:
        """The numbers so far.

        Args:
            seconds: How long the run has taken.
        """
        return BatchSummary(
            done=self.done,
            from_checkpoint=self.from_checkpoint,
            failed=self.failed,
            retried=self.retried,
            tokens=self.tokens,
            dollars=self._dollars if self._priced and not self._unpriced else None,
            seconds=seconds,
        )
