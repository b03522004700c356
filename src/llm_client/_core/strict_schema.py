"""The strict form of a JSON schema, which OpenAI and Anthropic can enforce on a model's output.

It is what both take: every object closed, every property required (optional ones may be null instead), no unions but
anyOf. Limits on values (minimum, pattern, ...) move into the description: the vendors differ in which they take, and
whoever validates the answer checks them anyway.

https://developers.openai.com/api/docs/guides/structured-outputs
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import jsons
from .schema import LISTS_OF_SCHEMAS

_ROOT = "the root"
_KEPT = ("type", "enum", "const", "$ref")
_TYPE_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_SAID_IN_WORDS = (
    "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "contentEncoding",
    "contentMediaType", "contentSchema", "default",
)  # fmt: skip
_DROPPED = frozenset(
    {"title", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment", "discriminator"}
)
_REFUSED = {
    "patternProperties": "name the properties",
    "propertyNames": "name the properties",
    "not": "describe what is allowed instead",
    "if": "use a union of types",
    "then": "use a union of types",
    "else": "use a union of types",
    "dependentSchemas": "use a union of types",
    "dependentRequired": "use a union of types",
    "dependencies": "use a union of types",
    "contains": "describe the items",
    "unevaluatedProperties": "name the properties",
    "unevaluatedItems": "describe the items",
}


class StrictSchemaError(ValueError):
    """A schema has no strict form."""


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The strict form of a schema; the given one is left as it is. A strict schema stays the same.

    Args:
        schema: A JSON schema with an object at its root.

    Raises:
        StrictSchemaError: It cannot be expressed; says where and why.
    """
    root = dict(_flattened(schema, _ROOT))
    definitions = {**_mapping(root.pop("definitions", {})), **_mapping(root.pop("$defs", {}))}
    reference = root.get("$ref")
    if isinstance(reference, str):
        # The root itself must be an object, not a reference to one.
        root = {**_mapping(definitions.get(_definition_name(reference), {})), **_without(root, "$ref")}
    if root.get("type") != "object":
        raise StrictSchemaError(
            f"the root of a strict schema must be an object, got {root.get('type', sorted(root))!r}; "
            "put it into a property"
        )
    strict = _strict(root, _ROOT)
    if definitions:
        strict["$defs"] = {name: _strict(nested, f"$defs.{name}") for name, nested in definitions.items()}
    return strict


def drop_added_nulls(value: Any, schema: Mapping[str, Any]) -> Any:
    """Undo what the strict form made of optional properties: null where the original takes none means left out.

    Args:
        value: The model's answer to the strict form.
        schema: The original schema.
    """
    definitions = {**_mapping(schema.get("definitions")), **_mapping(schema.get("$defs"))}
    return _pruned(value, schema, definitions)


def _strict(schema: Any, path: str) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise StrictSchemaError(f"{path}: a strict schema must say what every value is, got {schema!r}; give it a type")
    for word, advice in _REFUSED.items():
        if word in schema:
            raise StrictSchemaError(f"{path}: {word!r} has no strict form; {advice}")
    schema = _flattened(schema, path)
    strict: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if "$ref" in strict:
        strict["$ref"] = f"#/$defs/{_definition_name(strict['$ref'])}"
    union = schema.get("anyOf", schema.get("oneOf"))
    if union is not None:
        strict["anyOf"] = [_strict(member, f"{path}.anyOf[{index}]") for index, member in enumerate(union)]
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds or "properties" in schema:
        _add_object(strict, schema, path)
    elif "additionalProperties" in schema:
        raise StrictSchemaError(f"{path}: 'additionalProperties' needs type 'object'")
    if "array" in kinds or "items" in schema or "prefixItems" in schema:
        strict["items"] = _strict(_items(schema, path), f"{path}[]")
    if "type" not in strict and ("enum" in strict or "const" in strict):
        strict = {"type": _type_of_values(strict.get("enum", [strict.get("const")]), path), **strict}
    if not strict:
        raise StrictSchemaError(f"{path}: any value is allowed here, but a strict schema must give every value a type")
    _add_words(strict, schema, path)
    if "$ref" in strict and len(strict) > 1:
        # A reference stands alone: OpenAI refuses a description beside it.
        strict = {"anyOf": [{"$ref": strict.pop("$ref")}], **strict}
    return strict


def _type_of_values(values: Any, path: str) -> str | list[str]:
    names = []
    for value in values:
        name = _TYPE_NAMES.get(type(value))
        if name is None:
            raise StrictSchemaError(f"{path}: {value!r} as an allowed value has no strict form")
        names.append(name)
    distinct = list(dict.fromkeys(names))
    return distinct[0] if len(distinct) == 1 else distinct


