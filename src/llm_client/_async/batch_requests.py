"""Requests of a batch on the way that costs least: live, or through the vendor's Batch API at half the price."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

from .._core.batch_codec import Codec
from .._core.batch_errors import CheckpointError
from .._core.batch_requests import (
    RESERVE,
    Asked,
    Clock,
    check_reserve,
    check_via,
    content_of_question,
    content_of_request,
    deadline_time,
)
from .._core.vendor_batch import (
    BatchEmbedding,
    as_batch_request,
    check_poll_interval,
    check_requests,
    check_rounds,
)
from .._seam import _async as seam
from .batch_job import Job
from .batch_vendor import VendorBatch
from .batch_vendor_phase import Notes, VendorPhase
from .batch_vendor_waiting import pause_every


class RequestBatches:
    """The part of a BatchManager that asks a provider itself, instead of calling a processor."""

    _codec: Codec
    _key: Callable[[Any], Any] | None
    _executor: Executor | None
    _brakes: list[seam.Brake]
    _job: Callable[[], Job]
    _tickets: Callable[..., Callable[[Any], Any]]
    _stream: Callable[..., AsyncIterator[tuple[int, Any]]]

    async def process_requests(
        self,
        requests: Iterable[Any],
        provider: Any,
        *,
        via: str = "live",
        deadline: Any = None,
        reserve: float = RESERVE,
        poll_interval: float | None = None,
        rounds: int = 3,
        desc: str | None = None,
    ) -> list[Any]:
        """Have a provider answer requests: live, or through its vendor's Batch API, which costs half and takes hours.

        The checkpoint keeps which batches were made: a run that is stopped or killed is gone on with by starting it
        again, and collects them instead of paying twice. Without a checkpoint nobody remembers them.

        Args:
            requests: BatchRequest and BatchEmbedding objects, or texts or lists of messages.
            provider: Whom to ask; stays the caller's to close.
            via: "live"; "vendor"; or "cheapest": the vendor where the deadline leaves it its 24 hours, and live calls
                for what it has not answered in time, whose batches are canceled before.
            deadline: When the answers are needed: seconds from now, a timedelta, or a datetime with a time zone. With
                "vendor" nobody waits longer: what is missing is a failed result, and collected by the next run. Live
                calls begin at once, and do not end for it.
            reserve: With "cheapest": seconds before the deadline at which the live calls begin.
            poll_interval: Seconds between two looks at the batches. Unless given: 5, growing to 60.
            rounds: How often what expired or failed on the vendor's side is submitted, the first time included.
            desc: What stands before the progress bar.

        Returns:
            The results in the order of the requests.

        Raises:
            APIError: The vendor refused a batch, or could not be asked.
            BatchError: As in `process_batch()`.
            CheckpointError: As in `process_batch()`.
            TypeError: An argument has the wrong type, or the provider has no Batch API.
            ValueError: An argument is out of range, or makes no sense with this manager.
        """
        if self._executor is not None:
            raise ValueError("process_requests() asks the provider in this process: use a manager without executor=")
        check_rounds(rounds)
        check_poll_interval(poll_interval)
        check_reserve(reserve)
        check_requests(requests)
        if not callable(getattr(provider, "complete", None)):
            raise TypeError(f"provider must be a provider of this face, got {type(provider).__name__}")
        clock = Clock(check_via(via), deadline_time(deadline, time.time()), reserve)
        asked = await asked_of(requests, provider, self._key)
        learn_types(self._codec, asked)
        answers: dict[int, Any] = {}
        job = self._job()
        if _goes_to_vendor(provider, clock, job):
            tickets = self._tickets(job, _content)
            answers = await ask_vendor(
                job, self._codec, tickets, self._brakes, asked, provider, clock, poll_interval, rounds
            )
        results: list[Any] = [None] * len(asked)
        stream = self._stream(asked, partial(ask_live, provider, answers), desc, _content)
        async with seam.closing(stream) as ended:
            async for index, result in ended:
                results[index] = result
        return results


def _content(asked: Asked) -> Any:
    return asked.content


def _goes_to_vendor(provider: Any, clock: Clock, job: Job) -> bool:
    batch = getattr(provider, "batch", None)
    if clock.via == "live":
        return False
    if not isinstance(batch, VendorBatch):
        if clock.via == "vendor":
            raise TypeError(
                "via='vendor' needs a provider with a Batch API, OpenAIProvider or AnthropicProvider of this face; "
                f"got {type(provider).__name__}"
            )
        return False
    if job.beat_seconds is None:
        return batch.available or clock.via == "vendor"
    if clock.via == "vendor":
        raise ValueError(
            "a checkpoint that several machines share cannot keep the vendor's batches: each would wait for the "
            "others'. Take a checkpoint file, or via='live'"
        )
    return False


async def asked_of(requests: Iterable[Any], provider: Any, key: Callable[[Any], Any] | None) -> list[Asked]:
    """The requests of an input, each with what it is known by.

    Args:
        requests: As the caller passed them.
        provider: Whom they are for.
        key: The caller's own function for what a request is known by.

    Raises:
        TypeError: An argument of a request has the wrong type.
        ValueError: An argument is out of range.
    """
    profile = getattr(provider, "profile", None)
    embeddings = getattr(profile, "category", None) == "embeddings"
    batch = getattr(provider, "batch", None)
    found = []
    for index, given in enumerate(requests):
        await pause_every(index + 1)
        request = as_batch_request(given, embeddings=embeddings)
        if key is not None:
            content = key(given)
        elif isinstance(batch, VendorBatch):
            content = content_of_question(batch.question(request))
        else:
            content = content_of_request(request)
        found.append(Asked(index, request, content))
    return found


def learn_types(codec: Codec, asked: Iterable[Asked]) -> None:
    """Take note of the types that answers are read into, so that stored ones come back as what they were."""
    for item in asked:
        if not isinstance(item.request, BatchEmbedding):
            wanted = item.request.options.get("response_format")
            if isinstance(wanted, type):
                codec.learn(wanted)


async def ask_live(provider: Any, answers: dict[int, Any], item: Asked) -> Any:
    """The answer that the vendor's batch brought, else that of a live call."""
    known = answers.get(item.index)
    if known is not None:
        # What the vendor failed at was submitted as often as the caller wanted.
        item.settled = True
        return known
    request = item.request
    if isinstance(request, BatchEmbedding):
        given = {name: getattr(request, name) for name in ("encoding_format", "dimensions", "user", "extra_body")}
        return await provider.embed(request.inputs, **{name: each for name, each in given.items() if each is not None})
    named = {name: each for name, each in (("tools", request.tools), ("tool_choice", request.tool_choice)) if each}
    return await provider.complete(request.messages, **named, **request.options)


