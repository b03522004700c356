"""Many requests at once, each answered once, whatever happens."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from .._core.batch_codec import Codec
from .._core.batch_elsewhere import Elsewhere
from .._core.batch_errors import CheckpointError, raise_reason
from .._core.batch_identity import Identities
from .._core.batch_options import SYNC_SECONDS, check_checkpoint, length_of, retry_policy, returned_type, sync_seconds
from .._core.batch_outcome import are_too_many, check_max_failures
from .._core.batch_sql import is_address
from .._core.batch_summary import BatchSummary, Tally
from .._core.limit_checks import check_rate
from .._core.log import logger
from .._core.options import check_count
from .._core.retry import RetryPolicy
from .._seam import _async as seam
from .._seam._brake import check_items, check_processor
from .._seam.progress import Progress
from .batch_file import FailuresOnly, FileJob
from .batch_job import Job, NoJob
from .batch_postgres import LEASE_SECONDS, PostgresJobs
from .batch_requests import RequestBatches
from .batch_run import Entry, Run, entries_of

_log = logger("batch")


class BatchManager(RequestBatches):
    """Calls a processor with every item of an input, several at a time, and keeps the answers in a checkpoint.

    A run that ends early, or is killed, is gone on with by starting it again with the same checkpoint: items whose
    answers are in the file are not asked again, all others are. An item is known by its content, so that the input may
    be reordered, shortened or extended between two runs; what was edited is asked anew. One checkpoint belongs to one
    job: with another processor, take another file.

        manager = BatchManager(max_workers=10, checkpoint_file="answers.jsonl")
        results = await manager.process_batch(requests, processor, desc="Asking")

    An item fails when the processor raises, or returns a result whose `ok` is False. Of dicts only those fail that are
    whole results of version 1, with "params", "output", "usage", "identifier", "status" and "error", and whose status
    is not one of 200 to 299, or whose error says something other than "OK" or that the model refused; all other dicts
    are answers. Failures are listed in `failures.jsonl` beside the checkpoint, and asked again by the next run.

    Where an answer cannot be recorded, as on a full disk, it is listed there, too, if this can be written; whoever
    reads `process_stream` is given it; and the batch ends with the error when those in flight have ended.

    The first Ctrl-C stops the taking of items; those in flight end and are recorded. The second one leaves at once.

    Args:
        max_workers: How many items are worked on at the same time.
        checkpoint_file: Where answers are kept: JSON lines, only ever appended to. None keeps nothing.
        failures_file: Where failures are listed; unless given, `failures.jsonl` in the checkpoint's folder. Failures of
            this checkpoint's earlier runs are taken out when a run begins; of a job in PostgreSQL they stay, because
            they may be another process's. Headers and keys in items are hidden.
        retry: How often an item is tried within a run: a RetryPolicy, or the number of tries in all; unless given,
            once. The providers' own retries come on top.
        max_failures: Stop when more items fail: a count, or a share such as 0.05; None goes on.
        result_type: The pydantic models, dataclasses, enums or named tuples that results hold, as a class or an
            annotation such as `list[Person]`; a stored result is only ever read into these and into the library's own
            types. Unless given, the processor's return annotation.
        serialize: Makes JSON of a result, for types that cannot be stored otherwise.
        deserialize: Makes the result of that JSON.
        key: What an item is known by, for items that are not JSON, messages, dataclasses or pydantic models.
        fsync: When to wait for the disk, so that a power cut loses nothing: seconds, "always" (after every answer) or
            "never". A killed process loses nothing in any case.
        executor: A `concurrent.futures.Executor`, such as a Dask cluster's, that calls the processor, a plain function,
            somewhere else. The checkpoint is written here.
        progress: Show a progress bar (tqdm): True, False, or None for in terminals and notebooks only.
        checkpoint: The same as `checkpoint_file`, or the address of a PostgreSQL database, `postgresql://...`: any
            number of processes, on any number of machines, that are started with the same items and processor then
            share the work, and each of them returns all results.
        job: The name of the job in PostgreSQL.
        lease_seconds: There: how long an item stays taken by a process that was killed.

    Raises:
        ValueError: A number is out of range, only one of serialize and deserialize was given, or checkpoint is the
            address of something else than PostgreSQL.
        TypeError: An argument has the wrong type.
    """

    def __init__(
        self,
        max_workers: int = 10,
        checkpoint_file: str | os.PathLike[str] | None = None,
        *,
        failures_file: str | os.PathLike[str] | None = None,
        retry: RetryPolicy | int | None = None,
        max_failures: int | float | None = None,
        result_type: Any = None,
        serialize: Callable[[Any], Any] | None = None,
        deserialize: Callable[[Any], Any] | None = None,
        key: Callable[[Any], Any] | None = None,
        fsync: str | float | None = SYNC_SECONDS,
        executor: Executor | None = None,
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        job: str = "default",
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        check_count("max_workers", max_workers)
        check_max_failures(max_failures)
        self._max_workers = max_workers
        if checkpoint is not None and checkpoint_file is not None:
            raise ValueError("checkpoint and checkpoint_file are two names of one thing: give one of them")
        self._checkpoint = checkpoint if checkpoint_file is None else checkpoint_file
        check_checkpoint(self._checkpoint)
        check_rate("lease_seconds", lease_seconds)
        self._postgres: PostgresJobs | None = None
        if isinstance(self._checkpoint, str) and is_address(self._checkpoint):
            self._postgres = PostgresJobs(self._checkpoint, job, failures_file, lease_seconds)
        self._failures = failures_file
        self._policy = retry_policy(retry)
        self._max_failures = max_failures
        self._codec = Codec(() if result_type is None else (result_type,), serialize, deserialize)
        self._asks_processor = result_type is None
        self._key = key
        self._sync_every = sync_seconds(fsync)
        self._executor = executor
        self._progress = progress
        self._brakes: list[seam.Brake] = []
        self._tally = Tally()
        self._started = seam.now()
        self._seconds: float | None = 0.0

    @property
    def summary(self) -> BatchSummary:
        """What the run that began last has done so far."""
        seconds = seam.now() - self._started if self._seconds is None else self._seconds
        return self._tally.summary(seconds)

    def stop(self) -> None:
        """Take no further items; what is in flight ends and is recorded. The run then raises BatchStoppedError.

        From any thread; does not wait.
        """
        for brake in list(self._brakes):
            brake.pull()

    async def process_batch(
        self, items: seam.Items[Any], processor: Callable[[Any], Any], desc: str | None = None
    ) -> list[Any]:
        """Work on all items.

        A run that ends early raises, and its results are to be had from the checkpoint only: where there is none, read
        `process_stream`.

        Args:
            items: A list, or any other iterable that ends.
            processor: Called with one item; returns its result.
            desc: What stands before the progress bar.

        Returns:
            The results in the order of the items. In the place of one whose processor raised stands a BatchFailure,
            with `ok`, `error` and `exception`.

        Raises:
            CheckpointError: The checkpoint is none, is in use, or cannot be written.
            TooManyFailuresError: More items failed than `max_failures` allows.
            UnstorableResultError: A result is of a type that cannot be stored.
            BatchStoppedError: `stop()` was called.
            TypeError: Items or processor are of the wrong kind, or belong to the other face.
        """
        results: list[Any] = []
        async with seam.closing(self.process_stream(items, processor, desc)) as ended:
            async for index, result in ended:
                if index >= len(results):
                    results.extend([None] * (index + 1 - len(results)))
                results[index] = result
        return results

    def process_stream(
        self, items: seam.Items[Any], processor: Callable[[Any], Any], desc: str | None = None
    ) -> AsyncIterator[tuple[int, Any]]:
        """Work on all items, and yield each `(index, result)` as it ends.

        No more items are taken than the workers need, and none while nobody asks for results: the input may be endless
        or larger than memory. Where there is a checkpoint, some 15 bytes are kept of each different item, and some 20
        of each answer that the file held at the start; with PostgreSQL also a few dozen items for each worker that
        other processes work on, which are asked for again before more are taken. Without a checkpoint nothing is kept.
        An answer is recorded when it comes, not when it is read. Leaving the stream cancels what is in flight: at
        once where the stream is closed, else when it is collected.

        Args:
            items: Any iterable.
            processor: Called with one item; returns its result.
            desc: What stands before the progress bar.

        Raises:
            BaseException: As `process_batch` does.
        """
        check_items(items)
        check_processor(processor, self._executor)
        return self._stream(items, processor, desc)

    async def _stream(
        self,
        items: seam.Items[Any],
        processor: Callable[[Any], Any],
        desc: str | None,
        key: Callable[[Any], Any] | None = None,
    ) -> AsyncIterator[tuple[int, Any]]:
        brake, tally, total = seam.Brake(), Tally(), length_of(items)
        self._tally, self._started, self._seconds = tally, seam.now(), None
        started = self._started
        if self._asks_processor:
            self._codec.learn(returned_type(processor))
        job = self._job()
        progress = Progress(desc, total, self._progress)
        self._brakes.append(brake)
        fatal: Exception | None = None
        too_many, reason = False, ""
        elsewhere: Elsewhere[Entry] = Elsewhere(self._max_workers)
        entries: Any = items
        make: Any = self._tickets(job, key or self._key)
        try:
            unknown = self._codec.unknown(await job.open())
            if unknown:
                raise CheckpointError(
                    f"the checkpoint holds results of types that were not given: {', '.join(unknown)}. Pass "
                    "BatchManager(result_type=...), the class or classes, or annotate what the processor returns. "
                    "Nothing was asked."
                )
            run = Run(job, processor, self._codec, self._policy, brake, self._executor)
            with brake:
                async with seam.beating(job.heartbeat, job.beat_seconds):
                    while True:
                        source = brake.source(entries, make, partial(self._again, elsewhere))
                        pool = seam.pool(source, run.work, self._max_workers)
                        async with seam.closing(source), seam.closing(pool) as ended:
                            try:
                                async for entry, outcome in ended:
                                    if isinstance(outcome, Exception):
                                        fatal = fatal or outcome
                                        brake.pull()
                                        continue
                                    if outcome is None:
                                        due = seam.now() + job.poll_seconds
                                        elsewhere.add(entry._replace(due=due), due)
                                        continue
                                    if outcome.fatal is not None:
                                        fatal = fatal or outcome.fatal
                                        brake.pull()
                                    tally.count(
                                        outcome.result,
                                        failed=outcome.failed,
                                        stored=outcome.stored,
                                        attempts=outcome.attempts,
                                    )
                                    reason = outcome.reason or reason
                                    progress.update(outcome.failed)
                                    if are_too_many(self._max_failures, tally.failed, tally.ended, total):
                                        too_many = True
                                        brake.pull()
                                    yield entry.ticket.index, outcome.result
                            except BaseException:
                                brake.leave()
                                raise
                        if not elsewhere or brake.pulled:
                            break
                        entries, make = elsewhere.all(), _as_it_is
            await job.finish()
        finally:
            seconds = seam.now() - started
            if self._tally is tally:
                self._seconds = seconds
            self._brakes.remove(brake)
            progress.close()
            await job.close()
        summary = tally.summary(seconds)
        if summary.failed:
            _log.warning("a batch has ended with failures: %s", summary)
        if fatal is None and brake.error is None:
            await brake.obey()
        if brake.pulled:
            whole = brake.exhausted and not elsewhere
            raise_reason(fatal or brake.error, too_many=too_many, whole=whole, summary=summary, last=reason)

    def _job(self) -> Job:
        if self._postgres is not None:
            return self._postgres.begin()
        if self._checkpoint is not None:
            return FileJob(self._checkpoint, self._failures, self._sync_every)
        return NoJob() if self._failures is None else FailuresOnly(self._failures)

    def _tickets(self, job: Job, key: Callable[[Any], Any] | None) -> Callable[[Any], Entry]:
        return entries_of(Identities(key) if job.uses_keys else None)

    def _again(self, elsewhere: Elsewhere[Entry]) -> Entry | None:
        return elsewhere.next(seam.now()) if elsewhere else None


def _as_it_is(entry: Entry) -> Entry:
    return entry


RequestManager = BatchManager