def _flattened(schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    flat = _merged(schema)
    if "allOf" in flat:
        raise StrictSchemaError(f"{path}: 'allOf' of several schemas has no strict form; merge them into one")
    return flat


def _merged(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """`allOf` of one schema is that schema: so pydantic before 2.9 puts something beside a reference."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], Mapping):
        return schema
    return {**parts[0], **_without(schema, "allOf")}


def _add_object(strict: dict[str, Any], schema: Mapping[str, Any], path: str) -> None:
    properties = _mapping(schema.get("properties"))
    if schema.get("additionalProperties", False) is not False:
        raise StrictSchemaError(
            f"{path}: an object with free keys (a dict, **kwargs) has no strict form; "
            "name its keys (a dataclass, a TypedDict, a model), or take a list of pairs"
        )
    if "properties" not in schema and "additionalProperties" not in schema and path != _ROOT:
        raise StrictSchemaError(f"{path}: an object without named properties has no strict form; name its keys")
    required = schema.get("required") or ()
    strict["properties"] = {}
    for name, nested in properties.items():
        made = _strict(nested, name if path == _ROOT else f"{path}.{name}")
        strict["properties"][name] = made if name in required or _takes_null(made) else _nullable(made)
    strict["required"] = list(properties)
    strict["additionalProperties"] = False


def _items(schema: Mapping[str, Any], path: str) -> Any:
    if "prefixItems" in schema or isinstance(schema.get("items"), list):
        raise StrictSchemaError(
            f"{path}: a tuple has no strict form; take a list, or an object with a key for each place"
        )
    if not schema.get("items"):
        raise StrictSchemaError(f"{path}: a strict schema must say what a list holds, such as list[str]")
    return schema["items"]


def _add_words(strict: dict[str, Any], schema: Mapping[str, Any], path: str) -> None:
    words = []
    for key in schema:
        if key in _DROPPED or key in strict or key in _STRUCTURE:
            continue
        if key == "format" and schema[key] in _FORMATS:
            strict[key] = schema[key]
        elif key in _SAID_IN_WORDS:
            if not (key == "default" and schema[key] is None):
                words.append(f"{key}: {jsons.dumps_text(schema[key])}")
        elif not key.startswith("x-"):
            raise StrictSchemaError(f"{path}: {key!r} is not known in strict schemas; leave it out")
    description = schema.get("description") or ""
    if words:
        description = f"{description} ({', '.join(words)})".strip()
    if description:
        strict["description"] = description


_STRUCTURE = frozenset(
    {"description", "properties", "required", "additionalProperties", "items", "definitions", "$defs"}
    | LISTS_OF_SCHEMAS
)


def _takes_null(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind) or None in schema.get("enum", ()):
        return True
    return any(_takes_null(member) for member in schema.get("anyOf", ()))


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    description = schema.pop("description", None)
    members = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    nullable: dict[str, Any] = {"anyOf": [*members, {"type": "null"}]}
    if description:
        nullable["description"] = description
    return nullable


def _pruned(value: Any, schema: Any, definitions: Mapping[str, Any]) -> Any:
    schema = _resolved(schema, definitions)
    if not schema:
        return value
    if isinstance(value, dict):
        schema = _branch(value, schema, definitions)
        properties = _mapping(schema.get("properties"))
        required = schema.get("required") or ()
        kept = {}
        for name, item in value.items():
            nested = properties.get(name)
            optional = nested is not None and name not in required
            if item is None and optional and not _takes_null_deep(nested, definitions):
                continue
            kept[name] = _pruned(item, nested, definitions)
        return kept
    if isinstance(value, list):
        members = [_resolved(member, definitions) for member in schema.get("anyOf", schema.get("oneOf", (schema,)))]
        lists = [member for member in members if "items" in member]
        return [_pruned(item, lists[0]["items"], definitions) for item in value] if len(lists) == 1 else value
    return value


def _branch(value: Mapping[str, Any], schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a union, the object that the value is: the one with just its keys."""
    for member in schema.get("anyOf", schema.get("oneOf", ())):
        branch = _branch(value, _resolved(member, definitions), definitions)
        properties = _mapping(branch.get("properties"))
        if properties and properties.keys() == value.keys() and _constants_fit(value, properties):
            return branch
    return schema


def _constants_fit(value: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    return all(
        value[name] in (nested["const"], None)
        for name, nested in properties.items()
        if isinstance(nested, Mapping) and "const" in nested
    )


def _takes_null_deep(schema: Any, definitions: Mapping[str, Any]) -> bool:
    schema = _resolved(schema, definitions)
    if not schema or _takes_null(schema):
        return True
    return any(_takes_null_deep(member, definitions) for member in schema.get("anyOf", schema.get("oneOf", ())))


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    resolved = _merged(_mapping(schema))
    for _ in range(len(definitions) + 1):  # a definition that only refers to itself would go on for ever
        if not isinstance(resolved.get("$ref"), str):
            break
        resolved = _merged(_mapping(definitions.get(_definition_name(resolved["$ref"]))))
    return resolved


def _definition_name(reference: str) -> str:
    for prefix in ("#/$defs/", "#/definitions/"):
        if reference.startswith(prefix):
            return reference[len(prefix) :]
    raise StrictSchemaError(f"the reference {reference!r} leads out of the schema; put what it means into $defs")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}
