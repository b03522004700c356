"""The answers of a scripted provider: what a test writes down, turned into results. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .messages import ToolCall
from .results import CompletionResult
from .usage import Usage

_EXPECTED = (
    "a string, a CompletionResult, a list of tool calls (ToolCall or (name, arguments) pairs), an exception, "
    "or a function that takes the messages and returns one of these"
)


def scripted_result(answer: Any, number: int) -> CompletionResult:
    """The result that a scripted answer stands for.

    Args:
        answer: A string, a CompletionResult, or a list of tool calls.
        number: Which answer it is, from 1; makes the ids of its calls unique.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(answer, CompletionResult):
        return answer
    if isinstance(answer, str):
        return CompletionResult(content=answer, model="scripted", finish_reason="stop", usage=_usage(answer))
    if isinstance(answer, Sequence) and answer:
        calls = [_call(item, number, position) for position, item in enumerate(answer)]
        written = "".join(call.arguments for call in calls)
        return CompletionResult(tool_calls=calls, model="scripted", finish_reason="tool_calls", usage=_usage(written))
    raise TypeError(f"a scripted answer is {_EXPECTED}; got {answer!r}")


def _call(item: Any, number: int, position: int) -> ToolCall:
    if isinstance(item, ToolCall):
        return item
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        name, arguments = item
        if isinstance(arguments, (str, Mapping)):
            return ToolCall(f"call_{number}_{position}", name, arguments)  # type: ignore[arg-type]
    raise TypeError(f"a scripted tool call is a ToolCall or a pair (name, arguments), got {item!r}")


def _usage(text: str) -> Usage:
    # Not tokens, but stable numbers that a test can expect.
    words = len(text.split())
    return Usage(input_tokens=1, output_tokens=words, input_cost=0.0, output_cost=0.0, total_cost=0.0)
