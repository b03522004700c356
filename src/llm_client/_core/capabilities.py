"""What each family of models takes and refuses, by its name alone.

The rules are by family, so that a name which no table lists yet ("gpt-5.9-foo", "claude-sonnet-5-20270101") is still
called in a form that its API takes. Sources: OpenAI's reasoning guide and deprecations page
(https://developers.openai.com/api/docs/guides/reasoning), Anthropic's pages on thinking, effort and error codes
(https://platform.claude.com/docs/en/build-with-claude/thinking, .../effort, /docs/en/api/errors).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Vendor = Literal["openai", "anthropic", "unknown"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model takes; the defaults are permissive, for models that nobody knows.

    Args:
        sampling: temperature, top_p and (Anthropic) top_k are taken.
        fixed_temperature: Where sampling is False: the one temperature that is taken nevertheless, None for none.
        stop: Stop sequences are taken; OpenAI's reasoning models refuse them on Chat Completions.
        penalties: presence_penalty, frequency_penalty and logit_bias are taken.
        logprobs: logprobs are taken.
        max_tokens_name: What Chat Completions wants the output limit to be called.
        efforts: The accepted values of reasoning_effort (OpenAI) or output_config.effort (Anthropic); () where the
            parameter is refused, None where nobody knows: send anything.
        default_effort: What the API takes where nothing is sent, as far as it is published.
        effort_parameter: Anthropic's output_config.effort is taken.
        thinking: The values of Anthropic's thinking.type that are taken; () for models without thinking.
        thinking_always: The model always thinks; thinking cannot be turned off.
        thinking_with_forced_tools: Of `thinking`, the styles that may go with a forced tool choice.
        reasoning: The model reasons before it answers, or can be asked to.
        tools: Tools are taken.
        forced_tool_choice: A tool choice that forces a call ("required", "any", a tool's name) is taken.
        parallel_tool_calls: The switch for parallel tool calls is taken.
        assistant_prefill: The last message may be the assistant's.
        structured_output: A JSON schema is taken natively.
        json_object: response_format "json_object" is taken (OpenAI).
        vision: Images are taken.
        chat_completions: The model answers on Chat Completions; otherwise on the Responses API only.
        responses: The model answers on the Responses API.
        cache_write_ttl: The model's cache keeps explicit breakpoints (OpenAI's prompt_cache_options).
        fast_mode: Anthropic's speed="fast" is taken.
        dimensions: An embedding model that takes `dimensions`.
    """

    sampling: bool = True
    fixed_temperature: float | None = None
    stop: bool = True
    penalties: bool = True
    logprobs: bool = True
    max_tokens_name: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    efforts: tuple[str, ...] | None = None
    default_effort: str | None = None
    effort_parameter: bool = True
    thinking: tuple[str, ...] = ("enabled", "adaptive", "between_tools", "disabled")
    thinking_always: bool = False
    thinking_with_forced_tools: tuple[str, ...] = ("enabled", "adaptive", "between_tools", "disabled")
    reasoning: bool = False
    tools: bool = True
    forced_tool_choice: bool = True
    parallel_tool_calls: bool = True
    assistant_prefill: bool = True
    structured_output: bool = True
    json_object: bool = True
    vision: bool = True
    chat_completions: bool = True
    responses: bool = True
    cache_write_ttl: bool = True
    fast_mode: bool = True
    dimensions: bool = True

    def accepts_temperature(self, value: float) -> bool:
        """True if this temperature may be sent."""
        return self.sampling or (self.fixed_temperature is not None and value == self.fixed_temperature)

    def accepts_effort(self, value: str) -> bool:
        """True if this effort may be sent."""
        return self.efforts is None or value in self.efforts


UNKNOWN = Capabilities()
"""Of a model that nobody knows: everything is sent."""

_NO_CLAUDE = {"effort_parameter": False, "thinking": (), "thinking_with_forced_tools": (), "fast_mode": False}


