"""The one validator of message lists: what it passes, the vendors' servers accept.

Its rules are theirs: every call is answered, right behind the message that makes it; nothing is answered twice or
without a call; ids are unique and spelt as the API allows; nothing is empty; for Anthropic the user speaks first.
What breaks a rule, as an interruption may leave it, is repaired, and every repair is reported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .cleaning import ANTHROPIC, CHAT, RESPONSES, call_id_of, clean, missing_result
from .messages import Message, ProviderItems, Role, ToolCall
from .units import Unit, Units

__all__ = ["ANTHROPIC", "CHAT", "RESPONSES", "Repaired", "can_think", "repair", "start_placeholder"]

START_PLACEHOLDER = "(earlier messages were left out)"
CONTINUE = "Please continue."

_LONGEST_ID = {CHAT: 40, RESPONSES: 64, ANTHROPIC: 64}
_LONGEST_NAME = {CHAT: 64, RESPONSES: 64, ANTHROPIC: 128}
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A list that can be sent, and what had to be done to it.

    Args:
        messages: The list; the given messages themselves where nothing was wrong with them.
        notes: One short sentence for each repair, empty where there was none.
    """

    messages: list[Message]
    notes: list[str]


def start_placeholder() -> Message:
    """What stands first where a window would begin with the assistant and the API wants the user."""
    return Message.user(START_PLACEHOLDER)


def can_think(messages: Sequence[Message]) -> bool:
    """Whether Anthropic takes `thinking: {"type": "enabled"}` with this history.

    It does not where the answer to the last user message has begun without thinking, as after a change of vendor in
    the middle of a tool exchange: https://platform.claude.com/docs/en/build-with-claude/extended-thinking

    Args:
        messages: The list, already repaired.
    """
    begun: Message | None = None
    for message in reversed(messages):
        if message.role is Role.USER:
            break
        if message.role is Role.ASSISTANT:
            begun = message
    if begun is None:
        return True
    items = begun.provider_items
    if items is None or items.dialect != ANTHROPIC or not items.items:
        return False
    return items.items[0].get("type") in ("thinking", "redacted_thinking")


def repair(
    messages: Sequence[Message], dialect: str | None = None, *, prefill: bool = True, as_given: bool = False
) -> Repaired:
    """Make a list of messages fit to send; the given list and its messages are not changed.

    Args:
        messages: The list, system messages included.
        dialect: "openai-chat", "openai-responses" or "anthropic-messages"; None for the rules that all share.
        prefill: Whether the model continues a last message of the assistant; where it does not, the user asks for it.
        as_given: Leave two things alone that servers were seen to accept in a caller's own list: a first message of
            the assistant, and results that stand right behind as many calls under other ids.
    """
    if _is_plain(messages):
        return Repaired(list(messages), [])
    notes: list[str] = []
    fixed = _pair(messages, dialect, as_given, notes)
    if dialect is not None:
        fixed = _Ids(dialect, notes).unify(fixed)
    if dialect == RESPONSES:
        _once(fixed, notes)
    if dialect == ANTHROPIC:
        _anthropic(fixed, prefill, not as_given, notes)
    return Repaired(fixed, notes)


def _is_plain(messages: Sequence[Message]) -> bool:
    """Whether there is nothing to look for: questions in text, after instructions in text."""
    asked = False
    for message in messages:
        content, role = message.content, message.role
        if content.__class__ is not str or not content or content.isspace():
            return False
        if role is Role.USER:
            asked = True
        elif role is not Role.SYSTEM:
            return False
    return asked


def _pair(messages: Sequence[Message], dialect: str | None, as_given: bool, notes: list[str]) -> list[Message]:
    units = Units()
    for index, message in enumerate(messages):
        units.add(index, message)
    kept = _pair_by_place(units, messages, dialect) if as_given and units.strays else set()
    for index in units.strays:
        if index in kept:
            continue
        message = messages[index]
        if message.role is Role.TOOL:
            notes.append(f"dropped a result of call {message.tool_call_id!r}, which no message before it makes")
        else:
            notes.append("dropped a message that was added twice")
    fixed: list[Message] = []
    for unit in units.all:
        fixed += _exchange(unit, messages, dialect, notes)
    return fixed


def _pair_by_place(units: Units, messages: Sequence[Message], dialect: str | None) -> set[int]:
    # Only ids that the API could have taken: spelt as it wants, and no second result of any call.
    given = Counter(message.tool_call_id for message in messages if message.role is Role.TOOL)
    strays = {
        index
        for index in units.strays
        if messages[index].role is Role.TOOL
        and given[messages[index].tool_call_id] == 1
        and _well_spelt(messages[index].tool_call_id or "", dialect)
    }
    kept: set[int] = set()
    for unit in units.all:
        count = len(unit.results or ())
        places = range(unit.start + 1, unit.start + 1 + count)
        if unit.results and not unit.answered and all(place in strays for place in places):
            unit.results[:] = places
            kept.update(places)
    return kept


def _well_spelt(call_id: str, dialect: str | None) -> bool:
    if dialect is None:
        return True
    return 0 < len(call_id) <= _LONGEST_ID[dialect] and not (dialect == ANTHROPIC and _NOT_IN_IDS.search(call_id))


def _exchange(unit: Unit, messages: Sequence[Message], dialect: str | None, notes: list[str]) -> list[Message]:
    first, found = clean(messages[unit.start], dialect)
    notes += found
    if first is None:
        return []
    answered = unit.answered
    if answered and answered[-1] != unit.start + len(answered):
        notes.append("moved results of tool calls to right behind the calls")
    exchange = [first]
    for index in answered:
        result, found = clean(messages[index], dialect)
        notes += found
        exchange += [] if result is None else [result]
    for position in unit.unanswered:
        call = (first.tool_calls or [])[position]
        notes.append(f"answered call {call.id!r} of {call.name!r} with an error: it had no result")
        exchange.append(missing_result(call.id, call.name))
    return exchange


