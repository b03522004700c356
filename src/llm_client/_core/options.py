"""What users pass to `complete()` and `stream()`, checked and put in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from .http import Timeouts
from .messages import Message, MessageInput, Role, normalize_messages
from .profiles import ModelProfile
from .structured import OutputForm, output_form
from .tools import Tool, as_tool_list
from .wire.request import CompletionRequest, Unsupported

_JSON_HINT = "Answer with JSON."
_UNSUPPORTED = ("drop", "raise", "send")


class CallOptions(TypedDict, total=False):
    """The options of `complete()` and `stream()`; each is left to the API's default where it is not given."""

    temperature: float | None
    """Sampling temperature, from 0."""
    top_p: float | None
    """Share of probability to sample from, 0 to 1."""
    max_tokens: int | None
    """Most output tokens; goes out under the name that the endpoint wants."""
    stop: str | Sequence[str] | None
    """Text, or texts, at which the model stops."""
    seed: int | None
    """For repeatable sampling, where the vendor has it."""
    response_format: Any
    """"text", "json_object", a JSON schema, or a type that pydantic can describe; `result.parsed` holds the object."""
    output_retries: int
    """How often an answer that does not have the wanted form is asked for again. Unless given: 1 for a type, and for
    a JSON schema or "json_object" the answer is passed on as it came."""
    reasoning_effort: str | None
    """The model's word for it, such as "low", "medium", "high"."""
    thinking: Mapping[str, Any] | None
    """Anthropic's thinking parameter, such as {"type": "enabled", "budget_tokens": 2000}."""
    parallel_tool_calls: bool | None
    """Whether several calls may come in one answer."""
    store: bool | None
    """Whether OpenAI keeps the answer."""
    prompt_cache_key: str | None
    """OpenAI's routing key for its prompt cache."""
    cache: str | None
    """"auto" lets Anthropic cache the prompt's unchanging part."""
    user: str | None
    """The end user's id, for the vendor's detection of abuse."""
    attempts: int | None
    """Tries in all, the first one included."""
    backoff: float | None
    """Longest wait in seconds before the second try."""
    timeout: float | Timeouts | None
    """Longest silence in seconds, or a Timeouts."""
    unsupported: Unsupported
    """Parameters that the model does not take: "drop" leaves them out with one warning, "raise", "send"."""
    extra_headers: Mapping[str, str] | None
    """Further HTTP headers."""
    extra_body: Mapping[str, Any] | None
    """Further members of the request's JSON; they win over the arguments."""
    cache_response: bool | None
    """Take the answer from the provider's cache, or from an equal call in flight; store it where it had to be asked."""
    cache_collection: str | None
    """Which part of the cache; the provider's own unless given."""
    rewrite_cache: bool | None
    """With cache_response: ask anew, and overwrite the stored answer."""
    regen_cache: bool | None
    """With cache_response: ask anew, and leave the stored answer as it is."""
    coalesce: bool | None
    """With cache_response: share one upstream call with equal calls in flight; True unless given."""


OPTION_NAMES = frozenset(CallOptions.__annotations__)
# What concerns the exchange or its result, and no part of the question.
_NOT_ASKED = frozenset(
    {
        *("response_format", "output_retries", "attempts", "backoff", "timeout", "extra_headers"),
        *("cache_response", "cache_collection", "rewrite_cache", "regen_cache", "coalesce"),
    }
)


def check_option_names(method: str, options: Mapping[str, Any]) -> None:
    """Refuse options that do not exist.

    Raises:
        TypeError: Names the option and the nearest one that exists.
    """
    for name in options:
        if name not in OPTION_NAMES:
            if name == "stream":
                raise TypeError(f"{method}() takes no stream=: use the method stream(), which takes the same arguments")
            import difflib

            near = difflib.get_close_matches(name, OPTION_NAMES, 1)
            hint = f"; did you mean {near[0]!r}?" if near else "; what has no name here goes into extra_body={...}"
            raise TypeError(f"{method}() got an unexpected argument {name!r}{hint}")


