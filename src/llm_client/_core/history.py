"""The messages of a conversation with what is known of them: what belongs together, and what each costs."""

from __future__ import annotations

from collections.abc import Iterable

from .cleaning import clean, missing_result
from .message_counts import CountTable, TokenCounter, most_tokens
from .messages import Message, ToolCall
from .truncation import choose, shorten
from .units import Unit, Units

_MEMO_SIZE = 16


class History:
    """Messages in order; adding one costs the same however many there are, and so does asking for what fits.

    Args:
        messages: What is there to begin with.
    """

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.messages: list[Message] = []
        self.most_tokens: int | None = 0
        """No more tokens than this, as far as that can be told without counting."""
        self._units = Units()
        self._counts: dict[str, CountTable] = {}
        self._memo: dict[tuple[str, bool, str], int] = {}
        self._shortened: tuple[tuple[str, bool, int, int], Message] | None = None
        for message in messages:
            self.add(message)

    def add(self, message: Message) -> None:
        """Append a message."""
        self._units.add(len(self.messages), message)
        self.messages.append(message)
        bound = most_tokens(message)
        self.most_tokens = None if bound is None or self.most_tokens is None else self.most_tokens + bound

    def first(self, size: int) -> History:
        """A copy of the first messages, with what is known of them."""
        copy = History(self.messages[:size])
        copy._counts = {key: table.first(size) for key, table in self._counts.items()}
        return copy

    @property
    def last_user_message(self) -> Message | None:
        """The most recent message of the user, None where there is none."""
        turns = self._units.turns
        return self.messages[self._units.all[turns[-1]].start] if turns else None

    def unanswered_calls(self) -> list[ToolCall]:
        """The tool calls that still wait for a result, oldest first."""
        return [
            (self.messages[unit.start].tool_calls or [])[position]
            for unit in self._units.open
            for position in unit.unanswered
        ]

    def exchange_start(self, index: int) -> int:
        """The index, or the start of the tool exchange that a cut there would part."""
        for unit in reversed(self._units.all):
            # Exchanges can interleave, so the cut may move more than once.
            if unit.start < index and unit.results and any(result >= index for result in unit.results):
                index = unit.start
        return index

    # -- what is sent

    def everything(self) -> list[Message]:
        """All that can be sent."""
        return [message for unit in self._units.all for message in self._emit(unit)]

    def fitting(self, strategy: str, counter: TokenCounter, budget: int) -> list[Message]:
        """What can be sent and fits.

        Args:
            strategy: One of truncation.STRATEGIES.
            counter: Counts tokens.
            budget: Tokens that all of it may have together.
        """
        units = self._units
        table = self._table(counter)
        asked = units.turns[-1] if units.turns else None
        question = None if asked is None else self._fit(units.all[asked].start, table, counter, budget)

        def cost(position: int) -> int:
            if position == asked and question is not None:
                return self._question_cost(units.all[position].start, question, table, counter)
            return self._cost(units.all[position], table, counter)

        kept: list[Message] = []
        for position in choose(strategy, len(units.all), units.turns, cost, budget):
            if position == asked and question is not None:
                kept.append(question)
            else:
                kept += self._emit(units.all[position])
        return kept

    def _fit(self, index: int, table: CountTable, counter: TokenCounter, budget: int) -> Message:
        """The user's last message, shortened where it alone is too long."""
        message = self.messages[index]
        if table.of(index, message, counter) <= budget:
            return message
        key = (counter.key, counter.exact, index, budget)
        if self._shortened is None or self._shortened[0] != key:
            self._shortened = (key, shorten(message, budget, counter.count))
        return self._shortened[1]

    def _question_cost(self, index: int, question: Message, table: CountTable, counter: TokenCounter) -> int:
        if question is self.messages[index]:
            return table.of(index, question, counter)
        return counter.count(question)

    def _cost(self, unit: Unit, table: CountTable, counter: TokenCounter) -> int:
        first = self.messages[unit.start]
        tokens = table.of(unit.start, first, counter)
        if unit.results is None:
            return tokens
        tokens += sum(table.of(index, self.messages[index], counter) for index in unit.answered)
        calls = first.tool_calls or []
        return tokens + sum(
            counter.count(missing_result(calls[position].id, calls[position].name)) for position in unit.unanswered
        )

    def _emit(self, unit: Unit) -> list[Message]:
        first, _ = clean(self.messages[unit.start])
        if first is None:
            return []
        if unit.results is None:
            return [first]
        calls = first.tool_calls or []
        results = (clean(self.messages[index])[0] for index in unit.answered)
        return [
            first,
            *(result for result in results if result is not None),
            *(missing_result(calls[position].id, calls[position].name) for position in unit.unanswered),
        ]

    def part(self, counter: TokenCounter, budget: int) -> tuple[list[Message], list[Message]]:
        """Old messages, and recent ones that fit; the last user message is always among the recent ones.

        Args:
            counter: Counts tokens.
            budget: Tokens that the recent ones may have together.
        """
        units = self._units
        table = self._table(counter)
        kept: set[int] = set()

        def cost(position: int) -> int:
            return self._cost(units.all[position], table, counter)

        for position in choose("sliding", len(units.all), units.turns, cost, budget):
            unit = units.all[position]
            kept.update((unit.start, *unit.answered))
        strays = set(units.strays)
        old = [m for index, m in enumerate(self.messages) if index not in kept and index not in strays]
        return old, [self.messages[index] for index in sorted(kept)]

    # -- tokens

    def count_all(self, counter: TokenCounter) -> int:
        """Tokens of all messages together."""
        return self._table(counter).of_all(self.messages, len(self.messages), counter)

    def count(self, message: Message, counter: TokenCounter) -> int:
        """Tokens of a message that is none of these, such as the system message; remembered by its text."""
        key = (counter.key, counter.exact, message.text)
        tokens = self._memo.get(key)
        if tokens is None:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            tokens = self._memo[key] = counter.count(message)
        return tokens

    def _table(self, counter: TokenCounter) -> CountTable:
        return self._counts.setdefault(counter.key, CountTable())
