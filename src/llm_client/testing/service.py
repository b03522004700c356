"""Serving one connection: each request is recorded, judged, answered from what was scripted, and sent."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from .answering import Answering
from .built_in import built_in_reply
from .delivery import Delivery
from .http1 import BadHttp, HttpMessage, read_request, response_head
from .journal import Journal, RecordedRequest
from .judging import Judge
from .limits import RateLimits
from .replies import Failure, Interruption, RawAnswer, Reply, as_answer
from .routes import check_request, decode_body, key_of, route, vendor_of
from .script import Script, Step, expects_script
from .server import ClientHungUp, Connection, ConnectionOver

Handler: TypeAlias = Callable[[RecordedRequest], "Reply | Failure | RawAnswer | Interruption | str | None"]
Validator: TypeAlias = Callable[[RecordedRequest], "Failure | str | None"]

_NO_RETRY = {"x-should-retry": "false"}


@dataclass(slots=True)
class Service:
    """What a fake API says, apart from where it listens; its fields may change while it serves.

    Args:
        answering: Writes the answers.
        strict: Whether an empty queue is an error.
        default: What to answer when nothing was scripted; None means the built-in answer.
        api_key: The key that requests must carry; None means any.
        limits: Rate limits; None means no headers and no refusals.
        judge: Refuses what breaks the vendors' rules; None lets everything pass.
        validate: Judges each request before it is answered.
        handler: The test's own function for answers.
        held: Whether answers are held back.
    """

    answering: Answering
    strict: bool = False
    default: Reply | Failure | RawAnswer | Interruption | None = None
    api_key: str | None = None
    limits: RateLimits | None = None
    judge: Judge | None = None
    validate: Validator | None = None
    handler: Handler | None = None
    held: bool = False
    script: Script = field(default_factory=Script)
    journal: Journal = field(default_factory=Journal)

    def serve(self, connection: Connection) -> None:
        """Answer the requests of one connection until it ends.

        Raises:
            ConnectionOver: It ended in the middle of an answer.
        """
        while True:
            try:
                message = read_request(connection)
            except BadHttp as error:
                text = f"{error}\n".encode()
                headers = {"content-type": "text/plain", "content-length": str(len(text)), "connection": "close"}
                connection.send(response_head(400, headers) + text)
                return
            if message is None:
                return
            request = self._record(connection, message)
            try:
                again = self._answer(connection, message, request)
            except ClientHungUp:
                self.journal.finish(request, client_hung_up=True)
                raise
            except ConnectionOver:
                self.journal.finish(request, client_hung_up=False)
                raise
            self.journal.finish(request, client_hung_up=False)
            if not again:
                return

    def _record(self, connection: Connection, message: HttpMessage) -> RecordedRequest:
        body = decode_body(message.body)
        return self.journal.add(
            lambda number: RecordedRequest(
                number, connection.number, route(message.target), message.method, message.target, message.headers,
                body, message.body, time.time(),
            )
        )  # fmt: skip

    def _answer(self, connection: Connection, message: HttpMessage, request: RecordedRequest) -> bool:
        headers: dict[str, str] = {}
        try:
            outgoing = self.answering.outgoing(request, self._decide(request, headers), headers)
        except Exception as error:  # the test's own function, or a reply that cannot be written: the test must see it
            request.error = traceback.format_exc()
            failure = Failure(500, f"FakeAPI could not answer: {error!r}", headers=_NO_RETRY)
            outgoing = self.answering.outgoing(request, failure, headers)
        delivery = Delivery(
            connection,
            request,
            self.journal,
            keep_alive=message.keep_alive and message.method != "HEAD",
            chunked=message.version != "HTTP/1.0",
            held=lambda: self.held,
        )
        return delivery.send(outgoing)

    def _decide(self, request: RecordedRequest, headers: dict[str, str]) -> Reply | Failure | RawAnswer | Interruption:
        refusal = check_request(request, self.api_key)
        if refusal is not None:
            return refusal
        if self.judge is not None:
            refusal = self.judge.refusal(request)
            if refusal is not None:
                return refusal
        if self.validate is not None:
            verdict = self.validate(request)
            if verdict is not None:
                return Failure(400, verdict) if isinstance(verdict, str) else verdict
        if self.limits is not None and request.endpoint not in ("models", "count_tokens"):
            vendor, key = vendor_of(request), (key_of(request), request.model)
            announced, refusal = self.limits.take(vendor, key, request.prompt.input_tokens)
            headers.update(announced)
            if refusal is not None:
                return refusal
        answer = None if self.handler is None else self.handler(request)
        if answer is not None:
            return as_answer(answer, "What on_request returns")
        answer = self.script.take(request)
        if answer is not None:
            return answer
        default = self.default
        if default is not None and Step(default).fits(request):
            return default
        if self.strict and expects_script(request):
            return Failure(
                500,
                f"FakeAPI(strict=True) has no scripted answer for request {request.number}, {request.method} "
                f"{request.path}: call reply() before it.",
                code="nothing_scripted",
                headers=_NO_RETRY,
            )
        return built_in_reply(request.prompt)
