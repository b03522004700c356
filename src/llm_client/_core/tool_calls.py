"""From a model's tool call to the user's function, and from its outcome to a result; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .call_timeout import CallTimeout
from .messages import ToolCall
from .tool_context import ToolContext
from .tool_result import ToolResult

if TYPE_CHECKING:
    from .tools import Tool


@dataclass(frozen=True, slots=True)
class ReadyCall:
    """A call whose arguments fit: what to run, and with what.

    Args:
        tool: The tool.
        call: The model's call.
        kwargs: Arguments for the tool's handler.
        timeout: Seconds, None for no limit.
    """

    tool: Tool
    call: ToolCall
    kwargs: Mapping[str, Any]
    timeout: float | None

    @property
    def work(self) -> tuple[Callable[..., Any], Mapping[str, Any], float | None]:
        """In the form that the seam calls."""
        return (self.tool.handler, self.kwargs, self.timeout)


def ready(
    call: ToolCall,
    tool: Tool | None,
    *,
    known: list[str],
    timeout: float | None,
    context: ToolContext[Any] | None = None,
    max_chars: int | None = None,
) -> ReadyCall | ToolResult:
    """Check a call; what does not fit becomes a failed result in words that the model can act on.

    Args:
        call: The model's call.
        tool: The tool of that name, None where there is none.
        known: The names there are.
        timeout: Seconds, unless the tool has its own limit.
        context: Handed to a parameter annotated ToolContext.
        max_chars: Most characters that the model reads.
    """
    if tool is None:
        tools = ", ".join(known) or "none"
        return ToolResult.error_result(
            f"there is no tool {call.name!r}; the tools are: {tools}", name=call.name, tool_call_id=call.id
        )
    try:
        kwargs = tool.prepare(call.arguments, context)
    except (TypeError, ValueError) as error:  # TypeError: a type of the signature that pydantic cannot describe
        return ToolResult.error_result(str(error), name=call.name, tool_call_id=call.id).shown(max_chars)
    return ReadyCall(tool, call, kwargs, tool.timeout if tool.timeout is not None else timeout)


def outcome(ready_call: ReadyCall, value: Any, *, duration: float, max_chars: int | None) -> ToolResult:
    """The result for what the tool returned or raised.

    Args:
        ready_call: What was run.
        value: What it returned, or the exception.
        duration: Seconds.
        max_chars: Most characters that the model reads.
    """
    known: dict[str, Any] = {
        "name": ready_call.call.name,
        "tool_call_id": ready_call.call.id,
        "duration": duration,
    }
    if not issubclass(type(value), Exception):  # isinstance() would ask the value itself, which may raise
        return ToolResult.from_value(value, max_chars=max_chars, **known)
    if isinstance(value, CallTimeout):
        ending = "; the call may still be running" if value.still_running else ""
        error = f"no answer within {value.seconds:g} s{ending}"
        return ToolResult.error_result(error, still_running=value.still_running, **known)
    return ToolResult.error_result(_words(value), **known).shown(max_chars)


def _words(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:  # code of the exception's class ran, and may do anything
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
