"""The JSON schema of a signature."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

from .signatures import MISSING, Parameter, Signature

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    Any: {},
    object: {},
    list: {"type": "array", "items": {}},
    dict: {"type": "object", "additionalProperties": True},
}
_LITERALS: dict[type, str] = {str: "string", int: "integer", bool: "boolean"}

# Where JSON schema holds further schemas.
MAPS_OF_SCHEMAS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
LISTS_OF_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLE_SCHEMAS = frozenset(
    {"items", "additionalProperties", "additionalItems", "not", "contains", "propertyNames", "if", "then", "else"}
)
_REFERENCE = "#/$defs/"


class SchemaError(TypeError):
    """A parameter has a type that JSON schema cannot describe."""


def signature_schema(signature: Signature, descriptions: Mapping[str, str], label: str) -> dict[str, Any]:
    """The JSON schema of what a function takes.

    Args:
        signature: The function's parameters.
        descriptions: What the docstring says of them.
        label: The tool's name, for errors.

    Raises:
        SchemaError: pydantic cannot describe a type; says which parameter.
    """
    schemas, definitions = _schemas(signature, label)
    properties: dict[str, Any] = {}
    required = []
    for parameter in signature.parameters:
        schema = schemas[parameter.name]
        description = hint_description(parameter.annotation) or schema.pop("description", None)
        schema = _inlined(schema, definitions)
        description = description or descriptions.get(parameter.name) or schema.get("description")
        default = _shown_default(parameter, signature, label, schema)
        ordered = {key: value for key, value in schema.items() if key not in ("description", "default")}
        if description:
            ordered["description"] = description
        if default is not MISSING:
            ordered["default"] = default
        properties[parameter.name] = ordered
        if field_default(parameter) is MISSING:
            required.append(parameter.name)
    schema = {"type": "object", "properties": properties, "required": required}
    if signature.extra is not MISSING:
        schema["additionalProperties"] = _inlined(schemas["**"], definitions) or True
    used = _reachable(schema, definitions)
    if used:
        schema["$defs"] = {name: definition for name, definition in definitions.items() if name in used}
    return schema


def adapter(signature: Signature, name: str, annotation: Any, label: str) -> TypeAdapter[Any]:
    """pydantic's validator of a parameter's type.

    Raises:
        SchemaError: pydantic cannot describe the type.
    """
    found: TypeAdapter[Any] | None = signature.adapters.get(name)
    if found is None:
        import pydantic

        try:
            found = pydantic.TypeAdapter(annotation)
            if not getattr(found, "pydantic_complete", True):
                # A local class names another local class: pydantic looks for it where the adapter is made, here.
                found.rebuild(force=True, _types_namespace=signature.local_types)
        except Exception as error:
            raise _no_schema(label, name, annotation, error) from error
        signature.adapters[name] = found
    return found


def parameter_adapter(signature: Signature, parameter: Parameter, label: str) -> TypeAdapter[Any]:
    """The validator of one parameter."""
    annotation = parameter.annotation
    if is_field(parameter.default):  # `x: int = Field(default=5, ge=0)`
        annotation = typing.Annotated[annotation, parameter.default]
    return adapter(signature, parameter.name, annotation, label)


def is_field(value: Any) -> bool:
    """True for what pydantic's Field() makes; does not import pydantic."""
    kind = type(value)
    return kind.__name__ == "FieldInfo" and kind.__module__.partition(".")[0] == "pydantic"


def field_default(parameter: Parameter) -> Any:
    """The default of a parameter, also where Field() gives it; MISSING where there is none."""
    if is_field(parameter.default):
        return _default_of_field(parameter.default)
    if parameter.default is MISSING and typing.get_origin(parameter.annotation) is typing.Annotated:
        for metadata in typing.get_args(parameter.annotation)[1:]:
            if is_field(metadata):
                return _default_of_field(metadata)
    return parameter.default


def hint_description(annotation: Any) -> str | None:
    """What `Annotated[str, "..."]` says; also `Doc("...")` of PEP 727."""
    if typing.get_origin(annotation) is typing.Annotated:
        for metadata in typing.get_args(annotation)[1:]:
            text = metadata if isinstance(metadata, str) else getattr(metadata, "documentation", None)
            if isinstance(text, str) and text.strip():
                return text.strip()
    return None


def plain_schema(annotation: Any) -> dict[str, Any] | None:
    """The schema of an everyday type, without pydantic; None for every other type."""
    try:
        plain = _PLAIN.get(annotation)
    except TypeError:  # unhashable
        return None
    if plain is not None:
        return dict(plain)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is list:
        items = plain_schema(arguments[0])
        return None if items is None else {"type": "array", "items": items}
    if origin is dict and arguments[0] is str:
        values = plain_schema(arguments[1])
        return None if values is None else {"type": "object", "additionalProperties": values or True}
    if origin is Union or origin is types.UnionType:
        members = [plain_schema(argument) for argument in arguments]
        return None if None in members else {"anyOf": members}
    if origin is typing.Literal:
        return _literal_schema(arguments)
    if origin is typing.Annotated and all(isinstance(metadata, str) for metadata in arguments[1:]):
        return plain_schema(arguments[0])
    return None


def _literal_schema(values: tuple[Any, ...]) -> dict[str, Any] | None:
    kinds = {type(value) for value in values}
    kind = _LITERALS.get(kinds.pop()) if len(kinds) == 1 else None
    if kind is None or len(set(values)) != len(values):
        return None
    return {"type": kind, "const": values[0]} if len(values) == 1 else {"type": kind, "enum": list(values)}


