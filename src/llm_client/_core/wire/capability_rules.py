"""What a model does not take, left out of a request before any dialect writes it down.

Parameters are dropped with a note, refused with a ValueError, or sent as they are, as the caller's `unsupported` says.
Sources: https://developers.openai.com/api/docs/guides/reasoning, https://platform.claude.com/docs/en/build-with-claude/thinking
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..capabilities import Capabilities
from ..messages import Message, Role
from ..profiles import ModelProfile
from . import thinking_rules
from .anthropic_blocks import DEFAULT_MAX_TOKENS, replayed_items
from .anthropic_blocks import DIALECT as ANTHROPIC
from .format_words import format_instruction
from .request import CompletionRequest, ResponseFormat

_RESPONSES = "openai-responses"
_FREE = ("auto", "none")


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was left out or changed; worth one warning per model and parameter.

    Args:
        parameter: Which argument of the call it is about.
        message: One sentence for the log.
    """

    parameter: str
    message: str


def apply_capabilities(request: CompletionRequest, dialect: str) -> tuple[CompletionRequest, tuple[Note, ...]]:
    """The request in a form that the model takes, and what was changed for it.

    Args:
        request: What the caller wants.
        dialect: The NAME of the dialect that will write it down.

    Raises:
        ValueError: The model takes no tools, does not know the effort or cannot hold the thinking budget; with
            `unsupported="raise"` also for everything else that would have been left out.
    """
    if request.unsupported == "send":
        return request, ()
    rules = _Rules(request)
    if request.tools and not rules.capabilities.tools:
        raise ValueError(f"{request.model} takes no tools; use another model, or call it without tools=")
    if dialect == ANTHROPIC:
        _anthropic(rules)
    else:
        _openai(rules, dialect)
    _sampling(rules)
    return rules.result()


