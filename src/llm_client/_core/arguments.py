"""What a model wrote as arguments, validated and turned into what the function takes."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

from . import jsons
from .exceptions import LLMClientError
from .messages import ToolCall
from .schema import adapter, field_default, is_field, make_default, parameter_adapter
from .signatures import MISSING, Parameter, Signature, accepts_none
from .tool_context import ToolContext

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_LONGEST_VALUE = 80
# Values of exactly these types need no pydantic, which then need not even be imported.
_SCALARS = frozenset({str, int, float, bool, type(None)})


class ToolArgumentError(LLMClientError, ValueError):
    """The arguments of a tool call do not fit; the message is written for the model.

    Args:
        message: What is wrong, by field.
        fields: The names of the arguments that are wrong, unknown or missing.
    """

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.fields))


def parse_arguments(arguments: str | Mapping[str, Any] | None, tool_name: str) -> dict[str, Any]:
    """The arguments as a dict; None, empty text and null mean none.

    Raises:
        ToolArgumentError: They are no JSON object.
    """
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        if not all(isinstance(name, str) for name in arguments):
            raise ToolArgumentError(f"the names of the arguments of {tool_name!r} must be strings")
        return dict(arguments)
    if not isinstance(arguments, str):
        raise ToolArgumentError(f"the arguments of {tool_name!r} must be a JSON object, got {type(arguments).__name__}")
    try:
        return ToolCall("", tool_name, arguments).parse_arguments()
    except ValueError as error:
        raise ToolArgumentError(str(error)) from error


def bind_arguments(
    signature: Signature, arguments: Mapping[str, Any], context: ToolContext | None, tool_name: str
) -> dict[str, Any]:
    """Validate arguments and coerce them, as pydantic does, to the types of the function.

    Null for a parameter with a default that does not take None means that the model left it out.

    Args:
        signature: What the function takes.
        arguments: The model's arguments.
        context: What parameters annotated ToolContext get; None makes an empty one.
        tool_name: For messages.

    Returns:
        Keyword arguments for the function.

    Raises:
        ToolArgumentError: Something does not fit; names every field that is wrong.
    """
    keywords: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for parameter in signature.parameters:
        name = parameter.name
        if name in arguments:
            value = arguments[name]
            if value is not None or parameter.default is None or not _left_out(parameter):
                if _fits_exactly(parameter, value):
                    keywords[name] = value
                else:
                    validator = parameter_adapter(signature, parameter, tool_name)
                    _validate(validator, name, value, keywords, problems)
                continue
        elif field_default(parameter) is MISSING:
            problems.append((name, f"{name}: this argument is required, but it is missing"))
            continue
        if parameter.default is MISSING or is_field(parameter.default):
            # The default stands in Field(), where the function itself does not find it.
            keywords[name] = make_default(field_default(parameter))
    _add_extra(signature, arguments, tool_name, keywords, problems)
    if problems:
        listed = "\n".join(f"- {text}" for _, text in problems)
        fields = tuple(dict.fromkeys(name for name, _ in problems))
        raise ToolArgumentError(f"the arguments of {tool_name!r} do not fit:\n{listed}", fields)
    for name, may_be_none in signature.contexts:
        keywords[name] = context if context is not None or may_be_none else ToolContext(tool_name=tool_name)
    return keywords


def _add_extra(
    signature: Signature,
    arguments: Mapping[str, Any],
    tool_name: str,
    keywords: dict[str, Any],
    problems: list[tuple[str, str]],
) -> None:
    known = {parameter.name for parameter in signature.parameters}
    for name, value in arguments.items():
        if name in known:
            continue
        if signature.extra is MISSING or name in signature.hidden:
            takes = ", ".join(parameter.name for parameter in signature.parameters) or "no arguments"
            problems.append((name, f"{name}: there is no such argument; {tool_name!r} takes {takes}"))
        elif signature.extra is Any:
            keywords[name] = value
        else:
            _validate(adapter(signature, "**", signature.extra, tool_name), name, value, keywords, problems)


def _left_out(parameter: Parameter) -> bool:
    return field_default(parameter) is not MISSING and not accepts_none(parameter.annotation)


def _fits_exactly(parameter: Parameter, value: Any) -> bool:
    annotation = parameter.annotation
    if is_field(parameter.default):
        return False
    if annotation is Any or annotation is object:
        return True
    kind = type(value)
    if kind not in _SCALARS:
        return False
    if annotation is kind:
        return True
    origin = typing.get_origin(annotation)
    return (origin is Union or origin is types.UnionType) and kind in typing.get_args(annotation)


def _validate(
    validator: TypeAdapter[Any], name: str, value: Any, keywords: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    from pydantic import ValidationError

    try:
        keywords[name] = validator.validate_python(value)
    except ValidationError as error:
        try:
            # Types that are strict about Python objects ask for less where they know that JSON cannot hold those.
            keywords[name] = validator.validate_json(jsons.dumps(value))
        except (TypeError, ValueError):
            problems.extend(_explained(error, name))
    except Exception as error:  # a validator of the user's type broke on what the model sent
        problems.append((name, f"{name}: {type(error).__name__}: {error} (got {_short(value)})"))


def _explained(error: Any, name: str) -> list[tuple[str, str]]:
    explained = []
    for problem in error.errors(include_url=False, include_context=False):
        place = ".".join(map(str, (name, *problem["loc"])))
        got = "" if problem["type"] == "missing" else f" (got {_short(problem['input'])})"
        explained.append((name, f"{place}: {problem['msg']}{got}"))
    return explained


def _short(value: Any) -> str:
    try:
        text = jsons.dumps_text(value)
    except TypeError:
        text = type(value).__name__
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
