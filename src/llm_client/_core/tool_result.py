"""What came of a tool call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .messages import Message
from .tool_output import ToolOutputError, limit_text, output_text


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a tool call.

    Args:
        content: What the tool returned, as a Python object.
        success: False if the tool failed, was refused or gave no answer in time.
        error: What went wrong, in words for the model; None for success.
        name: The tool's name.
        tool_call_id: Which call this answers.
        duration: How long the call took, in seconds.
        still_running: The tool was given up but could not be stopped: its side effects may yet happen.
        text: What the model reads, where it is known already.

    Raises:
        TypeError: `success` is no bool, or an error or a text is no string.
    """

    content: Any = None
    success: bool = True
    error: str | None = None
    name: str | None = None
    tool_call_id: str | None = None
    duration: float | None = None
    still_running: bool = False
    text: str | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.success, bool):
            raise TypeError(f"success is True or False, got {type(self.success).__name__}")
        for name, value in (("error", self.error), ("text", self.text)):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"the {name} of a tool's result is a string or None, got {type(value).__name__}")

    @classmethod
    def success_result(cls, content: Any, **fields: Any) -> ToolResult:
        """A result of a call that succeeded."""
        return cls(content=content, success=True, **fields)

    @classmethod
    def error_result(cls, error: str, **fields: Any) -> ToolResult:
        """A result of a call that failed."""
        return cls(success=False, error=error, **fields)

    @classmethod
    def from_value(cls, value: Any, *, max_chars: int | None = None, **fields: Any) -> ToolResult:
        """The result for what a tool returned; a failed one if no text can be made of it. Never raises.

        Args:
            value: What the tool returned; a ToolResult is kept, and completed by `fields`.
            max_chars: Most characters that the model reads; a marker says what was cut.
            **fields: name, tool_call_id, duration.
        """
        if issubclass(type(value), ToolResult):  # isinstance() would ask the value itself, which may raise
            known = {name: getattr(value, name) for name in _OWN_FIELDS}
            return cls(**{**known, **fields, "text": value.to_string(max_chars=max_chars)})
        try:
            text = limit_text(output_text(value), max_chars)
        except ToolOutputError as error:
            return cls.error_result(str(error), **fields).shown(max_chars)
        except Exception as error:  # code of the value's class ran, and may do anything
            return cls.error_result(
                f"the result of type {type(value).__name__} could not be read: {type(error).__name__}", **fields
            )
        return cls(content=value, text=text, **fields)

    def to_string(self, *, max_chars: int | None = None) -> str:
        """What the model reads: the text, JSON for other objects, or the error. Never raises.

        Args:
            max_chars: Most characters to keep; a marker says what was cut.
        """
        if self.text is not None:
            return limit_text(self.text, max_chars)
        if not self.success:
            return limit_text(f"Error: {self.error or 'the tool failed'}", max_chars)
        read = ToolResult.from_value(self.content, max_chars=max_chars)
        return read.text if read.text is not None else read.to_string(max_chars=max_chars)

    def shown(self, max_chars: int | None) -> ToolResult:
        """The same result, of which the model reads no more than so many characters."""
        return replace(self, text=self.to_string(max_chars=max_chars))

    def to_message(self, *, include_error: bool = True) -> Message:
        """The result as a message of role "tool".

        Args:
            include_error: Tell the model what went wrong; False tells it only that the tool failed.
        """
        text = self.to_string() if self.success or include_error else "Error: the tool failed"
        return Message.tool_result(self.tool_call_id or "", text, self.name, is_error=not self.success)

    def to_dict(self) -> dict[str, Any]:
        """As values that JSON can hold; the content as the text that the model reads."""
        return {
            "name": self.name,
            "tool_call_id": self.tool_call_id,
            "success": self.success,
            "content": self.to_string(),
            "error": self.error,
            "duration": self.duration,
            "still_running": self.still_running,
        }


_OWN_FIELDS = ("content", "success", "error", "name", "tool_call_id", "duration", "still_running")
