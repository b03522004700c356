"""The answers the server gives when nothing was scripted: those of a small, obedient, deterministic agent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .._core import jsons
from .prompts import Prompt
from .replies import Call, Reply

_DEPTH_LIMIT = 8
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def built_in_reply(prompt: Prompt) -> Reply:
    """Answer as an agent would.

    After tool results: a sentence that holds them. With tools: one call of each, with arguments made from its schema.
    With a JSON format: an object that fits. Otherwise the user's last message comes back.
    """
    if prompt.tool_results and prompt.answer_schema is None:
        return Reply(_sentence(prompt))
    offers = [] if prompt.tool_results or prompt.tool_choice == "none" else list(prompt.tools)
    if offers:
        if prompt.tool_choice not in ("auto", "required"):
            offers = [offer for offer in offers if offer.name == prompt.tool_choice] or offers
        if not prompt.parallel_calls:
            offers = offers[:1]
        return Reply(tool_calls=[Call(offer.name, arguments_for(offer.schema, prompt.user_text)) for offer in offers])
    if prompt.answer_schema is not None:
        return Reply(jsons.dumps(arguments_for(prompt.answer_schema, prompt.user_text)).decode())
    return Reply(prompt.user_text or "Hello.")


def _sentence(prompt: Prompt) -> str:
    said = [f"{name or 'the tool'} says {text}" for name, text in prompt.tool_results]
    return f"Here is what I found: {'; '.join(said)}."


def arguments_for(schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Make an object that fits a JSON schema, with words and numbers of the user's text where they fit.

    Args:
        schema: Schema of an object.
        text: The user's message: names in it (capitalised words) become strings, numbers become numbers.
    """
    value = _Maker(schema, _names(text), _numbers(text)).make(schema, "value", 0)
    return value if isinstance(value, dict) else {}


def _names(text: str) -> Iterator[str]:
    # The first word of a sentence is capitalised whatever it is.
    return (match.group() for match in re.finditer(r"(?<![.!?\s]\s)(?<!^)\b[A-Z][\w'-]+(?: [A-Z][\w'-]+)*", text))


def _numbers(text: str) -> Iterator[float]:
    return (float(match.group()) for match in re.finditer(r"\d+(?:\.\d+)?", text))


@dataclass(slots=True)
class _Maker:
    root: dict[str, Any]
    names: Iterator[str]
    numbers: Iterator[float]

    def make(self, schema: Any, name: str, depth: int) -> Any:
        schema = self._resolve(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        for key in ("enum", "examples"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        for key in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                choices = [self._resolve(choice) for choice in schema[key]]
                return self.make(next((c for c in choices if c.get("type") != "null"), choices[0]), name, depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        if kind is None:
            kind = "object" if "properties" in schema else "string"
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string(schema, name)

    def _resolve(self, schema: Any) -> dict[str, Any]:
        for _ in range(_DEPTH_LIMIT):
            if not isinstance(schema, dict):
                return {}
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            schema = self.root
            for step in reference.lstrip("#/").split("/") if reference != "#" else []:
                schema = schema.get(step, {}) if isinstance(schema, dict) else {}
        return {}

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or depth > _DEPTH_LIMIT:
            return {}
        required = schema.get("required")
        wanted = required if isinstance(required, list) else list(properties)
        return {name: self.make(properties[name], name, depth + 1) for name in wanted if name in properties}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        least = schema.get("minItems", 1)
        most = schema.get("maxItems", least)
        if depth > _DEPTH_LIMIT or not isinstance(least, int) or not isinstance(most, int):
            return []
        return [self.make(schema.get("items"), name, depth + 1) for _ in range(min(max(least, 1), most))]

    def _number(self, schema: dict[str, Any], kind: str) -> float | int:
        value = next(self.numbers, 1.0)
        low, high = schema.get("minimum"), schema.get("maximum")
        if isinstance(low, (int, float)):
            value = max(value, low)
        if isinstance(high, (int, float)):
            value = min(value, high)
        return int(value) if kind == "integer" or value == int(value) else value

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        value = next(self.names, name)
        least, most = schema.get("minLength"), schema.get("maxLength")
        if isinstance(least, int):
            value = value.ljust(least, "x")
        return value[:most] if isinstance(most, int) else value
