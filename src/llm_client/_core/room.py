"""The room that a request has for a conversation: the least of all limits, less what else it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .message_counts import (
    ModelLike,
    TokenCounter,
    count_schemas,
    counter_for,
    limit_of,
    most_tokens,
    most_tool_tokens,
    sure_limit_of,
)
from .messages import Message
from .tools import Tool


@dataclass(frozen=True, slots=True)
class Room:
    """What bounds a request, and what it holds besides the conversation's messages.

    Args:
        model: A profile, or a model's name: its input limit and its tokenizer.
        limits: Further limits in tokens; None stands for no limit.
        reserve: Tokens kept free for the answer.
        overhead: Tokens of what else the request holds.
        tools: Tools whose schemas it holds.
        around: Messages that it holds in any case.

    Raises:
        ValueError: A limit is below 1.
    """

    model: ModelLike | None
    limits: tuple[int | None, ...]
    reserve: int = 0
    overhead: int = 0
    tools: Sequence[Tool] = ()
    around: Sequence[Message] = ()

    def __post_init__(self) -> None:
        for limit in self.limits:
            if limit is not None and limit < 1:
                raise ValueError(f"max_tokens must be at least 1, got {limit}")

    def surely_holds(self, most: int | None) -> bool:
        """Whether messages of at most so many tokens fit, as far as that can be told without counting anything.

        Most conversations are far from any limit, and then no tokenizer need be loaded either.

        Args:
            most: A bound on the tokens of all messages; None where there is none.
        """
        if isinstance(self.model, TokenCounter):
            return False
        limits = self._limits(sure_limit_of(self.model))
        if not limits:
            return True
        if most is None or self.reserve >= min(limits):
            return False
        for message in self.around:
            most += most_tokens(message) or 0
        if self.tools:
            most += most_tool_tokens(self.tools)
        return most + self.overhead + self.reserve <= min(limits)

    def measure(
        self, count: Callable[[Message, TokenCounter], int], clamped: Callable[[int, int], None]
    ) -> tuple[TokenCounter, int] | None:
        """What counts, and the tokens that the messages may have together; None where there is no limit.

        Args:
            count: Tokens of one of the messages around.
            clamped: Told the reserve and the limit where the reserve would leave nothing, and half is reserved.
        """
        limits = self._limits(limit_of(self.model))
        if not limits:
            return None
        limit, reserve = min(limits), self.reserve
        if reserve >= limit:
            clamped(reserve, limit)
            reserve = limit // 2
        counter = counter_for(self.model)
        held = counter.base + sum(count(message, counter) for message in self.around)
        if self.tools:
            held += count_schemas(self.model, self.tools)
        return counter, limit - reserve - self.overhead - held

    def _limits(self, of_model: int | None) -> list[int]:
        return [limit for limit in (*self.limits, of_model) if limit is not None]
