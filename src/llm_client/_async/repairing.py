"""Answers in a wanted form: read, and asked for again where they do not have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .._core.messages import Message
from .._core.results import CompletionResult
from .._core.structured import INVALID_OUTPUT, OutputForm, ask_again, read_output
from .._core.usage import Usage
from .._core.wire.request import CompletionRequest


async def complete_in_form(
    ask: Callable[[CompletionRequest], Any], request: CompletionRequest, form: OutputForm, retries: int
) -> CompletionResult:
    """Ask until the answer has the wanted form, at most `retries` times more; all answers count in the usage.

    Args:
        ask: Sends one request.
        request: The first one.
        form: What the answer must look like.
        retries: How often to ask again.
    """
    result = await ask(request)
    usages = [result.usage]
    attempts = result.attempts
    parsed, problem = read_output(form, result)
    while problem is not None and len(usages) <= retries and result.finish_reason != "length":
        again = [*request.messages, result.to_message(), Message.user(ask_again(problem))]
        request = replace(request, messages=again)
        result = await ask(request)
        usages.append(result.usage)
        attempts = (*attempts, *result.attempts)
        parsed, problem = read_output(form, result)
    if len(usages) > 1:
        result = replace(result, usage=Usage.sum(usages), attempts=attempts)
    return with_output(result, parsed, problem)


def with_output(result: CompletionResult, parsed: Any, problem: str | None) -> CompletionResult:
    """The result with its object, or with what is wrong with it."""
    if problem is not None:
        return replace(result, error=problem, error_code=INVALID_OUTPUT)
    return result if parsed is None else replace(result, parsed=parsed)
