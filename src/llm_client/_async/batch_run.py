"""One run of a batch: what a worker does with an item."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._core.batch_codec import Codec
from .._core.batch_errors import CheckpointError, UnstorableResultError
from .._core.batch_identity import Identities
from .._core.batch_job import ClaimState, Failure, Ticket
from .._core.batch_outcome import (
    BatchFailure,
    Problem,
    delay_before_next,
    failure_of,
    problem_of_exception,
    problem_of_result,
    short_repr,
)
from .._core.batch_requests import Asked
from .._core.retry import RetryPolicy
from .._seam import _async as seam
from .batch_job import Job


@dataclass(frozen=True, slots=True)
class Ended:
    """An item that has ended.

    Args:
        result: The answer; of one that failed the failed result, or a BatchFailure.
        failed: Whether it failed.
        stored: Whether the answer was there already.
        attempts: How often it was tried now.
        reason: Of one that failed: why.
        fatal: Why what came of it could not be recorded, which ends the batch; it then counts as failed.
    """

    result: Any
    failed: bool = False
    stored: bool = False
    attempts: int = 1
    reason: str = ""
    fatal: Exception | None = None


class Entry(NamedTuple):
    """An item and its ticket.

    Args:
        ticket: Which it is.
        item: What the processor is called with.
        due: The moment before which it is not asked for again, as another process worked on it; 0 for at once.
    """

    ticket: Ticket
    item: Any
    due: float = 0.0


def entries_of(identities: Identities | None) -> Callable[[Any], Entry]:
    """What makes an entry of each item of the input, in its order.

    Args:
        identities: Gives the items their keys; None where nothing is kept.
    """
    count = 0

    def make(item: Any) -> Entry:
        nonlocal count
        ticket = Ticket(count, "" if identities is None else identities.of(item))
        count += 1
        return Entry(ticket, item)

    return make


class Run:
    """Works on items: asks whether to, calls the processor, tries again, records. Its workers call it at once.

    What `work` raises is no failure of an item; it ends the run.

    Args:
        job: Keeps the state.
        processor: Called with one item.
        codec: Writes and reads results.
        policy: How often an item is tried.
        brake: Once it is pulled, nothing is tried again.
        executor: Where the processor is called; None for this process.
    """

    def __init__(
        self,
        job: Job,
        processor: Callable[[Any], Any],
        codec: Codec,
        policy: RetryPolicy,
        brake: seam.Brake,
        executor: Executor | None,
    ) -> None:
        self._job = job
        self._processor = processor
        self._codec = codec
        self._policy = policy
        self._brake = brake
        self._executor = executor

    async def work(self, entry: Entry) -> Ended | None:
        """Work on one item; None where another process does.

        Raises:
            CheckpointError: Its state cannot be read.
            TypeError: The processor is one for the other face.
        """
        ticket, item, due = entry
        if due:
            await self._brake.sleep(due - seam.now())
            if self._brake.pulled:
                return None
        claim = await self._job.claim(ticket)
        if claim.state is ClaimState.ELSEWHERE:
            return None
        if claim.payload is not None:
            return Ended(self._read(ticket, claim.payload), stored=True)
        ended = False
        try:
            outcome = await self._answer(ticket, item)
            # What cannot be stored is on record as a failure.
            ended = outcome.fatal is None or isinstance(outcome.fatal, UnstorableResultError)
            return outcome
        finally:
            if not ended:
                self._job.release(ticket)

    def _read(self, ticket: Ticket, payload: bytes) -> Any:
        try:
            return self._codec.decode(payload)
        except Exception as error:  # a deserialize= of the user's may raise anything
            raise CheckpointError(
                f"the stored result of item {ticket.index} (key {ticket.key}) cannot be read: {error}"
            ) from error

    async def _answer(self, ticket: Ticket, item: Any) -> Ended:
        tried = 0
        while True:
            tried += 1
            result, raised, problem = await self._try(item)
            if problem is None:
                return await self._record(ticket, result, tried)
            settled = isinstance(item, Asked) and item.settled
            delay = (
                None
                if self._brake.pulled or settled
                else delay_before_next(self._policy, tried, problem, random.random())
            )
            if delay is not None:
                await self._brake.sleep(delay)
            if delay is None or self._brake.pulled:
                fatal = await self._fail(ticket, failure_of(problem, item, tried, result))
                if raised is not None:
                    result = BatchFailure(ticket.index, problem.error, raised, tried)
                return Ended(result, failed=True, attempts=tried, reason=problem.error, fatal=fatal)

    async def _try(self, item: Any) -> tuple[Any, Exception | None, Problem | None]:
        try:
            if self._executor is None:
                result = await self._brake.call(self._processor, item)
            else:
                result = await self._brake.submit(self._executor, self._processor, item)
        except seam.WrongColour:
            raise
        except Exception as error:
            if self._brake.left:
                raise
            return None, error, problem_of_exception(error)
        return result, None, problem_of_result(result)

    async def _record(self, ticket: Ticket, result: Any, tried: int) -> Ended:
        if not self._job.uses_keys:
            return Ended(result, attempts=tried)
        fatal: Exception
        try:
            payload = self._codec.encode(result)
        except Exception as error:  # a serialize= of the user's may raise anything
            words = f"the result of item {ticket.index} cannot be stored: {error}"
            kind = type(result).__name__
            failure = Failure(words, kind, attempts=tried, item=None, result=short_repr(result))
            fatal = await self._fail(ticket, failure) or UnstorableResultError(
                f"{words}. Return JSON, one of this library's results, a pydantic model or a dataclass, or pass "
                "serialize= and deserialize=. The result's repr stands in the list of failures."
            )
            fatal.__cause__ = fatal.__cause__ or error
        else:
            try:
                await self._job.record(ticket, payload)
                return Ended(result, attempts=tried)
            except Exception as error:
                fatal = error
        # It has been paid: whoever reads the stream shall have it, although no checkpoint does.
        return Ended(result, failed=True, attempts=tried, reason=str(fatal), fatal=fatal)

    async def _fail(self, ticket: Ticket, failure: Failure) -> Exception | None:
        try:
            await self._job.record_failure(ticket, failure)
        except Exception as error:
            return error
        return None
