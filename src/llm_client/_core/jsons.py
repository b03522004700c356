"""JSON as this library reads and writes it: orjson, with the standard library where orjson cannot be exact."""

from __future__ import annotations

import json
import math
import re
from enum import Enum
from typing import Any
from uuid import UUID

import orjson

# Without these, orjson would write dataclasses and dates that the standard library refuses: results must not
# depend on which of the two wrote them.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_SORTED = _OPTIONS | orjson.OPT_SORT_KEYS

# orjson reads an integer beyond 64 bit as a float, silently.
_LONG_NUMBER = re.compile(rb"\d{19}")
_LONG_NUMBER_TEXT = re.compile(r"\d{19}")


def dumps(value: Any, *, sort_keys: bool = False) -> bytes:
    """Encode a value as compact UTF-8 JSON.

    Args:
        value: Anything JSON can hold; integers of any size, lone surrogates (written as escapes), enums, UUIDs.
        sort_keys: Order the keys of every object, for canonical forms.

    Raises:
        TypeError: The value holds something that JSON cannot.
    """
    try:
        return orjson.dumps(value, option=_SORTED if sort_keys else _OPTIONS)
    except TypeError:
        return _dumps_exact(value, sort_keys)


def canonical(value: Any) -> bytes:
    """Encode a value as compact JSON with sorted keys, at once or not at all.

    Raises:
        TypeError: It holds more than plain JSON with integers of 64 bit, or an object's keys are no strings.
    """
    return orjson.dumps(value, option=_SORTED)


def _dumps_exact(value: Any, sort_keys: bool) -> bytes:
    try:
        return _dumps_standard(value, sort_keys)
    except ValueError:
        # orjson writes NaN and infinity as null; what is circular raises TypeError here.
        return _dumps_standard(_finite(value), sort_keys)


def _dumps_standard(value: Any, sort_keys: bool) -> bytes:
    try:
        text = json.dumps(value, separators=(",", ":"), sort_keys=sort_keys, default=_default, allow_nan=False)
    except RecursionError as error:
        raise TypeError("the value is nested too deeply for JSON") from error
    return text.encode("ascii")


def _default(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _finite(value: Any, depth: int = 0) -> Any:
    if depth > 200:
        raise TypeError("the value is circular or nested too deeply for JSON")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item, depth + 1) for item in value]
    return value


def dumps_text(value: Any) -> str:
    """Encode a value as compact JSON text, with readable (unescaped) non-ASCII characters."""
    return dumps(value).decode("utf-8")


def loads(data: bytes | bytearray | str) -> Any:
    """Decode JSON exactly: integers of any size, lone surrogates.

    Raises:
        ValueError: The text is not JSON.
    """
    if isinstance(data, str):
        long_number = _LONG_NUMBER_TEXT.search(data) is not None
    else:
        long_number = _LONG_NUMBER.search(data) is not None
    return _loads_exact(data) if long_number else loads_wire(data)


def needs_exact(data: bytes) -> bool:
    """Whether this JSON may hold an integer that `loads_wire` would read as a float."""
    return _LONG_NUMBER.search(data) is not None


def loads_wire(data: bytes | bytearray | str) -> Any:
    """Decode a vendor's envelope: as `loads`, without the search for integers beyond 64 bit, which it never holds.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        return orjson.loads(data)
    except ValueError:
        return _loads_exact(data)


def _loads_exact(data: bytes | bytearray | str) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("the JSON text is nested too deeply") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