def _anthropic(messages: list[Message], prefill: bool, user_first: bool, notes: list[str]) -> None:
    first = next((index for index, message in enumerate(messages) if message.role is not Role.SYSTEM), len(messages))
    if first == len(messages) or (user_first and messages[first].role is not Role.USER):
        notes.append("put a user message first")
        messages.insert(first, start_placeholder())
    # System messages go out apart from the others, so they end nothing.
    ending = []
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role is Role.ASSISTANT:
            ending.append(index)
        elif messages[index].role is not Role.SYSTEM:
            break
    if ending:
        _end(messages, ending, prefill, notes)


def _end(messages: list[Message], ending: list[int], prefill: bool, notes: list[str]) -> None:
    """Make the assistant's last messages ones that the model can go on with.

    Args:
        messages: The list, changed in place.
        ending: Indices of the assistant's messages at its end, the last one first.
        prefill: Whether the model goes on with them.
        notes: Where repairs are reported.
    """
    if not prefill:
        notes.append("asked the model to continue: it takes no last message of its own")
        messages.append(Message.user(CONTINUE))
        return
    last = messages[ending[0]]
    # With other words than the vendor's blocks it would lose them, and its thinking: there the dialect sees to the end.
    own = last.provider_items is not None and last.provider_items.dialect == ANTHROPIC
    if not own and isinstance(last.content, str) and last.content != last.content.rstrip():
        notes.append("dropped white space at the end of the last assistant message")
        messages[ending[0]] = replace(last, content=last.content.rstrip())
    # Several go out as one, which must not carry thinking from before its end.
    for index in ending[1:]:
        items = messages[index].provider_items
        if items is not None and items.dialect == ANTHROPIC:
            notes.append("dropped the thinking of an assistant message that another one follows at the end")
            messages[index] = replace(messages[index], provider_items=None)


class _Ids:
    """Gives calls ids that are unique and spelt as the API wants, and their results the same."""

    def __init__(self, dialect: str, notes: list[str]) -> None:
        self._dialect = dialect
        self._notes = notes
        self._used: set[str] = set()

    def unify(self, messages: list[Message]) -> list[Message]:
        fixed: list[Message] = []
        waiting: dict[str, list[str]] = {}
        for message in messages:
            if message.role is Role.TOOL:
                given = waiting.get(message.tool_call_id or "")
                new = given.pop(0) if given else message.tool_call_id  # under another id, and left so as given
                fixed.append(message if new == message.tool_call_id else replace(message, tool_call_id=new))
                continue
            if message.tool_calls:
                message, waiting = self._calls(message, message.tool_calls)
            fixed.append(message)
        return fixed

    def _calls(self, message: Message, calls: list[ToolCall]) -> tuple[Message, dict[str, list[str]]]:
        if self._dialect == CHAT:
            # It pairs by position, and some of its servers count their calls anew in every answer.
            self._used.clear()
        waiting: dict[str, list[str]] = {}
        new_calls = []
        for call in calls:
            new = ToolCall(self._id(call.id), self._name(call.name), call.arguments)
            waiting.setdefault(call.id, []).append(new.id)
            new_calls.append(call if new == call else new)
        if new_calls == calls:
            return message, waiting
        items = message.provider_items
        if items is not None and items.dialect in (ANTHROPIC, RESPONSES):
            items = _renamed(items, calls, new_calls)
        return replace(message, tool_calls=new_calls, provider_items=items), waiting

    def _id(self, given: str) -> str:
        longest = _LONGEST_ID[self._dialect]
        base = given
        if self._dialect == ANTHROPIC:
            base = _NOT_IN_IDS.sub("_", base)
        base = (base or "call")[:longest]
        new, number = base, 1
        while new in self._used:
            number += 1
            new = f"{base[: longest - len(str(number)) - 1]}_{number}"
        self._used.add(new)
        if new != given:
            self._notes.append(f"renamed tool call {given!r} to {new!r}")
        return new

    def _name(self, given: str) -> str:
        new = _NOT_IN_IDS.sub("_", given)[: _LONGEST_NAME[self._dialect]] or "unnamed"
        if new != given:
            self._notes.append(f"renamed the called tool {given!r} to {new!r}")
        return new


def _renamed(items: ProviderItems, old: Sequence[ToolCall], new: Sequence[ToolCall]) -> ProviderItems:
    key = "id" if items.dialect == ANTHROPIC else "call_id"
    names: dict[str, list[ToolCall]] = {}
    for before, after in zip(old, new, strict=True):
        names.setdefault(before.id, []).append(after)
    renamed = []
    for item in items.items:
        call_id = call_id_of(item)
        waiting = None if call_id is None else names.get(call_id)
        if waiting:
            after = waiting.pop(0)
            item = {**item, key: after.id, "name": after.name}
        renamed.append(item)
    return ProviderItems(items.dialect, tuple(renamed))


def _once(messages: list[Message], notes: list[str]) -> None:
    """Leave the vendor's items out where they came before: each is known by its id, and may come once."""
    seen: set[str] = set()
    for index, message in enumerate(messages):
        items = message.provider_items
        if items is None or items.dialect != RESPONSES:
            continue
        ids = {item["id"] for item in items.items if isinstance(item.get("id"), str)}
        if ids & seen:
            notes.append("dropped the vendor's items of an assistant message: an earlier message has the same")
            messages[index] = replace(message, provider_items=None)
        seen |= ids
