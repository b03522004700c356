"""How Anthropic, and what stands before it, says that something went wrong.

https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import jsons
from .broken import shown
from .request import Failure

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TOO_LONG = (
    "prompt is too long",
    "input is too long",
    "exceed context limit",
    "exceeds the context window",
    "maximum context length",
    "context window exceed",
)
_FILTERED = ("content filtering policy",)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """What an answer of a status other than 200 says, whatever its body is."""
    request_id = headers.get("request-id") or headers.get("x-amzn-requestid")
    try:
        value = jsons.loads_wire(body)
    except ValueError:
        value = None
    failure = read_error(value, request_id=request_id)
    if failure is not None:
        return failure
    text = shown(body)
    if not text:
        text = "the API is overloaded" if status == 529 else f"the API answered with status {status} and no words"
    return Failure(message=text, code=_code(text), request_id=request_id)


def read_error(value: Any, *, request_id: str | None = None) -> Failure | None:
    """The error in a decoded body or stream event, None where there is none."""
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    kind: Any = None
    if isinstance(error, dict):
        message = error.get("message") or value.get("message")
        kind = error.get("type")
    elif error is None and value.get("type") == "message":
        return None
    else:
        # Gateways: {"error": "text"}, {"message": "text"}, {"detail": "text"}.
        message = error or value.get("message") or value.get("Message") or value.get("detail")
        kind = value.get("type")
    if not message and isinstance(kind, str) and kind in _STATUS_OF:
        message = kind
    if not message:
        return None
    text = message if isinstance(message, str) else jsons.dumps_text(message)
    given = value.get("request_id")
    return Failure(
        message=text,
        code=_code(text),
        request_id=request_id or (given if isinstance(given, str) else None),
        status=_STATUS_OF.get(kind) if isinstance(kind, str) else None,
    )


def _code(message: str) -> str | None:
    words = message.lower()
    if any(part in words for part in _TOO_LONG):
        return "context_length"
    return "content_filter" if any(part in words for part in _FILTERED) else None
