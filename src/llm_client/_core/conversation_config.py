"""How a conversation is cut to fit."""

from __future__ import annotations

from dataclasses import dataclass

from .truncation import STRATEGIES, TruncationStrategy


@dataclass(frozen=True, slots=True)
class ConversationConfig:
    """How a conversation is cut to fit; one config can serve many conversations.

    Args:
        system_message: Instructions that stand above the conversation and are never cut.
        max_tokens: Most tokens that `get_messages` returns, the reserve included; None for no limit of its own.
        truncation_strategy: "sliding" keeps the most recent messages; "drop_oldest" drops whole turns (a user message
            and all up to the next); "drop_middle" keeps the first turn and the most recent messages; "summarize" lets
            an Agent replace old messages with a summary, and without one cuts as "drop_middle" does.
        reserve_tokens: Of `max_tokens`: kept free for the answer.

    Raises:
        ValueError: A number is negative or the strategy unknown.
    """

    system_message: str | None = None
    max_tokens: int | None = None
    truncation_strategy: TruncationStrategy = "sliding"
    reserve_tokens: int = 0

    def __post_init__(self) -> None:
        if self.system_message is not None and not isinstance(self.system_message, str):
            raise TypeError(f"system_message is a string or None, got {type(self.system_message).__name__}")
        if self.truncation_strategy not in STRATEGIES:
            expected = ", ".join(map(repr, STRATEGIES))
            raise ValueError(f"unknown truncation_strategy {self.truncation_strategy!r}; expected one of {expected}")
        for name in ("max_tokens", "reserve_tokens"):
            value = getattr(self, name)
            if value is None and name == "max_tokens":
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} is a number of tokens, got {value!r}")
            if value < (1 if name == "max_tokens" else 0):
                raise ValueError(f"{name} must be {'at least 1' if name == 'max_tokens' else '0 or more'}, got {value}")
