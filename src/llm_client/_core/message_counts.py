"""Token counts of messages, kept so that no message is counted twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from . import jsons
from .messages import Message
from .profiles import ModelProfile
from .tokens import SAFETY, before_answer, count_message, count_tools

if TYPE_CHECKING:
    from .tools import Tool

# Whose tokenizer counts where nobody names a model: all current models of OpenAI share it.
_DEFAULT_MODEL = "gpt-5.2"


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts the tokens of messages with one tokenizer.

    Args:
        key: Which tokenizer it is; counts of the same key are the same.
        exact: Whether it counts as the vendor does, or estimates.
        count: Tokens of one message, what the format adds to each included.
        base: Tokens that the format adds to the whole.
    """

    key: str
    exact: bool
    count: Callable[[Message], int]
    base: int = 0


ModelLike = str | type[ModelProfile] | TokenCounter
"""A model's name, its profile, or a counter of one's own (which has no limit)."""


def counter_for(model: ModelLike | None) -> TokenCounter:
    """What counts the tokens of messages for a model; None means current models."""
    if isinstance(model, TokenCounter):
        return model
    profile = ModelProfile.resolve(_DEFAULT_MODEL if model is None else model)
    tokenizer = profile.tokenizer
    return _counter(profile, tokenizer.name, tokenizer.exact)


@lru_cache(maxsize=64)
def _counter(profile: type[ModelProfile], tokenizer: str, exact: bool) -> TokenCounter:
    counts, vendor, model = profile.tokenizer, profile.vendor, profile.model_name

    def count(message: Message) -> int:
        return count_message(message, counts, vendor=vendor, model=model)

    return TokenCounter(f"{model}:{tokenizer}", exact, count, before_answer(vendor, model))


def limit_of(model: ModelLike | None) -> int | None:
    """Tokens that may be sent to a model, None where nobody says; with a margin where they can only be estimated."""
    if model is None or isinstance(model, TokenCounter):
        return None
    profile = ModelProfile.resolve(model)
    limit = profile.max_input_tokens
    if limit is None or profile.tokenizer.exact:
        return limit
    return int(limit / SAFETY)


def count_schemas(model: ModelLike | None, tools: Sequence[Tool]) -> int:
    """Tokens of tool schemas, with what the vendor adds for having tools at all."""
    profile = ModelProfile.resolve(_DEFAULT_MODEL if model is None or isinstance(model, TokenCounter) else model)
    return count_tools(tools, profile.tokenizer, vendor=profile.vendor, model=profile.model_name)


# More than any vendor's format adds around a message, a call, or all tools together.
_AROUND = 64
_AROUND_TOOLS = 1024


def most_tokens(message: Message) -> int | None:
    """A bound that is known without counting: a token holds at least a byte. None where there is more than text."""
    content = message.content
    if message.provider_items is not None or not (content is None or isinstance(content, str)):
        return None
    total = _AROUND + _bytes(content or "") + _bytes(message.name or "")
    for call in message.tool_calls or ():
        total += _AROUND + _bytes(call.name) + 2 * _bytes(call.arguments)
    return total


def most_tool_tokens(tools: Iterable[Tool]) -> int:
    """The same bound for tool schemas, with room for every way to render them."""
    total = _AROUND_TOOLS
    for tool in tools:
        total += _AROUND + 2 * (_bytes(tool.name) + _bytes(tool.description) + len(jsons.dumps(tool.parameters)))
    return total


def sure_limit_of(model: ModelLike | None) -> int | None:
    """The least that `limit_of` may be, found without loading a tokenizer."""
    if model is None or isinstance(model, TokenCounter):
        return None
    limit = ModelProfile.resolve(model).max_input_tokens
    return None if limit is None else int(limit / SAFETY)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


class CountTable:
    """The counts of one conversation's messages by one tokenizer; an estimate is replaced once it can be exact."""

    __slots__ = ("_counts", "_estimated", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._estimated: set[int] = set()
        self.total = 0

    def of(self, index: int, message: Message, counter: TokenCounter) -> int:
        """Tokens of the message at an index."""
        known = self._counts.get(index)
        if known is not None and not (counter.exact and index in self._estimated):
            return known
        tokens = counter.count(message)
        self.total += tokens - (known or 0)
        self._counts[index] = tokens
        if counter.exact:
            self._estimated.discard(index)
        else:
            self._estimated.add(index)
        return tokens

    def of_all(self, messages: Iterable[Message], size: int, counter: TokenCounter) -> int:
        """Tokens of all messages together."""
        if len(self._counts) < size or (counter.exact and self._estimated):
            for index, message in enumerate(messages):
                self.of(index, message, counter)
        return self.total

    def first(self, size: int) -> CountTable:
        """A copy that knows only the messages before an index."""
        copy = CountTable()
        copy._counts = {index: tokens for index, tokens in self._counts.items() if index < size}
        copy._estimated = {index for index in self._estimated if index < size}
        copy.total = sum(copy._counts.values())
        return copy
