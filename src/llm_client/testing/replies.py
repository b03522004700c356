"""What a script can make the fake server do: plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias

from .._core import jsons

Framing = Literal["auto", "chunked", "length", "close"]


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Token counts of one answer, in neutral terms; each dialect writes them its own way.

    Args:
        input: All prompt tokens, cached ones included.
        output: All generated tokens, reasoning included.
        cached: Prompt tokens read from the cache.
        cache_write: Prompt tokens written to the cache.
        reasoning: Generated tokens spent on reasoning.
    """

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call that the fake model makes.

    Args:
        name: The tool's name.
        arguments: A mapping, or a string that is sent as it is (also broken JSON).
        id: The call's id; by default one made from the number of the request.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None

    @property
    def arguments_json(self) -> str:
        """The arguments as they go over the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return jsons.dumps(dict(self.arguments)).decode()


CallLike: TypeAlias = "Call | str | tuple[str] | tuple[str, Mapping[str, Any] | str] | tuple[str, Any, str]"


@dataclass(frozen=True, slots=True)
class Wire:
    """How the bytes of an answer are cut up and put on the wire.

    Args:
        write: "event" sends each event in a write of its own, "whole" sends the body at once, a number sends that
            many bytes at a time, without regard for events or for characters of several bytes.
        newline: The line end inside events: LF, CRLF or CR.
        comments: Put a comment line (`: keep-alive`) before every event, as proxies do.
        framing: "auto" is chunked for streams and content-length for the rest; "close" ends the body by closing.
    """

    write: Literal["event", "whole"] | int = "event"
    newline: Literal["\n", "\r\n", "\r"] = "\n"
    comments: bool = False
    framing: Framing = "auto"

    def __post_init__(self) -> None:
        if self.write not in ("event", "whole") and not (isinstance(self.write, int) and self.write > 0):
            raise ValueError(
                f"Wire(write=...) must be 'event', 'whole' or a positive number of bytes, not {self.write!r}."
            )
        if self.newline not in ("\n", "\r\n", "\r"):
            raise ValueError(f"Wire(newline=...) must be LF, CRLF or CR, not {self.newline!r}.")
        if self.framing not in ("auto", "chunked", "length", "close"):
            raise ValueError(f"Wire(framing=...) must be 'auto', 'chunked', 'length' or 'close', not {self.framing!r}.")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the fake model, in neutral terms; the server writes it in the dialect of the request.

    Args:
        text: What the model says; None together with tool calls means no text at all.
        reasoning: Its reasoning: a thinking block, a reasoning summary, `reasoning_content`. "" is an empty one.
        tool_calls: `Call(...)`, `"name"`, `("name", {...})` or `("name", {...}, "call-id")`.
        refusal: Text of a refusal, sent instead of the text.
        finish_reason: "stop", "length", "tool_calls", "content_filter", or a vendor's own word, sent as it is.
            By default it follows from the answer.
        usage: Token counts, or `(input, output)`; by default a fixed estimate of about four characters per token.
        send_usage: False leaves the usage out, as some compatible servers do.
        model: The model named in the answer; by default the one that was asked.
        delay: Seconds before the answer starts; by default the server's `latency`.
        chunks: The pieces in which the text is streamed; joined they are the text.
        chunk_size: Characters per streamed piece; by default a word at a time.
        chunk_delay: Seconds between two events of a stream; by default the server's.
        headers: Further response headers; they replace the server's own of the same name.
        embeddings: Vectors for the embeddings endpoint, one per input. A reply that has them answers only there.
        endless: Streamed, repeat the text until the client hangs up or the server stops.
        wire: How the bytes go out; by default the server's `wire`.
    """

    text: str | None = None
    _: KW_ONLY
    reasoning: str | None = None
    tool_calls: Sequence[CallLike] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    usage: TokenCounts | tuple[int, int] | None = None
    send_usage: bool = True
    model: str | None = None
    delay: float | None = None
    chunks: Sequence[str] | None = None
    chunk_size: int | None = None
    chunk_delay: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    embeddings: Sequence[Sequence[float]] | None = None
    endless: bool = False
    wire: Wire | None = None

    def __post_init__(self) -> None:
        if self.text is not None and not isinstance(self.text, str):
            raise TypeError(f"Reply(text=...) must be a string or None, not {type(self.text).__name__}.")
        if self.chunk_size is not None and self.chunk_size < 1:
            raise ValueError(f"Reply(chunk_size=...) must be at least 1 character, not {self.chunk_size}.")
        if self.chunks is not None and self.text is not None and "".join(self.chunks) != self.text:
            raise ValueError("Reply(chunks=...) joined must be the text; give only one of the two.")
        if self.endless and not self.full_text:
            raise ValueError("Reply(endless=True) needs a text (or chunks) to repeat.")
        if self.endless and self.wire is not None and self.wire.framing == "length":
            raise ValueError("Reply(endless=True) has no length: use another framing than 'length'.")
        for call in self.tool_calls:
            _as_call(call)

    @property
    def full_text(self) -> str | None:
        """The text, or the joined chunks."""
        return "".join(self.chunks) if self.text is None and self.chunks is not None else self.text

    @property
    def calls(self) -> list[Call]:
        """The tool calls in one form."""
        return [_as_call(call) for call in self.tool_calls]


