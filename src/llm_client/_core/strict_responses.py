"""OpenAI's rules for Responses bodies: https://platform.openai.com/docs/api-reference/responses/create"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9_-]+\Z")
_LONGEST_ID = 64
_ROLES = ("assistant", "system", "developer", "user")
_PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs", "function_call_output": "fc"}
_USER_PARTS = ("input_text", "input_image", "input_file", "input_audio")
_ASSISTANT_PARTS = ("output_text", "refusal")
_OUTPUTS = re.compile(r"(?:message|reasoning|.*_call|compaction|mcp_.*)\Z")

Item = Mapping[str, Any]


class ResponsesAnswers:
    """The items that the server produced, and which reasoning each of them followed."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._reasoning_of: dict[str, str] = {}
        self._encrypted: set[str] = set()

    def remember(self, answer: Mapping[str, Any]) -> None:
        """Take note of an answer's output items."""
        before: str | None = None
        for item in answer.get("output") or ():
            name = item.get("id")
            if name:
                self._items[name] = item
            if item.get("type") == "reasoning":
                before = name
                if item.get("encrypted_content"):
                    self._encrypted.add(item["encrypted_content"])
            else:
                if before and name:
                    self._reasoning_of[name] = before
                before = None

    def complaint(self, item: Item, before: Item | None, stored: bool) -> str | None:
        """What is wrong with an item that came back.

        Args:
            item: The item.
            before: The item before it.
            stored: Whether the server keeps what it answers.
        """
        name = item.get("id")
        if item.get("type") == "reasoning":
            encrypted = item.get("encrypted_content")
            if encrypted:
                if encrypted not in self._encrypted:
                    return (
                        f"The encrypted content for item {name} could not be verified. Reason: Encrypted content could "
                        "not be decrypted or parsed."
                    )
                return None
            if name not in self._items or not stored:
                return _not_found(name, stored)
            return None
        needed = self._reasoning_of.get(name or "")
        if needed and (before is None or before.get("type") != "reasoning" or before.get("id") not in (needed, None)):
            kind = item.get("type")
            return f"Item '{name}' of type '{kind}' was provided without its required 'reasoning' item: '{needed}'."
        return None


def _not_found(name: Any, stored: bool) -> str:
    if stored:
        return f"Item with id '{name}' not found."
    return (
        f"Item with id '{name}' not found. Items are not persisted when `store` is set to false. Try again with "
        "`store` set to true, or remove this item from your input."
    )


def check_responses(body: Mapping[str, Any], answers: ResponsesAnswers | None) -> list[str]:
    """What the API would refuse this body for.

    Args:
        body: The request's JSON.
        answers: What the server answered before; None: any item is taken.
    """
    continued = any(body.get(key) for key in ("previous_response_id", "conversation", "prompt"))
    given = body.get("input")
    if given is None:
        return [] if continued else ["Missing required parameter: 'input'."]
    if isinstance(given, str):
        return []
    if not isinstance(given, list):
        return ["Invalid type for 'input': expected one of a string or array of objects, but got an object instead."]
    found = [
        f"Missing required parameter: 'tools[{position}].name'."
        for position, tool in enumerate(body.get("tools") or ())
        if tool.get("type") == "function" and not isinstance(tool.get("name"), str)
    ]
    for position, item in enumerate(given):
        found += _item(f"input[{position}]", item)
    if found:
        return found
    found += _ids(given)
    if not continued:
        found += _pairing(given)
    stored = body.get("store") is not False
    for position, item in enumerate(given):
        if answers is not None:
            complaint = answers.complaint(item, given[position - 1] if position else None, stored)
            if complaint:
                found.append(complaint)
        if item.get("type") == "reasoning":
            found += _followed(item, given[position + 1] if position + 1 < len(given) else None)
            if answers is None and not stored and not item.get("encrypted_content"):
                found.append(_not_found(item.get("id"), stored))
    return found


