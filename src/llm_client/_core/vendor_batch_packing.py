"""Requests on their way into batches: named, encoded, and put into as many batches as the vendor's limits demand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Protocol

from .results import CompletionResult, EmbeddingResult
from .vendor_batch import BatchLimits, Intent, Outcome


@dataclass(frozen=True, slots=True)
class Question:
    """One request as it goes out, and how its answer is read.

    Args:
        path: The live endpoint's path below the base URL.
        body: The JSON that the live endpoint would get.
        read: From what the vendor's file says to the result that the live call would return.
        headers: What the request needs besides, such as the names of beta features.
        inputs: Texts to embed.
    """

    path: str
    body: bytes
    read: Callable[[Outcome], CompletionResult | EmbeddingResult]
    headers: Mapping[str, str] = field(default_factory=dict)
    inputs: int = 0

    @property
    def kind(self) -> Literal["completion", "embedding"]:
        """What the answer is."""
        return "embedding" if self.inputs else "completion"


class BatchCodec(Protocol):
    """What a vendor's module says of its batches' form."""

    LIMITS: BatchLimits
    FRAME: int
    CUSTOM_ID: re.Pattern[str] | None

    def line(self, custom_id: str, path: str, body: bytes, /) -> bytes:
        """One request as it stands in a batch."""
        ...


@dataclass(slots=True)
class Pack:
    """The requests of one batch.

    Args:
        part: Which batch of the submission, from 0.
        path: The endpoint of them all.
        kind: What the answers are.
        custom_ids: Their names, in order.
        lines: The requests, encoded.
        headers: What they need besides.
    """

    part: int
    path: str
    kind: Literal["completion", "embedding"]
    custom_ids: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    size: int = 0
    inputs: int = 0

    def intent(self, key: str) -> Intent:
        """What is written down before it is sent.

        Args:
            key: The submission's name.
        """
        digest = sha256()
        for line in self.lines:
            digest.update(line)
        return Intent(key, self.part, digest.hexdigest(), len(self.lines))


class Packer:
    """Puts one request after the other into batches; holds one batch at a time.

    Args:
        key: The submission's name, of which names of requests are made.
        codec: The vendor's.
    """

    def __init__(self, key: str, codec: BatchCodec) -> None:
        self._key = key
        self._codec = codec
        self._places: dict[str, int] = {}
        self._pack: Pack | None = None
        self._part = 0

    def add(self, custom_id: str | None, question: Question) -> Pack | None:
        """Take one more request; return the batch that it no longer fits into, which is to be sent now.

        Args:
            custom_id: The caller's name for it.
            question: The request.

        Raises:
            ValueError: The name is taken, or not what the vendor takes, or the request alone is beyond the limits.
        """
        position = len(self._places)
        name = self._name(custom_id, position)
        line = self._codec.line(name, question.path, question.body)
        limits = self._codec.LIMITS
        size = len(line)
        if size + self._codec.FRAME > limits.size:
            raise ValueError(f"request {position} alone has {size:,} bytes; a batch takes {limits.size:,}")
        full, pack = None, self._pack
        if pack is not None and (
            pack.path != question.path
            or len(pack.lines) >= limits.requests
            or pack.size + size + self._codec.FRAME > limits.size
            or pack.inputs + question.inputs > limits.inputs
        ):
            full, pack = pack, None
        if pack is None:
            pack = self._pack = Pack(self._part, question.path, question.kind)
            self._part += 1
        pack.custom_ids.append(name)
        pack.lines.append(line)
        pack.size += size
        pack.inputs += question.inputs
        for header, value in question.headers.items():
            known = pack.headers.get(header)
            if known is None:
                pack.headers[header] = value
            elif value not in known.split(","):
                pack.headers[header] = f"{known},{value}"
        return full

    def rest(self) -> Pack | None:
        """The last batch, None where nothing was added."""
        pack, self._pack = self._pack, None
        return pack

    def ahead(self) -> Packer:
        """Another one that knows the same names: to look through requests before they are put into batches."""
        other = Packer(self._key, self._codec)
        other._places = dict(self._places)
        return other

    def _name(self, custom_id: str | None, position: int) -> str:
        name = f"{self._key}-{position}" if custom_id is None else custom_id
        pattern = self._codec.CUSTOM_ID
        if not name or (pattern is not None and not pattern.fullmatch(name)):
            allowed = "some text" if pattern is None else f"text of the form {pattern.pattern}"
            raise ValueError(f"the custom_id of request {position} is {name!r}; this vendor takes {allowed}")
        if name in self._places:
            raise ValueError(
                f"requests {self._places[name]} and {position} have the same custom_id {name!r}: "
                "each needs its own, or none"
            )
        self._places[name] = position
        return name