def _as_call(value: Any) -> Call:
    if isinstance(value, Call):
        return value
    if isinstance(value, str):
        return Call(value)
    if isinstance(value, (tuple, list)) and 1 <= len(value) <= 3 and isinstance(value[0], str):
        arguments = value[1] if len(value) > 1 else {}
        if isinstance(arguments, (str, Mapping)):
            return Call(value[0], arguments, value[2] if len(value) == 3 else None)
    raise TypeError(
        f"A tool call must be Call(...), 'name', ('name', arguments) or ('name', arguments, 'id'), not {value!r}."
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer, in the vendor's own shape.

    Args:
        status: HTTP status, for example 429, 500 or 529.
        message: The vendor's message; by default one that fits the status.
        type: The vendor's error type; by default the one that fits the status.
        code: The error's `code` (OpenAI only).
        param: The parameter at fault (OpenAI only).
        headers: Further headers, for example `{"retry-after": "1"}`.
        delay: Seconds before the answer.
    """

    status: int = 500
    message: str | None = None
    _: KW_ONLY
    type: str | None = None
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float | None = None

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"A failure has a status from 400 to 599, not {self.status}. Use raw() for anything else.")


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer that is sent byte for byte.

    Args:
        status: HTTP status.
        headers: The headers; `content-length` is added unless a framing header is among them.
        pieces: The body, one write for each piece.
        delay: Seconds before the answer.
        piece_delay: Seconds between two pieces.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    delay: float | None = None
    piece_delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """An answer that starts well and then goes wrong.

    Args:
        kind: "error" sends the vendor's error event, "hang_up" closes the connection, "stall" falls silent.
        after_events: Events of the stream that are sent before; None means before the headers. An answer that is
            not streamed gets half of its body out instead (and, for "error", a plain error answer).
        reply: The answer that is interrupted; by default the built-in one.
        failure: The error, for "error".
        seconds: How long a stall lasts before the answer goes on; None means until the client hangs up.
        reset: Hang up with a TCP reset instead of an orderly close.
        event: For Responses streams, which of the two events the vendor has tells of the error.
    """

    kind: Literal["error", "hang_up", "stall"]
    _: KW_ONLY
    after_events: int | None = None
    reply: Reply | None = None
    failure: Failure = field(default_factory=Failure)
    seconds: float | None = None
    reset: bool = False
    event: Literal["error", "response.failed"] = "error"

    def __post_init__(self) -> None:
        if self.after_events is not None and self.after_events < 0:
            raise ValueError(f"after_events must be 0 or more, not {self.after_events}.")
        if self.kind == "error" and self.after_events is None:
            raise ValueError("An error before the headers is a Failure: use fail().")


Answer: TypeAlias = "Reply | Failure | RawAnswer | Interruption"
"""Anything that a script or an `on_request` function may answer with."""


def as_answer(value: Any, source: str) -> Reply | Failure | RawAnswer | Interruption:
    """Take an answer, or a string as a `Reply`; name `source` in the error for anything else."""
    if isinstance(value, str):
        return Reply(value)
    if isinstance(value, (Reply, Failure, RawAnswer, Interruption)):
        return value
    raise TypeError(
        f"{source} must be a string, Reply, Failure, RawAnswer or Interruption, not {type(value).__name__}."
    )
