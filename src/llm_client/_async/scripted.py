"""A provider for tests: it gives the answers that it was told to give, and keeps what it was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .._core.events import StreamEvent
from .._core.messages import Message, MessageInput, normalize_messages
from .._core.replay import events_of
from .._core.results import CompletionResult, EmbeddingResult
from .._core.script import scripted_result
from .._seam import _async as seam
from .providers.base import BaseProvider
from .stream import EventStream


@dataclass(frozen=True, slots=True)
class ScriptedRequest:
    """What a scripted provider was asked.

    Args:
        messages: The messages, normalised.
        options: All other arguments: tools, temperature, ...
        stream: Whether `stream()` was called.
    """

    messages: list[Message]
    options: dict[str, Any]
    stream: bool


class ScriptedProvider(BaseProvider):
    """Gives scripted answers in order; one question too many, or answers left over at `close()`, are errors.

    Args:
        answers: Each a string, a CompletionResult, a list of tool calls (ToolCall or (name, arguments) pairs), an
            exception to raise, or a function of this face's colour that takes the messages and returns one of these.
        model: The name it shows.
        strict: Whether answers left over at `close()` are an AssertionError.
    """

    def __init__(self, answers: Iterable[Any] = (), *, model: str = "scripted", strict: bool = True) -> None:
        self.model = model
        self.requests: list[ScriptedRequest] = []
        self._answers: deque[Any] = deque(answers)
        self._strict = strict

    def add(self, *answers: Any) -> None:
        """Append answers to the script."""
        self._answers.extend(answers)

    @property
    def remaining(self) -> int:
        """How many answers have not been asked for."""
        return len(self._answers)

    async def complete(self, messages: MessageInput, *args: Any, **options: Any) -> CompletionResult:
        """The next answer.

        Raises:
            AssertionError: The script is at its end.
        """
        return await self._next(messages, args, options, stream=False)

    def stream(self, messages: MessageInput, *args: Any, **options: Any) -> EventStream:
        """The next answer as events, its text word by word.

        Raises:
            AssertionError: The script is at its end, at the first event.
        """
        return EventStream(self._events(messages, args, options))

    async def embed(self, inputs: Any, *args: Any, **options: Any) -> EmbeddingResult:
        """One short vector for each input, equal for equal texts."""
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        vectors = [[float(len(text)), float(sum(text.encode()) % 97), 1.0] for text in texts]
        return EmbeddingResult(embeddings=vectors, model=self.model)

    async def close(self) -> None:
        """End the script.

        Raises:
            AssertionError: There are answers that nobody asked for, and the provider is strict.
        """
        if self._strict and self._answers:
            raise AssertionError(f"{len(self._answers)} scripted answers were not asked for: {list(self._answers)!r}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An error inside the block says more than the answers that were left over because of it.
        if kind is None:
            await self.close()

    async def _events(
        self, messages: MessageInput, args: tuple[Any, ...], options: dict[str, Any]
    ) -> AsyncIterator[StreamEvent]:
        result = await self._next(messages, args, options, stream=True)
        for event in events_of(result):
            yield event

    async def _next(
        self, messages: MessageInput, args: tuple[Any, ...], options: dict[str, Any], *, stream: bool
    ) -> CompletionResult:
        asked = normalize_messages(messages)
        options = {**dict(zip(("tools", "tool_choice"), args, strict=False)), **options}
        self.requests.append(ScriptedRequest(asked, options, stream))
        if not self._answers:
            raise AssertionError(f"the script has no answer for question {len(self.requests)}: {asked[-1].text!r}")
        answer = self._answers.popleft()
        if callable(answer) and not isinstance(answer, type):
            answer = await seam.resolve(answer(asked), "the scripted answer")
        if isinstance(answer, BaseException):
            raise answer
        return scripted_result(answer, len(self.requests))
