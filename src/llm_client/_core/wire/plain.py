"""Chunks that differ from each other in one text only: nearly all of a stream, and the dearest to read as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import jsons

LESSONS = 4
"""How often it is worth learning anew: in some streams every chunk holds something else that differs."""

_PROBE = "probe"


class PlainChunk:
    """What stands before and behind the text in every plain chunk of a stream, byte for byte.

    A chunk that begins and ends with these bytes, and has one JSON string between them, is the same as the chunk they
    were learned from, but for that string.

    Args:
        head: The bytes before the string.
        tail: The bytes behind it.
    """

    __slots__ = ("head", "start", "stop", "tail")

    def __init__(self, head: bytes, tail: bytes) -> None:
        self.head = head
        self.tail = tail
        self.start = len(head)
        self.stop = -len(tail)

    @classmethod
    def learn(cls, payload: bytes, key: bytes, text: str, text_of: Callable[[Any], Any]) -> PlainChunk | None:
        """From a chunk; None where its text cannot be told from the rest.

        Args:
            payload: The chunk's JSON.
            key: What the text stands behind, such as b'"content":'.
            text: The text.
            text_of: Finds the text in a decoded chunk.
        """
        if payload.count(key) != 1:
            return None
        written = jsons.dumps(text)
        start = payload.index(key) + len(key)
        if payload.startswith(b" ", start):
            start += 1
        if not payload.startswith(written, start):
            return None
        head, tail = payload[:start], payload[start + len(written) :]
        try:
            probe = text_of(jsons.loads_wire(head + jsons.dumps(_PROBE) + tail))
        except (ValueError, LookupError, TypeError):
            return None
        return cls(head, tail) if tail and probe == _PROBE else None

    def text(self, payload: bytes) -> str | None:
        """The text of a chunk that is like the learned one, None for another one, or one without text."""
        if payload.startswith(self.head) and payload.endswith(self.tail):
            try:
                text: Any = jsons.loads_wire(payload[self.start : self.stop])
            except ValueError:
                return None
            if text.__class__ is str and text:
                return text
        return None
