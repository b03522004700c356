"""What calls return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .exceptions import APIError, error_class
from .messages import Message, ProviderItems, Role, ToolCall
from .usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call.

    Args:
        status: HTTP status, or 503 / 408 where no answer came.
        error: What went wrong, None for the try that succeeded.
        delay: Seconds waited before the next try, None for the last.
    """

    status: int
    error: str | None = None
    delay: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"status": self.status, "error": self.error, "delay": self.delay}


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """A model's answer, or the error that came instead.

    Args:
        content: The text; empty where there is none.
        tool_calls: The tools that the model wants called, None where there are none.
        usage: Tokens and cost; all zero, with unknown cost, where the API did not say.
        reasoning: The reasoning's text or summary, where the model shows it.
        model: The model as the API names it.
        finish_reason: "stop", "length", "tool_calls" or "content_filter".
        status: HTTP status; 503 for a failed connection, 408 for a time-out.
        error: What went wrong, None for success.
        error_code: Our word for errors that want telling apart: "context_length", "content_filter", "connection",
            "timeout".
        raw_finish_reason: The vendor's own word.
        raw: The vendor's decoded JSON: the whole answer, of a stream its final state.
        refusal: The model's words where it refused.
        provider_items: What the vendor wants back unchanged.
        parsed: The validated object, where a type was asked for.
        request_id: The vendor's id of the exchange, for its support.
        provider: Which provider answered, such as "openai".
        attempts: Every try of the call, in order.
        cached: The answer came from a cache: it cost nothing.
        coalesced: The answer was shared with an equal call in flight: it cost nothing.
        cache_similarity: How near the stored question was, 0 to 1, where a semantic cache answered; 1.0 for the very
            same one.
    """

    content: str = ""
    tool_calls: list[ToolCall] | None = None
    usage: Usage = NO_USAGE
    reasoning: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    status: int = 200
    error: str | None = None
    error_code: str | None = None
    raw_finish_reason: str | None = None
    raw: Any = field(default=None, repr=False, compare=False)
    refusal: str | None = None
    provider_items: ProviderItems | None = field(default=None, repr=False)
    parsed: Any = None
    request_id: str | None = None
    provider: str | None = None
    attempts: tuple[Attempt, ...] = field(default=(), compare=False)
    cached: bool = False
    coalesced: bool = False
    cache_similarity: float | None = None

    @property
    def ok(self) -> bool:
        """True if the call succeeded."""
        return self.status == 200 and not self.error

    @property
    def has_tool_calls(self) -> bool:
        """True if the model wants tools called."""
        return bool(self.tool_calls)

    def to_message(self) -> Message:
        """The answer as the conversation's next message."""
        calls = list(self.tool_calls) if self.tool_calls else None
        return Message(
            role=Role.ASSISTANT,
            content=None if calls and not self.content else self.content,
            tool_calls=calls,
            provider_items=self.provider_items,
        )

    def raise_for_error(self) -> CompletionResult:
        """The result itself if it is ok.

        Raises:
            APIError: The subclass for the status, with this result attached.
        """
        if not self.ok:
            raise _as_exception(self.status, self.error, self.error_code, self)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Everything but the raw answer and the parsed object, as values that JSON can hold."""
        return {
            **self.to_public_dict(),
            "reasoning": self.reasoning,
            "tool_calls": [call.to_dict() for call in self.tool_calls] if self.tool_calls else None,
            "raw_finish_reason": self.raw_finish_reason,
            "error_code": self.error_code,
            "request_id": self.request_id,
            "provider": self.provider,
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "cached": self.cached,
            "coalesced": self.coalesced,
            "cache_similarity": self.cache_similarity,
            "provider_items": self.provider_items.to_dict() if self.provider_items else None,
        }

    def to_public_dict(self, *, full: bool = False) -> dict[str, Any]:
        """What may go to a browser: no raw answer, no provider items, of tool calls the names.

        Args:
            full: Send the whole of `to_dict`.
        """
        if full:
            return self.to_dict()
        return {
            "content": self.content,
            "refusal": self.refusal,
            "usage": self.usage.to_dict(),
            "model": self.model,
            "finish_reason": self.finish_reason,
            "status": self.status,
            "error": self.error,
            "tool_calls": [call.name for call in self.tool_calls] if self.tool_calls else None,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> CompletionResult:
        """From `to_dict`'s form; unknown keys are left out."""
        given = {name: value[name] for name in _COMPLETION_FIELDS if name in value}
        if given.get("tool_calls"):
            given["tool_calls"] = [ToolCall.from_dict(call) for call in given["tool_calls"]]
        given["usage"] = Usage.from_dict(given.get("usage") or {})
        if given.get("provider_items"):
            given["provider_items"] = ProviderItems.from_dict(given["provider_items"])
        given["attempts"] = tuple(Attempt(**attempt) for attempt in given.get("attempts") or ())
        return cls(**given)


def signed(result: CompletionResult, **known: Any) -> CompletionResult:
    """Write into a result what its parser could not know; only for a result that nobody else has seen.

    Args:
        result: Fresh from a parser. It is changed: a copy would cost more than reading the answer did.
        **known: Its fields to set.
    """
    for name, value in known.items():
        object.__setattr__(result, name, value)
    return result


_COMPLETION_FIELDS = tuple(name for name in CompletionResult.__dataclass_fields__ if name not in ("raw", "parsed"))


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """Vectors, in the order of the inputs, or the error that came instead.

    Args:
        embeddings: One list of floats for each input.
        usage: Tokens and cost of all requests together.
        model: The model as the API names it.
        status: HTTP status; 503 for a failed connection, 408 for a time-out.
        error: What went wrong, None for success.
        error_code: As in CompletionResult.
        request_id: The vendor's id of the (last) exchange.
        attempts: Every try, in order.
        cached: Every vector came from a cache.
    """

    embeddings: list[list[float]] = field(default_factory=list, repr=False)
    usage: Usage = NO_USAGE
    model: str | None = None
    status: int = 200
    error: str | None = None
    error_code: str | None = None
    request_id: str | None = None
    attempts: tuple[Attempt, ...] = field(default=(), compare=False)
    cached: bool = False

    @property
    def ok(self) -> bool:
        """True if the call succeeded."""
        return self.status == 200 and not self.error

    @property
    def embedding(self) -> list[float] | None:
        """The first vector, None where there is none."""
        return self.embeddings[0] if self.embeddings else None

    def raise_for_error(self) -> EmbeddingResult:
        """The result itself if it is ok.

        Raises:
            APIError: The subclass for the status, with this result attached.
        """
        if not self.ok:
            raise _as_exception(self.status, self.error, self.error_code, self)
        return self

    def to_dict(self) -> dict[str, Any]:
        return {
            "embeddings": self.embeddings,
            "usage": self.usage.to_dict(),
            "model": self.model,
            "status": self.status,
            "error": self.error,
            "error_code": self.error_code,
            "request_id": self.request_id,
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "cached": self.cached,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> EmbeddingResult:
        """From `to_dict`'s form; unknown keys are left out."""
        given = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        given["usage"] = Usage.from_dict(given.get("usage") or {})
        given["attempts"] = tuple(Attempt(**attempt) for attempt in given.get("attempts") or ())
        return cls(**given)


def _as_exception(
    status: int, error: str | None, code: str | None, result: CompletionResult | EmbeddingResult
) -> APIError:
    return error_class(status, code)(error or f"the API answered with status {status}", status=status, result=result)