def _schemas(signature: Signature, label: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    schemas: dict[str, dict[str, Any]] = {}
    adapters: dict[str, TypeAdapter[Any]] = {}
    for parameter in signature.parameters:
        plain = None if is_field(parameter.default) else plain_schema(parameter.annotation)
        if plain is None:
            adapters[parameter.name] = parameter_adapter(signature, parameter, label)
        else:
            schemas[parameter.name] = plain
    if signature.extra is not MISSING:
        plain = plain_schema(signature.extra)
        if plain is None:
            adapters["**"] = adapter(signature, "**", signature.extra, label)
        else:
            schemas["**"] = plain
    if not adapters:
        return schemas, {}
    import pydantic

    for name, found in adapters.items():
        # Each by itself first: an error then names the parameter.
        try:
            found.json_schema(schema_generator=_generator())
        except Exception as error:
            raise _no_schema(label, name, None, error) from error
    made, root = pydantic.TypeAdapter.json_schemas(
        [(name, "validation", found) for name, found in adapters.items()], schema_generator=_generator()
    )
    for (name, _), schema in made.items():
        schemas[name] = tidy(schema)
    return schemas, {name: tidy(schema) for name, schema in root.get("$defs", {}).items()}


@functools.cache
def _generator() -> type[GenerateJsonSchema]:
    from pydantic.json_schema import GenerateJsonSchema

    class QuietJsonSchema(GenerateJsonSchema):
        """Leaves out, without a warning, what JSON cannot show: odd defaults, a callable in a union."""

        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # as pydantic has it

    return QuietJsonSchema


def tidy(schema: Any) -> Any:
    """A schema without titles, in the order of the specification: type, ..., description, default."""
    if not isinstance(schema, dict):
        return schema
    merged = schema.get("allOf")
    if isinstance(merged, list) and len(merged) == 1 and isinstance(merged[0], dict):
        # How pydantic before 2.9 put a description beside a reference.
        schema = {**merged[0], **{key: value for key, value in schema.items() if key != "allOf"}}
    tidied: dict[str, Any] = {"type": schema["type"]} if "type" in schema else {}
    for key, value in schema.items():
        if key in ("type", "title", "description", "default"):
            continue
        if key in MAPS_OF_SCHEMAS and isinstance(value, dict):
            tidied[key] = {name: tidy(nested) for name, nested in value.items()}
        elif key in LISTS_OF_SCHEMAS and isinstance(value, list):
            tidied[key] = [tidy(nested) for nested in value]
        elif key in SINGLE_SCHEMAS:
            tidied[key] = tidy(value)
        else:
            tidied[key] = value
    for key in ("description", "default"):
        if key in schema:
            tidied[key] = schema[key]
    return tidied


def _inlined(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's own model stands in its place; only nested and recursive ones are referred to."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith(_REFERENCE):
        return schema
    name = reference[len(_REFERENCE) :]
    if name not in definitions or name in _reachable(definitions[name], definitions):
        return schema
    return {**definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}}


def _reachable(schema: Any, definitions: Mapping[str, Any]) -> set[str]:
    """The names of the definitions that a schema refers to, also through others."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            reference = current.get("$ref")
            if isinstance(reference, str) and reference.startswith(_REFERENCE):
                name = reference[len(_REFERENCE) :]
                if name in definitions and name not in found:
                    found.add(name)
                    waiting.append(definitions[name])
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
    return found


def _shown_default(parameter: Parameter, signature: Signature, label: str, schema: Mapping[str, Any]) -> Any:
    default = field_default(parameter)
    if default is MISSING or is_factory(default):
        return MISSING
    if type(default) is tuple:
        default = list(default)
    if is_json(default):
        return default
    try:
        shown = parameter_adapter(signature, parameter, label).dump_python(default, mode="json", warnings=False)
    except Exception:  # a sentinel, a lock, ...: the parameter is optional, and what it then is stays unsaid
        return schema.get("default", MISSING)
    return shown if is_json(shown) else MISSING


def is_json(value: Any) -> bool:
    """True for plain values that JSON holds exactly."""
    kind = type(value)
    if value is None or kind in (str, int, bool):
        return True
    if kind is float:
        return math.isfinite(value)
    if kind is list:
        return all(is_json(item) for item in value)
    if kind is dict:
        return all(type(key) is str and is_json(item) for key, item in value.items())
    return False


class _Factory:
    """A default that is made anew for each call."""

    def __init__(self, field: Any) -> None:
        self.field = field


def _default_of_field(field: Any) -> Any:
    if field.is_required():
        return MISSING
    return _Factory(field) if field.default_factory is not None else field.default


def make_default(default: Any) -> Any:
    """The value of a default, made anew where Field() has a factory."""
    return default.field.get_default(call_default_factory=True) if isinstance(default, _Factory) else default


def is_factory(default: Any) -> bool:
    """True for a default that Field() makes anew for each call."""
    return isinstance(default, _Factory)


def _no_schema(label: str, name: str, annotation: Any, error: Exception) -> SchemaError:
    shown = "" if annotation is None else f" of type {_type_name(annotation)}"
    reason = str(error).partition("\n\nFor further information")[0].replace("\n", " ")
    what = "**kwargs" if name == "**" else f"parameter {name!r}"
    return SchemaError(f"{what} of tool {label!r}{shown} cannot be described as JSON schema: {reason}")


def _type_name(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
