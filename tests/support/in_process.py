"""A FakeAPI without its sockets: a provider's requests are judged and answered in its own thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from llm_client._core.http import HttpRequest, HttpResponse, TransportError
from llm_client.testing.answering import Answering
from llm_client.testing.journal import RecordedRequest
from llm_client.testing.judging import Judge
from llm_client.testing.rendering import encode_event
from llm_client.testing.routes import decode_body, route
from llm_client.testing.service import Handler, Service

HOST = "http://127.0.0.1:9"  # nothing listens there, and nothing is sent there


class InProcessServer:
    """Speaks all three dialects by the vendors' strict rules.

    Args:
        handler: Gives the answers.
    """

    def __init__(self, handler: Handler) -> None:
        judge = Judge()
        self._answering = Answering(remember=judge.remember)
        self._service = Service(self._answering, judge=judge, handler=handler)
        self.count = 0
        self.refused: list[tuple[Any, bytes]] = []
        """Bodies that broke a rule, with the answer."""

    def serve(self, provider: Any) -> Any:
        """Make a blocking provider talk to this server; returns the provider."""
        provider._exchange._transport = self
        provider._exchange.limiter = None  # no clock may decide what happens
        return provider

    def send(self, request: HttpRequest) -> HttpResponse:
        """Answer a request whole."""
        outgoing = self._answer(request)
        if outgoing.interruption is not None:
            raise TransportError("disconnected", "the connection broke")
        return HttpResponse(outgoing.status, outgoing.headers, outgoing.body)

    def stream(self, request: HttpRequest) -> Any:
        """Answer a request in pieces."""
        return _Stream(self._answer(request))

    def _answer(self, request: HttpRequest) -> Any:
        self.count += 1
        path = request.url.removeprefix(HOST)
        assert path.startswith("/"), request.url
        content = request.body or b""
        recorded = RecordedRequest(
            self.count, 1, route(path), request.method, path, request.headers, decode_body(content), content,
            time.time(),
        )  # fmt: skip
        headers: dict[str, str] = {}
        outgoing = self._answering.outgoing(recorded, self._service._decide(recorded, headers), headers)
        if outgoing.status == 400:
            self.refused.append((recorded.body, outgoing.body))
        return outgoing


class _Stream:
    def __init__(self, outgoing: Any) -> None:
        self.status = outgoing.status
        self.headers = outgoing.headers
        self._pieces = self._bytes(outgoing)

    def _bytes(self, outgoing: Any) -> Iterator[bytes]:
        if outgoing.events is None:
            yield outgoing.body
            return
        for number, event in enumerate(outgoing.events):
            if outgoing.interruption is not None and number == outgoing.interruption.after_events:
                raise TransportError("disconnected", "the connection broke")
            yield encode_event(event, "\n", comment=False)

    def read(self) -> bytes:
        return next(self._pieces, b"")

    def finish(self) -> None:
        self.close()

    def close(self) -> None:
        self._pieces.close()  # type: ignore[attr-defined]