def _openai_chat(**given: object) -> Capabilities:
    known: dict[str, object] = {
        **_NO_CLAUDE,
        "max_tokens_name": "max_completion_tokens",
        "efforts": (),
        "assistant_prefill": True,
        "cache_write_ttl": False,
        "dimensions": False,
        **given,
    }
    return Capabilities(**known)  # type: ignore[arg-type]  # the table below is checked by tests


def _openai_reasoning(*efforts: str, **given: object) -> Capabilities:
    known: dict[str, object] = {
        "sampling": False,
        "fixed_temperature": 1.0,
        "stop": False,
        "penalties": False,
        "logprobs": False,
        "efforts": efforts,
        "reasoning": True,
        **given,
    }
    return _openai_chat(**known)


def _claude(*thinking: str, efforts: tuple[str, ...] = (), modern: bool = True, **given: object) -> Capabilities:
    """Of a Claude model.

    Args:
        thinking: The accepted values of thinking.type.
        efforts: The accepted values of output_config.effort.
        modern: Sampling parameters and prefill are refused, as from Opus 4.7 and the fifth generation on.
        given: What differs.
    """
    known: dict[str, object] = {
        "sampling": not modern,
        "assistant_prefill": not modern,
        "efforts": efforts,
        "effort_parameter": bool(efforts),
        "default_effort": "high" if efforts else None,
        "thinking": thinking,
        # "Thinking may not be enabled when tool_choice forces tool use" is about a fixed budget; adaptive thinking
        # steps back by itself.
        "thinking_with_forced_tools": tuple(style for style in thinking if style != "enabled"),
        "reasoning": bool(thinking),
        "max_tokens_name": "max_tokens",
        "penalties": False,
        "logprobs": False,
        "json_object": False,
        "responses": False,
        "cache_write_ttl": True,
        "fast_mode": False,
        "dimensions": False,
        **given,
    }
    return Capabilities(**known)  # type: ignore[arg-type]  # the table below is checked by tests


_O_SERIES = ("low", "medium", "high")
_LOW_TO_MAX = ("low", "medium", "high", "xhigh", "max")
# No page says which models take "between_tools": it goes out where a caller asks for it on the fifth generation.
_ALWAYS = _claude("adaptive", "between_tools", efforts=_LOW_TO_MAX, thinking_always=True, forced_tool_choice=False)
_ADAPTIVE = _claude("adaptive", "disabled", efforts=_LOW_TO_MAX)
_FIFTH = _claude("adaptive", "between_tools", "disabled", efforts=_LOW_TO_MAX)
_BUDGET = _claude("enabled", "disabled", modern=False)
_EMBEDDING = _openai_chat(
    sampling=False, stop=False, penalties=False, logprobs=False, tools=False, forced_tool_choice=False,
    parallel_tool_calls=False, assistant_prefill=False, structured_output=False, json_object=False, vision=False,
    chat_completions=False, responses=False, dimensions=True,
)  # fmt: skip

