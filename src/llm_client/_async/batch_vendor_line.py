"""The way to a vendor's Batch API: the provider's connection, with the errors that belong to batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.endpoint import Endpoint
from .._core.exceptions import APIError, ConfigurationError, error_class
from .._core.http import HttpRequest, Timeouts
from .._core.retry import RetryPolicy
from .._core.wire.request import Failure
from .exchange import Answer, Exchange

_NO_SUCH_API = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class Line:
    """The way to a vendor, as the provider has it.

    Args:
        exchange: Sends requests.
        endpoint: The server.
        headers: What every request carries, the key among it.
        timeouts: The provider's.
        policy: The provider's.
        explain: What a failed answer says.
        by_client: Whether an SDK's client of the caller's sends the requests.
    """

    exchange: Exchange
    endpoint: Endpoint
    headers: Mapping[str, str] = field(repr=False)
    timeouts: Timeouts
    policy: RetryPolicy
    explain: Callable[[Answer], Failure]
    by_client: bool = False

    async def call(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str | None = None, policy: Any = None
    ) -> bytes:
        """Ask for something and return the body of the answer.

        Raises:
            APIError: The subclass for the status that came instead.
        """
        answer = await self.send(method, path, body, content_type=content_type, policy=policy)
        if not 200 <= answer.status < 300:
            raise self.error(answer, method, path)
        return answer.body

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        policy: Any = None,
        once: bool = False,
    ) -> Answer:
        """Ask for something; failures come back as answers too.

        Raises:
            ConfigurationError: The provider has no connection of its own.
        """
        if self.by_client:
            raise ConfigurationError(
                "the Batch API is not reached through client=: clouds such as Azure, Bedrock and Vertex have others, "
                "or none. Make a provider with api_key= (and base_url=) for batches, or send the requests live."
            )
        url = path if path.startswith(("http://", "https://")) else self.endpoint.base_url + path
        sent = {**self.headers, **(headers or {})}
        if body is None:
            sent.pop("content-type", None)
        elif content_type is not None:
            sent["content-type"] = content_type
        request = HttpRequest(method, url, sent, body, self.timeouts, once)
        # A batch is counted against limits of its own, not against those of the live endpoints.
        return await self.exchange.send(request, policy or self.policy, limited=False)

    def error(self, answer: Answer, method: str, path: str, *, note: str = "") -> APIError:
        """The exception for an answer."""
        failure = self.explain(answer)
        words = failure.message
        if answer.status in _NO_SUCH_API and answer.failure is None:
            words = (
                f"{method} {path} answered {answer.status}: {words}. Where {self.endpoint.shown_url} has no Batch API, "
                "send the requests live: complete(), or process_requests(..., via='live')"
            )
        return error_class(answer.status, failure.code)(words + note, status=answer.status)
