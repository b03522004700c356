"""One request to one server, tried as often as the policy allows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.breaker import Breaker
from .._core.http import HttpRequest, TransportError
from .._core.limit_learning import estimate_tokens
from .._core.log import logger
from .._core.results import Attempt
from .._core.retry import RetryBudget, RetryPolicy
from .._core.usage import Usage
from .._core.wire.request import Failure
from .._seam import _async as seam
from .rate_limit import Limiter, Pass
from .shared_limits import SharedPass

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
        refused: Why nothing was sent: the circuit is open, or the server asked for a pause that is too long.
        leave: The limiter's leave for the last try.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: TransportError | None = None
    stream: Any = None
    attempts: tuple[Attempt, ...] = ()
    refused: Failure | None = None
    leave: Pass | SharedPass | None = None

    def settle(self, usage: Usage) -> None:
        """Tell the limiter what the answer really used; never waits."""
        if self.leave is not None and usage.total_tokens:
            self.leave.used(usage.input_tokens, usage.output_tokens)


class Exchange:
    """Sends requests over one transport; the one retry loop of this library.

    Args:
        transport: What `seam.open_transport` gave.
        budget: Keeps retries from becoming a storm.
        breaker: Keeps requests from a server that is down.
        limiter: Keeps to rate limits; None for none.
        on_attempt: Told of every try, an Attempt, when it has ended; plain, or of this face's colour.
    """

    def __init__(
        self,
        transport: Any,
        budget: RetryBudget,
        breaker: Breaker,
        limiter: Limiter | None = None,
        on_attempt: Callable[[Attempt], Any] | None = None,
    ) -> None:
        self._transport = transport
        self._budget = budget
        self._breaker = breaker
        self.limiter = limiter
        self._on_attempt = on_attempt

    async def send(self, request: HttpRequest, policy: RetryPolicy, *, limited: bool = True) -> Answer:
        """Send a request and read the whole answer; failures come back as answers too.

        Args:
            request: What to send.
            policy: How often to try.
            limited: Whether it counts against the rate limits.
        """
        return await self._try(self._send_once, request, policy, self.limiter if limited else None)

    async def open(self, request: HttpRequest, policy: RetryPolicy) -> Answer:
        """Send a request and read up to the first piece of a streamed answer.

        Nothing has been handed on by then, so everything up to there may be tried again.
        """
        return await self._try(self._open_once, request, policy, self.limiter)

    async def _try(self, once: Any, request: HttpRequest, policy: RetryPolicy, limiter: Limiter | None) -> Answer:
        tried: list[Attempt] = []
        while True:
            answer = await self._one(once, request, policy, limiter, first=not tried)
            settled = False
            try:
                settled = await self._settled(answer, tried, policy)
                if settled:
                    return answer
            finally:
                if answer.stream is not None and not settled:
                    await answer.stream.close()

    async def _one(
        self, once: Any, request: HttpRequest, policy: RetryPolicy, limiter: Limiter | None, *, first: bool
    ) -> Answer:
        """One try, when it is its turn."""
        leave: Pass | SharedPass | None = None
        if limiter is not None:
            patience = policy.max_retry_after
            held = limiter.held()
            if held <= patience:
                leave = await limiter.enter(estimate_tokens(request.body), patience=patience)
                held = limiter.held()  # a server may have asked for a pause while this one waited
            if held > patience:
                if leave is not None:
                    leave.give_back()
                return Answer(429, refused=Failure(_HELD.format(held, patience), code="rate_limit"))
        if not self._breaker.allow(time.monotonic()):
            if leave is not None:
                leave.give_back()
            wait = self._breaker.wait(time.monotonic())
            return Answer(503, refused=Failure(_OPEN.format(wait), code="circuit_open"))
        if first:
            self._budget.note_call(time.monotonic())  # what is not sent is no traffic that would allow for retries
        try:
            answer: Answer = await once(request)
        except BaseException:
            self._breaker.note(0, time.monotonic())
            if leave is not None:
                leave.abandoned()
            raise
        if leave is not None:
            leave.answered(answer.status, answer.headers, answer.body)
            answer.leave = leave
        changed = self._breaker.note(answer.status, time.monotonic())
        if changed == "open":
            _log.warning("circuit open: the server has failed for a while; one request at a time tries it again")
        elif changed == "closed":
            _log.warning("circuit closed: the server answers again")
        if limiter is not None and (answer.status == 429 or answer.status >= 500):
            await limiter.tell()
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
            _log.debug("try %d of %d succeeded", len(tried) + 1, policy.attempts)
            await self._tell(_SUCCEEDED)
            return True
        delay = None
        if answer.refused is None:
            delay = policy.delay(len(tried) + 1, answer.status, answer.headers, chance=random.random(), now=time.time())
            if delay is not None and not self._budget.take(time.monotonic()):
                _log.warning("no further try after status %d: this minute's retries are used up", answer.status)
                delay = None
        attempt = Attempt(answer.status, _reason(answer), delay)
        tried.append(attempt)
        await self._tell(attempt)
        if delay is None:
            answer.attempts = tuple(tried)
            _log.info("try %d of %d failed (%s); there is no further one", len(tried), policy.attempts, attempt.error)
            return True
        _log.info("try %d of %d failed (%s); next one in %.2f s", len(tried), policy.attempts, attempt.error, delay)
        await seam.sleep(delay)
        return False

    async def _tell(self, attempt: Attempt) -> None:
        if self._on_attempt is None:
            return
        try:
            told = self._on_attempt(attempt)
        except Exception:
            _log.warning("on_attempt raised an error, which is ignored", exc_info=True)
            return
        try:
            await seam.resolve(told, "on_attempt")
        except TypeError:
            raise  # a function of the other face
        except Exception:
            _log.warning("on_attempt raised an error, which is ignored", exc_info=True)


def _reason(answer: Answer) -> str:
    if answer.refused is not None:
        return answer.refused.message
    return answer.failure.message if answer.failure is not None else f"status {answer.status}"


_HELD = (
    "rate limit: the server asked to be left alone for {:.0f} s more, which is longer than the {:g} s that a call "
    "waits; nothing was sent"
)
_OPEN = "circuit open: the server has failed for a while; nothing was sent, and the next try is possible in {:.1f} s"
_SUCCEEDED = Attempt(200)
_SUCCEEDED_AT_ONCE = (_SUCCEEDED,)
