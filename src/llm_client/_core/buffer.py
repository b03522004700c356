"""What a stream has said so far, put together event by event. Pure."""

from __future__ import annotations

from typing import Any

from .agent import AgentResult
from .events import StreamEvent, StreamEventType
from .messages import ToolCall
from .results import CompletionResult
from .usage import NO_USAGE, Usage

_ENDED_EARLY = "the stream ended without a DONE or ERROR event"
_NOT_READ = "the stream was not read to its end"


class StreamBuffer:
    """Takes the events of one stream, a provider's or an agent's, and gives back what they amount to."""

    __slots__ = ("_calls", "_done", "_error", "_reasoning", "_status", "_text", "_turn_usage", "_usage")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCall] = []
        self._usage = NO_USAGE
        self._turn_usage: Usage | None = None
        self._done: Any = None
        self._error: str | None = None
        self._status: int | None = None

    def add(self, event: StreamEvent) -> None:
        """Take the next event."""
        kind = event.type
        if kind is StreamEventType.TOKEN:
            self._text.append(event.data)
        elif kind is StreamEventType.REASONING:
            self._reasoning.append(event.data)
        elif kind is StreamEventType.TOOL_CALL_END:
            self._calls.append(event.data)
        elif kind is StreamEventType.USAGE:
            self._turn_usage = event.data  # the last one of an answer counts for all of it
        elif kind is StreamEventType.META:
            if event.data.get("event") == "turn_start":
                self._usage, self._turn_usage = self.usage, None
        elif kind is StreamEventType.DONE:
            self._done = event.data
        elif kind is StreamEventType.ERROR:
            self.failed(event.data.get("status", 500), event.data.get("error"))

    def failed(self, status: int, error: str | None) -> None:
        """The stream ended with an error."""
        self._status = status
        self._error = error or f"the stream failed with status {status}"

    def ended(self) -> None:
        """The stream is at its end; without DONE or ERROR, as a custom provider's may be, that is an error too."""
        if self._done is None and self._error is None:
            self.failed(502, _ENDED_EARLY)

    @property
    def content(self) -> str:
        """All text that came, of an agent that of all its turns."""
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        if not self._text and isinstance(self._done, CompletionResult):
            return self._done.content
        return self._text[0] if self._text else ""

    @property
    def reasoning(self) -> str | None:
        """All reasoning that came, None where there was none."""
        if len(self._reasoning) > 1:
            self._reasoning = ["".join(self._reasoning)]
        return self._reasoning[0] if self._reasoning else None

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls that came whole, in order."""
        done = self._done
        if isinstance(done, AgentResult):
            return done.all_tool_calls
        if isinstance(done, CompletionResult):
            return list(done.tool_calls or ())
        return list(self._calls)

    @property
    def usage(self) -> Usage:
        """Tokens and cost; before the end as far as the stream has told."""
        if self._done is not None:
            usage: Usage = self._done.usage
            return usage
        if self._turn_usage is None:
            return self._usage
        return self._turn_usage if self._usage is NO_USAGE else self._usage + self._turn_usage

    @property
    def error(self) -> str | None:
        """What went wrong, None where nothing did."""
        if self._error is None and self._done is not None:
            error: str | None = self._done.error
            return error
        return self._error

    def get_result(self) -> Any:
        """What DONE carried; otherwise a result with `ok` False and what came so far.

        Its status is that of the error; 502 for a stream that just ended, 499 for one that was not read to its end.
        """
        if self._error is None and self._done is not None:
            return self._done
        return CompletionResult(
            content=self.content,
            tool_calls=self.tool_calls or None,
            usage=self.usage,
            reasoning=self.reasoning,
            status=499 if self._status is None else self._status,
            error=_NOT_READ if self._error is None else self._error,
        )
