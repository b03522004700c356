"""Tokens of whole requests: messages, tool calls, tool schemas, images.

OpenAI's rules are those of its cookbook ("How to count tokens with tiktoken"): three tokens around each message, one
for its role, three for the answer to come. What the cookbook leaves out (tool calls, the differences of reasoning
models) is fitted to one half of some recorded calls; benchmarks/tokens.py shows how near the counts come to the other.
Anthropic publishes its own endpoint for counting; what is here estimates it.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from typing import Any

from . import jsons
from .capabilities import capabilities_of, plain_name
from .images import image_tokens
from .messages import Message, MessageInput, Role, normalize_messages
from .parts import AudioPart, FilePart, ImagePart, Part, RawPart, TextPart
from .tokenizer import Tokenizer
from .tool_rendering import plain_tool, render_tools

SAFETY = 1.10
"""What an estimated count is multiplied with where a limit depends on it."""

# OpenAI
_AROUND_MESSAGE = 4  # with its role
_AROUND_NAME = 1
_BEFORE_ANSWER = 3
_BEFORE_ANSWER_REASONING = 2
_CALL = 2  # "functions." before the name
_CALL_RESULT = 3
_PARALLEL = 8  # for each of several calls in one message, which are wrapped into one
_UNNAMED_TOOL = 2
_TOOLS = 9
_TOOLS_O_SERIES = 10
_TOOLS_GPT_5 = 94  # on Chat Completions; the Responses API adds less
_SYSTEM_WITH_TOOLS = -4  # the schemas join the system message instead of making one

# Anthropic: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing
_CLAUDE_AROUND_MESSAGE = 4
_CLAUDE_BEFORE_ANSWER = 3
_CLAUDE_TOOLS = 480
_CLAUDE_TOOLS_BEFORE = (
    ("claude-3-opus", 530), ("claude-3-sonnet", 159), ("claude-3", 264), ("claude-sonnet-4-0", 346),
    ("claude-sonnet-4-2", 346), ("claude-opus-4-0", 346), ("claude-opus-4-1", 346), ("claude-opus-4-2", 346),
)  # fmt: skip
_CLAUDE_TOOL = 20
_CLAUDE_CALL = 50

# Documents and sound: no vendor publishes an exact rule, so these err on the high side.
_PDF_PAGE = {"anthropic": 3000}
_PDF_PAGE_ELSE = 1500
_PDF_BYTES_PER_PAGE = 50_000
_PDF_PAGES = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_AUDIO_PER_SECOND = 10
_AUDIO_BYTES_PER_SECOND = {"wav": 48_000, "mp3": 8_000}
_UPLOADED_FILE = 5000


def count(
    content: MessageInput, tokenizer: Tokenizer, *, vendor: str, model: str, tools: Iterable[Any] | None = None
) -> int:
    """Tokens of bare text, or of messages with all that goes around them.

    Args:
        content: Text, or messages.
        tokenizer: Counts text.
        vendor: Whose rules: "openai", "anthropic"; unknown vendors as OpenAI.
        model: Its name; rules differ by family.
        tools: Tools or their schemas that are sent along.
    """
    if isinstance(content, str):
        total = tokenizer.count(content)
        return total + count_tools(tools, tokenizer, vendor=vendor, model=model) if tools else total
    messages = normalize_messages(content)
    total = sum(count_message(message, tokenizer, vendor=vendor, model=model) for message in messages)
    total += before_answer(vendor, model)
    if tools:
        total += count_tools(tools, tokenizer, vendor=vendor, model=model)
        if vendor != "anthropic" and any(message.role is Role.SYSTEM for message in messages):
            total += _SYSTEM_WITH_TOOLS
    return total


def before_answer(vendor: str, model: str) -> int:
    """Tokens of a request besides its messages and tools."""
    if vendor == "anthropic":
        return _CLAUDE_BEFORE_ANSWER
    return _BEFORE_ANSWER_REASONING if capabilities_of(model).reasoning else _BEFORE_ANSWER


def count_message(message: Message, tokenizer: Tokenizer, *, vendor: str, model: str) -> int:
    """Tokens of one message, with what the vendor adds around it; of a list they add up."""
    claude = vendor == "anthropic"
    if claude:
        total = 0 if message.role is Role.SYSTEM else _CLAUDE_AROUND_MESSAGE
    else:
        total = _AROUND_MESSAGE
    content = message.content
    if isinstance(content, str):
        total += tokenizer.count(content)
    elif content:
        total += sum(count_part(part, tokenizer, vendor=vendor, model=model) for part in content)
    calls = message.tool_calls
    if calls:
        for call in calls:
            total += tokenizer.count(call.name) + tokenizer.count(call.arguments) + (_CLAUDE_CALL if claude else _CALL)
        if len(calls) > 1 and not claude:
            total += _PARALLEL * len(calls)
    if message.role is Role.TOOL:
        if claude:
            total += _CLAUDE_CALL
        else:
            total += _CALL_RESULT + (tokenizer.count(message.name) if message.name else _UNNAMED_TOOL)
    elif message.name and not claude:
        total += _AROUND_NAME + tokenizer.count(message.name)
    if message.provider_items is not None and calls:
        # Outside tool turns the vendors drop earlier reasoning themselves.
        total += sum(_reasoning_tokens(item, tokenizer) for item in message.provider_items.items)
    return total


def _reasoning_tokens(item: dict[str, Any], tokenizer: Tokenizer) -> int:
    kind = item.get("type")
    if kind == "thinking":
        return tokenizer.count(str(item.get("thinking") or ""))
    sealed = item.get("data") if kind == "redacted_thinking" else item.get("encrypted_content")
    # Base64 of the compressed reasoning: about six characters a token.
    return len(sealed) // 6 if isinstance(sealed, str) else 0


def count_part(part: Part, tokenizer: Tokenizer, *, vendor: str, model: str) -> int:
    """Tokens of one part of a message's content."""
    if isinstance(part, TextPart):
        return tokenizer.count(part.text)
    if isinstance(part, ImagePart):
        return image_tokens(part, vendor, model)
    if isinstance(part, AudioPart):
        seconds = len(part.data) * 3 / 4 / _AUDIO_BYTES_PER_SECOND.get(part.format, 8_000)
        return math.ceil(seconds * _AUDIO_PER_SECOND)
    if isinstance(part, RawPart):
        return tokenizer.count(jsons.dumps_text(part.value))
    return _file_tokens(part, tokenizer, vendor)


