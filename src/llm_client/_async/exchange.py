"""One request to one server, tried as often as the policy allows."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.http import HttpRequest, TransportError
from .._core.log import logger
from .._core.results import Attempt
from .._core.retry import RetryBudget, RetryPolicy
from .._seam import _async as seam

_log = logger("retry")


@dataclass(slots=True)
class Answer:
    """How an exchange ended.

    Args:
        status: HTTP status, or 503 / 408 where no answer came.
        headers: The answer's, names in lower case.
        body: The whole body; of an opened stream its first piece.
        failure: Why no answer came.
        stream: The rest of an opened stream, which the taker closes.
        attempts: Every try, in order.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: TransportError | None = None
    stream: Any = None
    attempts: tuple[Attempt, ...] = ()


class Exchange:
    """Sends requests over one transport; the one retry loop of this library.

    Args:
        transport: What `seam.open_transport` gave.
        budget: Keeps retries from becoming a storm.
    """

    def __init__(self, transport: Any, budget: RetryBudget) -> None:
        self._transport = transport
        self._budget = budget

    async def send(self, request: HttpRequest, policy: RetryPolicy) -> Answer:
        """Send a request and read the whole answer; failures come back as answers too."""
        tried: list[Attempt] = []
        self._budget.note_call(time.monotonic())
        while True:
            answer = await self._send_once(request)
            if await self._settled(answer, tried, policy):
                return answer

    async def open(self, request: HttpRequest, policy: RetryPolicy) -> Answer:
        """Send a request and read up to the first piece of a streamed answer.

        Nothing has been handed on by then, so everything up to there may be tried again.
        """
        tried: list[Attempt] = []
        self._budget.note_call(time.monotonic())
        while True:
            answer = await self._open_once(request)
            if await self._settled(answer, tried, policy):
                return answer

    async def _send_once(self, request: HttpRequest) -> Answer:
        try:
            response = await self._transport.send(request)
        except TransportError as failure:
            return Answer(failure.status, failure=failure)
        return Answer(response.status, response.headers, response.body)

    async def _open_once(self, request: HttpRequest) -> Answer:
        stream = None
        opened = False
        try:
            stream = await self._transport.stream(request)
            body = await stream.read()
            if not 200 <= stream.status < 300:
                pieces = [body]
                while pieces[-1]:
                    pieces.append(await stream.read())
                return Answer(stream.status, stream.headers, b"".join(pieces))
            opened = True
            return Answer(stream.status, stream.headers, body, stream=stream)
        except TransportError as failure:
            return Answer(failure.status, failure=failure)
        finally:
            if stream is not None and not opened:
                await stream.close()

    async def _settled(self, answer: Answer, tried: list[Attempt], policy: RetryPolicy) -> bool:
        if 200 <= answer.status < 300:
            answer.attempts = (*tried, _SUCCEEDED) if tried else _SUCCEEDED_AT_ONCE
            return True
        delay = policy.delay(len(tried) + 1, answer.status, answer.headers, chance=random.random(), now=time.time())
        if delay is not None and not self._budget.take(time.monotonic()):
            _log.warning("no further try after status %d: this minute's retries are used up", answer.status)
            delay = None
        reason = answer.failure.message if answer.failure is not None else f"status {answer.status}"
        tried.append(Attempt(answer.status, reason, delay))
        if delay is None:
            answer.attempts = tuple(tried)
            return True
        _log.info("try %d of %d failed (%s); next one in %.2f s", len(tried), policy.attempts, reason, delay)
        await seam.sleep(delay)
        return False


_SUCCEEDED = Attempt(200)
_SUCCEEDED_AT_ONCE = (_SUCCEEDED,)
