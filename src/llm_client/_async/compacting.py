"""A summary in place of a conversation's old messages: the plan is the core's, the asking is done here."""

from __future__ import annotations

from typing import Any

from .._core.compaction import (
    Compaction,
    CompactionPlan,
    answer_tokens,
    apply_summary,
    plan_compaction,
    summary_request,
)
from .._core.conversation import Conversation
from .._core.exceptions import LLMClientError
from .._core.profiles import profile_of
from .._core.results import CompletionResult
from .._seam import _async as seam


async def compact(
    conversation: Conversation,
    provider: Any,
    *,
    max_tokens: int | None = None,
    only_if_needed: bool = False,
    **options: Any,
) -> Compaction:
    """Let a model summarise the older half of a conversation, and put the summary in its place.

    The last user message, and tool calls whose results are recent, are never summarised. What is added while the model
    writes stays. Where anything fails, the conversation stays as it was.

    Args:
        conversation: It is changed.
        provider: Who writes the summary.
        max_tokens: A limit for the conversation in tokens, besides its own and that of the provider's model.
        only_if_needed: Do nothing while everything fits into the limits.
        **options: Handed to the provider with the request: reasoning_effort, timeout, ...

    Returns:
        What was summarised, and what it cost; false where there was nothing to summarise.

    Raises:
        APIError: The API, or the way to it, answered with an error.
        LLMClientError: The model wrote nothing.
        ValueError: The conversation was changed meanwhile, otherwise than by adding to it.
    """
    plan = plan_compaction(conversation, model=profile_of(provider), max_tokens=max_tokens, force=not only_if_needed)
    if plan is None:
        return Compaction()
    result = await ask_for_summary(plan, provider, options)
    result.raise_for_error()
    if not result.content.strip():
        raise LLMClientError(
            f"the model wrote no summary (it stopped with finish_reason={result.finish_reason!r}); the conversation "
            "stays as it was"
        )
    apply_summary(conversation, plan, result.content)
    return Compaction(result.content.strip(), plan.old, result.usage)


async def ask_for_summary(plan: CompactionPlan, provider: Any, options: dict[str, Any]) -> CompletionResult:
    """The model's summary of what is planned, or the error in its place.

    Args:
        plan: What to summarise.
        provider: Who writes it.
        options: Handed to the provider.
    """
    profile = profile_of(provider)
    request = {"max_tokens": answer_tokens(plan, profile), **options}
    answer = provider.complete(summary_request(plan, profile), **request)
    result: CompletionResult = await seam.check_provider(answer, provider)
    return result
