"""A summary in place of old messages: what is summarised, the request for it, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .conversation import Conversation
from .message_counts import ModelLike, TokenCounter, counter_for, limit_of
from .messages import Message
from .profiles import ModelProfile
from .rendering import readable
from .tools import Tool
from .truncation import shorten
from .usage import NO_USAGE, Usage

HEAD = "[Summary of the earlier conversation]\n"
_INSTRUCTIONS = (
    "You write summaries of conversations between a user and an assistant, for the assistant to work on from. Keep "
    "what later work needs: the user's goals and wishes, decisions and the reasons for them, facts, names, numbers, "
    "file paths and other identifiers word by word, what the tools found, and what is still to be done. Leave out "
    "greetings and repetitions. Answer with the summary alone, in the language of the conversation."
)
_SUMMARY_SHARE = 8  # a summary has an eighth of the room, but never more than this many tokens:
_LONGEST_SUMMARY = 2000
_SHORTEST_SUMMARY = 64
_REASONING = 8000


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """What a summary shall replace.

    Args:
        old: The messages to summarise.
        recent: The messages that stay.
        given: All messages that the conversation had when the plan was made.
        summary_tokens: How long the summary may be.
    """

    old: tuple[Message, ...]
    recent: tuple[Message, ...]
    given: tuple[Message, ...]
    summary_tokens: int


@dataclass(frozen=True, slots=True)
class Compaction:
    """What `compact` did.

    Args:
        summary: What now stands in place of the replaced messages; empty where there was nothing to summarise.
        replaced: The messages that are gone from the conversation, oldest first.
        usage: What the summary cost.
    """

    summary: str = ""
    replaced: tuple[Message, ...] = ()
    usage: Usage = NO_USAGE

    def __bool__(self) -> bool:
        return bool(self.replaced)


def plan_compaction(
    conversation: Conversation,
    *,
    model: ModelLike | None = None,
    max_tokens: int | None = None,
    reserve_tokens: int | None = None,
    overhead_tokens: int = 0,
    tools: Sequence[Tool] = (),
    force: bool = False,
) -> CompactionPlan | None:
    """What to summarise so that the conversation fits with room to grow: all but the most recent half.

    Far from any limit nothing is counted.

    Args:
        conversation: It is not changed.
        model: As for `Conversation.window`.
        max_tokens: As for `Conversation.window`.
        reserve_tokens: As for `Conversation.window`.
        overhead_tokens: As for `Conversation.window`.
        tools: As for `Conversation.window`.
        force: Also where everything fits, or nothing limits it.

    Returns:
        None where everything fits, or nothing is old enough to be summarised.
    """
    history = conversation._history
    found = conversation._budget(conversation._room(model, max_tokens, reserve_tokens, overhead_tokens, tools))
    if found is None and not force:
        return None
    counter = counter_for(model) if found is None else found[0]
    total = history.count_all(counter)
    if found is not None and total <= found[1] and not force:
        return None
    room = total if found is None else min(total, found[1])
    summary_tokens = max(_SHORTEST_SUMMARY, min(room // _SUMMARY_SHARE, _LONGEST_SUMMARY))
    old, recent = history.part(counter, max(0, room // 2 - summary_tokens))
    if not old or (len(old) == 1 and old[0].text.startswith(HEAD)):
        return None
    return CompactionPlan(tuple(old), tuple(recent), tuple(history.messages), summary_tokens)


def summary_request(plan: CompactionPlan, model: ModelLike | None = None) -> list[Message]:
    """The messages that ask a model for the summary, cut to what it can read.

    Args:
        plan: What to summarise.
        model: The model that is asked.
    """
    question = Message.user(
        f"Summarise this conversation in at most {plan.summary_tokens} tokens:\n\n" + _transcript(plan.old)
    )
    instructions = Message.system(_INSTRUCTIONS)
    limit = limit_of(model)
    if limit is not None:
        counter = counter_for(model)
        room = limit - answer_tokens(plan, model) - counter.base - counter.count(instructions)
        question = shorten(question, room, counter.count)
    return [instructions, question]


def answer_tokens(plan: CompactionPlan, model: ModelLike | None = None) -> int:
    """The `max_tokens` of the request for the summary: with room for one that is longer than was asked for, and for
    the reasoning before it, which the vendors count as output.

    Args:
        plan: What to summarise.
        model: The model that is asked.
    """
    tokens = 2 * plan.summary_tokens
    if model is None or isinstance(model, TokenCounter):
        return tokens
    profile = ModelProfile.resolve(model)
    tokens += _REASONING if profile.reasoning_model else 0
    limits = [profile.max_output_tokens, None if profile.max_input_tokens is None else profile.max_input_tokens // 2]
    return min([tokens, *(limit for limit in limits if limit is not None)])


def apply_summary(conversation: Conversation, plan: CompactionPlan, summary: str) -> None:
    """Put the summary in place of the old messages; what was added since the plan was made stays.

    Args:
        conversation: The one that the plan was made for.
        plan: What the summary replaces.
        summary: The model's words.

    Raises:
        ValueError: The summary is empty, or the conversation is not the one that the plan was made for.
    """
    if not summary.strip():
        raise ValueError("the summary is empty; the conversation stays as it is")
    now = conversation.messages
    size = len(plan.given)
    if len(now) < size or any(a is not b for a, b in zip(now, plan.given, strict=False)):
        raise ValueError("the conversation was changed since the plan was made; make a new plan")
    conversation._replace([Message.user(HEAD + summary.strip()), *plan.recent, *now[size:]])


def _transcript(messages: Sequence[Message]) -> str:
    return "\n".join(map(readable, messages))
