"""Which endpoint a path belongs to, and what is wrong with a request before anything is answered."""

from __future__ import annotations

import re
from typing import Any, Literal

from .._core import jsons
from .journal import Endpoint, RecordedRequest
from .replies import Failure

_POST: dict[str, Endpoint] = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/embeddings": "embeddings",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "count_tokens",
}
_BELOW: dict[str, Endpoint] = {
    "/v1/files": "files",
    "/v1/batches": "batches",
    "/v1/messages/batches": "message_batches",
}
_AZURE = re.compile(r"^/openai(/deployments/[^/]+|/v1)?(?=/)")

# What each endpoint cannot do without; several names in one entry are alternatives.
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "chat": (("model",), ("messages",)),
    "responses": (("model", "prompt"), ("input", "previous_response_id", "conversation", "prompt")),
    "embeddings": (("model",), ("input",)),
    "messages": (("model",), ("messages",), ("max_tokens",)),
    "count_tokens": (("model",), ("messages",)),
}


def route(path: str) -> Endpoint:
    """The endpoint of a path; OpenAI's endpoints are also found under Azure's prefixes."""
    place = path.split("?")[0]
    if _AZURE.match(place):
        place = _AZURE.sub("/v1", place)
    if place == "/v1/models" or place.startswith("/v1/models/"):
        return "models"
    for start, endpoint in _BELOW.items():
        if place == start or place.startswith(start + "/"):
            return endpoint
    return _POST.get(place, "unknown")


def vendor_of(request: RecordedRequest) -> Literal["openai", "anthropic"]:
    """The vendor whose error shape the client expects."""
    if request.endpoint in ("messages", "count_tokens", "message_batches") or "anthropic-version" in request.headers:
        return "anthropic"
    return "openai"


def check_request(request: RecordedRequest, api_key: str | None) -> Failure | None:
    """What the vendors refuse before they look at the content: wrong keys, paths and methods, unreadable bodies."""
    place = request.path.split("?")[0]
    if api_key is not None and key_of(request) != api_key:
        return Failure(401, "The API key is not the one that FakeAPI(api_key=...) expects.")
    if request.endpoint == "unknown":
        return Failure(404, f"Invalid URL ({request.method} {place})", code="unknown_url")
    if request.endpoint in _BELOW.values():
        return None
    allowed = "GET" if request.endpoint == "models" else "POST"
    if request.method != allowed:
        return Failure(
            405, f"{request.method} is not allowed on {place}, use {allowed}.", headers={"allow": allowed},
            code="method_not_supported",
        )  # fmt: skip
    return _check_body(request) if allowed == "POST" else None


def key_of(request: RecordedRequest) -> str:
    """The API key that a request carries, whichever header it is in."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("x-api-key", request.headers.get("api-key", ""))


def decode_body(raw: bytes) -> Any:
    """The JSON in a body, or None where there is none."""
    try:
        return jsons.loads(raw) if raw else None
    except ValueError:
        return None


def _check_body(request: RecordedRequest) -> Failure | None:
    body = request.body
    if not isinstance(body, dict):
        return Failure(400, "The body of the request is not a JSON object.")
    for names in _NEEDED[request.endpoint]:
        if all(body.get(name) is None for name in names):
            return _invalid(request, names[0], "Field required")
    if not isinstance(body.get("model", ""), str):
        return _invalid(request, "model", "Input should be a string")
    messages = body.get("messages")
    if messages is not None and not (
        isinstance(messages, list) and messages and all(isinstance(each, dict) for each in messages)
    ):
        return _invalid(request, "messages", "Input should be a list of at least one message")
    given = body.get("input")
    if given is not None and not (isinstance(given, str) or (isinstance(given, list) and given)):
        return _invalid(request, "input", "Input should be a string or a list that is not empty")
    most = body.get("max_tokens") if request.endpoint == "messages" else None
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        return _invalid(request, "max_tokens", "Input should be a whole number greater than 0")
    return None


def _invalid(request: RecordedRequest, field: str, problem: str) -> Failure:
    code = "missing_required_parameter" if problem == "Field required" else "invalid_type"
    return Failure(400, f"{field}: {problem}", param=field, code=code)
