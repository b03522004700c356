"""Several providers as one: where one fails, the next takes over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from ..._core.events import StreamEvent, StreamEventType
from ..._core.exceptions import APIError
from ..._core.fallback import Earlier, check_members, passes_on, passing_error, passing_event, shows_nothing
from ..._core.log import logger
from ..._core.messages import MessageInput
from ..._core.results import CompletionResult, EmbeddingResult
from ..._seam import _async as seam
from ..stream import EventStream
from .base import BaseProvider

_log = logger("fallback")


class FallbackProvider(BaseProvider):
    """Asks its members in order until one answers.

    The next member takes over when one failed for a reason that may pass (no connection, no answer in time, 408, 409,
    425, 429, 5xx, 529), after that member's own retries. Mistakes (400, 401, 404, ...) would be the same mistakes
    elsewhere and are returned at once. A stream changes over only before its first event. Members may be of different
    vendors: the history is translated, and reasoning that only its own vendor can read stays behind. The result says
    in `provider` and `model` who answered, and in `attempts` what was tried by all of them.

    Args:
        providers: The members, the preferred one first; of this face. `close()` closes them.

    Raises:
        TypeError: A member is no provider.
        ValueError: There is no member.
    """

    def __init__(self, providers: Iterable[Any]) -> None:
        self.providers: tuple[Any, ...] = check_members(providers)
        self.model: str = getattr(self.providers[0], "model", "")
        self.profile: Any = getattr(self.providers[0], "profile", None)

    def __repr__(self) -> str:
        return f"FallbackProvider({list(self.providers)!r})"

    async def complete(self, messages: MessageInput, *args: Any, **kwargs: Any) -> CompletionResult:
        """Ask the members in order and wait for the first whole answer.

        Args:
            messages: As the members take them.
            *args: The same for all members: tools, tool_choice.
            **kwargs: The same for all members; what a model does not take is left out as `unsupported` says.

        Returns:
            The first answer, or the last member's failure.

        Raises:
            TypeError: An argument has the wrong type, or a member belongs to the other face.
            ValueError: An argument is out of range, or does not go with a member's model.
        """
        earlier = Earlier()
        for member in self.providers[:-1]:
            try:
                result: CompletionResult = await seam.check_provider(member.complete(messages, *args, **kwargs), member)
            except APIError as error:
                failed = passing_error(error)
                if failed is None:
                    raise
                earlier = earlier.and_failure(*failed)
                _report(member, *failed)
                continue
            if not passes_on(result):
                return earlier.joined(result, member)
            earlier = earlier.and_result(result)
            _report(member, result.status, result.error)
        member = self.providers[-1]
        result = await seam.check_provider(member.complete(messages, *args, **kwargs), member)
        return earlier.joined(result, member)

    def stream(self, messages: MessageInput, *args: Any, **kwargs: Any) -> EventStream:
        """Ask the members in order and take the first answer in pieces.

        Args:
            messages: As in `complete()`, like all other arguments.
            *args: The same for all members.
            **kwargs: The same for all members.

        Returns:
            An iterator over StreamEvent that ends with exactly one DONE or ERROR.

        Raises:
            TypeError: An argument has the wrong type, or a member belongs to the other face.
            ValueError: An argument is out of range, or does not go with the first member's model.
        """
        # Made here, not at the first event, so that mistakes raise where they are made.
        first = self._open(self.providers[0], messages, args, kwargs)
        return EventStream(self._events(first, messages, args, kwargs))

    def _open(self, member: Any, messages: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return seam.check_stream(member.stream(messages, *args, **kwargs), member)

    async def _events(
        self, stream: Any, messages: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncIterator[StreamEvent]:
        earlier = Earlier()
        for position, member in enumerate(self.providers):
            last = position == len(self.providers) - 1
            held: list[StreamEvent] = []
            begun = False
            failed = None
            if position:
                stream = self._open(member, messages, args, kwargs)
            try:
                async with seam.closing(stream) as events:
                    async for event in events:
                        failed = None if begun or last else passing_event(event)
                        if failed is not None:
                            break
                        if not begun and shows_nothing(event):
                            held.append(event)
                            continue
                        begun = True
                        if event.type is StreamEventType.DONE and isinstance(event.data, CompletionResult):
                            event.data = earlier.joined(event.data, member)
                        for before in held:
                            yield before
                        held.clear()
                        yield event
            except APIError as error:
                failed = None if begun or last else passing_error(error)
                if failed is None:
                    raise
            if failed is None:
                for before in held:
                    yield before
                return
            earlier = earlier.and_failure(*failed)
            _report(member, *failed)

    async def embed(self, inputs: str | Sequence[str], *args: Any, **kwargs: Any) -> EmbeddingResult:
        """Ask the members that have embeddings; only one with the same model can take over from another.

        Vectors of different models cannot be compared, so the first member that has embeddings decides on the model.

        Args:
            inputs: As the members take them.
            *args: The same for all members.
            **kwargs: The same for all members.

        Raises:
            NotImplementedError: No member has embeddings.
        """
        earlier = Earlier()
        model: Any = None
        result: EmbeddingResult | None = None
        for member in self.providers:
            if result is not None and getattr(member, "model", None) != model:
                continue
            try:
                answer: EmbeddingResult = await seam.check_provider(
                    member.embed(inputs, *args, **kwargs), member, "embed"
                )
            except NotImplementedError:
                continue
            result, model = earlier.joined(answer, member), getattr(member, "model", None)
            if not passes_on(answer):
                return result
            earlier = earlier.and_result(answer)
            _report(member, answer.status, answer.error)
        if result is None:
            raise NotImplementedError("no member of this FallbackProvider has embeddings")
        return result

    async def close(self) -> None:
        """Close all members, the others too where closing one fails."""
        # One after the other: nothing is gained by hurrying.
        for outcome in await seam.gather([member.close for member in self.providers if hasattr(member, "close")], 1):
            if isinstance(outcome, Exception):
                raise outcome


def _report(member: Any, status: int, error: str | None) -> None:
    _log.warning("%r failed with status %d: %s", member, status, error)