def _file_tokens(file: FilePart, tokenizer: Tokenizer, vendor: str) -> int:
    if file.data is None:
        return _UPLOADED_FILE
    try:
        content = base64.b64decode(file.data)
    except ValueError:
        return tokenizer.count(file.data)
    if content[:4] == b"%PDF":
        # Newer files hide their page objects in compressed streams: then their size has to do.
        pages = len(_PDF_PAGES.findall(content)) or math.ceil(len(content) / _PDF_BYTES_PER_PAGE)
        return pages * _PDF_PAGE.get(vendor, _PDF_PAGE_ELSE)
    return tokenizer.count(content.decode("utf-8", "replace"))


def count_tools(tools: Iterable[Any], tokenizer: Tokenizer, *, vendor: str, model: str) -> int:
    """Tokens of tool schemas, with what the vendor adds for having tools at all.

    Args:
        tools: Tools, or dicts in the shape of any of the three dialects.
        tokenizer: Counts text.
        vendor: Whose rules.
        model: Its name.

    Raises:
        TypeError: One of them is no tool.
    """
    given = list(tools)
    if not given:
        return 0
    name = plain_name(model)
    if vendor == "anthropic":
        total = next((known for start, known in _CLAUDE_TOOLS_BEFORE if name.startswith(start)), _CLAUDE_TOOLS)
        return total + sum(_CLAUDE_TOOL + tokenizer.count(jsons.dumps_text(plain_tool(tool))) for tool in given)
    total = tokenizer.count(render_tools(given))
    if not capabilities_of(model).reasoning:
        return total + _TOOLS
    return total + (_TOOLS_O_SERIES if name.startswith("o") else _TOOLS_GPT_5)


def with_margin(tokens: int, tokenizer: Tokenizer) -> int:
    """A count on which a limit depends: exact ones as they are, estimates with a margin."""
    return tokens if tokenizer.exact else math.ceil(tokens * SAFETY)
