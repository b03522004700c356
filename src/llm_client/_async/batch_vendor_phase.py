"""What a batch does at the vendor's: makes batches, notes them down, waits, and brings the answers back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from .._core import jsons
from .._core.batch_errors import BatchStoppedError
from .._core.batch_job import Ticket
from .._core.batch_requests import Asked, Clock, LoggedBatch, logged_batches, unanswered_request
from .._core.exceptions import APIError, NotFoundError
from .._core.log import logger
from .._core.vendor_batch import CANCELED, BatchHandle, Intent
from .._core.vendor_batch_answers import to_be_repeated
from .._core.vendor_batch_packing import Pack
from .._seam import _async as seam
from .batch_job import Job
from .batch_vendor import VendorBatch
from .batch_vendor_waiting import pause_every, wait_for

_log = logger("batch")
_NOTE = "vendor.{}"
_FIRST_PAUSE = 1.0


class Notes:
    """What a checkpoint tells of batches, as answers to items that nobody asks for.

    Args:
        job: Keeps them, where it keeps anything.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._count = 0

    @property
    def kept(self) -> bool:
        """Whether a later process can read them."""
        return self._job.uses_keys

    async def read(self) -> list[LoggedBatch]:
        """The batches that earlier runs made, or were about to make."""
        entries: list[Any] = []
        while self._job.uses_keys:
            ticket = Ticket(-1, _NOTE.format(self._count))
            claim = await self._job.claim(ticket)
            if claim.payload is None:
                self._job.release(ticket)
                break
            entries.append(jsons.loads(claim.payload).get("result"))
            self._count += 1
        return logged_batches(entries)

    async def add(self, entry: dict[str, Any]) -> None:
        """Write something down.

        Raises:
            CheckpointError: It could not be written.
        """
        if self._job.uses_keys:
            await self._job.record(Ticket(-1, _NOTE.format(self._count)), jsons.dumps({"result": entry}))
            self._count += 1


@dataclass(slots=True)
class _Sent:
    handle: BatchHandle
    items: list[Asked | None]
    done: bool = False
    given_up: bool = False


