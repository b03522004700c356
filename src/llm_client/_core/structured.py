"""Structured output: what users pass as `response_format`, and how an answer becomes an object."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import jsons
from .results import CompletionResult
from .strict_schema import drop_added_nulls, strict_schema
from .wire.request import ResponseFormat

_EXPECTED = (
    '"text", "json_object", a JSON schema as a dict, or a type that pydantic can describe (a model class, a dataclass, '
    "list[int], ...)"
)
INVALID_OUTPUT = "invalid_output"
"""The error code of an answer that does not have the wanted form."""

_DECODER = json.JSONDecoder()
_SCHEMA_WORDS = frozenset({"type", "properties", "$ref", "anyOf", "allOf", "oneOf", "enum", "items", "$defs", "const"})


@dataclass(frozen=True, slots=True)
class OutputForm:
    """What the answer must look like, and how to read it.

    Args:
        format: What the vendor is told; None for plain text.
        read: From the answer's text to the object; raises ValueError with words that the model can act on.
        checked: Whether an answer that cannot be read is an error: for types, which only the reading can enforce. A
            schema given as a dict is the vendor's to enforce; what came is passed on, read where it can be.
    """

    format: ResponseFormat | None = None
    read: Callable[[str], Any] | None = None
    checked: bool = False


TEXT = OutputForm()


def output_form(wanted: Any) -> OutputForm:
    """Read what the user passed as `response_format`.

    Raises:
        TypeError: It is of no known kind.
        ValueError: A schema is missing, or cannot be expressed in the vendors' strict form.
    """
    if wanted is None or wanted == "text":
        return TEXT
    if wanted == "json_object":
        return OutputForm(ResponseFormat("json_object"), _read_json)
    if isinstance(wanted, str):
        raise ValueError(f"unknown response_format {wanted!r}; expected {_EXPECTED}")
    if isinstance(wanted, ResponseFormat):
        return OutputForm(wanted, _read_json)
    if isinstance(wanted, Mapping):
        return _from_mapping(wanted)
    return _from_type(wanted)


def _from_mapping(wanted: Mapping[str, Any]) -> OutputForm:
    kind = wanted.get("type")
    if kind == "text" and len(wanted) == 1:
        return TEXT
    if kind == "json_object" and len(wanted) == 1:
        return OutputForm(ResponseFormat("json_object"), _read_json)
    inner = wanted
    if kind == "json_schema":
        nested = wanted.get("json_schema")
        inner = nested if isinstance(nested, Mapping) else wanted
    schema = inner.get("schema")
    if isinstance(schema, Mapping) and (kind == "json_schema" or not _SCHEMA_WORDS & inner.keys()):
        strict = inner.get("strict")
        return OutputForm(
            ResponseFormat(
                "json_schema",
                schema=schema,
                name=inner.get("name") or "response",
                description=inner.get("description"),
                strict=strict,
            ),
            _read_json,
        )
    if kind == "json_schema" or not _SCHEMA_WORDS & wanted.keys():
        raise ValueError(f"response_format holds no JSON schema; expected {_EXPECTED}, got keys {sorted(wanted)}")
    title = wanted.get("title")
    return OutputForm(
        ResponseFormat("json_schema", schema=wanted, name=_schema_name(title if isinstance(title, str) else None)),
        _read_json,
    )


def _from_type(wanted: Any) -> OutputForm:
    if inspect.isroutine(wanted):
        # pydantic would call it with the answer.
        raise TypeError(f"response_format takes {_EXPECTED}; got the function {wanted!r}")
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(wanted)
        schema = adapter.json_schema()
    except (PydanticUserError, TypeError) as error:
        raise TypeError(f"response_format takes {_EXPECTED}; got {wanted!r}: {error}") from error
    name = _schema_name(getattr(wanted, "__name__", None))
    # The vendors' strict mode wants an object at the root.
    wrapped = schema.get("type") != "object"
    if wrapped:
        definitions = schema.pop("$defs", None)
        schema = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
        if definitions is not None:
            schema["$defs"] = definitions

    def read(text: str) -> Any:
        value = drop_added_nulls(_read_json(text), schema)
        if wrapped:
            if not isinstance(value, dict) or "value" not in value:
                raise ValueError('the answer must be a JSON object with the one member "value"')
            value = value["value"]
        try:
            # From JSON text again: pydantic is laxer with it, as it must be (dates, tuples, sets).
            return adapter.validate_json(jsons.dumps(value))
        except ValidationError as error:
            raise ValueError(_explain(error)) from error

    wire = ResponseFormat("json_schema", schema=strict_schema(schema), name=name, strict=True)
    return OutputForm(wire, read, checked=True)


def _explain(error: Any) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        place = ".".join(map(str, problem["loc"])) or "the answer"
        lines.append(f"{place}: {problem['msg']}")
    return "; ".join(lines)


def _schema_name(title: str | None) -> str:
    # The vendors allow letters, digits, _ and - in a name, 64 of them.
    name = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in title or "")
    return name[:64] or "response"


def _read_json(text: str) -> Any:
    return jsons.loads(_unfenced(text))


def _unfenced(text: str) -> str:
    # Models without a JSON mode like to put their JSON into a Markdown fence.
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped[stripped.index("\n") + 1 : -3].strip()
    return stripped


def ask_again(problem: str) -> str:
    """What the model is told of an answer that does not have the wanted form."""
    return f"{problem[:1].upper()}{problem[1:]}. Answer again, with the corrected JSON and nothing else."


def read_output(form: OutputForm, result: CompletionResult) -> tuple[Any, str | None]:
    """The answer's object, and what is wrong with it; both None where there is nothing to read.

    A refusal, an answer cut off by its length and one that calls tools are no answers in the wanted form.
    """
    if form.read is None or not result.ok or result.has_tool_calls or result.refusal is not None:
        return None, None
    if result.finish_reason == "length" and form.checked:
        return None, "the answer was cut off at max_tokens before its JSON was complete"
    parsed, problem = _read(form.read, result.content)
    if problem is not None:
        # Some models give the same answer twice, as two messages of one response.
        documents = _documents(result.content)
        for text in documents if len(documents) > 1 else ():
            found, wrong = _read(form.read, text)
            if wrong is None:
                return found, None
    return parsed, problem if form.checked else None


def _read(read: Callable[[str], Any], text: str) -> tuple[Any, str | None]:
    try:
        return read(text), None
    except Exception as error:  # a type's own validators run, and may raise anything: the answer must not be lost
        words = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        return None, f"the answer does not have the wanted form: {words}"


def _documents(text: str) -> list[str]:
    """The JSON texts that a text is made of, one behind the other; none where it is made of something else."""
    found: list[str] = []
    start, end = 0, len(text)
    while True:
        while start < end and text[start].isspace():
            start += 1
        if start == end:
            return found
        try:
            _, stop = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return []
        found.append(text[start:stop])
        start = stop
