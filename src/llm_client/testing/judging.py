"""A fake API as strict as the vendors' servers: it refuses what they would, and knows its own answers again."""

from __future__ import annotations

from typing import Any

from .._core.strict_rules import StrictRules
from .journal import RecordedRequest
from .replies import Failure

_DIALECTS = {
    "chat": "openai-chat",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
    "count_tokens": "anthropic-messages",
}


class Judge:
    """Judges requests by the vendors' published rules, and by what was answered before."""

    def __init__(self) -> None:
        self._rules = StrictRules()

    def refusal(self, request: RecordedRequest) -> Failure | None:
        """The status 400 that a vendor would give; its message is the first complaint, as theirs is."""
        dialect = _DIALECTS.get(request.endpoint)
        if dialect is None:
            return None
        body = request.body
        if request.endpoint == "count_tokens" and isinstance(body, dict):
            body = {"max_tokens": 1, **body}  # the one thing that may be missing when tokens are only counted
        found = self._rules.complaints(dialect, body)
        return Failure(400, found[0]) if found else None

    def remember(self, request: RecordedRequest, answer: dict[str, Any]) -> None:
        """Take note of an answer; of a stream, of what it amounts to."""
        dialect = _DIALECTS.get(request.endpoint)
        if dialect is not None:
            self._rules.remember_answer(dialect, answer)
