"""A conversation that always fits and can always be sent; the same class in both faces."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from . import files, jsons, saved
from .conversation_config import ConversationConfig
from .exceptions import SessionFileError
from .history import History
from .log import logger
from .message_counts import ModelLike, TokenCounter, counter_for
from .messages import Message, MessageInput, Role, ToolCall, normalize_messages
from .parts import Part
from .rendering import chat_dict, readable
from .room import Room
from .tools import Tool
from .truncation import TruncationStrategy
from .validate import repair, start_placeholder

_log = logger("conversation")

__all__ = ["Conversation", "ConversationConfig"]

FORMAT = "llm-client-conversation"
VERSION = 1


class _Unset:
    def __repr__(self) -> str:
        return "..."


_UNSET: Any = _Unset()


class Conversation:
    """Messages in order, with a system message above them.

    `len`, index, iteration, `branch` and `clear` leave the system message out; `get_messages*` put it first. What
    `get_messages*` and `window` return can always be sent: tool calls without a result are answered with an error,
    results without a call and empty messages are left out. The conversation itself keeps everything as it was added,
    until `repair` is called.

    An empty conversation is true. It may be used from several threads only one at a time; an iteration runs over the
    messages that were there when it began.

    Args:
        system_message: Instructions that stand above the conversation.
        max_tokens: Most tokens that `get_messages` returns, the reserve included; None for no limit.
        truncation_strategy: "sliding", "drop_oldest", "drop_middle" or "summarize", see ConversationConfig.
        reserve_tokens: Of `max_tokens`: kept free for the answer.
        config: Where the values above come from unless they are given.
        session_id: The conversation's name; by default a new random one.
        messages: What was said before.
    """

    def __init__(
        self,
        system_message: str | None = _UNSET,
        max_tokens: int | None = _UNSET,
        truncation_strategy: TruncationStrategy = _UNSET,
        reserve_tokens: int = _UNSET,
        *,
        config: ConversationConfig | None = None,
        session_id: str | None = None,
        messages: MessageInput = (),
    ) -> None:
        given = {
            "system_message": system_message,
            "max_tokens": max_tokens,
            "truncation_strategy": truncation_strategy,
            "reserve_tokens": reserve_tokens,
        }
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not _UNSET}
        self.config = replace(config or ConversationConfig(), **changes)
        self.session_id = session_id or str(uuid.uuid4())
        self.notes: list[str] = []
        """What `branch` or `repair` had to change, in words."""
        self._history = History()
        self._warned = False
        if messages:
            self.extend(messages)

    # -- settings

    @property
    def system_message(self) -> str | None:
        """Instructions that stand above the conversation."""
        return self.config.system_message

    @system_message.setter
    def system_message(self, value: str | None) -> None:
        self.config = replace(self.config, system_message=value)

    @property
    def max_tokens(self) -> int | None:
        """Most tokens that `get_messages` returns, the reserve included."""
        return self.config.max_tokens

    @max_tokens.setter
    def max_tokens(self, value: int | None) -> None:
        self.config = replace(self.config, max_tokens=value)

    @property
    def truncation_strategy(self) -> TruncationStrategy:
        """What is left out when not everything fits."""
        return self.config.truncation_strategy

    @truncation_strategy.setter
    def truncation_strategy(self, value: TruncationStrategy) -> None:
        self.config = replace(self.config, truncation_strategy=value)

    @property
    def reserve_tokens(self) -> int:
        """Of `max_tokens`: kept free for the answer."""
        return self.config.reserve_tokens

    @reserve_tokens.setter
    def reserve_tokens(self, value: int) -> None:
        self.config = replace(self.config, reserve_tokens=value)

    # -- adding

    def add_message(self, message: Message | Mapping[str, Any] | str) -> Message:
        """Add a message as it is and return it.

        A system message that comes first becomes the conversation's `system_message`, unless it has another one.

        Args:
            message: A Message, a dict in OpenAI's chat shape, or text of the user.
        """
        (added,) = normalize_messages(message)
        if added.role is Role.SYSTEM and not self._history.messages and self.system_message in (None, added.text):
            self.system_message = added.text
            return added
        self._history.add(added)
        return added

    def extend(self, messages: MessageInput) -> None:
        """Add several messages.

        Args:
            messages: What `complete()` takes: text, a message, a dict, or a list of these.
        """
        for message in normalize_messages(messages) if messages else ():
            self.add_message(message)

    def add_user(self, content: str | Iterable[Part | Mapping[str, Any] | str], *, name: str | None = None) -> Message:
        """Add what the user says: text, or a list of parts."""
        return self.add_message(Message.user(content, name=name))

    def add_assistant(self, content: str | Iterable[Part | Mapping[str, Any] | str]) -> Message:
        """Add what the model said."""
        return self.add_message(Message.assistant(content))

    def add_assistant_with_tools(
        self,
        content: str | Iterable[Part | Mapping[str, Any] | str] | None = None,
        tool_calls: Sequence[ToolCall | Mapping[str, Any]] = (),
    ) -> Message:
        """Add what the model said together with the tools that it wants called.

        Args:
            content: The text, None where it only calls.
            tool_calls: The calls; dicts are taken in OpenAI's chat shape.
        """
        calls = [call if isinstance(call, ToolCall) else ToolCall.from_dict(call) for call in tool_calls]
        return self.add_message(Message.assistant(content, calls))

    def add_tool_result(
        self, tool_call_id: str, content: Any, name: str | None = None, *, is_error: bool = False
    ) -> Message:
        """Add the result of one tool call.

        Args:
            tool_call_id: The id of the call.
            content: Text; any other value is written as JSON.
            name: The tool's name.
            is_error: The call failed.
        """
        text = content if isinstance(content, str) else jsons.dumps_text(content)
        return self.add_message(Message.tool_result(tool_call_id, text, name, is_error=is_error))

    # -- reading

    def __len__(self) -> int:
        return len(self._history.messages)

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self._history.messages[index]

    def __iter__(self) -> Iterator[Message]:
        return iter(self._history.messages.copy())

    def __repr__(self) -> str:
        return (
            f"Conversation(session_id={self.session_id!r}, messages={len(self._history.messages)}, "
            f"max_tokens={self.max_tokens}, truncation_strategy={self.truncation_strategy!r})"
        )

    @property
    def messages(self) -> list[Message]:
        """A copy of the list, without the system message."""
        return self._history.messages.copy()

    def get_last_message(self) -> Message | None:
        """The most recent message, None where there is none."""
        return self._history.messages[-1] if self._history.messages else None

    def get_last_user_message(self) -> Message | None:
        """The most recent message of the user, None where there is none."""
        return self._history.last_user_message

    def get_last_assistant_message(self) -> Message | None:
        """The most recent message of the model, None where there is none."""
        return next((message for message in reversed(self._history.messages) if message.role is Role.ASSISTANT), None)

    def unanswered_calls(self) -> list[ToolCall]:
        """The tool calls that have no result yet, oldest first."""
        return self._history.unanswered_calls()

    def format_history(self, max_messages: int | None = None) -> str:
        """The conversation as readable text.

        Args:
            max_messages: Only so many of the most recent messages; None for all.
        """
        if max_messages is not None and max_messages < 0:
            raise ValueError(f"max_messages must be 0 or more, got {max_messages}")
        left_out = 0 if max_messages is None else max(0, len(self._history.messages) - max_messages)
        lines = [f"[... {left_out} earlier messages]"] if left_out else []
        lines += [readable(message) for message in self._history.messages[left_out:]]
        return "\n".join(lines)

    # -- what is sent

    def get_messages(self, model: ModelLike | None = None) -> list[Message]:
        """The system message and as many of the messages as fit, ready to be sent.

        Args:
            model: A profile, or a model's name: its limit counts besides `max_tokens`, and its tokenizer is used.
        """
        return self.window(model=model)

    def get_messages_dict(self, model: ModelLike | None = None) -> list[dict[str, Any]]:
        """As `get_messages`, as dicts in exactly the shape that OpenAI's Chat Completions API takes.

        Args:
            model: As in `get_messages`.
        """
        return [chat_dict(message) for message in self.window(model=model)]

    def window(
        self,
        *,
        model: ModelLike | None = None,
        max_tokens: int | None = None,
        reserve_tokens: int | None = None,
        overhead_tokens: int = 0,
        tools: Sequence[Tool] = (),
        user_first: bool = False,
    ) -> list[Message]:
        """The system message and as many of the messages as fit into the least of all limits.

        The cost is that of what is returned, however long the conversation is.

        Args:
            model: A profile, or a model's name: its input limit and its tokenizer.
            max_tokens: A further limit.
            reserve_tokens: Tokens kept free for the answer, in place of the conversation's own number.
            overhead_tokens: What else the request holds.
            tools: Tools whose schemas the request holds.
            user_first: Put a short note of the user in front where the first message would be the assistant's, as
                Anthropic wants it.
        """
        around = [start_placeholder()] if user_first else []
        found = self._budget(self._room(model, max_tokens, reserve_tokens, overhead_tokens, tools, around))
        if found is None:
            kept = self._history.everything()
        else:
            kept = self._history.fitting(self.truncation_strategy, *found)
        if user_first and kept and kept[0].role is Role.ASSISTANT:
            kept.insert(0, start_placeholder())
        return self._system() + kept

    def count_tokens(self, model: ModelLike | None = None) -> int:
        """Tokens of the whole conversation, the system message included.

        Args:
            model: A profile, or a model's name; by default the tokenizer of current models.
        """
        counter = counter_for(model)
        system = sum(self._history.count(message, counter) for message in self._system())
        return counter.base + system + self._history.count_all(counter)

    def repair(self) -> list[str]:
        """Mend the conversation in place, as `get_messages` does in what it returns, and say what was mended."""
        if not self._history.messages:
            return []
        fixed = repair(self._history.messages)
        if fixed.notes:
            self._replace(fixed.messages)
            self.notes += fixed.notes
        return fixed.notes

    # -- copies

    def fork(self) -> Conversation:
        """A copy with a new session id; neither sees what is added to the other."""
        return self._copy(len(self._history.messages))

    def branch(self, from_index: int | None = None) -> Conversation:
        """A copy of the first messages, with a new session id.

        A branch point between a tool call and its results is moved to before the call; the copy's `notes` say so, and
        a warning is logged.

        Args:
            from_index: How many messages are kept; negative numbers count from the end; None keeps all.

        Raises:
            IndexError: The conversation has fewer messages.
        """
        size = len(self._history.messages)
        index = size if from_index is None else from_index
        if index < 0:
            index += size
        if not 0 <= index <= size:
            raise IndexError(f"from_index {from_index} is outside the conversation, which has {size} messages")
        end = self._history.exchange_start(index)
        copy = self._copy(end)
        if end != index:
            note = f"the branch point {index} lies inside a tool exchange; moved to its start, {end}"
            copy.notes.append(note)
            _log.warning("conversation %s: %s", copy.session_id, note)
        return copy

    def clear(self) -> None:
        """Remove all messages; the system message stays."""
        self._replace([])

    # -- storage

    def to_dict(self) -> dict[str, Any]:
        """Everything, as values that JSON can hold."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "session_id": self.session_id,
            "system_message": self.system_message,
            "max_tokens": self.max_tokens,
            "truncation_strategy": self.truncation_strategy,
            "reserve_tokens": self.reserve_tokens,
            "messages": [message.to_dict() for message in self._history.messages],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Conversation:
        """From `to_dict`'s form.

        Raises:
            SessionFileError: It is of another kind, of a newer version, or damaged.
        """
        return cls._from_checked(saved.check(value, kind=FORMAT, version=VERSION, source="the dict"), "the dict")

    def to_json(self) -> str:
        """Everything, as JSON text."""
        return jsons.dumps_text(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> Conversation:
        """From `to_json`'s text.

        Raises:
            SessionFileError: It is no JSON, of another kind, of a newer version, or damaged.
        """
        return cls._from_checked(saved.parse(text, kind=FORMAT, version=VERSION), "the text")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file: UTF-8 JSON, at once, so that no reader ever sees half of it.

        Args:
            path: Where; missing folders are made.

        Raises:
            OSError: The place cannot be written; what stood there is untouched.
        """
        files.write_atomic(path, jsons.dumps(self.to_dict()))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Conversation:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            SessionFileError: It is damaged, of another kind, or of a newer version; the file is left as it is.
        """
        value = saved.read(path, kind=FORMAT, version=VERSION)
        return cls._from_checked(value, f"the file {os.fspath(path)!r}")

    # -- inside

    @classmethod
    def _from_checked(cls, value: Mapping[str, Any], source: str) -> Conversation:
        messages = value.get("messages")
        if not isinstance(messages, list):
            raise SessionFileError(f"{source} is damaged: 'messages' must be a list, got {type(messages).__name__}")
        settings = {
            name: value[name]
            for name in ("system_message", "max_tokens", "truncation_strategy", "reserve_tokens")
            if name in value
        }
        session_id = value.get("session_id")
        if session_id is not None and not isinstance(session_id, str):
            raise SessionFileError(f"{source} is damaged: 'session_id' must be a string, got {session_id!r}")
        try:
            conversation = cls(session_id=session_id, **settings)
            conversation._replace(normalize_messages(messages) if messages else [])
        except (TypeError, ValueError, KeyError) as error:
            raise SessionFileError(f"{source} is damaged: {error}") from error
        return conversation

    def _replace(self, messages: list[Message]) -> None:
        self._history = History(messages)

    def _copy(self, size: int) -> Conversation:
        copy = Conversation(config=self.config)
        copy._history = self._history.first(size)
        return copy

    def _system(self) -> list[Message]:
        text = self.system_message
        return [Message.system(text)] if text and not text.isspace() else []

    def _room(
        self,
        model: ModelLike | None,
        max_tokens: int | None,
        reserve_tokens: int | None,
        overhead_tokens: int = 0,
        tools: Sequence[Tool] = (),
        around: Sequence[Message] = (),
    ) -> Room:
        return Room(
            model,
            (max_tokens, self.max_tokens),
            self.reserve_tokens if reserve_tokens is None else reserve_tokens,
            overhead_tokens,
            tools,
            (*self._system(), *around),
        )

    def _budget(self, room: Room) -> tuple[TokenCounter, int] | None:
        """What counts, and the tokens that the messages may have together; None where they fit in any case."""
        if room.surely_holds(self._history.most_tokens):
            return None
        return room.measure(self._history.count, self._clamped)

    def _clamped(self, reserve: int, limit: int) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "reserve_tokens (%d) leaves nothing of the limit of %d tokens; half of the limit is reserved",
                reserve,
                limit,
            )
