"""The vendors' own rules for request bodies, as a strict server enforces them: a check on everything that we send.

Written from what the vendors publish and answer, and sharing nothing with the code that builds and repairs requests.
The complaints are in the words of the vendors' status 400.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .strict_anthropic import AnthropicAnswers, check_messages
from .strict_chat import check_chat
from .strict_responses import ResponsesAnswers, check_responses


class StrictRules:
    """One server's memory: what it answered, and so what may come back to it.

    Args:
        remembers: Whether signatures, and items known by their id, must be those of earlier answers. A server that
            never calls `remember_answer` should say False.
    """

    def __init__(self, *, remembers: bool = True) -> None:
        self._anthropic = AnthropicAnswers() if remembers else None
        self._responses = ResponsesAnswers() if remembers else None

    def remember_answer(self, dialect: str, answer: Mapping[str, Any]) -> None:
        """Take note of a whole answer; of a stream, of what it amounts to.

        Args:
            dialect: "openai-chat", "openai-responses" or "anthropic-messages".
            answer: The answer's JSON.
        """
        if dialect == "anthropic-messages" and self._anthropic is not None:
            self._anthropic.remember(answer)
        elif dialect == "openai-responses" and self._responses is not None:
            self._responses.remember(answer)

    def complaints(self, dialect: str, body: Any) -> list[str]:
        """What the vendor would refuse the request for; empty where nothing is wrong.

        Args:
            dialect: "openai-chat", "openai-responses" or "anthropic-messages".
            body: The request's JSON.

        Raises:
            ValueError: The dialect is unknown.
        """
        check = self._checks().get(dialect)
        if check is None:
            raise ValueError(f"unknown dialect {dialect!r}; expected one of {', '.join(map(repr, self._checks()))}")
        if not isinstance(body, Mapping):
            return ["We could not parse the JSON body of your request."]
        return check(body)

    def _checks(self) -> dict[str, Callable[[Mapping[str, Any]], list[str]]]:
        return {
            "openai-chat": check_chat,
            "openai-responses": lambda body: check_responses(body, self._responses),
            "anthropic-messages": lambda body: check_messages(body, self._anthropic),
        }
