"""Messages, and what users may pass for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from . import jsons
from .parts import Part, TextPart, part_from_dict, part_to_dict


class Role(str, Enum):
    """Who speaks; "developer" is read as system."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_ROLES["tool"] = Role.TOOL


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool called.

    Args:
        id: The vendor's id of the call; its result carries the same.
        name: The tool's name.
        arguments: A JSON object as text, as the model wrote it; a dict is turned into it.
    """

    id: str
    name: str
    arguments: str = "{}"

    def __post_init__(self) -> None:
        if not isinstance(self.arguments, str):
            object.__setattr__(self, "arguments", jsons.dumps_text(self.arguments))

    def parse_arguments(self) -> dict[str, Any]:
        """The arguments as a dict; empty text and null mean none.

        Raises:
            ValueError: The model wrote something that is no JSON object.
        """
        if not self.arguments.strip():
            return {}
        try:
            value = jsons.loads(self.arguments)
        except ValueError as error:
            raise ValueError(
                f"the arguments of {self.name!r} are not valid JSON: {error}; got {_short(self.arguments)}"
            ) from error
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValueError(f"the arguments of {self.name!r} must be a JSON object, got {_short(self.arguments)}")
        return value

    def to_dict(self) -> dict[str, Any]:
        """OpenAI's chat shape."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ToolCall:
        """From OpenAI's chat shape, or flat: {"id", "name", "arguments"}.

        Raises:
            TypeError: It is no dict.
            ValueError: A name is missing.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f"a tool call is a ToolCall or a dict, got {type(value).__name__}")
        function = value.get("function")
        source: Mapping[str, Any] = function if isinstance(function, Mapping) else value
        name = source.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"a tool call needs a name, got {_short(dict(value))}")
        arguments = source.get("arguments")
        if arguments is None:
            arguments = source.get("input", "{}")
        return cls(id=str(value.get("id") or value.get("call_id") or ""), name=name, arguments=arguments)


@dataclass(slots=True)
class ToolCallDelta:
    """A piece of a tool call in a stream.

    Args:
        index: Which of the answer's calls, from 0.
        id: The call's id, always there on TOOL_CALL_START.
        name: The tool's name, always there on TOOL_CALL_START.
        arguments_delta: The next piece of the arguments' JSON text.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments_delta: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"index": self.index, "id": self.id, "name": self.name, "arguments_delta": self.arguments_delta}


