"""What all dialects need to write an answer: its ids, its token counts, its pieces."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .._core import jsons
from .prompts import Prompt, estimate_tokens
from .replies import Call, Reply, TokenCounts

# Answers are dated from here, one second for each request, so that two runs of a test give equal answers.
EPOCH = 1_767_225_600

_ARGUMENT_PIECE = 12


class Event(NamedTuple):
    """One server-sent event: its name (None where the vendor sends none) and its data."""

    name: str | None
    data: str


def encode_event(event: Event, newline: str, comment: bool) -> bytes:
    """One event as bytes, with the line end and the comment that were asked for."""
    lines = [": keep-alive", ""] if comment else []
    if event.name is not None:
        lines.append(f"event: {event.name}")
    lines += [f"data: {line}" for line in event.data.split("\n")]
    return (newline.join([*lines, "", ""])).encode()


def to_json(value: Any) -> str:
    """Compact JSON text."""
    return jsons.dumps(value).decode()


@dataclass(frozen=True, slots=True)
class Draft:
    """One answer to be written: the reply in neutral terms and the request that it belongs to.

    Args:
        number: Number of the request; ids and dates are made from it.
        body: The request's decoded body.
        prompt: The same in neutral terms.
        reply: What to say.
    """

    number: int
    body: dict[str, Any]
    prompt: Prompt
    reply: Reply
    counts: TokenCounts = field(init=False)
    calls: list[Call] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", self.reply.calls)
        object.__setattr__(self, "counts", self._count())

    @property
    def model(self) -> str:
        """The model named in the answer."""
        return self.reply.model or self.prompt.model

    @property
    def created(self) -> int:
        """Unix time in the answer."""
        return EPOCH + self.number

    @property
    def text(self) -> str | None:
        """The text; an answer of nothing at all is an empty text."""
        text = self.reply.full_text
        if text is None and not self.calls and self.reply.refusal is None:
            return ""
        return text

    def identifier(self, prefix: str, position: int | None = None) -> str:
        """An id as the vendors make them, the same in every run."""
        return f"{prefix}{self.number:08d}" + ("" if position is None else f"{position:02d}")

    def call_id(self, position: int, prefix: str) -> str:
        """Id of the call at a position of the answer."""
        return self.calls[position].id or self.identifier(prefix, position)

    def text_pieces(self) -> Iterator[str]:
        """The text as it is streamed; an endless reply repeats it for ever."""
        if self.reply.chunks is not None:
            pieces = list(self.reply.chunks)
        else:
            pieces = self.cut(self.text or "")
        while self.reply.endless:
            yield from pieces
        yield from pieces

    def cut(self, text: str) -> list[str]:
        """Cut a text as the reply wants it: in characters, or by words with the space before them."""
        size = self.reply.chunk_size
        if size is not None:
            return [text[start : start + size] for start in range(0, len(text), size)]
        return re.findall(r"\s*\S+|\s+", text)

    def argument_pieces(self, call: Call) -> list[str]:
        """Cut the JSON text of a call's arguments, without regard for its tokens."""
        text, size = call.arguments_json, self.reply.chunk_size or _ARGUMENT_PIECE
        return [text[start : start + size] for start in range(0, len(text), size)]

    def seal(self, purpose: str) -> str:
        """An opaque text such as a signature, made from the reasoning: equal reasoning has an equal seal."""
        digest = hashlib.sha256(f"{purpose}:{self.reply.reasoning}".encode("utf-8", "surrogatepass")).digest()
        return base64.b64encode(digest * 3).decode()

    def _count(self) -> TokenCounts:
        given = self.reply.usage
        if isinstance(given, TokenCounts):
            return given
        if given is not None:
            return TokenCounts(*given)
        reasoning = estimate_tokens(self.reply.reasoning or "")
        said = [self.reply.full_text or "", self.reply.refusal or ""]
        for call in self.calls:
            said += [call.name, call.arguments_json]
        output = sum(map(estimate_tokens, said)) + reasoning
        return TokenCounts(self.prompt.input_tokens, max(1, output), reasoning=reasoning)