# The first expression that matches the start of the plain name decides; so the special stands before the general.
_RULES: tuple[tuple[str, Capabilities], ...] = (
    # --- embeddings
    (r"text-embedding-3", _EMBEDDING),
    (r"text-embedding-", _openai_chat(**{
        **{name: getattr(_EMBEDDING, name) for name in _EMBEDDING.__dataclass_fields__}, "dimensions": False})),
    # --- OpenAI, reasoning
    (r"o1-(mini|preview)", _openai_reasoning(
        tools=False, forced_tool_choice=False, parallel_tool_calls=False,
        structured_output=False, json_object=False, vision=False, responses=False)),
    (r"o[13]-pro", _openai_reasoning(*_O_SERIES, parallel_tool_calls=False, chat_completions=False)),
    (r"o\d+(-mini)?-deep-research", _openai_reasoning("medium", parallel_tool_calls=False, chat_completions=False,
        structured_output=False)),
    (r"o3-mini", _openai_reasoning(*_O_SERIES, parallel_tool_calls=False, vision=False, default_effort="medium")),
    (r"o\d", _openai_reasoning(*_O_SERIES, parallel_tool_calls=False, default_effort="medium")),
    (r"gpt-5-pro", _openai_reasoning("high", chat_completions=False, default_effort="high")),
    (r"gpt-5\.[23]-pro", _openai_reasoning("medium", "high", "xhigh", chat_completions=False)),
    (r"gpt-[5-9](\.\d+)?-pro", _openai_reasoning("medium", "high", "xhigh", chat_completions=False,
        structured_output=False)),
    (r"gpt-[5-9](\.\d+)?-chat", _openai_chat()),
    (r"gpt-5-search", _openai_chat(sampling=False, stop=False, penalties=False, logprobs=False)),
    (r"gpt-5-codex", _openai_reasoning(*_O_SERIES, chat_completions=False, default_effort="medium")),
    (r"gpt-5\.1-codex-max", _openai_reasoning("none", "low", "medium", "high", "xhigh", chat_completions=False)),
    (r"gpt-5\.1-codex", _openai_reasoning(*_O_SERIES, chat_completions=False, default_effort="medium")),
    (r"gpt-5\.[23]-codex", _openai_reasoning("none", "low", "medium", "high", "xhigh", chat_completions=False)),
    (r"gpt-5(?![.\d])", _openai_reasoning("minimal", "low", "medium", "high", default_effort="medium")),
    (r"gpt-5\.1", _openai_reasoning("none", "low", "medium", "high", default_effort="none")),
    (r"gpt-5\.[2-5]", _openai_reasoning("none", "low", "medium", "high", "xhigh", default_effort="none")),
    (r"gpt-5\.", _openai_reasoning("none", "low", "medium", "high", "xhigh", cache_write_ttl=True)),
    (r"gpt-6-(sol|luna)|gpt-6\.1-terra", _openai_reasoning("none", *_LOW_TO_MAX, cache_write_ttl=True)),
    (r"gpt-([6-9]|\d\d)", _openai_reasoning(*_LOW_TO_MAX, cache_write_ttl=True)),
    (r"codex-", _openai_reasoning(*_O_SERIES, chat_completions=False)),
    # --- OpenAI, plain
    (r"(gpt-4o(-mini)?-|gpt-)audio", _openai_chat(vision=False, structured_output=False, json_object=False)),
    (r"gpt-4o(-mini)?-search", _openai_chat(sampling=False, stop=False, penalties=False, logprobs=False,
        tools=False, forced_tool_choice=False, parallel_tool_calls=False, responses=False)),
    (r"gpt-4o|chatgpt-4o|gpt-4\.[15]", _openai_chat()),
    (r"gpt-4-vision|gpt-4-1106-vision", _openai_chat(structured_output=False, json_object=False, tools=False,
        forced_tool_choice=False, parallel_tool_calls=False)),
    (r"gpt-4-(turbo-2024|turbo$)", _openai_chat(structured_output=False)),
    (r"gpt-4-(turbo|1106|0125)", _openai_chat(structured_output=False, vision=False)),
    (r"gpt-4(?![.\do])", _openai_chat(structured_output=False, vision=False, json_object=False)),
    (r"gpt-3\.5", _openai_chat(structured_output=False, vision=False)),
    # --- Claude: the fifth generation's later models always think, and cannot be forced to call a tool
    (r"claude-(fable|mythos)-", _ALWAYS),
    (r"claude-haiku-5", _FIFTH),
    (r"claude-opus-5-5", _claude("adaptive", "between_tools", efforts=_LOW_TO_MAX, thinking_always=True,
        forced_tool_choice=False, fast_mode=True)),
    (r"claude-sonnet-5-5", _ALWAYS),
    (r"claude-opus-5", _claude("adaptive", "between_tools", "disabled", efforts=_LOW_TO_MAX, fast_mode=True)),
    (r"claude-sonnet-5", _FIFTH),
    (r"claude-opus-4-8", _claude("adaptive", "disabled", efforts=_LOW_TO_MAX, fast_mode=True)),
    (r"claude-opus-4-7", _ADAPTIVE),
    (r"claude-opus-4-6", _claude("enabled", "adaptive", "disabled", efforts=("low", "medium", "high", "max"),
        modern=False, assistant_prefill=False, fast_mode=True)),
    (r"claude-sonnet-4-6", _claude("enabled", "adaptive", "disabled", efforts=("low", "medium", "high", "max"),
        modern=False, assistant_prefill=False)),
    (r"claude-opus-4-5", _claude("enabled", "disabled", efforts=("low", "medium", "high"), modern=False)),
    (r"claude-(sonnet|haiku)-4-5", _BUDGET),
    (r"claude-(opus-4-1|(opus|sonnet|haiku)-4|4-)", _claude("enabled", "disabled", modern=False,
        structured_output=False)),
    (r"claude-3-7", _claude("enabled", "disabled", modern=False, structured_output=False)),
    (r"claude-3", _claude(modern=False, structured_output=False)),
    (r"claude-(2|instant|v1)", _claude(modern=False, structured_output=False, vision=False, tools=False,
        forced_tool_choice=False, parallel_tool_calls=False)),
    # A Claude that is named in no rule is newer than this table: as its youngest relatives.
    (r"claude-", _ALWAYS),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), capabilities) for pattern, capabilities in _RULES)

