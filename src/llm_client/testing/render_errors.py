"""Errors in the shape of each vendor: as the body of an answer, and as the event that breaks off a stream.

https://platform.openai.com/docs/guides/error-codes and https://docs.claude.com/en/api/errors
"""

from __future__ import annotations

from typing import Any, Literal

from .render_responses import failed_response
from .rendering import Draft, Event, to_json
from .replies import Failure

Vendor = Literal["openai", "anthropic"]

# status: (message, type, code)
_OPENAI: dict[int, tuple[str, str, str | None]] = {
    400: ("The request is not valid.", "invalid_request_error", None),
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    403: ("You are not allowed to do this.", "invalid_request_error", "permission_denied"),
    404: ("The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"),
    408: ("The request took too long.", "timeout", None),
    409: ("The resource is in use.", "invalid_request_error", None),
    413: ("The request is too large.", "invalid_request_error", None),
    429: ("Rate limit reached.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", None),
}
# status: (message, type)
_ANTHROPIC: dict[int, tuple[str, str]] = {
    400: ("The request is not valid.", "invalid_request_error"),
    401: ("invalid x-api-key", "authentication_error"),
    402: ("Your credit balance is too low.", "billing_error"),
    403: ("You are not allowed to do this.", "permission_error"),
    404: ("Not found", "not_found_error"),
    408: ("The request took too long.", "timeout_error"),
    413: ("Request exceeds the maximum size", "request_too_large"),
    429: ("This request would exceed your rate limit.", "rate_limit_error"),
    500: ("Internal server error", "api_error"),
    504: ("The request took too long.", "timeout_error"),
    529: ("Overloaded", "overloaded_error"),
}


def error_body(vendor: Vendor, failure: Failure, request_id: str) -> dict[str, Any]:
    """The body of an error answer."""
    if vendor == "anthropic":
        return {"type": "error", "error": _anthropic_error(failure), "request_id": request_id}
    return {"error": _openai_error(failure)}


def error_event(
    endpoint: str, failure: Failure, request_id: str, draft: Draft, sequence_number: int, event: str
) -> Event:
    """The event that tells of an error in the middle of a stream.

    Args:
        endpoint: "chat", "responses" or "messages".
        failure: The error.
        request_id: Id of the request, which Anthropic repeats in the event.
        draft: The answer that breaks off.
        sequence_number: Number of the event (Responses counts them).
        event: For Responses, "error" or "response.failed".
    """
    if endpoint == "messages":
        return Event("error", to_json(error_body("anthropic", failure, request_id)))
    error = _openai_error(failure)
    if endpoint == "chat":
        return Event(None, to_json({"error": error}))
    code = error["code"] or "server_error"
    if event == "response.failed":
        response = failed_response(draft, error["message"], code)
        return Event(event, to_json({"type": event, "sequence_number": sequence_number, "response": response}))
    flat = {"code": code, "message": error["message"], "param": failure.param}
    return Event("error", to_json({"type": "error", "sequence_number": sequence_number, **flat}))


def _openai_error(failure: Failure) -> dict[str, Any]:
    fallback = _OPENAI[500] if failure.status >= 500 else _OPENAI[400]
    message, kind, code = _OPENAI.get(failure.status, fallback)
    return {
        "message": failure.message if failure.message is not None else message,
        "type": failure.type or kind,
        "param": failure.param,
        "code": failure.code or code,
    }


def _anthropic_error(failure: Failure) -> dict[str, Any]:
    fallback = _ANTHROPIC[500] if failure.status >= 500 else _ANTHROPIC[400]
    message, kind = _ANTHROPIC.get(failure.status, fallback)
    return {"type": failure.type or kind, "message": failure.message if failure.message is not None else message}
