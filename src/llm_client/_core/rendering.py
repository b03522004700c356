"""Messages for others to read: people, and OpenAI's Chat Completions API."""

from __future__ import annotations

from typing import Any

from .messages import Message, Role
from .parts import FilePart, ImagePart, Part, RawPart, TextPart


def chat_dict(message: Message) -> dict[str, Any]:
    """The message exactly as Chat Completions takes it: nothing of ours, nothing of another vendor."""
    value = message.to_dict()
    value.pop("is_error", None)
    value.pop("provider_items", None)
    if message.role is Role.TOOL:
        value.pop("name", None)  # known to our results only
        value["content"] = message.text
    elif message.content is None and not message.tool_calls:
        value["content"] = ""
    return value


def readable(message: Message) -> str:
    """The message as a line of text or several: "User: ...", "Assistant: ...", "Tool search: ..."."""
    who = message.role.value.capitalize()
    if message.role is Role.TOOL:
        who = f"{who} {message.name or message.tool_call_id}" + (" (failed)" if message.is_error else "")
    elif message.name:
        who = f"{who} ({message.name})"
    said = "".join(_readable_part(part) for part in message.parts)
    lines = [f"{who}: {said}"] if said or not message.tool_calls else [f"{who}:"]
    lines += [f"  -> {call.name}({call.arguments})" for call in message.tool_calls or ()]
    return "\n".join(lines)


def _readable_part(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, ImagePart):
        return f"[image {part.url or part.media_type}]"
    if isinstance(part, FilePart):
        return f"[file {part.filename or part.url or part.file_id or part.media_type}]"
    if isinstance(part, RawPart):
        return f"[{part.value.get('type') or 'part'}]"
    return f"[audio {part.format}]"
