"""What the vendors' Batch APIs are asked, one request at a time; how a batch is made once, whatever is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote
from uuid import uuid4

from .._core.exceptions import APIError
from .._core.log import logger
from .._core.results import Attempt
from .._core.retry import is_retryable
from .._core.vendor_batch import BatchStatus, Intent, Outcome
from .._core.vendor_batch_answers import read_results
from .._core.vendor_batch_packing import BatchCodec, Pack
from .._core.wire import batch_anthropic, batch_openai
from .._core.wire.batch_json import read_page, read_status
from .._seam import _async as seam
from .batch_vendor_line import Line
from .exchange import Answer

_log = logger("batch")
_NOT_SENT = ("connect", "tls", "proxy")


class Desk(Protocol):
    """A vendor's Batch API."""

    codec: BatchCodec
    keeps_names: bool
    """Whether a batch can be found by the submission's name alone."""
    available: bool
    """Whether the API can be reached at all."""

    async def intend(self, pack: Pack, key: str) -> Intent:
        """What is to be written down before the batch is made."""
        ...

    async def create(self, pack: Pack, intent: Intent, known: set[str]) -> BatchStatus:
        """Make a batch, exactly one, whatever becomes of the answers.

        Args:
            pack: Its requests.
            intent: What `intend` gave.
            known: Ids of batches that it cannot be.

        Raises:
            APIError: It was refused, or nobody knows whether it was made.
        """
        ...

    async def find(self, intent: Intent, known: set[str]) -> BatchStatus | None:
        """The batch that an intent led to, None where it led to none.

        Raises:
            APIError: The vendor could not be asked.
            ValueError: The name belongs to other requests, or several batches could be the one.
        """
        ...

    async def lines(self, key: str) -> list[bytes]:
        """The requests that were submitted under a name, as they stand in its batches; none where none are found."""
        ...

    async def status(self, name: str) -> BatchStatus:
        """How far a batch is."""
        ...

    async def cancel(self, name: str) -> BatchStatus:
        """Ask the vendor to stop a batch."""
        ...

    async def page(self, after: str | None, size: int) -> tuple[list[BatchStatus], str | None]:
        """Batches, newest first, and where the next page begins."""
        ...

    async def results(self, status: BatchStatus) -> dict[str, Outcome]:
        """What became of each request, by its name."""
        ...


class _VendorDesk:
    """What the two vendors' desks have in common."""

    _wire: Any
    _path: str
    _after: str
    keeps_names: bool

    def __init__(self, line: Line) -> None:
        self._line = line
        self.available = not line.by_client
        self.codec: BatchCodec = self._wire

    async def status(self, name: str) -> BatchStatus:
        """How far a batch is."""
        return self._status(await self._line.call("GET", self._place(name)))

    async def cancel(self, name: str) -> BatchStatus:
        """Ask the vendor to stop a batch."""
        return self._status(await self._line.call("POST", self._place(name, "/cancel"), b"{}"))

    async def page(self, after: str | None, size: int) -> tuple[list[BatchStatus], str | None]:
        """Batches, newest first, and where the next page begins."""
        place = "" if after is None else f"&{self._after}={quote(after, safe='')}"
        return await self._page(f"limit={size}{place}")

    async def _page(self, query: str) -> tuple[list[BatchStatus], str | None]:
        body = await self._line.call("GET", f"{self._path}?{query}")
        found = read_page(self._wire, body)
        if found is None:
            raise APIError("the server's answer is no list of batches", status=502)
        return found

    async def find(self, intent: Intent, known: set[str]) -> BatchStatus | None:
        """The batch that an intent led to; each vendor's own."""
        raise NotImplementedError

    async def _make(self, body: bytes, headers: Mapping[str, str], intent: Intent, known: set[str]) -> BatchStatus:
        """Send the request that makes a batch; where its answer is lost, look for the batch before sending it again."""
        line, tried = self._line, 0
        policy = replace(line.policy, attempts=1)
        while True:
            answer = await line.send("POST", self._path, body, headers=headers, policy=policy, once=True)
            status: BatchStatus | None = None
            if 200 <= answer.status < 300:
                status = read_status(self._wire, answer.body)
                if status is not None:
                    return status
                answer = Answer(502, answer.headers, answer.body, attempts=(Attempt(502),))
            tried += 1
            lost = _is_lost(answer)
            delay = line.policy.delay(tried, answer.status, answer.headers, chance=random.random(), now=time.time())
            if delay is not None:
                await seam.sleep(delay)
            if lost:
                _log.warning("no answer on the making of a batch (status %d): looking for it", answer.status)
                try:
                    status = await self.find(intent, known)
                except APIError as error:
                    words = f"{error.message}{_UNCLEAR.format(intent.key)}"
                    raise type(error)(words, status=error.status) from error
                if status is not None:
                    return status
            if delay is None:
                note = _UNCLEAR.format(intent.key) if lost else ""
                raise line.error(answer, "POST", self._path, note=note)

    def _status(self, body: bytes) -> BatchStatus:
        status = read_status(self._wire, body)
        if status is None:
            raise APIError("the server's answer is no batch", status=502)
        return status

    def _place(self, name: str, rest: str = "") -> str:
        return f"{self._path}/{quote(name, safe='')}{rest}"

    async def _read(self, files: list[bytes], name: str) -> dict[str, Outcome]:
        # Some hundred megabytes of JSON: nothing for an event loop.
        found, torn = await seam.offload(read_results, files, self._wire.read_line)
        if torn:
            _log.warning("%d line(s) of the results of batch %s could not be read", torn, name)
        return found