# How routers and clouds dress a vendor's name: "openai/gpt-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
# "claude-opus-4-1@20250805", "anthropic/claude-sonnet-4.5:beta", "ft:gpt-4o-mini-2024-07-18:org::id".
_FINE_TUNE = re.compile(r"ft:([^:]+):.*")
_CLOUD_PREFIX = re.compile(r"(?:[a-z]{2,6}\.)?(?:anthropic|openai)\.")
_CLOUD_SUFFIX = re.compile(r"(?:-v\d+)?(?::\w+)?$")
_CLAUDE_DOT = re.compile(r"(?<=\d)\.(?=\d)")
_CLAUDE_OLD_ORDER = re.compile(r"claude-(\d)(?:[-.](\d))?-(opus|sonnet|haiku)(?=$|-|@)")
_OLDER_CLAUDE = re.compile(r"claude-(v1|instant|[123]|[a-z]+-4(-[0-6])?(-\d{8}|-latest)?$)")
_OPENAI_NAME = re.compile(r"gpt-|o\d|chatgpt-|codex-|text-embedding-|davinci|babbage|computer-use")


def plain_name(model: str) -> str:
    """A model's name as its vendor writes it, in lower case, without a router's or a cloud's dressing."""
    name = model.strip().lower()
    tuned = _FINE_TUNE.fullmatch(name)
    if tuned:
        name = tuned.group(1)
    name = name.rpartition("/")[2]
    name = _CLOUD_PREFIX.sub("", name, count=1) if "." in name and _CLOUD_PREFIX.match(name) else name
    if ":" in name or name.startswith("claude"):
        name = _CLOUD_SUFFIX.sub("", name, count=1)
    if name.startswith("claude"):
        name = _CLAUDE_DOT.sub("-", name).replace("@", "-")
        old = _CLAUDE_OLD_ORDER.match(name)
        # "claude-4-5-sonnet" is how some write it; of the third generation it is the vendor's own order.
        if old and int(old.group(1)) >= 4:
            version = "-".join(filter(None, (old.group(1), old.group(2))))
            name = f"claude-{old.group(3)}-{version}{name[old.end() :]}"
    return name


def vendor_of(model: str) -> Vendor:
    """Whose model this is, by its name."""
    name = plain_name(model)
    if name.startswith("claude"):
        return "anthropic"
    return "openai" if _OPENAI_NAME.match(name) and not name.startswith("gpt-oss") else "unknown"


def is_older_claude(model: str) -> bool:
    """True for Claude models before Opus 4.7, whose tokenizer and image sizes are the older ones."""
    return _OLDER_CLAUDE.match(plain_name(model)) is not None


@lru_cache(maxsize=1024)
def capabilities_of(model: str) -> Capabilities:
    """What the model takes, by its name; permissive where the name says nothing.

    Args:
        model: Any spelling: dated, with a router's prefix, of a fine-tune.
    """
    name = plain_name(model)
    for pattern, capabilities in _COMPILED:
        if pattern.match(name):
            return capabilities
    return UNKNOWN
