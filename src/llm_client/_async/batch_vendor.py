"""The vendors' Batch APIs: half the price of live calls, and answers within 24 hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeAlias
from uuid import uuid4

from .._core.exceptions import APIError
from .._core.log import logger
from .._core.results import CompletionResult, EmbeddingResult
from .._core.vendor_batch import (
    BatchEmbedding,
    BatchHandle,
    BatchRequest,
    BatchStatus,
    Intent,
    Outcome,
    as_batch_request,
    check_key,
    check_requests,
    unanswered,
)
from .._core.vendor_batch_answers import to_be_repeated
from .._core.vendor_batch_packing import Pack, Packer, Question
from .._seam import _async as seam
from .batch_vendor_desk import Desk
from .batch_vendor_waiting import pause_every, wait_for

_log = logger("batch")
_Result: TypeAlias = "CompletionResult | EmbeddingResult"
_Handles: TypeAlias = "list[BatchHandle]"
_Statuses: TypeAlias = "list[BatchStatus]"
_Results: TypeAlias = "list[CompletionResult | EmbeddingResult]"

_PAGE = 100


class Asker(Protocol):
    """What a batch needs of its provider."""

    def batch_question(self, asked: BatchRequest | BatchEmbedding | None, kind: str) -> Question:
        """A request as it goes into a batch."""
        ...

    async def batch_stored(self, asked: BatchRequest | BatchEmbedding) -> CompletionResult | None:
        """The answer in the provider's cache, where the request asks for it."""
        ...

    async def batch_keep(self, asked: BatchRequest | BatchEmbedding, result: Any) -> None:
        """Store an answer in the provider's cache, where the request asks for it."""
        ...


