"""What makes two questions the same for a cache: a hash over everything that shapes the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from . import jsons
from .messages import Role
from .parts import TextPart
from .wire.request import CompletionRequest

VERSION = 1
"""Part of every key: raised when requests of equal meaning get other keys, or entries another content."""

# How an answer travels, not what it says: streams and whole answers share their entries.
_TRANSPORT = ("stream", "stream_options")
# Who asks, and the traces of the asking. Any other header may steer a gateway, and so the answer.
_NO_PART = frozenset(
    {
        *("accept", "accept-encoding", "api-key", "authorization", "baggage", "connection", "content-length"),
        *("content-type", "cookie", "idempotency-key", "openai-organization", "openai-project", "traceparent"),
        *("tracestate", "user-agent", "x-api-key", "x-client-request-id", "x-correlation-id", "x-request-id"),
    }
)


@dataclass(frozen=True, slots=True)
class SemanticQuestion:
    """A question taken apart for caches that know similar questions.

    Args:
        fingerprint: Equal for questions that differ in nothing but `text`.
        text: The last user message.
    """

    fingerprint: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a cache is asked.

    Args:
        key: 64 hexadecimal digits, equal for requests that must get the same answer.
        take_apart: Gives the question taken apart; None where it does not end with a user's plain text. Costs as much
            as building a request: only for caches that know similar questions.
    """

    key: str
    take_apart: Callable[[], SemanticQuestion | None]


def request_key(dialect: str, base_url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The key of a request.

    Args:
        dialect: The wire format's name; it stands for vendor and endpoint.
        base_url: The server.
        body: The request's JSON as it would be sent.
        headers: Those that belong to this request, beside the provider's own.
    """
    asked = {name: value for name, value in body.items() if name not in _TRANSPORT}
    steering = {name.lower(): value for name, value in headers.items() if name.lower() not in _NO_PART}
    canonical = jsons.dumps([VERSION, dialect, base_url, asked, steering], sort_keys=True)
    return sha256(canonical).hexdigest()


def without_question(request: CompletionRequest) -> tuple[CompletionRequest, str] | None:
    """The request without the text of its last message, and that text; None where that is no user's plain text."""
    last = request.messages[-1]
    if last.role is not Role.USER:
        return None
    content = last.content
    if isinstance(content, str):
        text = content
    elif content and all(isinstance(part, TextPart) for part in content):
        text = last.text
    else:
        return None
    if not text.strip():
        return None
    return replace(request, messages=[*request.messages[:-1], replace(last, content="?")]), text
