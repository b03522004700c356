"""How Claude is held to a wanted form: natively, by a tool that it must call, or by words.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .. import jsons
from . import thinking_rules
from .format_words import format_instruction
from .request import CompletionRequest, ResponseFormat

Way = Literal["native", "tool", "words"]

_TOOL_NAME = "respond"
_PRIMITIVE = ("string", "integer", "number", "boolean", "null")
_STRING_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
# Keys that mean the same everywhere, and those that are read by their own rules below.
_PLAIN = frozenset({"description", "title"})
_READ = frozenset(
    {"$defs", "definitions", "$ref", "$schema", "$id", "type", "properties", "required", "additionalProperties"}
    | {"items", "anyOf", "oneOf", "allOf", "enum", "const", "format", "minItems", "nullable"}
)


class InexpressibleError(ValueError):
    """A schema that native structured output cannot hold; says where and why."""


def way_of(request: CompletionRequest) -> Way | None:
    """How this request gets its form; None for plain text.

    What the native way cannot express goes the next one: the answer is validated on this side anyway.
    """
    wanted = request.response_format
    if wanted is None:
        return None
    if wanted.kind == "json_object" or wanted.schema is None:
        return "words"
    if request.profile.capabilities.structured_output:
        try:
            native_schema(wanted.schema)
        except InexpressibleError:
            pass
        else:
            return "native"
    return "tool" if _can_force(request, wanted) else "words"


def _can_force(request: CompletionRequest, wanted: ResponseFormat) -> bool:
    capabilities = request.profile.capabilities
    assert wanted.schema is not None
    if wanted.schema.get("type") != "object" or not (capabilities.tools and capabilities.forced_tool_choice):
        return False
    thinking = request.thinking
    return not thinking_rules.is_on(thinking) or thinking["type"] in capabilities.thinking_with_forced_tools  # type: ignore[index]


def answer_tool_name(request: CompletionRequest) -> str:
    """The name of the tool whose call is the answer; none of the caller's tools has it."""
    taken = {tool.name for tool in request.tools}
    name = _TOOL_NAME
    while name in taken:
        name += "_"
    return name


def answer_tool(request: CompletionRequest) -> dict[str, Any]:
    """The tool whose call is the answer."""
    wanted = request.response_format
    assert wanted is not None
    assert wanted.schema is not None
    return {
        "name": answer_tool_name(request),
        "description": wanted.description or "Give the final answer.",
        "input_schema": dict(wanted.schema),
    }


def instruction(request: CompletionRequest) -> str:
    """The wanted form in words."""
    assert request.response_format is not None
    return format_instruction(request.response_format)


def native_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the subset that the API's grammar takes.

    Bounds and patterns move into the description, where the model at least reads them; every object is closed.

    Raises:
        InexpressibleError: Something has no form in the subset: an open object, a recursive definition.
    """
    _refuse_recursion(schema)
    return _native(schema, "the schema")


def _native(schema: Any, path: str) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise InexpressibleError(f"{path} is {schema!r}, expected a schema with a type")
    native: dict[str, Any] = {}
    for name in ("$defs", "definitions"):
        if name in schema:
            native[name] = {key: _native(value, f"{path}.{name}.{key}") for key, value in schema[name].items()}
    if "$ref" in schema:
        return {**native, "$ref": schema["$ref"]}
    left_out = {key: value for key, value in schema.items() if key not in _READ and key not in _PLAIN}
    for name in _PLAIN & schema.keys():
        native[name] = schema[name]
    kind = schema.get("type")
    variants = schema.get("anyOf", schema.get("oneOf"))
    if "enum" in schema or "const" in schema:
        for name in ("type", "enum", "const"):
            if name in schema:
                native[name] = schema[name]
    elif variants is not None:
        native["anyOf"] = [_native(value, f"{path}.anyOf[{index}]") for index, value in enumerate(variants)]
    elif "allOf" in schema:
        native["allOf"] = [_native(value, f"{path}.allOf[{index}]") for index, value in enumerate(schema["allOf"])]
    elif isinstance(kind, list):
        native["anyOf"] = [_native({**_without_notes(schema), "type": one}, path) for one in kind]
        left_out = {}
    else:
        _of_one_type(schema, kind, path, native, left_out)
    if left_out:
        words = jsons.dumps_text(left_out)
        native["description"] = f"{native['description']}\n\n{words}" if native.get("description") else words
    return native


def _without_notes(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("description", "title", "$defs", "definitions")}


def _of_one_type(
    schema: Mapping[str, Any], kind: Any, path: str, native: dict[str, Any], left_out: dict[str, Any]
) -> None:
    if kind == "object" or (kind is None and "properties" in schema):
        if schema.get("additionalProperties") not in (None, False):
            raise InexpressibleError(f"{path} is an object with free keys (additionalProperties)")
        if "properties" not in schema and schema.get("additionalProperties") is None:
            raise InexpressibleError(f"{path} is an object that names no properties")
        native["type"] = "object"
        native["properties"] = {
            key: _native(value, f"{path}.{key}") for key, value in (schema.get("properties") or {}).items()
        }
        native["additionalProperties"] = False
        if "required" in schema:
            native["required"] = list(schema["required"])
    elif kind == "array":
        native["type"] = "array"
        if "items" in schema:
            native["items"] = _native(schema["items"], f"{path}[]")
        if "minItems" in schema:
            (native if schema["minItems"] in (0, 1) else left_out)["minItems"] = schema["minItems"]
    elif kind in _PRIMITIVE:
        native["type"] = kind
        if "format" in schema:
            (native if schema["format"] in _STRING_FORMATS else left_out)["format"] = schema["format"]
    else:
        raise InexpressibleError(f"{path} has no type that the API knows, got {kind!r}")


def _refuse_recursion(schema: Mapping[str, Any]) -> None:
    definitions = {
        f"#/{group}/{name}": value
        for group in ("$defs", "definitions")
        for name, value in (schema.get(group) or {}).items()
    }
    uses = {name: _references(value) for name, value in definitions.items()}
    for name in definitions:
        reached: set[str] = set()
        waiting = list(uses[name])
        while waiting:
            one = waiting.pop()
            if one == name:
                raise InexpressibleError(f"{name} refers to itself")
            if one not in reached:
                reached.add(one)
                waiting.extend(uses.get(one, ()))
    if "#" in _references(schema):
        raise InexpressibleError("the schema refers to itself")


def _references(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(_references(item) for item in value.values())) if value else found
    if isinstance(value, list):
        return set().union(*(_references(item) for item in value)) if value else set()
    return set()