@dataclass(frozen=True, slots=True)
class ProviderItems:
    """What a vendor wants back unchanged with an assistant's message: thinking blocks, reasoning items.

    Args:
        dialect: Whose they are, such as "anthropic-messages"; another dialect leaves them out.
        items: The vendor's own JSON values of the whole message, in order.
    """

    dialect: str
    items: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        return {"dialect": self.dialect, "items": [dict(item) for item in self.items]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ProviderItems:
        if not isinstance(value.get("dialect"), str) or not isinstance(value.get("items"), (list, tuple)):
            raise ValueError("provider_items has a 'dialect' and 'items', as Message.to_dict() writes them")
        return cls(dialect=value["dialect"], items=tuple(value["items"]))


Content = str | tuple[Part, ...] | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Args:
        role: Who speaks.
        content: Text, or parts (text, image, file, audio); None where an assistant only calls tools.
        tool_calls: The calls of an assistant's message.
        tool_call_id: For role "tool": which call this answers.
        name: For role "tool" the tool's name, else an optional name of the speaker.
        is_error: For role "tool": the call failed.
        provider_items: What the vendor wants back unchanged; opaque.
    """

    role: Role
    content: Content = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    is_error: bool = False
    provider_items: ProviderItems | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.role, Role):
            object.__setattr__(self, "role", _role(self.role))
        content = self.content
        if content is not None and not isinstance(content, str):
            if isinstance(content, (Mapping, bytes)) or not isinstance(content, Iterable):
                raise TypeError(f"content is a string or a list of parts, got {type(content).__name__}")
            object.__setattr__(self, "content", tuple(part_from_dict(part) for part in content))

    @classmethod
    def user(cls, content: str | Iterable[Part | Mapping[str, Any] | str], *, name: str | None = None) -> Message:
        """What the user says: text, or a list of parts."""
        return cls(role=Role.USER, content=content, name=name)  # type: ignore[arg-type]  # normalised above

    @classmethod
    def assistant(
        cls,
        content: str | Iterable[Part | Mapping[str, Any] | str] | None = None,
        tool_calls: Sequence[ToolCall] | None = None,
    ) -> Message:
        """What the model said, and the tools it wants called."""
        calls = list(tool_calls) if tool_calls else None
        return cls(role=Role.ASSISTANT, content=content, tool_calls=calls)  # type: ignore[arg-type]

    @classmethod
    def system(cls, content: str | Iterable[Part | Mapping[str, Any] | str]) -> Message:
        """Instructions that stand above the conversation."""
        return cls(role=Role.SYSTEM, content=content)  # type: ignore[arg-type]

    @classmethod
    def tool_result(
        cls, tool_call_id: str, content: str, name: str | None = None, *, is_error: bool = False
    ) -> Message:
        """The result of one tool call."""
        return cls(role=Role.TOOL, content=content, tool_call_id=tool_call_id, name=name, is_error=is_error)

    @property
    def text(self) -> str:
        """The text of the content; images and files are left out."""
        content = self.content
        if content is None:
            return ""
        if isinstance(content, str):
            return content
        return "".join(part.text for part in content if isinstance(part, TextPart))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts, none where it is empty."""
        content = self.content
        if isinstance(content, str):
            return (TextPart(content),) if content else ()
        return content or ()

    def to_dict(self) -> dict[str, Any]:
        """OpenAI's chat shape, plus `is_error` and `provider_items` where they are set."""
        content = self.content
        value: dict[str, Any] = {
            "role": self.role.value,
            "content": content if content is None or isinstance(content, str) else [part_to_dict(p) for p in content],
        }
        if self.tool_calls:
            value["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        if self.tool_call_id is not None:
            value["tool_call_id"] = self.tool_call_id
        if self.name is not None:
            value["name"] = self.name
        if self.is_error:
            value["is_error"] = True
        if self.provider_items is not None:
            value["provider_items"] = self.provider_items.to_dict()
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Message:
        """From OpenAI's chat shape.

        Raises:
            ValueError: The role is missing or unknown, or a part is.
            TypeError: A field has the wrong type.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f"a message is a dict, got {type(value).__name__}")
        if "role" not in value:
            raise ValueError(f"a message needs a 'role' and 'content', got keys {sorted(map(str, value))}")
        role = _role(value["role"])
        content = value.get("content")
        calls = value.get("tool_calls")
        if calls is not None and (isinstance(calls, (str, Mapping)) or not isinstance(calls, Iterable)):
            raise TypeError(f"tool_calls is a list, got {type(calls).__name__}")
        name = value.get("name")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a message is a string, got {type(name).__name__}")
        items = value.get("provider_items")
        if role is Role.TOOL and not value.get("tool_call_id"):
            raise ValueError("a message of role 'tool' needs the 'tool_call_id' of the call it answers")
        return cls(
            role=role,
            content=content,
            tool_calls=[c if isinstance(c, ToolCall) else ToolCall.from_dict(c) for c in calls] if calls else None,
            tool_call_id=None if value.get("tool_call_id") is None else str(value["tool_call_id"]),
            name=name,
            is_error=bool(value.get("is_error", False)),
            provider_items=ProviderItems.from_dict(items) if isinstance(items, Mapping) else items,
        )


MessageInput = str | Message | Mapping[str, Any] | Sequence[str | Message | Mapping[str, Any]]
"""What `complete()`, `stream()` and `run()` take: text, a message, a dict in OpenAI's chat shape, or a list."""


def normalize_messages(messages: MessageInput) -> list[Message]:
    """Turn what users pass into a list of messages.

    Args:
        messages: Text (a user's message), a Message, a dict in OpenAI's chat shape, or a list of these.

    Raises:
        TypeError: Something else was passed.
        ValueError: The list is empty, or a dict is no message; says which one.
    """
    if isinstance(messages, str):
        return [Message(role=Role.USER, content=messages)]
    if isinstance(messages, Message):
        return [messages]
    if isinstance(messages, Mapping):
        return [Message.from_dict(messages)]
    if isinstance(messages, bytes) or not isinstance(messages, Iterable):
        raise TypeError(
            "messages is a string, a Message, a dict such as {'role': 'user', 'content': '...'} or a list of these, "
            f"got {type(messages).__name__}"
        )
    normalized = []
    for position, item in enumerate(messages):
        if isinstance(item, Message):
            normalized.append(item)
        elif isinstance(item, str):
            normalized.append(Message(role=Role.USER, content=item))
        else:
            try:
                normalized.append(Message.from_dict(item))
            except (TypeError, ValueError) as error:
                raise type(error)(f"message {position}: {error}") from error
    if not normalized:
        raise ValueError("messages is empty; pass at least one message")
    return normalized


def _role(value: Any) -> Role:
    role = _ROLES.get(value) if isinstance(value, str) else None
    if role is None:
        raise ValueError(f"unknown role {value!r}; expected 'system', 'user', 'assistant' or 'tool'")
    return role


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