class _Rules:
    """A request under change, and the notes about it."""

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._changes: dict[str, Any] = {}
        self._notes: list[Note] = []
        self.capabilities: Capabilities = request.profile.capabilities

    def __getitem__(self, name: str) -> Any:
        return self._changes[name] if name in self._changes else getattr(self._request, name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._changes[name] = value

    @property
    def model(self) -> str:
        return self._request.model

    @property
    def efforts(self) -> tuple[str, ...] | None:
        """The efforts that the model knows; None where nobody can say."""
        return self._request.profile.accepted_efforts or self.capabilities.efforts

    @property
    def max_output_tokens(self) -> int | None:
        return self._request.profile.max_output_tokens

    def note(self, parameter: str, message: str) -> None:
        """Something is changed that nobody need refuse."""
        self._notes.append(Note(parameter, message))

    def change(self, parameter: str, value: Any, why: str) -> None:
        """A parameter cannot go out as it is; None leaves it out.

        Raises:
            ValueError: The caller wants to hear of it that way.
        """
        if self._request.unsupported == "raise":
            # The notes end with what was done; here nothing was.
            fact = why.rsplit(":", 1)[0]
            raise ValueError(f'{fact}; leave {parameter} out, or pass unsupported="drop" to have that done for you')
        self._changes[parameter] = value
        self._notes.append(Note(parameter, why))

    def drop(self, parameter: str, why: str) -> None:
        """Leave a parameter out, where it is given at all."""
        if self[parameter] is not None:
            self.change(parameter, None, why)

    def result(self) -> tuple[CompletionRequest, tuple[Note, ...]]:
        if not self._changes:
            return self._request, tuple(self._notes)
        return replace(self._request, **self._changes), tuple(self._notes)


def _sampling(rules: _Rules) -> None:
    capabilities = rules.capabilities
    temperature = rules["temperature"]
    if temperature is not None and not capabilities.accepts_temperature(temperature):
        rules.drop("temperature", f"{rules.model} does not take temperature={temperature:g}: it was left out")
    if not capabilities.sampling:
        rules.drop("top_p", f"{rules.model} does not take top_p: it was left out")


def check_effort(model: str, effort: str, accepted: tuple[str, ...]) -> None:
    """Refuse an effort that the model does not know.

    Raises:
        ValueError: It is not among the accepted ones; names them.
    """
    if effort not in accepted:
        known = ", ".join(map(repr, accepted))
        raise ValueError(f"{model} does not know reasoning_effort={effort!r}; expected one of: {known}")


def check_api(profile: type[ModelProfile], *, use_responses_api: bool) -> None:
    """Refuse a model on an API of OpenAI's on which it does not answer.

    Args:
        profile: The model.
        use_responses_api: Whether it shall answer on the Responses API; else on Chat Completions.

    Raises:
        ValueError: It answers on the other one only.
    """
    capabilities = profile.capabilities
    if profile.category == "embeddings":
        return
    name = profile.model_name
    if use_responses_api and not capabilities.responses and capabilities.chat_completions:
        raise ValueError(f"{name} does not answer on the Responses API: leave use_responses_api out")
    if not use_responses_api and not capabilities.chat_completions and capabilities.responses:
        raise ValueError(f"{name} answers on the Responses API only: pass use_responses_api=True")


# --- OpenAI


def _openai(rules: _Rules, dialect: str) -> None:
    capabilities = rules.capabilities
    model = rules.model
    rules.drop("thinking", "OpenAI's APIs have no thinking parameter: it was left out; use reasoning_effort")
    effort, accepted = rules["reasoning_effort"], rules.efforts
    if effort is not None and accepted is not None:
        if not accepted:
            rules.drop("reasoning_effort", f"{model} does not take reasoning_effort: it was left out")
        else:
            check_effort(model, effort, accepted)
    if dialect == _RESPONSES:
        for name in ("stop", "seed"):
            rules.drop(name, f"the Responses API has no {name} parameter: it was left out")
    elif not capabilities.stop:
        rules.drop("stop", f"{model} does not take stop: it was left out")
    if rules["tools"] and not capabilities.parallel_tool_calls:
        rules.drop("parallel_tool_calls", f"{model} does not take parallel_tool_calls: it was left out")
    if _is_forced(rules["tool_choice"]) and not capabilities.forced_tool_choice:
        rules.change("tool_choice", "auto", f'{model} cannot be forced to call a tool: tool_choice went out as "auto"')
    _openai_format(rules)


def _openai_format(rules: _Rules) -> None:
    wanted: ResponseFormat | None = rules["response_format"]
    capabilities = rules.capabilities
    if wanted is None:
        return
    if wanted.kind == "json_schema" and not capabilities.structured_output:
        why = f"{rules.model} does not take a JSON schema: it went out as an instruction"
        rules.change("response_format", ResponseFormat("json_object") if capabilities.json_object else None, why)
        messages = rules["messages"]
        at = 1 if messages and messages[0].role is Role.SYSTEM else 0
        rules["messages"] = [*messages[:at], Message.system(format_instruction(wanted)), *messages[at:]]
    elif wanted.kind == "json_object" and not capabilities.json_object:
        rules.change("response_format", None, f"{rules.model} has no JSON mode: it was asked for JSON in words")


# --- Anthropic

_NOT_ANTHROPIC = {
    "seed": "Anthropic's API has no seed: it was left out",
    "store": "Anthropic's API has no store parameter: it was left out",
    "prompt_cache_key": 'Anthropic\'s API has no prompt_cache_key: it was left out; use cache="auto"',
}


def _anthropic(rules: _Rules) -> None:
    for name, why in _NOT_ANTHROPIC.items():
        rules.drop(name, why)
    _stop_sequences(rules)
    _thinking(rules)
    _sampling_with_thinking(rules)
    _forced_choice(rules)
    _prefill(rules)


def _stop_sequences(rules: _Rules) -> None:
    stop = rules["stop"]
    if stop is not None and not all(text.strip() for text in stop):
        kept = [text for text in stop if text.strip()] or None
        rules.change("stop", kept, "Anthropic takes no stop sequence of white space alone: such ones were left out")


def _thinking(rules: _Rules) -> None:
    wanted: Mapping[str, Any] | None = rules["thinking"]
    effort: str | None = rules["reasoning_effort"]
    capabilities = rules.capabilities
    model = rules.model
    if wanted is not None:
        thinking_rules.check(wanted)
    if effort is not None and rules.efforts is not None:
        if rules.efforts:
            check_effort(model, effort, rules.efforts)
        elif "enabled" in capabilities.thinking:
            check_effort(model, effort, tuple(thinking_rules.BUDGETS))
            if wanted is None:
                rules["thinking"] = wanted = thinking_rules.from_effort(effort)
            elif wanted["type"] in capabilities.thinking:
                why = f"{model} does not take reasoning_effort beside thinking: reasoning_effort was left out"
                rules.change("reasoning_effort", None, why)
            rules["reasoning_effort"] = None  # it became a budget, here or below
        else:
            rules.drop("reasoning_effort", f"{model} does not take reasoning_effort: it was left out")
    if wanted is not None and wanted["type"] not in capabilities.thinking:
        accepted = thinking_rules.nearest(wanted, capabilities.thinking, effort)
        rules.change("thinking", accepted, thinking_rules.explain(model, wanted, accepted))
        wanted = accepted
    if wanted is not None and wanted["type"] == "enabled":
        if _turn_lacks_thinking(rules["messages"]):
            # "a final assistant message must start with a thinking block"
            why = "the tool calls being answered were made without thinking: it stays off until they are done"
            rules.change("thinking", None, why)
        else:
            _room_for_budget(rules, wanted["budget_tokens"])


def _turn_lacks_thinking(messages: list[Message]) -> bool:
    """True if a turn goes on that did not begin with thinking: its tool results go back, or it was paused."""
    spoken = [message for message in messages if message.role is not Role.SYSTEM]
    if not spoken or spoken[-1].role is Role.USER:
        return False
    if spoken[-1].role is Role.ASSISTANT and replayed_items(spoken[-1]) is None:
        return False  # a prefill, which thinking rules out: a message of the user will follow it
    start = len(spoken)
    while start and spoken[start - 1].role is not Role.USER:
        start -= 1
    first = next((message for message in spoken[start:] if message.role is Role.ASSISTANT), None)
    if first is None:
        return False
    items = replayed_items(first)
    return not items or items[0].get("type") not in ("thinking", "redacted_thinking")


def _room_for_budget(rules: _Rules, budget: int) -> None:
    max_tokens = DEFAULT_MAX_TOKENS if rules["max_tokens"] is None else rules["max_tokens"]
    if budget < max_tokens:
        return
    limit = rules.max_output_tokens
    if limit is not None and budget >= limit:
        raise ValueError(
            f"a thinking budget of {budget} tokens leaves no room for an answer: {rules.model} produces at most {limit}"
        )
    raised = budget + max_tokens if limit is None else min(budget + max_tokens, limit)
    rules["max_tokens"] = raised
    rules.note(
        "max_tokens",
        f"a thinking budget of {budget} does not fit into max_tokens={max_tokens}: max_tokens went out as {raised}",
    )


def _sampling_with_thinking(rules: _Rules) -> None:
    if not rules.capabilities.sampling or rules.efforts is None:
        return  # both go anyway, or nobody knows
    temperature, top_p = rules["temperature"], rules["top_p"]
    if thinking_rules.is_on(rules["thinking"]):
        if temperature is not None and temperature != 1:
            rules.drop("temperature", f"{rules.model} takes no temperature but 1 while thinking: it was left out")
        if top_p is not None and top_p < 0.95:
            rules.drop("top_p", f"{rules.model} takes top_p from 0.95 to 1 while thinking: it was left out")
    if rules["temperature"] is not None and rules["top_p"] is not None:
        # "temperature and top_p cannot both be specified for this model", since Opus 4.1.
        rules.drop("top_p", f"{rules.model} takes either temperature or top_p: top_p was left out")


def _forced_choice(rules: _Rules) -> None:
    if not _is_forced(rules["tool_choice"]):
        return
    capabilities = rules.capabilities
    thinking = rules["thinking"]
    if not capabilities.forced_tool_choice:
        why = f'{rules.model} cannot be forced to call a tool: tool_choice went out as "auto"'
        rules.change("tool_choice", "auto", why)
    elif thinking is not None and thinking["type"] not in (*capabilities.thinking_with_forced_tools, "disabled"):
        why = f'{rules.model} cannot be forced to call a tool while thinking: tool_choice went out as "auto"'
        rules.change("tool_choice", "auto", why)


def _prefill(rules: _Rules) -> None:
    spoken = [message for message in rules["messages"] if message.role is not Role.SYSTEM]
    if not spoken or spoken[-1].role is not Role.ASSISTANT or replayed_items(spoken[-1]) is not None:
        return  # an answer with items of the vendor's is a paused turn that goes on, not a prefill
    wanted: ResponseFormat | None = rules["response_format"]
    native = wanted is not None and wanted.kind == "json_schema" and rules.capabilities.structured_output
    if rules.capabilities.assistant_prefill and not thinking_rules.is_on(rules["thinking"]) and not native:
        return
    why = f'{rules.model} does not continue an assistant\'s message: "Continue." was sent after it'
    rules.change("messages", [*rules["messages"], Message.user("Continue.")], why)


def _is_forced(choice: str | None) -> bool:
    return choice is not None and choice not in _FREE
