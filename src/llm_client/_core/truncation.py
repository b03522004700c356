"""What of a conversation is sent when not all of it fits: the strategies, and the shortening of one message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal, get_args

from .messages import Message
from .parts import Part, TextPart

TruncationStrategy = Literal["sliding", "drop_oldest", "drop_middle", "summarize"]
STRATEGIES: tuple[str, ...] = get_args(TruncationStrategy)


def choose(strategy: str, size: int, turns: Sequence[int], cost: Callable[[int], int], budget: int) -> Iterator[int]:
    """The units that are kept, in order; only those near the kept ones are ever counted.

    The last user message is kept in any case. Around it:
    "sliding" keeps the longest suffix of units that fits; "drop_oldest" the longest suffix of whole turns (within the
    last turn: of units); "drop_middle" and "summarize" the first turn and the longest suffix. The first turn gives way
    where the newest unit would not fit beside it.

    Args:
        strategy: One of STRATEGIES.
        size: How many units there are.
        turns: Positions of the units that start a turn: the user's messages.
        cost: Tokens of the unit at a position.
        budget: Tokens that all of them may have together.
    """
    pinned = turns[-1] if turns else size
    room = budget - (cost(pinned) if turns else 0)

    def price(position: int) -> int:
        return 0 if position == pinned else cost(position)

    def suffix(room: int, floor: int) -> int:
        start = size
        while start > floor:
            room -= price(start - 1)
            if room < 0:
                break
            start -= 1
        return start

    head = 0
    if strategy == "drop_oldest":
        start = _turn_suffix(size, turns, price, room, suffix)
    elif strategy == "sliding" or len(turns) < 2:
        start = suffix(room, 0)
    else:
        rest = room - price(size - 1)
        for position in range(turns[1]):
            rest -= price(position)
            if rest < 0:
                break
        head = turns[1] if rest >= 0 else 0
        start = suffix(rest + price(size - 1) if head else room, head)
    yield from range(head)
    if pinned < start and pinned >= head:
        yield pinned
    yield from range(start, size)


def _turn_suffix(
    size: int,
    turns: Sequence[int],
    price: Callable[[int], int],
    room: int,
    suffix: Callable[[int, int], int],
) -> int:
    last = turns[-1] if turns else 0
    start = suffix(room, last)
    if start > last:
        return start
    room -= sum(price(position) for position in range(last, size))
    # What stands before the first user message counts as the oldest turn.
    for begin in chain(_backwards(turns, len(turns) - 2), (0,)):
        for position in range(start - 1, begin - 1, -1):
            room -= price(position)
            if room < 0:
                return start
        start = begin
    return start


def _backwards(turns: Sequence[int], last: int) -> Iterator[int]:
    for number in range(last, -1, -1):
        yield turns[number]


def marker(characters: int) -> str:
    """What stands in place of the characters that were left out."""
    return f"\n[... {characters} characters left out ...]\n"


def shorten(message: Message, budget: int, count: Callable[[Message], int]) -> Message:
    """A message cut in the middle, with a visible marker, so that it fits.

    Text goes first; images, files and audio only if they alone are too much. Where not even the marker fits, the
    marker is what remains.

    Args:
        message: The message that is too long.
        budget: Tokens that it may have.
        count: Counts a message's tokens.
    """
    if count(message) <= budget:
        return message
    media = tuple(part for part in message.parts if not isinstance(part, TextPart))
    if media and count(_with_text(message, media, marker(len(message.text)))) > budget:
        note = f"[{len(media)} attachment{'s' if len(media) > 1 else ''} left out]\n"
        message, media = replace(message, content=note + message.text), ()
        if count(message) <= budget:
            return message
    text = message.text
    # No tokenizer makes a token of more than a few dozen characters on average: the first count is of a short text.
    low, high = 0, min(len(text), max(0, budget) * 32)
    while low < high:
        middle = (low + high + 1) // 2
        if count(_with_text(message, media, _cut(text, middle))) <= budget:
            low = middle
        else:
            high = middle - 1
    return _with_text(message, media, _cut(text, low))


def _cut(text: str, kept: int) -> str:
    if kept >= len(text):
        return text
    # The question often stands at the end, so a third of what is kept comes from there.
    tail = kept // 3
    return text[: kept - tail] + marker(len(text) - kept) + (text[len(text) - tail :] if tail else "")


def _with_text(message: Message, media: tuple[Part, ...], text: str) -> Message:
    if not media:
        return replace(message, content=text)
    return replace(message, content=(*media, TextPart(text)))
