"""What a tool returned, as text for the model."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from . import jsons

_DEEPEST = 100


class ToolOutputError(TypeError):
    """A tool returned something that cannot be told to a model."""


def output_text(value: Any) -> str:
    """The text that the model reads: a string as it is, everything else as JSON.

    Args:
        value: Anything: besides what JSON knows, dataclasses, pydantic models, enums, dates, sets, paths, arrays of
            numpy, bytes that are UTF-8.

    Raises:
        ToolOutputError: JSON cannot hold it; says which part of it.
    """
    if isinstance(value, str):
        return value.value if isinstance(value, Enum) else str.__str__(value)
    try:
        return jsons.dumps_text(value)
    except (TypeError, ValueError, RecursionError):
        # Only what the fast way does not know pays for the slow one.
        return jsons.dumps_text(to_jsonable(value))


def to_jsonable(value: Any) -> Any:
    """The value in terms of dict, list, str, int, float, bool and None.

    Raises:
        ToolOutputError: JSON cannot hold it; says which part of it.
    """
    return _convert(value, "", 0)


def limit_text(text: str, max_chars: int | None) -> str:
    """Cut a text that is too long, with a marker that the model can see.

    Args:
        text: What a tool said.
        max_chars: Most characters to keep; None for all.
    """
    if max_chars is None or len(text) <= max_chars:
        return text
    return f"{text[:max_chars]}\n[output cut: the first {max_chars} of {len(text)} characters are shown]"


def _convert(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Enum):
        return _convert(value.value, path, depth)
    if isinstance(value, str):
        return str.__str__(value)
    if depth > _DEEPEST:
        raise ToolOutputError(f"{_at(path)} is nested too deeply, or contains itself")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(value), path)
    if isinstance(value, Mapping):
        return {_key(key, path): _convert(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, Set):
        return _from_set(value, path, depth)
    if isinstance(value, (list, tuple)) or type(value).__module__ == "collections":
        return [_convert(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _from_object(value, path, depth)


def _from_object(value: Any, path: str, depth: int) -> Any:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, (Decimal, UUID, PurePath)):
        return str(value)
    kind = type(value)
    if hasattr(kind, "model_dump"):
        return _convert(value.model_dump(mode="json"), path, depth + 1)
    if dataclasses.is_dataclass(kind):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
        return _convert(fields, path, depth + 1)
    if hasattr(kind, "__attrs_attrs__"):
        fields = {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
        return _convert(fields, path, depth + 1)
    if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return _convert(value.tolist(), path, depth + 1)
    raise ToolOutputError(
        f"{_at(path)} is of type {kind.__name__}, which JSON cannot hold; "
        "return a string, a dict, a list, a dataclass or a pydantic model"
    )


def _key(key: Any, path: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (int, float, Decimal, UUID, PurePath)):
        return str(key)
    if isinstance(key, (datetime, date, time)):
        return key.isoformat()
    raise ToolOutputError(
        f"{_at(path)} has a key of type {type(key).__name__}, but the keys of a JSON object are strings"
    )


def _from_set(value: Set[Any], path: str, depth: int) -> list[Any]:
    items = [_convert(item, f"{path}[]", depth + 1) for item in value]
    # The order of a set of strings changes with every process; the same answer should be the same text.
    return sorted(items, key=_rank)


def _rank(item: Any) -> tuple[str, Any]:
    return ("", item) if isinstance(item, (int, float)) else (type(item).__name__, jsons.dumps(item))


def _from_bytes(value: bytes, path: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        example = base64.b64encode(value[:6]).decode("ascii")
        raise ToolOutputError(
            f"{_at(path)} is binary data, which JSON cannot hold; return text, or encode it ({example!r}... in base64)"
        ) from None


def _duration(value: timedelta) -> str:
    # ISO 8601, the form in which arguments of this type are asked for.
    sign = "-" if value < timedelta(0) else ""
    value = abs(value)
    seconds = f"{value.seconds}.{value.microseconds:06d}".rstrip("0") if value.microseconds else str(value.seconds)
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}T{seconds}S"


def _at(path: str) -> str:
    return f"the result's {path.lstrip('.')}" if path else "the result"
