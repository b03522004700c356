"""What passes between a dialect and a transport: plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FailureKind = Literal["connect", "timeout", "disconnected", "truncated", "protocol", "tls", "proxy", "decode"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one HTTP exchange in seconds; None means no limit.

    Args:
        connect: Time to reach the server, including TLS.
        read: Longest silence between two pieces of the answer.
    """

    connect: float | None = 5.0
    read: float | None = 600.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(slots=True)
class HttpRequest:
    """One request, fully encoded: header names in lower case, body as bytes. Its repr leaves the headers out, for
    the key is among them.

    `once` keeps an engine from sending it again on its own when an idle connection turns out to be dead: for requests
    whose repetition would cost money.
    """

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    once: bool = False


@dataclass(slots=True)
class HttpResponse:
    """One whole answer: header names in lower case, body decoded from its content encoding."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """The exchange failed below HTTP: no answer, or not all of one.

    Both engines raise it with the same kind and the same text for the same fault, so that nothing above them
    can tell which engine is in use.

    Args:
        kind: What went wrong, in one word.
        message: One sentence for the user, free of secrets.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message

    def __reduce__(self) -> tuple[type[TransportError], tuple[FailureKind, str]]:
        return (type(self), (self.kind, self.message))

    @property
    def status(self) -> int:
        """The status that a result shows for this failure: 408 for a time-out, else 503."""
        return 408 if self.kind == "timeout" else 503
