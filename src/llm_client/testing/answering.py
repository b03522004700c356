"""From a recorded request and a neutral answer to bytes: picks the renderer, merges headers and settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .batches import Page
from .built_in import built_in_reply
from .delivery import Outgoing
from .journal import RecordedRequest
from .render_chat import chat_completion, chat_events
from .render_embeddings import embeddings_object
from .render_errors import error_body, error_event
from .render_messages import message_events, message_object
from .render_models import anthropic_model, anthropic_models, openai_model, openai_models
from .render_responses import response_events, response_object
from .rendering import Draft, to_json
from .replies import Failure, Interruption, RawAnswer, Reply, Wire
from .routes import vendor_of

_PLAIN = {"chat": chat_completion, "responses": response_object, "messages": message_object}
_STREAMED = {"chat": chat_events, "responses": response_events, "messages": message_events}


@dataclass(frozen=True, slots=True)
class Answering:
    """Writes answers with a server's settings.

    Args:
        latency: Seconds before each answer that names no delay of its own.
        chunk_delay: Seconds between two events of streams that name none.
        wire: How bytes go out where the reply does not say.
        remember: Told each answer of a model as one object, also where it is streamed.
    """

    latency: float = 0.0
    chunk_delay: float = 0.0
    wire: Wire = field(default_factory=Wire)
    remember: Callable[[RecordedRequest, dict[str, Any]], None] | None = None

    def outgoing(
        self, request: RecordedRequest, answer: Reply | Failure | RawAnswer | Interruption, headers: dict[str, str]
    ) -> Outgoing:
        """Write an answer to a request.

        Args:
            request: The request.
            answer: What to answer.
            headers: Headers that go with it, such as the rate limits.
        """
        headers = {**_vendor_headers(request), **headers}
        if isinstance(answer, RawAnswer):
            delay = self.latency if answer.delay is None else answer.delay
            return Outgoing(answer.status, {}, raw=answer, delay=delay)
        if isinstance(answer, Interruption):
            if answer.kind == "error" and not (request.stream and request.endpoint in _STREAMED):
                return self._failure(request, answer.failure, headers)
            return self._reply(request, answer.reply or built_in_reply(request.prompt), headers, answer)
        if isinstance(answer, Failure):
            return self._failure(request, answer, headers)
        return self._reply(request, answer, headers, None)

    def page(
        self, request: RecordedRequest, page: Page | Failure, headers: dict[str, str], interruption: Interruption | None
    ) -> Outgoing:
        """Write what a Batch API answers.

        Args:
            request: The request.
            page: What to answer.
            headers: Headers that go with it.
            interruption: What goes wrong with the answer after the request was carried out.
        """
        headers = {**_vendor_headers(request), **headers}
        if isinstance(page, Failure):
            return self._failure(request, page, headers)
        kind = "application/octet-stream" if isinstance(page.content, bytes) else "application/json"
        body = page.content if isinstance(page.content, bytes) else to_json(page.content).encode()
        return Outgoing(
            200, _merged(headers, {"content-type": kind}), body, delay=self.latency, wire=self.wire,
            interruption=interruption,
        )  # fmt: skip

    def _failure(self, request: RecordedRequest, failure: Failure, headers: dict[str, str]) -> Outgoing:
        return Outgoing(
            failure.status,
            _merged(headers, {"content-type": "application/json"}, failure.headers),
            to_json(error_body(vendor_of(request), failure, _request_id(request))).encode(),
            delay=self.latency if failure.delay is None else failure.delay,
            wire=self.wire,
        )

    def _reply(
        self, request: RecordedRequest, reply: Reply, headers: dict[str, str], interruption: Interruption | None
    ) -> Outgoing:
        body = request.body if isinstance(request.body, dict) else {}
        draft = Draft(request.number, body, request.prompt, reply)
        if self.remember is not None and request.endpoint in _PLAIN:
            self.remember(request, _PLAIN[request.endpoint](draft))
        streamed = request.stream and request.endpoint in _STREAMED
        kind = "text/event-stream; charset=utf-8" if streamed else "application/json"
        outgoing = Outgoing(
            200,
            _merged(headers, {"content-type": kind}, reply.headers),
            delay=self.latency if reply.delay is None else reply.delay,
            pause=self.chunk_delay if reply.chunk_delay is None else reply.chunk_delay,
            endless=reply.endless,
            wire=reply.wire or self.wire,
            interruption=interruption,
        )
        if not streamed:
            outgoing.body = to_json(_plain_body(request, draft)).encode()
            return outgoing
        outgoing.headers["cache-control"] = "no-cache"
        outgoing.events = _STREAMED[request.endpoint](draft)
        if interruption is not None:
            failure, event = interruption.failure, interruption.event

            def broken_off(number: int) -> Any:
                return error_event(request.endpoint, failure, _request_id(request), draft, number, event)

            outgoing.error_event = broken_off
        return outgoing


def _plain_body(request: RecordedRequest, draft: Draft) -> dict[str, Any]:
    if request.endpoint in _PLAIN:
        return _PLAIN[request.endpoint](draft)
    if request.endpoint == "embeddings":
        return embeddings_object(draft)
    if request.endpoint == "count_tokens":
        return {"input_tokens": draft.counts.input}
    _, _, name = request.path.split("?")[0].partition("/models/")
    if vendor_of(request) == "anthropic":
        return anthropic_model(name) if name else anthropic_models()
    return openai_model(name) if name else openai_models()


def _request_id(request: RecordedRequest) -> str:
    return f"req_{request.number:08d}"


def _vendor_headers(request: RecordedRequest) -> dict[str, str]:
    if vendor_of(request) == "anthropic":
        return {"request-id": _request_id(request), "anthropic-organization-id": "org-fake"}
    return {
        "x-request-id": _request_id(request),
        "openai-organization": "org-fake",
        "openai-processing-ms": "1",
        "openai-version": "2020-10-01",
    }


def _merged(*parts: Any) -> dict[str, str]:
    return {name.lower(): str(value) for part in parts for name, value in part.items()}
