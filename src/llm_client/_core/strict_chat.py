"""OpenAI's rules for Chat Completions bodies: https://platform.openai.com/docs/api-reference/chat/create"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_KEYS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal", "audio", "function_call", "annotations"},
    "tool": {"role", "content", "tool_call_id", "name"},
    "function": {"role", "content", "name"},
}
_PARTS = {
    "system": ("text",),
    "developer": ("text",),
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
    "tool": ("text",),
    "function": ("text",),
}
_NAME = re.compile(r"[a-zA-Z0-9_-]+\Z")
_LONGEST_ID = 40


def check_chat(body: Mapping[str, Any]) -> list[str]:
    """What the API would refuse this body for."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return ["Missing required parameter: 'messages'."]
    if not messages:
        return [_empty_array("messages")]
    found: list[str] = []
    if body.get("tool_choice") is not None and not body.get("tools"):
        found.append("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
    for position, message in enumerate(messages):
        found += _message(f"messages[{position}]", message)
    return found or _pairing(messages)


def _empty_array(where: str) -> str:
    return f"Invalid '{where}': empty array. Expected an array with minimum length 1, but got an empty array instead."


def _message(where: str, message: Any) -> list[str]:
    if not isinstance(message, Mapping):
        return [f"Invalid type for '{where}': expected an object, but got something else instead."]
    role = message.get("role")
    if role not in _ROLES:
        values = ", ".join(map(repr, _ROLES[:-1]))
        return [f"Invalid value: {role!r}. Supported values are: {values}, and '{_ROLES[-1]}'. ({where}.role)"]
    found = [f"Unknown parameter: '{where}.{key}'." for key in message if key not in _KEYS[role]]
    calls = message.get("tool_calls")
    content = message.get("content")
    if content is None:
        if role != "assistant" or not (calls or message.get("function_call") or message.get("refusal")):
            found.append(f"Invalid value for 'content': expected a string, got null. ({where}.content)")
    elif isinstance(content, list):
        found += _parts(where, role, content)
    elif not isinstance(content, str):
        found.append(
            f"Invalid type for '{where}.content': expected one of a string or array of objects, "
            "but got something else instead."
        )
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        found.append(f"Missing required parameter: '{where}.tool_call_id'.")
    if "tool_calls" in message and role == "assistant":
        found += _calls(f"{where}.tool_calls", calls)
    return found


def _parts(where: str, role: str, content: Sequence[Any]) -> list[str]:
    if not content:
        return [_empty_array(f"{where}.content")]
    found = []
    for position, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind is None:
            found.append(f"Missing required parameter: '{where}.content[{position}].type'.")
        elif kind not in _PARTS[role]:
            values = " and ".join(map(repr, _PARTS[role]))
            found.append(f"Invalid value: {kind!r}. Supported values are: {values}. ({where}.content[{position}].type)")
        elif kind == "text" and not isinstance(part.get("text"), str):
            found.append(f"Missing required parameter: '{where}.content[{position}].text'.")
    return found


def _calls(where: str, calls: Any) -> list[str]:
    if not isinstance(calls, list):
        return [f"Invalid type for '{where}': expected an array of objects, but got null instead."]
    if not calls:
        return [_empty_array(where)]
    found = []
    for position, call in enumerate(calls):
        place = f"{where}[{position}]"
        if not isinstance(call, Mapping) or not isinstance(call.get("id"), str):
            found.append(f"Missing required parameter: '{place}.id'.")
            continue
        if len(call["id"]) > _LONGEST_ID:
            found.append(
                f"Invalid '{place}.id': string too long. Expected a string with maximum length {_LONGEST_ID}, "
                f"but got a string with length {len(call['id'])} instead."
            )
        function = call.get("function")
        if call.get("type") == "custom":
            continue
        if call.get("type") != "function" or not isinstance(function, Mapping):
            found.append(f"Missing required parameter: '{place}.function'.")
            continue
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.match(name):
            found.append(
                f"Invalid '{place}.function.name': string does not match pattern. "
                "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            )
        if not isinstance(function.get("arguments"), str):
            found.append(
                f"Invalid type for '{place}.function.arguments': expected a string, but got an object instead."
            )
    return found


def _pairing(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    owed: list[str] = []
    paid: set[str] = set()

    def missing() -> list[str]:
        if not owed:
            return []
        return [
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(owed)}"
        ]

    for position, message in enumerate(messages):
        if message["role"] == "tool":
            answered = message["tool_call_id"]
            if answered in owed:
                owed.remove(answered)
                paid.add(answered)
            elif answered in paid:
                found.append(
                    f"Invalid parameter: Duplicate value for 'tool_call_id' of '{answered}' in message[{position}]."
                )
            else:
                found.append(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    f"'tool_calls'. (messages[{position}].role)"
                )
            continue
        found += missing()
        paid = set()
        owed = [call["id"] for call in message.get("tool_calls") or ()]
        if len(set(owed)) != len(owed):
            found.append(f"Invalid parameter: Duplicate value for 'tool_call_id' in messages[{position}].tool_calls.")
    return found + missing()
