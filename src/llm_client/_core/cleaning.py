"""One message made fit to send: what an interruption left half done is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .messages import Message, ProviderItems, Role
from .parts import TextPart

ANTHROPIC = "anthropic-messages"
CHAT = "openai-chat"
RESPONSES = "openai-responses"

EMPTY_PLACEHOLDER = "(no content)"
NOT_EXECUTED = "Error: the call was interrupted before a result came; it may or may not have been executed."


def missing_result(call_id: str, name: str) -> Message:
    """The error that answers a call which nothing else answers."""
    return Message(role=Role.TOOL, content=NOT_EXECUTED, tool_call_id=call_id, name=name, is_error=True)


def clean(message: Message, dialect: str | None = None) -> tuple[Message | None, list[str]]:
    """A message without what cannot be sent, None where nothing is left; and what was done to it.

    Args:
        message: The message; it is not changed.
        dialect: For which API; None for what holds for all of them.
    """
    notes: list[str] = []
    cleaned = _assistant(message, dialect, notes) if message.role is Role.ASSISTANT else _other(message, dialect, notes)
    if cleaned is not None and dialect == ANTHROPIC:
        cleaned = _without_blank_parts(cleaned, notes)
    return cleaned, notes


def _assistant(message: Message, dialect: str | None, notes: list[str]) -> Message | None:
    items = message.provider_items
    if items is not None:
        kept = _clean_items(message, items, notes)
        if kept is not items:
            message = replace(message, provider_items=kept)
            items = kept
    if not message.tool_calls and not has_content(message):
        usable = items is not None and dialect in (None, items.dialect) and _says_something(items)
        if not usable:
            notes.append("dropped an assistant message without content")
            return None
    return message


def _other(message: Message, dialect: str | None, notes: list[str]) -> Message | None:
    if has_content(message):
        return message
    role = message.role
    if role is Role.SYSTEM:
        notes.append("dropped an empty system message")
        return None
    if role is Role.USER and dialect == ANTHROPIC:
        notes.append("put a placeholder into an empty user message")
        return replace(message, content=EMPTY_PLACEHOLDER)
    if not isinstance(message.content, str):
        notes.append(f"gave a {role.value} message without content an empty text")
        return replace(message, content="")
    return message


def _without_blank_parts(message: Message, notes: list[str]) -> Message:
    content = message.content
    if not isinstance(content, tuple):
        return message
    kept = tuple(part for part in content if not isinstance(part, TextPart) or part.text.strip())
    if len(kept) == len(content):
        return message
    notes.append(f"dropped an empty text part of a {message.role.value} message")
    return replace(message, content=kept or None)


def has_content(message: Message) -> bool:
    """Whether the message says anything: text that is not blank, or an image, a file, audio."""
    content = message.content
    if content is None:
        return False
    if isinstance(content, str):
        return bool(content) and not content.isspace()
    return any(not isinstance(part, TextPart) or bool(part.text.strip()) for part in content)


def _clean_items(message: Message, items: ProviderItems, notes: list[str]) -> ProviderItems | None:
    if items.dialect == ANTHROPIC:
        kept = _clean_blocks(items.items, notes)
    elif items.dialect == RESPONSES:
        kept = _clean_output(items.items, notes)
    else:
        return items
    reason = _mismatch(message, kept)
    if reason:
        notes.append(f"dropped the vendor's items of an assistant message: {reason}")
        return None
    if len(kept) == len(items.items):
        return items
    return ProviderItems(items.dialect, tuple(kept)) if kept else None


def _clean_blocks(blocks: tuple[dict[str, Any], ...], notes: list[str]) -> list[dict[str, Any]]:
    kept = []
    for block in blocks:
        kind = block.get("type")
        if kind == "thinking" and not block.get("signature"):
            notes.append("dropped a thinking block without its signature")
        elif kind == "redacted_thinking" and not block.get("data"):
            notes.append("dropped a redacted thinking block without its data")
        else:
            kept.append(block)
    while kept and kept[-1].get("type") in ("thinking", "redacted_thinking"):
        kept.pop()
        notes.append("dropped a thinking block that nothing follows")
    return kept


def _clean_output(output: tuple[dict[str, Any], ...], notes: list[str]) -> list[dict[str, Any]]:
    kept = list(output)
    while kept and kept[-1].get("type") == "reasoning":
        kept.pop()
        notes.append("dropped a reasoning item that nothing follows")
    return kept


def _mismatch(message: Message, items: list[dict[str, Any]]) -> str | None:
    """Why the items are not this message any more: it was edited, or cut short while it came."""
    if not items:
        return None
    ids = [call_id_of(item) for item in items if call_id_of(item) is not None]
    wanted = [call.id for call in message.tool_calls or ()]
    # Items may hold the reasoning alone; then the dialect writes text and calls from the message.
    if ids and sorted(map(str, ids)) != sorted(wanted):
        return "they hold other tool calls than the message"
    text = _text_of(items)
    if text is not None and "".join(text.split()) != "".join(message.text.split()):
        return "they hold another text than the message"
    if any(item.get("status") == "in_progress" for item in items):
        return "they were cut short"
    return None


def call_id_of(item: Mapping[str, Any]) -> str | None:
    """The id of the call that a vendor's item makes, None where it makes none."""
    kind = item.get("type")
    if kind == "tool_use":
        return str(item.get("id") or "")
    return str(item.get("call_id") or "") if kind in ("function_call", "custom_tool_call") else None


def _text_of(items: list[dict[str, Any]]) -> str | None:
    texts: list[str] = []
    for item in items:
        if item.get("type") == "text":
            texts.append(str(item.get("text") or ""))
        elif item.get("type") == "message":
            for part in item.get("content") or ():
                if isinstance(part, Mapping) and part.get("type") == "output_text":
                    texts.append(str(part.get("text") or ""))
                elif isinstance(part, Mapping) and part.get("type") == "refusal" and not texts:
                    texts.append(str(part.get("refusal") or ""))
    return "".join(texts) if texts else None


_SAY_NOTHING = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "text", "message", "tool_use", "function_call", "custom_tool_call"}
)


def _says_something(items: ProviderItems) -> bool:
    # The message itself has neither text nor calls: only what the vendor ran on its side is left to say something.
    return any(item.get("type") not in _SAY_NOTHING for item in items.items)
