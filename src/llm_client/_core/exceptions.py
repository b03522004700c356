"""The errors of this library.

    LLMClientError
      ConfigurationError (ValueError)      a key, an argument or a package is missing
      AgentBusyError                       a second run on an agent that is running
      SessionFileError (ValueError)        a saved conversation or session is damaged, or of a newer version
      StreamError                          a stream ended with an ERROR event
      DeliveryError                        a push service refused an event, or could not be reached; has .status
      APIError                             what a result with ok=False turns into; has .status and .result
        AuthenticationError                401
        PermissionDeniedError              403
        NotFoundError                      404
        RateLimitError                     429
        BadRequestError                    400, 413, 422
          ContextLengthError               the input does not fit into the model's window
        ContentFilterError                 refused by the vendor's filter
        ServerError                        500 and above
          OverloadedError                  529
          APIConnectionError               503 of our own: no answer from the server
        ResponseTimeoutError               408: no answer in time; also an asyncio.TimeoutError

Mistakes of the caller (a message of unknown shape, a tool that is not callable) are ValueError and TypeError.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    _TimeoutBase = TimeoutError
else:  # before 3.11 asyncio has a TimeoutError of its own, and users catch that one
    from asyncio.exceptions import TimeoutError as _TimeoutBase

if TYPE_CHECKING:
    from .results import CompletionResult, EmbeddingResult


class LLMClientError(Exception):
    """Base of every error that this library defines."""


class ConfigurationError(LLMClientError, ValueError):
    """Something that the call needs is missing: a key, an argument, a package."""


class AgentBusyError(LLMClientError, RuntimeError):
    """The agent is already running; use `agent.fork()` for a second conversation at the same time."""


class SessionFileError(LLMClientError, ValueError):
    """A saved conversation or session cannot be read: damaged, of another kind, or written by a newer version."""


class DeliveryError(LLMClientError):
    """A push service refused an event, or could not be reached.

    Args:
        message: What it said.
        status: HTTP status, or the service's own code; None where no answer came.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild_delivery, (type(self), str(self), self.status))


def _rebuild_delivery(kind: type[DeliveryError], message: str, status: int | None) -> DeliveryError:
    return kind(message, status=status)


class APIError(LLMClientError):
    """The API, or the way to it, answered with an error.

    Args:
        message: What the vendor said.
        status: HTTP status, or 503 / 408 where no answer came.
        result: The result that carried the error, where there is one.
    """

    def __init__(
        self, message: str, *, status: int | None = None, result: CompletionResult | EmbeddingResult | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.status, self.result))


def _rebuild(kind: type[APIError], message: str, status: int | None, result: Any) -> APIError:
    return kind(message, status=status, result=result)


class AuthenticationError(APIError):
    """The key is missing, wrong or revoked (401)."""


class PermissionDeniedError(APIError):
    """The key may not do this (403)."""


class NotFoundError(APIError):
    """The model or the endpoint does not exist (404)."""


class RateLimitError(APIError):
    """Too many requests or tokens, or no credit left (429)."""


class BadRequestError(APIError):
    """The API refused the request's form or content (400, 413, 422)."""


class ContextLengthError(BadRequestError):
    """The input does not fit into the model's context window."""


class ContentFilterError(APIError):
    """The vendor's content filter refused the request or the answer."""


class ServerError(APIError):
    """The API failed on its side (500 and above)."""


class OverloadedError(ServerError):
    """The API is overloaded (529)."""


class APIConnectionError(ServerError):
    """No answer came: refused, reset, cut short, or not HTTP (shown as status 503)."""


class ResponseTimeoutError(APIError, _TimeoutBase):
    """No answer came in time (408)."""


class StreamError(APIError):
    """A stream ended with an ERROR event.

    Args:
        message: What the ERROR event said.
        status: Its status.
        result: What had come so far, with `ok` False.
    """


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: ResponseTimeoutError,
    413: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
    529: OverloadedError,
}


def error_class(status: int, code: str | None = None) -> type[APIError]:
    """The class for an error of the API.

    Args:
        status: HTTP status.
        code: Our own word for what the status does not say: "context_length", "content_filter", "connection".
    """
    if code == "context_length":
        return ContextLengthError
    if code == "content_filter":
        return ContentFilterError
    if code == "connection":
        return APIConnectionError
    if code == "timeout":
        return ResponseTimeoutError
    found = _BY_STATUS.get(status)
    if found is not None:
        return found
    return ServerError if status >= 500 else APIError
