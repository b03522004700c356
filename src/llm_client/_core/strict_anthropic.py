"""Anthropic's rules for Messages bodies: https://platform.claude.com/docs/en/api/messages"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_ID = re.compile(r"[a-zA-Z0-9_-]+\Z")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
_THINKING = ("thinking", "redacted_thinking")
# Models that do not go on with a last message of their own, and take system messages after the first message.
_MODERN = re.compile(r"claude-(?:opus-4-[7-9]|(?:opus|sonnet|haiku)-[5-9]|fable|mythos)")

Block = Mapping[str, Any]


class AnthropicAnswers:
    """The thinking that the server signed."""

    def __init__(self) -> None:
        self._signed: dict[str, Any] = {}
        self._redacted: set[str] = set()

    def remember(self, answer: Mapping[str, Any]) -> None:
        """Take note of an answer's thinking blocks."""
        for block in answer.get("content") or ():
            if block.get("type") == "thinking":
                self._signed[block.get("signature") or ""] = block.get("thinking")
            elif block.get("type") == "redacted_thinking":
                self._redacted.add(block.get("data") or "")

    def complaint(self, where: str, block: Block) -> str | None:
        """What is wrong with a thinking block that came back."""
        if block["type"] == "redacted_thinking":
            if block.get("data") in self._redacted:
                return None
            return f"{where}: Invalid `data` in `redacted_thinking` block"
        signature = block.get("signature")
        if signature not in self._signed:
            return f"{where}: Invalid `signature` in `thinking` block"
        if self._signed[signature] != block.get("thinking"):
            return (
                f"{where}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
                "modified. These blocks must remain as they were in the original response."
            )
        return None


def check_messages(body: Mapping[str, Any], answers: AnthropicAnswers | None) -> list[str]:
    """What the API would refuse this body for.

    Args:
        body: The request's JSON.
        answers: What the server answered before; None: any signature is taken.
    """
    messages = body.get("messages")
    if not isinstance(messages, list):
        return ["messages: Field required"]
    if not messages:
        return ["messages: at least one message is required"]
    modern = _MODERN.match(str(body.get("model") or ""))
    found = [] if "max_tokens" in body else ["max_tokens: Field required"]
    found += [f"system.{i}: text content blocks must be non-empty" for i in _empty_texts(body.get("system"))]
    for position, message in enumerate(messages):
        if position and modern and isinstance(message, Mapping) and message.get("role") == "system":
            continue
        found += _message(f"messages.{position}", message, position == len(messages) - 1)
    if found:
        return found
    if messages[0]["role"] != "user":
        found.append('messages: first message must use the "user" role')
    found += _pairing(messages)
    found += _thinking(body, messages, answers)
    found += _end(body, messages)
    return found


def _empty_texts(content: Any) -> Iterator[int]:
    for position, block in enumerate(content if isinstance(content, list) else ()):
        if block.get("type") == "text" and not str(block.get("text") or "").strip():
            yield position


def _message(where: str, message: Any, last: bool) -> list[str]:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role == "system":
        return [
            f'{where}: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" '
            "as an input message role."
        ]
    if role not in ("user", "assistant"):
        return [f"{where}.role: Input should be 'user' or 'assistant'"]
    found = [f"{where}.{key}: Extra inputs are not permitted" for key in message if key not in ("role", "content")]
    content = message.get("content")
    if not isinstance(content, (str, list)):
        return [*found, f"{where}.content: Field required"]
    if not content and not (last and role == "assistant"):
        rule = "all messages must have non-empty content except for the optional final assistant message"
        return [*found, f"{where}: {rule}"]
    if isinstance(content, str):
        if content and not content.strip():
            found.append("messages: text content blocks must contain non-whitespace text")
        return found
    for position, block in enumerate(content):
        found += _block(f"{where}.content.{position}", where, role, block)
    return found


def _block(where: str, message: str, role: str, block: Any) -> list[str]:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if not isinstance(kind, str):
        return [f"{where}.type: Field required"]
    if kind == "text":
        text = block.get("text")
        if not isinstance(text, str):
            return [f"{where}.text.text: Field required"]
        if not text:
            return ["messages: text content blocks must be non-empty"]
        return [] if text.strip() else ["messages: text content blocks must contain non-whitespace text"]
    if kind == "tool_use":
        return _tool_use(where, message, role, block)
    if kind == "tool_result":
        return _tool_result(where, message, role, block)
    if kind in _THINKING:
        if role != "assistant":
            return [f"{message}: `{kind}` blocks can only be in `assistant` messages"]
        needed = ("signature", "thinking") if kind == "thinking" else ("data",)
        missing = [key for key in needed if not isinstance(block.get(key), str)]
        if kind == "thinking" and block.get("signature") == "":
            return [f"{where}: Invalid `signature` in `thinking` block"]
        return [f"{where}.{kind}.{key}: Field required" for key in missing]
    if kind in ("image", "document") and not isinstance(block.get("source"), Mapping):
        return [f"{where}.{kind}.source: Field required"]
    return []


