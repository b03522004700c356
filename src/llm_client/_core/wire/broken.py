"""Answers that are none: HTML from a proxy, truncated or empty JSON, an object of another kind."""

from __future__ import annotations

from ..results import CompletionResult

_SHOWN = 200


def broken_reply(body: bytes, expected: str) -> CompletionResult:
    """An error result for a reply of status 200 that is not what the API promises.

    Args:
        body: What came.
        expected: What should have come, such as "a chat completion".
    """
    return CompletionResult(status=502, error=describe_broken(body, expected))


def describe_broken(body: bytes, expected: str) -> str:
    """One sentence that shows the first 200 characters of what came."""
    if not body.strip():
        return f"the reply is empty, expected {expected} as JSON"
    return f"the reply is not {expected} as JSON; it begins: {shown(body)}"


def shown(body: bytes) -> str:
    """The first 200 characters of a body, in one line."""
    return " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())[:_SHOWN]


CUT_SHORT = "the stream ended before the answer was complete"