class VendorPhase:
    """Takes requests to the vendor and brings the answers back; what is noted down lets a later process go on.

    Args:
        provider: A provider with a Batch API.
        notes: Where batches are noted down before and after they are made.
        brake: Once it is pulled, no batch is made, and nobody waits.
        clock: What the deadline allows.
        poll_interval: Seconds between two looks at the batches, None for the usual.
        rounds: Submissions in all, the first one included.
    """

    def __init__(
        self, provider: Any, notes: Notes, brake: seam.Brake, clock: Clock, poll_interval: float | None, rounds: int
    ) -> None:
        self._provider = provider
        self._batch: VendorBatch = provider.batch
        self._notes = notes
        self._brake = brake
        self._clock = clock
        self._poll = poll_interval
        self._rounds = rounds
        self._known: set[str] = set()
        self._sent: list[_Sent] = []

    def stopped(self) -> BatchStoppedError:
        """What to raise where somebody asked to stop: says what becomes of the batches."""
        open_ones = [each.handle for each in self._sent if not each.done]
        words = f"the batch was stopped; {len(open_ones)} batch(es) go on at the vendor"
        if self._notes.kept:
            return BatchStoppedError(f"{words}, and the next run with this checkpoint collects them", handles=open_ones)
        handles = [each.handle for each in self._sent]
        names = ", ".join(handle.id for handle in handles) or "none"
        return BatchStoppedError(
            f"{words}. There is no checkpoint that remembers what was submitted: {names}. The error's handles can be "
            "passed to provider.batch.wait() and collect()",
            handles=handles,
        )

    async def run(self, asked: Sequence[Asked]) -> dict[int, Any]:
        """The answers by the requests' positions; what has none is to be asked live.

        Raises:
            APIError: The vendor refused a submission, or could not be asked.
            CheckpointError: A batch could not be noted down.
        """
        answers: dict[int, Any] = {}
        for item in asked:
            stored = await self._provider.batch_stored(item.request)
            if stored is not None:
                answers[item.index] = stored
        left = [item for item in asked if item.index not in answers]
        earlier = await self._resume(left)
        found = await self._gather(earlier)
        # Failures of an earlier run are asked again.
        answers.update((index, result) for index, result in found.items() if result.ok)
        left = [item for item in left if item.index not in answers]
        for _ in range(self._rounds):
            under_way = self._under_way()
            left = [item for item in left if item.index not in under_way]
            if not left or self._brake.pulled or not self._clock.may_submit(time.time()):
                break
            found = await self._gather(await self._submit(left))
            answers.update(found)
            left = [item for item in left if item.index not in found or to_be_repeated(found[item.index])]
        return self._finish(asked, answers)

    def _under_way(self) -> dict[int, str]:
        """The batches that the vendor still works on, by the requests' positions."""
        return {
            item.index: sent.handle.id
            for sent in self._sent
            if not sent.done
            for item in sent.items
            if item is not None
        }

    def _finish(self, asked: Sequence[Asked], answers: dict[int, Any]) -> dict[int, Any]:
        under_way = self._under_way()
        for item in asked:
            known = answers.get(item.index)
            if self._clock.via == "vendor":
                if known is None:
                    answers[item.index] = unanswered_request(
                        item.request,
                        self._provider.model,
                        under_way=under_way.get(item.index),
                        over=self._clock.is_over(time.time()),
                        kept=self._notes.kept,
                    )
            elif known is not None and self._clock.deadline is not None and to_be_repeated(known):
                del answers[item.index]
        return answers

    async def _resume(self, left: Sequence[Asked]) -> list[_Sent]:
        wanted = {item.key: item for item in left}
        found = []
        for noted in await self._notes.read():
            items = [wanted.get(key) for key in noted.keys]
            name = noted.id
            if name is None and any(items):
                intent = Intent.from_dict(noted.intent)
                name = await self._batch.find(intent, self._known)
                if name is not None:
                    await self._notes.add({"id": name, "key": intent.key, "part": intent.part})
            if name is None:
                continue
            self._known.add(name)
            if any(items):
                handle = self._batch.handle(name, noted.intent["key"], noted.custom_ids, noted.kind)
                found.append(_Sent(handle, items))
        if found:
            _log.info("%d batch(es) of earlier runs are collected first", len(found))
        return found

    async def _submit(self, items: Sequence[Asked]) -> list[_Sent]:
        key = f"b{uuid4().hex[:16]}"
        first = True
        packer = self._batch.packer(key)
        sent: list[_Sent] = []
        packed: list[Asked] = []
        for number, item in enumerate(items, 1):
            await pause_every(number)
            full = packer.add(item.request.custom_id, self._batch.question(item.request))
            if full is not None:
                if first:
                    await self._batch.look_ahead(packer, (each.request for each in items[number:]))
                first = False
                sent.append(await self._send(full, key, packed))
                packed = []
                if self._brake.pulled:
                    return sent
            packed.append(item)
        rest = packer.rest()
        if rest is not None:
            sent.append(await self._send(rest, key, packed))
        return sent

    async def _send(self, pack: Pack, key: str, items: Sequence[Asked]) -> _Sent:
        intent = await self._batch.intend(pack, key)
        await self._notes.add(
            {
                "intent": intent.to_dict(),
                "keys": [item.key for item in items],
                "custom_ids": pack.custom_ids,
                "kind": pack.kind,
            }
        )
        handle = await self._batch.send(pack, intent, self._known, False)
        self._known.add(handle.id)
        await self._notes.add({"id": handle.id, "key": intent.key, "part": intent.part})
        return _Sent(handle, list(items))

    async def _gather(self, sent: Sequence[_Sent]) -> dict[int, Any]:
        """Wait for batches, and read what they brought."""
        self._sent += sent
        await self._wait(sent, self._clock.until)
        late = [each for each in sent if not each.done]
        if late and self._clock.via == "cheapest" and self._clock.is_over(time.time()) and not self._brake.pulled:
            # What the vendor has not answered by now goes live: nobody shall pay for it twice.
            for each in late:
                _log.warning("batch %s is canceled: its deadline is near, and what is left goes live", each.handle.id)
                await self._cancel(each)
            await self._wait(late, self._clock.deadline)
        answers: dict[int, Any] = {}
        for each in sent:
            if each.done:
                await self._read(each, answers)
        return answers

    async def _cancel(self, sent: _Sent) -> None:
        sent.given_up = True
        try:
            await self._batch.cancel(sent.handle)
        except APIError as error:
            # It may have ended this moment; the look that follows says what it did.
            _log.warning("batch %s could not be canceled: %s", sent.handle.id, error)

    async def _wait(self, sent: Sequence[_Sent], until: float | None) -> None:
        open_ones = [each for each in sent if not each.done]
        for each in open_ones:
            try:
                each.done = (await self._batch.status(each.handle)).done
            except NotFoundError:
                _log.warning("the vendor no longer knows batch %s: its requests are asked again", each.handle.id)
                each.items, each.done = [], True
        left = [each for each in open_ones if not each.done]
        if not left:
            return
        handles = [each.handle for each in left]
        await self._brake.sleep(min(self._poll or _FIRST_PAUSE, _FIRST_PAUSE))
        statuses = await wait_for(
            self._batch.status, handles, self._poll, None, until, self._brake.sleep, lambda: self._brake.pulled
        )
        for each, status in zip(left, statuses, strict=True):
            each.done = status.done

    async def _read(self, sent: _Sent, answers: dict[int, Any]) -> None:
        if not any(sent.items):
            return
        try:
            outcomes = await self._batch.outcomes(sent.handle)
        except NotFoundError:
            _log.warning("the vendor no longer has the results of batch %s: asked again", sent.handle.id)
            return
        for number, (item, outcome) in enumerate(zip(sent.items, outcomes, strict=True), 1):
            await pause_every(number)
            if item is None:
                continue
            known = answers.get(item.index)
            if known is None or not known.ok:
                result = self._batch.question(item.request).read(outcome)
                if sent.given_up and result.error_code == CANCELED:
                    continue  # as we wanted it: it goes live
                answers[item.index] = result
                await self._provider.batch_keep(item.request, result)
