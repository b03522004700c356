"""Results as JSON, and back as the objects that they were.

JSON is stored as it stands, so that a checkpoint can be read by other programs. What JSON lacks stands in an object
with a `$type`: of Python's own types those of a short list, of ours those of a fixed table. The user's types (pydantic
models, dataclasses, enums, named tuples) are stored with a `$object`, their name, and pydantic reads them back into a
class that the user gave: a file only ever chooses among classes that were handed in; nothing named in it is imported.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, get_args
from uuid import UUID

from . import jsons
from .agent import AgentConfig, AgentResult, TurnResult
from .conversation import Conversation
from .conversation_config import ConversationConfig
from .events import StreamEvent, StreamEventType
from .messages import Message, ProviderItems, Role, ToolCall, ToolCallDelta
from .parts import AudioPart, FilePart, ImagePart, RawPart, TextPart
from .results import Attempt, CompletionResult, EmbeddingResult
from .tool_result import ToolResult
from .usage import Usage

_TYPE, _OBJECT, _VALUE = "$type", "$object", "value"

# Values of the one table for both directions: to JSON, and back.
_BUILT_IN: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    bytes: (lambda value: base64.b64encode(value).decode("ascii"), base64.b64decode),
    datetime: (datetime.isoformat, datetime.fromisoformat),
    date: (date.isoformat, date.fromisoformat),
    time: (time.isoformat, time.fromisoformat),
    timedelta: (
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda value: timedelta(value[0], value[1], value[2]),
    ),
    Decimal: (str, Decimal),
    UUID: (str, UUID),
    float: (repr, float),  # infinities and NaN only
    Role: (lambda value: value.value, Role),
    StreamEventType: (lambda value: value.value, StreamEventType),
    Conversation: (Conversation.to_dict, Conversation.from_dict),
}
_CONTAINERS: dict[type, Callable[[Iterable[Any]], Any]] = {tuple: tuple, set: set, frozenset: frozenset}
_RECORDS: tuple[type[Any], ...] = (
    *(AgentConfig, AgentResult, Attempt, AudioPart, CompletionResult, ConversationConfig, EmbeddingResult, FilePart),
    *(ImagePart, Message, ProviderItems, RawPart, StreamEvent, TextPart, ToolCall, ToolCallDelta, ToolResult),
    *(TurnResult, Usage),
)
_FIELDS = {kind: [(field.name, field.default) for field in fields(kind)] for kind in _RECORDS}
_BY_NAME: dict[str, type[Any]] = {kind.__name__: kind for kind in (*_BUILT_IN, *_CONTAINERS, *_RECORDS)}
_PLAIN = frozenset({str, int, bool, type(None)})


class Codec:
    """Results to payloads and back; a payload is a JSON object with the member "result".

    Args:
        result_types: Classes, or annotations made of them, that results may hold.
        serialize: Makes JSON of a whole result, instead of what is described above.
        deserialize: Makes the result of that JSON.

    Raises:
        ValueError: Only one of `serialize` and `deserialize` was given.
    """

    __slots__ = ("_adapters", "_deserialize", "_found", "_serialize", "_types")

    def __init__(
        self,
        result_types: Iterable[Any] = (),
        serialize: Callable[[Any], Any] | None = None,
        deserialize: Callable[[Any], Any] | None = None,
    ) -> None:
        if (serialize is None) != (deserialize is None):
            raise ValueError("serialize and deserialize go together: what one of them writes only the other can read")
        self._serialize = serialize
        self._deserialize = deserialize
        self._types: dict[str, type[Any]] = {}
        self._adapters: dict[type[Any], Any] = {}
        self._found: set[str] = set()
        for annotation in result_types:
            self.learn(annotation)

    def learn(self, annotation: Any) -> None:
        """Take note of the user's types in an annotation, so that stored results of these types can be read."""
        if _is_users(annotation):
            self._types[_label(annotation)] = annotation
        for inner in get_args(annotation):
            self.learn(inner)

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of some names of the user's types that nobody gave a class for."""
        return sorted(name for name in names if self._class_of(name) is None)

    def encode(self, result: Any) -> bytes:
        """A result as a payload, on one line.

        Raises:
            TypeError: It holds what cannot be stored, or would not come back equal.
        """
        if self._serialize is not None:
            return jsons.dumps({"hook": True, "result": self._serialize(result)})
        kind = type(result)
        if kind in _PLAIN:
            return jsons.dumps({"result": result})
        codec = self._writer()
        value = {"result": codec.tagged(result)}
        if codec._found:
            value["types"] = sorted(codec._found)
        return jsons.dumps(value)

    def _writer(self) -> Codec:
        # Which types a result holds is noted while it is written; workers write at the same time.
        writer = Codec.__new__(Codec)
        writer._serialize = writer._deserialize = None
        writer._types, writer._adapters, writer._found = self._types, self._adapters, set()
        return writer

    def decode(self, payload: bytes) -> Any:
        """The result that a payload holds.

        Raises:
            ValueError: It cannot be read, or not with the types that were given.
        """
        value = jsons.loads(payload)
        if value.get("hook"):
            if self._deserialize is None:
                raise ValueError("it was written by serialize=: pass the deserialize= that belongs to it")
            return self._deserialize(value["result"])
        try:
            return self._revive(value["result"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"it is not what this version writes ({type(error).__name__}: {error})") from error

    # ------------------------------------------------------------ to JSON

    def tagged(self, value: Any) -> Any:
        """A value as JSON, with what JSON lacks in tagged objects.

        Raises:
            TypeError: It cannot be expressed.
        """
        try:
            return self._tagged(value)
        except RecursionError:
            raise TypeError("it is circular or nested too deeply") from None

    def _tagged(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is float:
            return value if math.isfinite(value) else {_TYPE: "float", _VALUE: repr(value)}
        if kind is list:
            # Vectors are long and hold nothing to look at.
            if value and type(value[0]) is float and set(map(type, value)) == {float} and math.isfinite(sum(value)):
                return value
            return [self._tagged(inner) for inner in value]
        if kind is dict:
            if all(type(key) is str and key[:1] != "$" for key in value):
                return {key: self._tagged(inner) for key, inner in value.items()}
            return {
                _TYPE: "dict",
                _VALUE: [[self._tagged(key), self._tagged(inner)] for key, inner in value.items()],
            }
        if kind in _FIELDS:
            record = {_TYPE: kind.__name__}
            for name, default in _FIELDS[kind]:
                inner = getattr(value, name)
                if default is MISSING or not (inner is default or (type(inner) is type(default) and inner == default)):
                    record[name] = inner if type(inner) in _PLAIN else self._tagged(inner)
            return record
        if kind in _CONTAINERS:
            inners = [self._tagged(inner) for inner in value]
            if kind is not tuple:
                inners.sort(key=lambda inner: jsons.dumps(inner, sort_keys=True))
            return {_TYPE: kind.__name__, _VALUE: inners}
        if kind in _BUILT_IN:
            return {_TYPE: kind.__name__, _VALUE: _BUILT_IN[kind][0](value)}
        if _is_users(kind):
            return self._users(value, kind)
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} is neither JSON nor a type that can be read back")

    def _users(self, value: Any, kind: type[Any]) -> dict[str, Any]:
        label = _label(kind)
        self._types[label] = kind
        self._found.add(label)
        adapter = self._adapter(kind)
        for by_alias in (True, False):
            try:
                written = adapter.dump_python(value, mode="json", by_alias=by_alias, round_trip=True, warnings=False)
                back = adapter.validate_json(jsons.dumps(written))
            except (ValueError, TypeError, AttributeError):
                continue
            if type(back) is kind and _are_equal(back, value, adapter):
                return {_OBJECT: label, _VALUE: written}
        raise TypeError(f"the {label} would not come back from JSON as it was")

    def _adapter(self, kind: type[Any]) -> Any:
        adapter = self._adapters.get(kind)
        if adapter is None:
            from pydantic import TypeAdapter
            from pydantic.errors import PydanticUserError

            try:
                adapter = self._adapters[kind] = TypeAdapter(kind)
            except (PydanticUserError, NameError) as error:
                raise TypeError(f"pydantic cannot describe {_label(kind)}: {error}") from error
        return adapter

    # ------------------------------------------------------------ and back

    def _revive(self, value: Any) -> Any:
        if type(value) is list:
            if value and type(value[0]) is float and set(map(type, value)) == {float}:
                return value
            return [self._revive(inner) for inner in value]
        if type(value) is not dict:
            return value
        if _OBJECT in value:
            label = value[_OBJECT]
            kind = self._class_of(label)
            if kind is None:
                raise ValueError(f"it holds a {label}: pass result_type=, the class of that name")
            return self._adapter(kind).validate_json(jsons.dumps(value[_VALUE]))
        name = value.get(_TYPE)
        if name is None:
            return {key: self._revive(inner) for key, inner in value.items()}
        if name == "dict":
            return {self._revive(key): self._revive(inner) for key, inner in value[_VALUE]}
        known = _BY_NAME.get(name)
        if known is None:
            raise ValueError(f"it holds a {name!r}, which this version does not know")
        if known in _CONTAINERS:
            return _CONTAINERS[known](self._revive(inner) for inner in value[_VALUE])
        if known in _BUILT_IN:
            return _BUILT_IN[known][1](value[_VALUE])
        return known(**{field: self._revive(inner) for field, inner in value.items() if field != _TYPE})

    def _class_of(self, label: str) -> type[Any] | None:
        known = self._types.get(label)
        if known is not None:
            return known
        # A script calls its module __main__, whoever imports it does not: the name within the module decides, where it
        # is the only one.
        name = label.partition(":")[2]
        same = [kind for other, kind in self._types.items() if other.partition(":")[2] == name]
        return same[0] if len(same) == 1 else None


def _label(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _is_users(kind: Any) -> bool:
    if not isinstance(kind, type) or kind in _FIELDS or kind in _BUILT_IN:
        return False
    return (
        is_dataclass(kind)
        or issubclass(kind, Enum)
        or hasattr(kind, "__pydantic_validator__")
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    )


def _are_equal(back: Any, value: Any, adapter: Any) -> bool:
    if back == value:
        return True
    if "__eq__" in {name for base in type(value).__mro__[:-1] for name in vars(base)}:
        return False
    return bool(adapter.dump_python(back, mode="json") == adapter.dump_python(value, mode="json"))
