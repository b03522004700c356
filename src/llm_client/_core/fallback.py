"""What a chain of providers hands on from one member to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from .events import StreamEvent, StreamEventType
from .exceptions import APIError
from .results import Attempt, CompletionResult, EmbeddingResult
from .retry import is_retryable
from .usage import NO_USAGE, Usage

R = TypeVar("R", CompletionResult, EmbeddingResult)

_NOT_YET = (StreamEventType.META, StreamEventType.USAGE)
"""Events that show nothing of an answer: held back until one comes that does."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the members before the current one tried, in vain.

    Args:
        attempts: Every try of theirs, in order.
        usages: What their tries cost, where they cost anything.
    """

    attempts: tuple[Attempt, ...] = ()
    usages: tuple[Usage, ...] = ()

    def and_result(self, result: CompletionResult | EmbeddingResult) -> Earlier:
        """With one more result that was a failure."""
        tries = result.attempts or (Attempt(result.status, result.error),)
        return Earlier((*self.attempts, *tries), (*self.usages, *([result.usage] if result.usage != NO_USAGE else ())))

    def and_failure(self, status: int, error: str) -> Earlier:
        """With one more try that left nothing but a status."""
        return Earlier((*self.attempts, Attempt(status, error)), self.usages)

    def joined(self, result: R, member: Any) -> R:
        """A member's result with everything that was tried before it, and with who gave it.

        Args:
            result: What the member returned.
            member: The provider.
        """
        changes: dict[str, Any] = {}
        if self.attempts:
            changes["attempts"] = (*self.attempts, *(result.attempts or (Attempt(result.status, result.error),)))
        if self.usages:
            changes["usage"] = Usage.sum((*self.usages, result.usage))
        if result.model is None:
            changes["model"] = getattr(member, "model", None) or None
        if isinstance(result, CompletionResult) and result.provider is None:
            changes["provider"] = type(member).__name__
        return replace(result, **changes)


def check_members(providers: Any) -> tuple[Any, ...]:
    """The members of a chain.

    Raises:
        TypeError: They are no list of providers.
        ValueError: There is none.
    """
    if not isinstance(providers, Iterable) or isinstance(providers, (str, bytes)):
        raise TypeError(f"providers is a list of providers, got {type(providers).__name__}")
    members = tuple(providers)
    if not members:
        raise ValueError("providers is empty: pass at least one provider")
    for position, member in enumerate(members):
        if isinstance(member, type) or not callable(getattr(member, "complete", None)):
            got = f"the class {member.__name__}" if isinstance(member, type) else type(member).__name__
            raise TypeError(f"providers[{position}] is an object with complete() and stream(), got {got}")
    return members


def passes_on(result: CompletionResult | EmbeddingResult) -> bool:
    """Whether a result is a failure that another member may not have."""
    return not result.ok and is_retryable(result.status, {})


def passing_error(error: APIError) -> tuple[int, str] | None:
    """Status and message of an exception that stands for such a failure, None for all others."""
    if error.status is None or not is_retryable(error.status, {}):
        return None
    return error.status, error.message


def passing_event(event: StreamEvent) -> tuple[int, str] | None:
    """Status and message of an ERROR event that stands for such a failure, None for all other events."""
    if event.type is not StreamEventType.ERROR:
        return None
    data = event.data if isinstance(event.data, dict) else {}
    status = data.get("status")
    if not isinstance(status, int) or not is_retryable(status, {}):
        return None
    return status, str(data.get("error"))


def shows_nothing(event: StreamEvent) -> bool:
    """Whether an event leaves it open which member the answer comes from."""
    return event.type in _NOT_YET
