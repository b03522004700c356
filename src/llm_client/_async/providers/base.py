"""What a provider is, and a start for custom ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, NoReturn, Protocol, TypeVar, runtime_checkable

from ..._core.events import StreamEvent
from ..._core.messages import MessageInput
from ..._core.replay import events_of
from ..._core.results import CompletionResult, EmbeddingResult

_Self = TypeVar("_Self", bound="BaseProvider")


@runtime_checkable
class Provider(Protocol):
    """What agents and adapters need of a provider: any object with these methods will do."""

    async def complete(self, messages: MessageInput, *args: Any, **kwargs: Any) -> CompletionResult:
        """Ask a model and wait for the whole answer."""
        ...

    def stream(self, messages: MessageInput, *args: Any, **kwargs: Any) -> AsyncIterator[StreamEvent]:
        """Ask a model and take the answer in pieces."""
        ...

    async def embed(self, inputs: str | Sequence[str], *args: Any, **kwargs: Any) -> EmbeddingResult:
        """Turn texts into vectors."""
        ...

    async def close(self) -> None:
        """Close what the provider opened."""
        ...


class BaseProvider(ABC):
    """A start for custom providers: write `complete()`, and `stream()` where answers come in pieces.

    Subclasses need no constructor arguments and need not call `super().__init__()`.
    """

    model: str = ""

    @abstractmethod
    async def complete(self, messages: Any, *args: Any, **kwargs: Any) -> CompletionResult:
        """Ask a model and wait for the whole answer.

        Args:
            messages: Text, a Message, a dict in OpenAI's chat shape, or a list of these.
            *args: As the provider names them, such as tools and tool_choice.
            **kwargs: What the provider takes beyond that: temperature, ...
        """

    # Typed loosely: subclasses write it as an async generator or return an iterator of their own.
    def stream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask a model and take the answer in pieces; here the whole answer of `complete()` is one piece."""
        return self._stream_whole(messages, args, kwargs)

    async def _stream_whole(
        self, messages: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncIterator[StreamEvent]:
        result = await self.complete(messages, *args, **kwargs)
        for event in events_of(result):
            yield event

    async def embed(self, inputs: Any, *args: Any, **kwargs: Any) -> EmbeddingResult:
        """Turn texts into vectors; providers that can do so override this.

        Raises:
            NotImplementedError: This provider has no embeddings.
        """
        raise NotImplementedError(f"{type(self).__name__} has no embeddings")

    async def close(self) -> None:  # noqa: B027  # nothing to close is the usual case for custom providers
        """Close what the provider opened; nothing here."""

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied: it holds connections and may hold keys. "
            "Make one where it is used."
        )
