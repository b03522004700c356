"""The steps from requests to a vendor's batches and back, one by one, so that each can be written down before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from .._core.batch_errors import BatchError
from .._core.exceptions import APIError
from .._core.log import logger
from .._core.results import CompletionResult
from .._core.vendor_batch import (
    BatchEmbedding,
    BatchHandle,
    BatchRequest,
    Intent,
    Outcome,
    unanswered,
)
from .._core.vendor_batch_packing import Pack, Packer, Question
from .batch_vendor_desk import Desk
from .batch_vendor_waiting import pause_every

_log = logger("batch")


@contextmanager
def naming(made: Sequence[BatchHandle]) -> Iterator[None]:
    """Name the batches that were made in whatever ends their submission: they go on, and have to be paid for.

    Args:
        made: Their handles; may grow meanwhile.
    """
    try:
        yield
    except Exception as error:
        if not made:
            raise
        words = f"These batches were made before and can be collected: {_names(made)}"
        if isinstance(error, APIError):
            raise type(error)(f"{error.message}. {words}", status=error.status) from error
        raise BatchError(f"{type(error).__name__}: {error}. {words}", handles=made) from error
    except BaseException:
        if made:
            _log.warning("the submission of batches was left; these were made and go on: %s", _names(made))
        raise


def _names(handles: Sequence[BatchHandle]) -> str:
    return ", ".join(handle.id for handle in handles)


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


class BatchSteps:
    """What `VendorBatch` and `process_requests` are made of. For this library's own use.

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

    async def look_ahead(self, packer: Packer, requests: Iterable[BatchRequest | BatchEmbedding]) -> None:
        """Find the mistakes in requests that are still to come, before a batch is made. For this library's own use.

        Args:
            packer: Holds the names of those before them.
            requests: The further ones.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, or a custom_id comes twice.
        """
        ahead = packer.ahead()
        for number, request in enumerate(requests, 1):
            await pause_every(number)
            ahead.add(request.custom_id, self.question(request))

    async def submitted(
        self, key: str, asked: Sequence[BatchRequest | BatchEmbedding], stored: Mapping[int, Any]
    ) -> set[int]:
        """Which requests with stored answers were submitted under a name by an earlier process, which stored them.

        They belong to the submission: without them it would be another one. For this library's own use.

        Args:
            key: The submission's name.
            asked: All requests.
            stored: The answers that are in the cache, by position.
        """
        lines = await self._desk.lines(key)
        found: set[int] = set()
        count = 0
        for position, request in enumerate(asked):
            await pause_every(position + 1)
            if count >= len(lines):
                break
            question = self.question(request)
            name = request.custom_id or f"{key}-{count}"
            if self._desk.codec.line(name, question.path, question.body) == lines[count]:
                count += 1
                if position in stored:
                    found.add(position)
        return found

    async def outcomes(self, handle: BatchHandle) -> Sequence[Outcome]:
        """What became of each request of a batch, in order. For this library's own use.

        Raises:
            APIError: The vendor no longer has the results, or could not be asked.
            ValueError: The batch has not ended.
        """
        status = await self._desk.status(self._id_of(handle))
        if not status.done:
            raise ValueError(f"batch {handle.id} has not ended ({status.vendor_state}): wait() for it first")
        found = await self._desk.results(status)
        return [
            found.get(custom_id) or unanswered(status, handle.custom_ids, position)
            for position, custom_id in enumerate(handle.custom_ids)
        ]

    def _id_of(self, handle: BatchHandle | str) -> str:
        if isinstance(handle, str):
            return handle
        if handle.vendor != self._vendor or handle.base_url != self._base_url:
            raise ValueError(
                f"batch {handle.id} is {handle.vendor}'s at {handle.base_url or 'an unknown address'}; "
                f"this provider speaks to {self._vendor} at {self._base_url}"
            )
        return handle.id
