"""Which messages a stream becomes on a Pusher channel: few, small, in order. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from . import jsons
from .events import StreamEvent, StreamEventType
from .sse_format import public_form

BATCH_SECONDS = 0.05
"""A batch older than this goes out with the next event."""

BATCH_BYTES = 8_192
"""A batch larger than this goes out at once."""

MAX_BYTES = 10_000
"""Most bytes in one message: below Pusher's 10 KB, whichever way that is counted."""

MAX_CHARACTERS = 7_500
"""Most characters in one message: the pusher package refuses more than 30,720 bytes in memory, 4 for each of these."""

_CHANNEL = re.compile(r"[A-Za-z0-9_\-=@,.;]{1,164}")
_MANY = 1_000_000
_TEXTS = (StreamEventType.TOKEN, StreamEventType.REASONING)

Message = tuple[str, str]
"""Name of an event, and its data as JSON text."""


def check_channel(channel: Any) -> str:
    """The name of a channel.

    Raises:
        TypeError: It is no string.
        ValueError: Pusher would not take it, or it is an encrypted one.
    """
    if not isinstance(channel, str):
        raise TypeError(f"channel is a string, got {type(channel).__name__}")
    if not _CHANNEL.fullmatch(channel):
        raise ValueError(
            "channel is 1 to 164 letters, digits and characters out of _-=@,.; such as 'private-user-7', "
            f"got {channel!r}"
        )
    if channel.startswith("private-encrypted-"):
        raise ValueError(f"encrypted channels are not supported, got {channel!r}: use a private- channel")
    return channel


class PusherBatch:
    """Gathers text until it is worth a message; everything else goes out at once, after what was gathered.

    Args:
        full: Send all of results, as SSEAdapter does.
    """

    def __init__(self, *, full: bool = False) -> None:
        self._full = full
        self._key: tuple[Any, ...] | None = None
        self._pieces: list[str] = []
        self._size = 0
        self._since = 0.0
        self._split = 0

    def add(self, event: StreamEvent, now: float) -> list[Message]:
        """Take the next event; returns the messages that are due, in order.

        Args:
            event: Any event of a stream.
            now: A clock's seconds.
        """
        kind = event.type
        if kind in _TEXTS:
            return self._gather((kind,), event.data, now)
        if kind is StreamEventType.TOOL_CALL_DELTA:
            delta = event.data
            return self._gather((kind, delta.index, delta.id, delta.name), delta.arguments_delta, now)
        return [*self.flush(), *self.message(kind.value, public_form(event.data, full=self._full))]

    def flush(self) -> list[Message]:
        """What was gathered, as messages."""
        key, pieces = self._key, self._pieces
        self._key, self._pieces, self._size = None, [], 0
        if key is None or not pieces:
            return []
        name = key[0].value
        texts = _split("".join(pieces), lambda text: _fits(_text_data(key, text)))
        return [(name, _text_data(key, text)) for text in texts]

    def message(self, name: str, data: Any) -> list[Message]:
        """An event of any name; one that is too large for a message as several named "part".

        Each part holds the event's name, a number that all its parts share, its place, their count and a piece of the
        event's JSON text: joined in order, the pieces are the data.

        Raises:
            TypeError: The data holds something that JSON cannot.
        """
        text = jsons.dumps_text(data)
        if _fits(text):
            return [(name, text)]
        self._split += 1
        number = self._split
        pieces = list(_split(text, lambda piece: _fits(_part(name, number, _MANY, _MANY, piece))))
        return [("part", _part(name, number, place, len(pieces), piece)) for place, piece in enumerate(pieces)]

    def _gather(self, key: tuple[Any, ...], text: str, now: float) -> list[Message]:
        messages: list[Message] = []
        if key != self._key or now - self._since > BATCH_SECONDS:
            messages = self.flush()
        if self._key is None:
            self._key = key
            self._since = now
        self._pieces.append(text)
        self._size += _size(text)
        if self._size > BATCH_BYTES:
            messages += self.flush()
        return messages


def _text_data(key: tuple[Any, ...], text: str) -> str:
    if key[0] in _TEXTS:
        return jsons.dumps_text(text)
    _, index, call, name = key
    return jsons.dumps_text({"index": index, "id": call, "name": name, "arguments_delta": text})


def _part(name: str, number: int, place: int, count: int, piece: str) -> str:
    return jsons.dumps_text({"event": name, "id": number, "part": place, "parts": count, "text": piece})


def _split(text: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """The text in as many equal pieces as it takes; what is divided are characters, never their bytes."""
    if len(text) <= 1 or fits(text):
        yield text
        return
    middle = len(text) // 2
    yield from _split(text[:middle], fits)
    yield from _split(text[middle:], fits)


def _fits(data: str) -> bool:
    return len(data) <= MAX_CHARACTERS and _size(data) <= MAX_BYTES


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