async def ask_vendor(
    job: Job,
    codec: Codec,
    tickets: Callable[[Any], Any],
    brakes: list[seam.Brake],
    asked: Sequence[Asked],
    provider: Any,
    clock: Clock,
    poll_interval: float | None,
    rounds: int,
) -> dict[int, Any]:
    """Have the vendor answer what the checkpoint has no answers for.

    Args:
        job: Keeps the batch's state; opened and closed here.
        codec: Reads stored answers.
        tickets: Makes an entry of an item.
        brakes: Where the manager finds what `stop()` has to pull.
        asked: All requests.
        provider: A provider with a Batch API.
        clock: What the deadline allows.
        poll_interval: Seconds between two looks at the batches, None for the usual.
        rounds: Submissions in all.

    Returns:
        The answers by position; requests without one are in the checkpoint, or to be asked live.

    Raises:
        APIError: The vendor refused a submission, or could not be asked.
        BatchStoppedError: Somebody asked to stop; the batches go on.
        CheckpointError: The checkpoint cannot be read or written.
    """
    brake = seam.Brake()
    brakes.append(brake)
    try:
        unknown = codec.unknown(await job.open())
        if unknown:
            # Known now or after the vendor has been paid: better now.
            raise CheckpointError(
                f"the checkpoint holds results of types that were not given: {', '.join(unknown)}; pass result_type="
            )
        with brake:
            missing = []
            for item in asked:
                await pause_every(item.index + 1)
                ticket = tickets(item).ticket
                item.key = ticket.key or str(item.index)
                claim = await job.claim(ticket)
                if claim.payload is None:
                    job.release(ticket)
                    missing.append(item)
            phase = VendorPhase(provider, Notes(job), brake, clock, poll_interval, rounds)
            answers = await phase.run(missing) if missing else {}
    finally:
        brakes.remove(brake)
        await job.close()
    await brake.obey()
    if brake.pulled:
        raise phase.stopped()
    return answers