def completion_request(
    messages: MessageInput,
    tools: Any,
    tool_choice: str | None,
    options: CallOptions,
    *,
    model: str,
    profile: type[ModelProfile],
    stream: bool,
    may_be_empty: bool = False,
) -> tuple[CompletionRequest, OutputForm]:
    """One question, and the form its answer must have, from the arguments of a call.

    Args:
        messages: As the user passed them.
        tools: As the user passed them.
        tool_choice: As the user passed it.
        options: All other arguments of the call.
        model: The name that goes out.
        profile: What is known of the model.
        stream: Whether the answer comes in pieces.
        may_be_empty: The API takes a request without messages: Responses, with a stored prompt or conversation.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range, names no tool, or does not go with the model.
    """
    if profile.category == "embeddings":
        raise ValueError(f"{model} is an embedding model: use embed(), or another model for complete() and stream()")
    check_number("temperature", options.get("temperature"), low=0.0)
    check_number("top_p", options.get("top_p"), low=0.0, high=1.0)
    check_count("max_tokens", options.get("max_tokens"))
    form = output_form(options.get("response_format"))
    tool_list = as_tool_list(tools) if tools is not None else []
    normalized = [] if may_be_empty and messages == [] else normalize_messages(messages)
    if normalized and form.format is not None and form.format.kind == "json_object":
        normalized = _with_json_hint(normalized)
    asked: dict[str, Any] = {
        name: value for name, value in options.items() if value is not None and name not in _NOT_ASKED
    }
    if asked.get("unsupported", "drop") not in _UNSUPPORTED:
        raise ValueError(f"unsupported is one of {_UNSUPPORTED}, got {asked['unsupported']!r}")
    if not isinstance(asked.get("extra_body", {}), Mapping):
        raise TypeError(f"extra_body is a dict, got {type(asked['extra_body']).__name__}")
    if isinstance(asked.get("stop"), str):
        asked["stop"] = [asked["stop"]]
    request = CompletionRequest(
        model=model,
        profile=profile,
        messages=normalized,
        stream=stream,
        tools=tool_list,
        tool_choice=check_tool_choice(tool_choice, tool_list),
        response_format=form.format,
        **asked,
    )
    return request, form


def check_tool_choice(choice: str | None, tools: Sequence[Tool]) -> str | None:
    """The choice under its common name ("any" is "required"), None where there is nothing to choose from.

    Raises:
        TypeError: It is no string.
        ValueError: It names no tool that was passed, or demands a call where there is no tool.
    """
    if choice is None:
        return None
    if not isinstance(choice, str):
        raise TypeError(f'tool_choice is "auto", "none", "required" or the name of a tool, got {type(choice).__name__}')
    if choice in ("auto", "none"):
        return choice if tools else None
    names = [tool.name for tool in tools]
    if choice in ("required", "any"):
        if not names:
            raise ValueError(f"tool_choice={choice!r} demands a tool call, but no tools were passed")
        return "required"
    if choice not in names:
        known = ", ".join(map(repr, names)) or "none"
        raise ValueError(
            f"tool_choice={choice!r} names no tool; expected 'auto', 'none', 'required' or one of: {known}"
        )
    return choice


def _with_json_hint(messages: list[Message]) -> list[Message]:
    # OpenAI refuses JSON mode where no message holds the word:
    # https://platform.openai.com/docs/guides/structured-outputs#json-mode
    if any("json" in message.text.lower() for message in messages):
        return messages
    at = 1 if messages[0].role is Role.SYSTEM else 0
    return [*messages[:at], Message.system(_JSON_HINT), *messages[at:]]


def read_timeouts(value: float | Timeouts) -> Timeouts:
    """The limits that a `timeout` argument stands for: a number is the longest silence.

    Raises:
        TypeError: It is neither a number nor a Timeouts.
        ValueError: It is not above 0.
    """
    if isinstance(value, Timeouts):
        return value
    check_number("timeout", value, low=0.0)
    if value == 0:
        raise ValueError("timeout is a number of seconds above 0, got 0")
    connect = Timeouts().connect
    return Timeouts(connect=value if connect is None else min(connect, value), read=value)


def check_retries(value: Any) -> int:
    """How often an answer of the wrong form is asked for again; 1 where nothing is given.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is negative.
    """
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"output_retries is a whole number, got {type(value).__name__}")
    if value < 0:
        raise ValueError(f"output_retries is at least 0, got {value}")
    return value


def check_number(name: str, value: Any, *, low: float, high: float | None = None) -> None:
    """Refuse what is no number within the bounds.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of bounds.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number, got {type(value).__name__}")
    if not (low <= value and (high is None or value <= high)):
        bounds = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
        raise ValueError(f"{name} is a number {bounds}, got {value!r}")


def check_count(name: str, value: Any) -> None:
    """Refuse what is no positive whole number.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is below 1.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} is at least 1, got {value!r}")
