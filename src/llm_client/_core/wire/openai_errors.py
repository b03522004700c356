"""How OpenAI, and the servers compatible with it, say that something went wrong.

Codes: https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import jsons
from .broken import shown
from .request import Failure

_CODES = {
    "context_length_exceeded": "context_length",
    "string_above_max_length": "context_length",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "insufficient_quota": "insufficient_quota",
}

# Errors inside a stream come under status 200; their type tells which status they would have had.
_STATUS_OF = {
    "server_error": 500,
    "internal_error": 500,
    "api_error": 500,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "image_content_policy_violation": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "requests": 429,
    "tokens": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "server_overloaded": 503,
    "timeout": 408,
}


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """What an answer of a status other than 200 says, whatever its body is."""
    request_id = headers.get("x-request-id")
    try:
        value = jsons.loads_wire(body)
    except ValueError:
        value = None
    failure = read_error(value, request_id=request_id)
    if failure is not None:
        return failure
    text = shown(body)
    return Failure(message=text or f"the API answered with status {status} and no words", request_id=request_id)


def read_error(value: Any, *, request_id: str | None = None) -> Failure | None:
    """The error in a decoded body or stream event, None where there is none."""
    if not isinstance(value, dict):
        return None
    error = value.get("error", value)
    if isinstance(error, str) and error:
        return Failure(message=error, request_id=request_id)
    if not isinstance(error, dict):
        return None
    message = error.get("message") or value.get("detail") or value.get("message")
    if not message:
        return None
    words = [word for word in (error.get("code"), error.get("type")) if isinstance(word, (str, int))]
    text = message if isinstance(message, str) else jsons.dumps_text(message)
    return Failure(
        message=text,
        code=next((_CODES[word] for word in words if word in _CODES), None) or _code_from_text(text),
        request_id=request_id,
        status=_status(words),
    )


def _status(words: list[Any]) -> int | None:
    for word in words:
        if isinstance(word, int) or (isinstance(word, str) and word.isdecimal() and len(word) == 3):
            number = int(word)
            if 400 <= number <= 599:
                return number
        elif word in _STATUS_OF:
            return _STATUS_OF[word]
        elif "image" in word:  # a dozen codes of the Responses API, all about what the caller sent
            return 400
    return None


def _code_from_text(message: str) -> str | None:
    # Compatible servers rarely send the code, but keep close to the words.
    return "context_length" if "maximum context length" in message.lower() else None
