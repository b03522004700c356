"""Serving one connection: each request is recorded, judged, answered from what was scripted, and sent."""

from __future__ import annotations

import itertools
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .answering import Answering
from .batches import BATCH_ENDPOINTS, Batches, item_request
from .built_in import built_in_reply
from .delivery import Delivery, Outgoing
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

_UNLIMITED = ("models", "count_tokens", *BATCH_ENDPOINTS)
# Requests of batches are numbered from here, so that no id in their answers is that of a live one.
_FIRST_ITEM = 10_000_000
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
    batches: Batches = field(init=False)
    _items: itertools.count[int] = field(default_factory=lambda: itertools.count(_FIRST_ITEM))

    def __post_init__(self) -> None:
        self.batches = Batches(self._answer_item, self.journal.notify)

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
            outgoing = self._outgoing(request, headers)
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

    def _outgoing(self, request: RecordedRequest, headers: dict[str, str]) -> Outgoing:
        answer = self._decide(request, headers)
        carried_out = isinstance(answer, Reply) or (isinstance(answer, Interruption) and answer.kind != "error")
        if request.endpoint not in BATCH_ENDPOINTS or not carried_out:
            return self.answering.outgoing(request, answer, headers)
        cut = answer if isinstance(answer, Interruption) else None
        return self.answering.page(request, self.batches.serve(request), headers, cut)

    def _answer_item(self, path: str, body: Any, made_by: RecordedRequest) -> tuple[int, Any, RecordedRequest]:
        """Answer one request of a batch: the status, the decoded body, and the record."""
        item = item_request(next(self._items), path, body, made_by)
        outgoing = self._outgoing(item, {})
        if outgoing.interruption is not None or outgoing.events is not None:
            words = "Batches take no streams." if outgoing.events is not None else None
            status = 500 if words is None else 400
            outgoing = self.answering.outgoing(item, Failure(status, words), {})
        raw = b"".join(outgoing.raw.pieces) if outgoing.raw is not None else outgoing.body
        item.status, item.finished, item.client_hung_up = outgoing.status, time.time(), False
        return outgoing.status, decode_body(raw), item

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
        if self.limits is not None and request.endpoint not in _UNLIMITED and request.number < _FIRST_ITEM:
            vendor, key = vendor_of(request), (key_of(request), request.model)
            announced, refusal = self.limits.take(vendor, key, request.prompt.input_tokens)
            headers.update(announced)
            if refusal is not None:
                return refusal
        answer = None if self.handler is None else self.handler(request)
        if answer is not None and not (isinstance(answer, (str, Reply)) and request.endpoint in BATCH_ENDPOINTS):
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
