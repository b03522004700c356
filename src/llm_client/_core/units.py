"""Which messages of a conversation belong together: a plain message, or an assistant's calls with all their results."""

from __future__ import annotations

from .messages import Message, Role

UNANSWERED = -1


class Unit:
    """Messages that are kept or dropped together.

    Args:
        start: Index of the message, or of the one that makes the calls.
        results: For each call, in order, the index of its result or UNANSWERED; None where nothing is called.
    """

    __slots__ = ("results", "start")

    def __init__(self, start: int, results: list[int] | None) -> None:
        self.start = start
        self.results = results

    @property
    def answered(self) -> list[int]:
        """Indices of the results, in the order in which they came."""
        return sorted(index for index in self.results or () if index != UNANSWERED)

    @property
    def unanswered(self) -> list[int]:
        """Positions of the calls without a result."""
        return [position for position, index in enumerate(self.results or ()) if index == UNANSWERED]


class Units:
    """The units of a list of messages, kept up to date message by message, at constant cost for each.

    A result belongs to the nearest call of its id before it, wherever it stands. What belongs nowhere is a stray:
    a result without a call, a second result, an assistant's message that was added twice.
    """

    __slots__ = ("_last", "_open", "all", "strays", "turns")

    def __init__(self) -> None:
        self.all: list[Unit] = []
        self.turns: list[int] = []  # positions in `all` of the user's messages: a turn starts with each
        self.strays: list[int] = []
        self._open: dict[str, list[tuple[Unit, int]]] = {}
        self._last: Message | None = None

    @property
    def open(self) -> list[Unit]:
        """The units with unanswered calls that a result could still answer, oldest first."""
        return sorted({unit for waiting in self._open.values() for unit, _ in waiting}, key=lambda unit: unit.start)

    def add(self, index: int, message: Message) -> None:
        """Take in the next message.

        Args:
            index: Its place in the list.
            message: The message.
        """
        if message.role is Role.TOOL:
            self._add_result(index, message.tool_call_id or "")
            self._last = message
            return
        calls = message.tool_calls if message.role is Role.ASSISTANT else None
        if calls and self._last == message:
            # Saved twice by a caller that was interrupted: two equal calls in a row cannot both be answered.
            self.strays.append(self.all.pop().start)
        unit = Unit(index, [UNANSWERED] * len(calls) if calls else None)
        if message.role is Role.USER:
            self.turns.append(len(self.all))
        self.all.append(unit)
        fresh: dict[str, list[tuple[Unit, int]]] = {}
        for position, call in enumerate(calls or ()):
            fresh.setdefault(call.id, []).append((unit, position))
        self._open.update(fresh)
        self._last = message

    def _add_result(self, index: int, call_id: str) -> None:
        waiting = self._open.get(call_id)
        if not waiting:
            self.strays.append(index)
            return
        unit, position = waiting.pop(0)
        if not waiting:
            del self._open[call_id]
        if unit.results is not None:
            unit.results[position] = index