def _item(where: str, item: Any) -> list[str]:
    if not isinstance(item, Mapping):
        return [f"Invalid type for '{where}': expected an object, but got something else instead."]
    kind = item.get("type") or ("message" if "role" in item else None)
    if kind is None:
        return [f"Missing required parameter: '{where}.type'."]
    found = []
    prefix = _PREFIXES.get(kind)
    name = item.get("id")
    if prefix and isinstance(name, str) and not name.startswith(prefix):
        found.append(f"Invalid '{where}.id': '{name}'. Expected an ID that begins with '{prefix}'.")
    if kind == "message":
        return found + _message(where, item)
    if kind in ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"):
        found += _call_id(f"{where}.call_id", item.get("call_id"))
    if kind == "function_call":
        function = item.get("name")
        if not isinstance(function, str) or not _NAME.match(function):
            found.append(
                f"Invalid '{where}.name': string does not match pattern. "
                "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            )
        if not isinstance(item.get("arguments"), str):
            found.append(f"Invalid type for '{where}.arguments': expected a string, but got an object instead.")
    elif kind == "function_call_output" and not isinstance(item.get("output"), (str, list)):
        found.append(f"Missing required parameter: '{where}.output'.")
    elif kind == "reasoning" and not isinstance(item.get("summary"), list):
        found.append(f"Missing required parameter: '{where}.summary'.")
    elif kind in ("tool", "text", "tool_use", "tool_result"):
        found.append(f"Invalid value: '{kind}'. ({where}.type)")
    return found


def _message(where: str, item: Item) -> list[str]:
    role = item.get("role")
    if role not in _ROLES:
        values = ", ".join(map(repr, _ROLES[:-1]))
        return [f"Invalid value: {role!r}. Supported values are: {values}, and '{_ROLES[-1]}'. ({where}.role)"]
    found = [
        f"Unknown parameter: '{where}.{key}'."
        for key in item
        if key not in ("type", "role", "content", "id", "status", "phase")
    ]
    content = item.get("content")
    if isinstance(content, str):
        return found
    if not isinstance(content, list):
        return [*found, f"Missing required parameter: '{where}.content'."]
    allowed = _ASSISTANT_PARTS if role == "assistant" else _USER_PARTS
    for position, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in allowed:
            values = " and ".join(map(repr, allowed))
            found.append(f"Invalid value: {kind!r}. Supported values are: {values}. ({where}.content[{position}].type)")
    return found


def _call_id(where: str, value: Any) -> list[str]:
    if not isinstance(value, str):
        return [f"Missing required parameter: '{where}'."]
    if not value:
        return [
            f"Invalid '{where}': empty string. Expected a string with minimum length 1, but got an empty string "
            "instead."
        ]
    if len(value) > _LONGEST_ID:
        return [
            f"Invalid '{where}': string too long. Expected a string with maximum length {_LONGEST_ID}, but got a "
            f"string with length {len(value)} instead."
        ]
    return []


def _ids(items: Sequence[Item]) -> list[str]:
    seen: set[str] = set()
    found = []
    for item in items:
        name = item.get("id")
        if isinstance(name, str) and item.get("type") != "item_reference":
            if name in seen:
                found.append(
                    f"Duplicate item found with id {name}. Remove duplicate items from your input and try again."
                )
            seen.add(name)
    return found


def _pairing(items: Sequence[Item]) -> list[str]:
    found = []
    called: set[str] = set()
    answered: set[str] = set()
    for item in items:
        kind = item.get("type")
        if kind in ("function_call", "custom_tool_call"):
            if item["call_id"] in called:
                found.append(f"Duplicate 'call_id': {item['call_id']}.")
            called.add(item["call_id"])
        elif kind in ("function_call_output", "custom_tool_call_output"):
            if item["call_id"] not in called:
                found.append(f"No tool call found for function call output with call_id {item['call_id']}.")
            elif item["call_id"] in answered:
                found.append(f"Duplicate 'call_id' of function call outputs: {item['call_id']}.")
            answered.add(item["call_id"])
    return found + [f"No tool output found for function call {call}." for call in sorted(called - answered)]


def _followed(item: Item, after: Item | None) -> list[str]:
    kind = None if after is None else after.get("type") or ("message" if "role" in after else None)
    produced = kind is not None and _OUTPUTS.match(kind) and (after or {}).get("role", "assistant") == "assistant"
    if produced:
        return []
    return [f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."]