class VendorBatch:
    """A provider's way to its vendor's Batch API: `provider.batch`.

    Requests go out with the arguments of `complete()` and `embed()`, and come back as the results that those return, at
    the vendor's batch prices. More requests than a batch takes become several batches.

    Args:
        desk: The vendor's API.
        asker: The provider, which makes requests of arguments and has a cache.
        vendor: "openai" or "anthropic".
        model: The provider's model.
        base_url: The server, without secrets.
        embeddings: Whether the model makes embeddings.
    """

    def __init__(
        self,
        desk: Desk,
        asker: Asker,
        *,
        vendor: str,
        model: str,
        base_url: str,
        embeddings: bool,
    ) -> None:
        self._desk = desk
        self._asker = asker
        self._vendor = vendor
        self._model = model
        self._base_url = base_url
        self._embeddings = embeddings

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
            TypeError: An argument has the wrong type.
            ValueError: There are no requests, one is out of range or beyond the limits, or a custom_id comes twice.
        """
        check_requests(requests)
        look_first = key is not None and self._desk.keeps_names
        name = f"b{uuid4().hex[:16]}" if key is None else check_key(key)
        handles: _Handles = []
        packer = Packer(name, self._desk.codec)
        try:
            for number, request in enumerate(requests, 1):
                await pause_every(number)
                asked = as_batch_request(request, embeddings=self._embeddings)
                full = packer.add(asked.custom_id, self.question(asked))
                if full is not None:
                    await self._hand_over(full, name, look_first, handles, on_handle)
            rest = packer.rest()
            if rest is not None:
                await self._hand_over(rest, name, look_first, handles, on_handle)
        except APIError as error:
            if handles:
                made = ", ".join(handle.id for handle in handles)
                raise type(error)(
                    f"{error.message}. These batches were made before and go on: {made}", status=error.status
                ) from error
            raise
        if not handles:
            raise ValueError("there are no requests to submit")
        return handles

    async def _hand_over(
        self,
        pack: Pack,
        key: str,
        look_first: bool,
        handles: _Handles,
        on_handle: Callable[[BatchHandle], Any] | None,
    ) -> None:
        handle = await self.send(pack, await self.intend(pack, key), {each.id for each in handles}, look_first)
        handles.append(handle)
        if on_handle is not None:
            await seam.resolve(on_handle(handle), "on_handle")

    async def intend(self, pack: Pack, key: str) -> Intent:
        """What to write down before `send`, so that a later process finds the batch. For this library's own use."""
        return await self._desk.intend(pack, key)

    async def send(self, pack: Pack, intent: Intent, known: set[str], look_first: bool) -> BatchHandle:
        """Make the batch of a pack, or find the one that was made. For this library's own use.

        Args:
            pack: The requests.
            intent: What `intend` gave, now or in an earlier process.
            known: Ids of batches that it cannot be.
            look_first: Whether it may have been made before. Vendors that keep no names find it only by an intent of
                the earlier process.
        """
        status = await self._desk.find(intent, known) if look_first else None
        if status is None:
            status = await self._desk.create(pack, intent, known)
        _log.info("batch %s: %d request(s)", status.id, len(pack.lines))
        return self.handle(status.id, intent.key, tuple(pack.custom_ids), pack.kind)

    async def find(self, intent: Intent, known: set[str]) -> str | None:
        """The id of the batch that an earlier process's intent led to. For this library's own use."""
        status = await self._desk.find(intent, known)
        return None if status is None else status.id

    def handle(
        self, name: str, key: str, custom_ids: tuple[str, ...], kind: Literal["completion", "embedding"]
    ) -> BatchHandle:
        """The handle of one of this provider's batches. For this library's own use."""
        return BatchHandle(self._vendor, name, key, custom_ids, self._model, kind, self._base_url)

    @property
    def available(self) -> bool:
        """Whether this provider can reach the vendor's Batch API: not where it was made with `client=`."""
        return self._desk.available

    def question(self, request: BatchRequest | BatchEmbedding | None, kind: str = "completion") -> Question:
        """A request as it goes out. For this library's own use.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, or has no meaning in a batch.
        """
        return self._asker.batch_question(request, kind)

    def packer(self, key: str) -> Packer:
        """Puts requests into batches. For this library's own use."""
        return Packer(key, self._desk.codec)

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

    async def outcomes(self, handle: BatchHandle) -> Sequence[Outcome]:
        """What became of each request of a batch, in order. For this library's own use.

        Raises:
            APIError: The vendor no longer has the results, or could not be asked.
            ValueError: The batch has not ended.
        """
        status = await self.status(handle)
        if not status.done:
            raise ValueError(f"batch {handle.id} has not ended ({status.vendor_state}): wait() for it first")
        found = await self._desk.results(status)
        return [
            found.get(custom_id) or unanswered(status, handle.custom_ids, position)
            for position, custom_id in enumerate(handle.custom_ids)
        ]

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
            key: As in `submit()`; the further ones get names made of it.
            on_handle: As in `submit()`.

        Returns:
            One result for each request, in the order of the requests.

        Raises:
            APIError: The vendor refused a submission, or could not be asked.
            TypeError: An argument has the wrong type.
            ValueError: As in `submit()`, or rounds is below 1.
        """
        check_requests(requests)
        if rounds < 1:
            raise ValueError(f"rounds counts all submissions and is at least 1, got {rounds!r}")
        asked = [as_batch_request(each, embeddings=self._embeddings) for each in requests]
        results: dict[int, _Result] = {}
        left: list[int] = []
        for position, request in enumerate(asked):
            stored = await self._asker.batch_stored(request)
            if stored is None:
                left.append(position)
            else:
                results[position] = stored
        for number in range(rounds):
            if not left:
                break
            chosen = [asked[position] for position in left]
            name = f"{key}-r{number}" if key is not None and number else key
            handles = await self.submit(chosen, key=name, on_handle=on_handle)
            await self.wait(handles, poll_interval=poll_interval)
            for position, result in zip(left, await self.collect(handles, chosen), strict=True):
                results[position] = result
                await self._asker.batch_keep(asked[position], result)
            left = [position for position in left if to_be_repeated(results[position])]
        return [results[position] for position in range(len(asked))]

    def _id_of(self, handle: BatchHandle | str) -> str:
        if isinstance(handle, str):
            return handle
        if handle.vendor != self._vendor or handle.base_url != self._base_url:
            raise ValueError(
                f"batch {handle.id} is {handle.vendor}'s at {handle.base_url or 'an unknown address'}; "
                f"this provider speaks to {self._vendor} at {self._base_url}"
            )
        return handle.id