def _tool_use(where: str, message: str, role: str, block: Block) -> list[str]:
    if role != "assistant":
        return [f"{message}: `tool_use` blocks can only be in `assistant` messages"]
    found = []
    if not _ID.match(str(block.get("id") or "")):
        found.append(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not _NAME.match(str(block.get("name") or "")):
        found.append(f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if not isinstance(block.get("input"), Mapping):
        found.append(f"{where}.tool_use.input: Input should be a valid dictionary")
    return found


def _tool_result(where: str, message: str, role: str, block: Block) -> list[str]:
    if role != "user":
        return [f"{message}: `tool_result` blocks can only be in `user` messages"]
    found = []
    if not _ID.match(str(block.get("tool_use_id") or "")):
        found.append(f"{where}.tool_result.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    content = block.get("content")
    if content is not None and not isinstance(content, (str, list)):
        found.append(f"{where}.tool_result.content: Input should be a valid string")
    for position in _empty_texts(content):
        found.append(f"{where}.tool_result.content.{position}: text content blocks must be non-empty")
    if not isinstance(block.get("is_error", False), bool):
        found.append(f"{where}.tool_result.is_error: Input should be a valid boolean")
    return found


def _blocks(message: Mapping[str, Any]) -> Sequence[Block]:
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _pairing(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    seen: set[str] = set()
    owed: list[str] = []
    for position, message in enumerate(messages):
        blocks = _blocks(message)
        answered: list[str] = []
        leading = True
        for place, block in enumerate(blocks):
            where = f"messages.{position}.content.{place}"
            if block["type"] != "tool_result":
                leading = False
                continue
            call = block["tool_use_id"]
            if call in answered:
                found.append(
                    f"{where}: each tool_use must have a single result. "
                    f"Found multiple `tool_result` blocks with id: {call}"
                )
            elif call not in owed:
                found.append(
                    f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {call}. Each `tool_result` "
                    "block must have a corresponding `tool_use` block in the previous message."
                )
            elif leading:
                answered.append(call)
        missing = [call for call in owed if call not in answered]
        if missing:
            found.append(_unanswered(position - 1, missing))
        owed = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for place, block in enumerate(blocks):
            if block["type"] == "tool_use":
                if block["id"] in seen:
                    found.append(f"messages.{position}.content.{place}: `tool_use` ids must be unique")
                seen.add(block["id"])
    if owed:
        found.append(_unanswered(len(messages) - 1, owed))
    return found


def _unanswered(position: int, calls: Sequence[str]) -> str:
    return (
        f"messages.{position}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(calls)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _thinking(
    body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], answers: AnthropicAnswers | None
) -> list[str]:
    found = []
    for position, message in enumerate(messages):
        blocks = _blocks(message)
        if message["role"] == "assistant" and blocks and blocks[-1]["type"] in _THINKING:
            found.append(f"messages.{position}: The final block in an assistant message cannot be `thinking`.")
        for place, block in enumerate(blocks):
            if block["type"] in _THINKING and answers is not None:
                complaint = answers.complaint(f"messages.{position}.content.{place}", block)
                if complaint:
                    found.append(complaint)
    thinking = body.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    begun = _begun(messages)
    if kind == "enabled" and begun is not None:
        first = next(iter(_blocks(messages[begun])), None)
        if first is not None and first["type"] not in _THINKING:
            found.append(
                f"messages.{begun}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{first['type']}`. When `thinking` is enabled, a final `assistant` message must start with a "
                "thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
            )
    last = messages[-1]
    thought = last["role"] == "assistant" and any(block["type"] in _THINKING for block in _blocks(last))
    if thought and kind in (None, "disabled"):
        found.append(
            f"messages.{len(messages) - 1}: When `thinking` is disabled, an `assistant` message in the final "
            "position cannot contain `thinking`. To use thinking blocks, enable `thinking` in your request."
        )
    return found


def _begun(messages: Sequence[Mapping[str, Any]]) -> int | None:
    """The message that begins the answer which the model is to go on with, None where it starts a new one."""
    begun = None
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message["role"] == "assistant":
            begun = position
        elif any(block["type"] != "tool_result" for block in _blocks(message)):
            break
    return begun


def _end(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> list[str]:
    last = messages[-1]
    if last["role"] != "assistant":
        return []
    blocks = _blocks(last)
    if blocks and blocks[-1]["type"] == "text" and blocks[-1]["text"] != blocks[-1]["text"].rstrip():
        return ["messages: final assistant content cannot end with trailing whitespace"]
    model = str(body.get("model") or "")
    if _MODERN.match(model):
        return ["This model does not support assistant message prefill. The conversation must end with a user message."]
    return []