class OpenAIDesk(_VendorDesk):
    """OpenAI's Batch API."""

    _wire = batch_openai
    _path = batch_openai.PATH
    _after = "after"
    keeps_names = True
    _FEWEST_PAGES = 10

    async def intend(self, pack: Pack, key: str) -> Intent:
        """What is to be written down before the batch is made: batches bear our name for them here."""
        return pack.intent(key)

    async def create(self, pack: Pack, intent: Intent, known: set[str]) -> BatchStatus:
        """Upload the requests and make a batch of them."""
        content_type, body = batch_openai.upload(pack.lines, f"llm-client-{uuid4().hex}")
        # An upload that is repeated leaves a file that nobody uses and nobody pays for.
        answer = await self._line.call("POST", batch_openai.FILES_PATH, body, content_type=content_type)
        file_id = batch_openai.read_file_id(answer)
        if file_id is None:
            raise APIError("the server's answer to the upload names no file", status=502)
        return await self._make(batch_openai.create_body(file_id, pack.path, intent), {}, intent, known)

    async def find(self, intent: Intent, known: set[str]) -> BatchStatus | None:
        """The batch that bears the submission's name."""
        after = None
        for _ in range(self._FEWEST_PAGES):
            found, after = await self.page(after, batch_openai.PAGE)
            for status in found:
                if status.id not in known and batch_openai.is_of(status, intent):
                    return status
            if after is None:
                break
        return None

    async def lines(self, key: str) -> list[bytes]:
        """What the input files of the submission's batches hold."""
        parts: dict[int, str] = {}
        after = None
        for _ in range(self._FEWEST_PAGES):
            found, after = await self.page(after, batch_openai.PAGE)
            for status in found:
                part = batch_openai.part_of(status, key)
                if part is not None:
                    parts.setdefault(part, status.id)
            if after is None:
                break
        lines: list[bytes] = []
        for part in sorted(parts):
            name = batch_openai.read_input_file(await self._line.call("GET", self._place(parts[part])))
            if name is None:
                raise APIError(f"batch {parts[part]} names no file of its requests", status=502)
            content = await self._line.call("GET", f"{batch_openai.FILES_PATH}/{quote(name, safe='')}/content")
            lines += content.splitlines(keepends=True)
        return lines

    async def results(self, status: BatchStatus) -> dict[str, Outcome]:
        """The output file and the file of errors, each where there is one."""
        paths = [f"{batch_openai.FILES_PATH}/{quote(name, safe='')}/content" for name in status.results]
        return await self._read([await self._line.call("GET", path) for path in paths], status.id)


class AnthropicDesk(_VendorDesk):
    """Anthropic's Message Batches."""

    _wire = batch_anthropic
    _path = batch_anthropic.PATH
    _after = "after_id"
    keeps_names = False

    async def intend(self, pack: Pack, key: str) -> Intent:
        """What is to be written down: batches bear no names here, so which one was the newest before."""
        found, _ = await self.page(None, 1)
        return replace(pack.intent(key), newest=found[0].id if found else None)

    async def lines(self, key: str) -> list[bytes]:
        """None: batches bear no names here."""
        return []

    async def create(self, pack: Pack, intent: Intent, known: set[str]) -> BatchStatus:
        """Make a batch."""
        return await self._make(batch_anthropic.create_body(pack.lines), pack.headers, intent, known)

    async def find(self, intent: Intent, known: set[str]) -> BatchStatus | None:
        """The only batch of this size that is newer than the newest one before."""
        before = "" if intent.newest is None else f"&before_id={quote(intent.newest, safe='')}"
        found, _ = await self._page(f"limit={batch_anthropic.PAGE}{before}")
        fitting = [
            each
            for each in found
            # What was canceled is nobody's: that is how the caller says which one it is, where there are several.
            if each.id not in known
            and batch_anthropic.is_of(each, intent)
            and each.state != "canceling"
            and (each.succeeded or not each.done)
        ]
        if len(fitting) > 1:
            names = ", ".join(each.id for each in fitting)
            raise ValueError(
                f"the answer on the making of a batch of {intent.count} requests was lost, and several batches could "
                f"be it: {names}. Cancel the ones that nobody waits for, then submit again."
            )
        return fitting[0] if fitting else None

    async def results(self, status: BatchStatus) -> dict[str, Outcome]:
        """The file of results; none where every request was given up."""
        base = self._line.endpoint.base_url
        # Elsewhere than at the provider's own address the key has no business.
        given = [url for url in status.results if url.startswith(base + "/")]
        path = given[0] if given else self._place(status.id, "/results")
        if not status.results:
            return {}
        return await self._read([await self._line.call("GET", path)], status.id)


def _is_lost(answer: Answer) -> bool:
    """Whether the server may have done what it was asked, although it did not say so."""
    if answer.refused is not None:
        return False
    if answer.failure is not None:
        return answer.failure.kind not in _NOT_SENT
    return answer.status != 429 and is_retryable(answer.status, {})


_UNCLEAR = (
    ". Whether the batch was made is not known. On OpenAI, submitting the same requests again with key={!r} looks for "
    "it first; batch.list() shows what there is"
)
