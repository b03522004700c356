"""Tool schemas as OpenAI shows them to its models, for counting.

The vendor does not publish the form; it is known to be TypeScript declarations in a namespace, and this rendering is
what comes nearest to the prompt_tokens of recorded calls (benchmarks/tokens.py shows how near).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import jsons

_DEEPEST = 8


def plain_tool(tool: Any) -> dict[str, Any]:
    """Name, description and parameters of a tool, in whatever form it is given.

    Args:
        tool: A Tool, or a dict in the shape of Chat Completions, Responses or Anthropic Messages.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(tool, Mapping):
        inner = tool.get("function")
        source: Mapping[str, Any] = inner if isinstance(inner, Mapping) else tool
        parameters = source.get("parameters") or source.get("input_schema") or {}
        name = source.get("name") or source.get("type") or ""
        return {"name": str(name), "description": source.get("description") or "", "parameters": parameters}
    name = getattr(tool, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"a tool is a Tool or a dict with its schema, got {type(tool).__name__}")
    parameters = getattr(tool, "parameters", None)
    return {
        "name": name,
        "description": getattr(tool, "description", None) or "",
        "parameters": parameters if isinstance(parameters, Mapping) else {},
    }


def render_tools(tools: Iterable[Any]) -> str:
    """All tools as one text."""
    lines = ["namespace functions {", ""]
    for tool in map(plain_tool, tools):
        if tool["description"]:
            lines.append(f"// {tool['description']}")
        schema = tool["parameters"]
        if schema.get("properties"):
            lines += [f"type {tool['name']} = (_: {{", *_properties(schema, schema, 0), "}) => any;", ""]
        else:
            lines += [f"type {tool['name']} = () => any;", ""]
    lines.append("} // namespace functions")
    return "\n".join(lines)


def _properties(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[str]:
    lines = []
    required = schema.get("required") or ()
    for name, value in schema["properties"].items():
        known: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        lines += [f"// {known[key]}" for key in ("title", "description") if known.get(key)]
        line = f"{name}{'' if name in required else '?'}: {_type(known, root, depth)},"
        lines.append(f"{line} // default: {jsons.dumps_text(known['default'])}" if "default" in known else line)
    return lines


def _type(schema: Any, root: Mapping[str, Any], depth: int) -> str:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return "any"
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _type(_resolve(reference, root), root, depth + 1)
    if "enum" in schema:
        return " | ".join(jsons.dumps_text(value) for value in schema["enum"])
    if "const" in schema:
        return jsons.dumps_text(schema["const"])
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return " | ".join(_type(option, root, depth + 1) for option in schema[key])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": one}, root, depth + 1) for one in kind)
    if kind in ("number", "integer"):
        return "number"
    if kind == "array":
        return f"{_type(schema.get('items'), root, depth + 1)}[]"
    if isinstance(schema.get("properties"), Mapping) and schema["properties"]:
        return "\n".join(("{", *_properties(schema, root, depth + 1), "}"))
    return kind if isinstance(kind, str) else "any"


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
