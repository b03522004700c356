"""The vendors' Batch APIs: half the price of live calls, and answers within 24 hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from .._core.results import CompletionResult, EmbeddingResult
from .._core.vendor_batch import (
    BatchHandle,
    BatchStatus,
    as_batch_request,
    check_callback,
    check_key,
    check_poll_interval,
    check_requests,
    check_rounds,
    round_key,
)
from .._core.vendor_batch_answers import to_be_repeated
from .._core.vendor_batch_packing import Pack, Packer, Question
from .._seam import _async as seam
from .batch_vendor_steps import BatchSteps, naming
from .batch_vendor_waiting import pause_every, wait_for

_Result: TypeAlias = "CompletionResult | EmbeddingResult"
_Handles: TypeAlias = "list[BatchHandle]"
_Statuses: TypeAlias = "list[BatchStatus]"
_Results: TypeAlias = "list[CompletionResult | EmbeddingResult]"

_PAGE = 100


class VendorBatch(BatchSteps):
    """A provider's way to its vendor's Batch API: `provider.batch`.

    Requests go out with the arguments of `complete()` and `embed()`, and come back as the results that those return, at
    the vendor's batch prices. More requests than a batch takes become several batches. Made by the provider.
    """

    async def submit(
        self,
        requests: Iterable[Any],
        *,
        key: str | None = None,
        on_handle: Callable[[BatchHandle], Any] | None = None,
    ) -> _Handles:
        """Hand requests to the vendor.

        A batch is made once, also where the answer on its making is lost.

        Args:
            requests: BatchRequest and BatchEmbedding objects, or texts or lists of messages. An iterable is taken one
                by one; no more than one batch is held.
            key: A name for the submission: 1 to 48 letters, digits, hyphens and underscores. On OpenAI, submitting the
                same requests again under the same name finds the batches that are there instead of paying twice.
            on_handle: Called with each handle as soon as its batch is made, to save it; plain, or of this face's
                colour.

        Returns:
            A handle for each batch, in the order of the requests; `to_dict()` is a form to save.

        Raises:
            APIError: The vendor refused a batch. The message names the batches made before it.
            BatchError: Something else went wrong after batches were made, such as `on_handle`; `__cause__` says what,
                and `handles` are the batches.
            TypeError: An argument has the wrong type.
            ValueError: There are no requests, one is out of range or beyond the limits, or a custom_id comes twice. In
                a list this is found before the first batch is made.
        """
        check_requests(requests)
        check_callback("on_handle", on_handle)
        handles: _Handles = []
        with naming(handles):
            await self._submit(requests, key, on_handle, handles)
        return handles

    async def _submit(
        self,
        requests: Iterable[Any],
        key: str | None,
        on_handle: Callable[[BatchHandle], Any] | None,
        handles: _Handles,
    ) -> None:
        look_first = key is not None and self._desk.keeps_names
        name = f"b{uuid4().hex[:16]}" if key is None else check_key(key)
        known = {each.id for each in handles}
        packer, first = Packer(name, self._desk.codec), True
        for number, request in enumerate(requests, 1):
            await pause_every(number)
            asked = as_batch_request(request, embeddings=self._embeddings)
            full = packer.add(asked.custom_id, self.question(asked))
            if full is None:
                continue
            if first and isinstance(requests, Sequence):
                # There is more than one batch: what is wrong with a later one shall not cost the first.
                further = (as_batch_request(each, embeddings=self._embeddings) for each in requests[number:])
                await self.look_ahead(packer, further)
            first = False
            await self._hand_over(full, name, look_first, known, handles, on_handle)
        rest = packer.rest()
        if rest is None:
            raise ValueError("there are no requests to submit")
        await self._hand_over(rest, name, look_first, known, handles, on_handle)

    async def _hand_over(
        self,
        pack: Pack,
        key: str,
        look_first: bool,
        known: set[str],
        handles: _Handles,
        on_handle: Callable[[BatchHandle], Any] | None,
    ) -> None:
        handle = await self.send(pack, await self.intend(pack, key), known, look_first)
        known.add(handle.id)
        handles.append(handle)
        if on_handle is not None:
            await seam.resolve(on_handle(handle), "on_handle")

    async def status(self, handle: BatchHandle | str) -> BatchStatus:
        """How far a batch is.

        Args:
            handle: What `submit()` gave, or the vendor's id.

        Raises:
            APIError: The vendor does not know it, or could not be asked.
        """
        return await self._desk.status(self._id_of(handle))

    async def cancel(self, handle: BatchHandle | str) -> BatchStatus:
        """Ask the vendor to stop a batch; what it has answered until then is paid for, and can be collected.

        Args:
            handle: What `submit()` gave, or the vendor's id.

        Raises:
            APIError: The vendor does not know it, it has ended, or the vendor could not be asked.
        """
        return await self._desk.cancel(self._id_of(handle))

    async def wait(
        self,
        handles: BatchHandle | Sequence[BatchHandle],
        *,
        poll_interval: float | None = None,
        on_status: Callable[[BatchStatus], Any] | None = None,
        until: float | None = None,
    ) -> _Statuses:
        """Wait until batches have ended.

        Args:
            handles: What `submit()` gave.
            poll_interval: Seconds between two looks. Unless given: 5, growing to 60.
            on_status: Called with every status that is not the end; plain, or of this face's colour.
            until: When to stop waiting, on the clock of `time.time()`; the statuses then are as they were last seen.

        Returns:
            The statuses in the order of the handles.

        Raises:
            APIError: The vendor refuses to say, or could not be asked for an hour.
            ValueError: poll_interval is not above 0.
        """
        asked = [handles] if isinstance(handles, BatchHandle) else list(handles)
        return await wait_for(self.status, asked, poll_interval, on_status, until)

    async def collect(
        self, handles: BatchHandle | Sequence[BatchHandle], requests: Iterable[Any] | None = None
    ) -> _Results:
        """The results of batches that have ended, whichever process submitted them.

        Args:
            handles: What `submit()` gave, or `BatchHandle.from_dict()` of what was saved.
            requests: The requests as they were submitted, for answers in a wanted form (`result.parsed`).

        Returns:
            One result for each request, in the order of the requests. What expired, was canceled or is missing is a
            result with `ok` False and error_code "expired", "canceled" or "missing".

        Raises:
            APIError: The vendor no longer has the results, or could not be asked.
            ValueError: A batch has not ended, is another provider's, or the requests are not as many as were submitted.
        """
        asked = [handles] if isinstance(handles, BatchHandle) else list(handles)
        readers = await self._readers(asked, requests)
        results: _Results = []
        for handle in asked:
            for outcome in await self.outcomes(handle):
                results.append(readers[len(results)].read(outcome))
                await pause_every(len(results))
        return results

    async def _readers(self, handles: _Handles, requests: Iterable[Any] | None) -> Sequence[Question]:
        total = sum(len(handle.custom_ids) for handle in handles)
        if requests is None:
            found: list[Question] = []
            for handle in handles:
                found += [self.question(None, handle.kind)] * len(handle.custom_ids)
            return found
        questions = []
        for number, each in enumerate(requests, 1):
            await pause_every(number)
            questions.append(self.question(as_batch_request(each, embeddings=self._embeddings)))
        if len(questions) != total:
            raise ValueError(f"the handles stand for {total} requests, and {len(questions)} were passed")
        return questions

    async def list(self, limit: int = 20) -> _Statuses:
        """The newest batches of the account, newest first.

        Args:
            limit: How many at most.

        Raises:
            APIError: The vendor could not be asked.
        """
        found: _Statuses = []
        after = None
        while len(found) < limit:
            page, after = await self._desk.page(after, min(limit - len(found), _PAGE))
            found += page
            if after is None:
                break
        return found[:limit]

    async def run(
        self,
        requests: Iterable[Any],
        *,
        poll_interval: float | None = None,
        rounds: int = 3,
        key: str | None = None,
        on_handle: Callable[[BatchHandle], Any] | None = None,
    ) -> _Results:
        """Submit, wait and collect; what expired, is missing or failed on the vendor's side is submitted again.

        Args:
            requests: As in `submit()`.
            poll_interval: As in `wait()`.
            rounds: Submissions in all, the first one included.
            key: As in `submit()`; the further ones get names made of it. A run that was cut off is gone on with by the
                same run under the same key, also where some of its answers are in the cache by now.
            on_handle: As in `submit()`.

        Returns:
            One result for each request, in the order of the requests.

        Raises:
            APIError: The vendor refused a submission, or could not be asked. The message names the batches.
            BatchError: As in `submit()`.
            TypeError: An argument has the wrong type.
            ValueError: As in `submit()`, or another argument is out of range.
        """
        check_requests(requests)
        check_rounds(rounds)
        check_poll_interval(poll_interval)
        check_callback("on_handle", on_handle)
        if key is not None:
            check_key(key)
        asked = [as_batch_request(each, embeddings=self._embeddings) for each in requests]
        results: dict[int, _Result] = {}
        for position, request in enumerate(asked):
            stored = await self._asker.batch_stored(request)
            if stored is not None:
                results[position] = stored
        if key is not None and 0 < len(results) < len(asked):
            for position in await self.submitted(key, asked, results):
                del results[position]
        left = [position for position in range(len(asked)) if position not in results]
        made: _Handles = []
        with naming(made):
            for number in range(rounds):
                if not left:
                    break
                chosen = [asked[position] for position in left]
                before = len(made)
                await self._submit(chosen, None if key is None else round_key(key, number), on_handle, made)
                handles = made[before:]
                await self.wait(handles, poll_interval=poll_interval)
                for position, result in zip(left, await self.collect(handles, chosen), strict=True):
                    results[position] = result
                    await self._asker.batch_keep(asked[position], result)
                left = [position for position in left if to_be_repeated(results[position])]
        return [results[position] for position in range(len(asked))]
