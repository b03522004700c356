"""Requests for the vendors' Batch APIs, and what is known of a batch that was submitted. Pure values."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

from . import saved
from .exceptions import SessionFileError
from .messages import Message, MessageInput
from .options import CallOptions, check_option_names
from .wire.openai_embeddings import EmbeddingInput, EncodingFormat
from .wire.request import Failure

if sys.version_info >= (3, 11):
    from typing import Unpack
else:
    from typing_extensions import Unpack

EXPIRED = "expired"
CANCELED = "canceled"
MISSING = "missing"
"""The error codes of requests that a batch ended without an answer for."""

_HANDLE = "llm-client batch handle"
_VERSION = 1
_LONGEST_KEY = 48
_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST_KEY}}}")


@dataclass(frozen=True, slots=True, init=False)
class BatchRequest:
    """One question for a batch; the arguments are those of `complete()`.

    Args:
        messages: Text, a Message, a dict in OpenAI's chat shape, or a list of these.
        custom_id: What the vendor's files call this request; unique in its batch. One is made unless given.
        tools: Tools that the model may call.
        tool_choice: "auto", "none", "required" (or "any"), or a tool's name.
        **options: See CallOptions. What concerns a live call's exchange (timeout, attempts, backoff) has no effect.

    Raises:
        TypeError: An option does not exist, or custom_id is no string.
    """

    messages: MessageInput
    custom_id: str | None
    tools: Sequence[Any] | None
    tool_choice: str | None
    options: CallOptions

    def __init__(
        self,
        messages: MessageInput,
        custom_id: str | None = None,
        *,
        tools: Sequence[Any] | None = None,
        tool_choice: str | None = None,
        **options: Unpack[CallOptions],
    ) -> None:
        check_option_names("BatchRequest", options)
        _check_custom_id(custom_id)
        for name, value in (
            ("messages", messages),
            ("custom_id", custom_id),
            ("tools", tools),
            ("tool_choice", tool_choice),
            ("options", options),
        ):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class BatchEmbedding:
    """Texts to be turned into vectors by a batch; the arguments are those of `embed()`.

    Args:
        inputs: A text, a list of texts, a text's token numbers, or a list of these; at most 2,048 texts.
        custom_id: What the vendor's files call this request; unique in its batch. One is made unless given.
        encoding_format: How the vectors travel: "float" or "base64".
        dimensions: Numbers in each vector, for models that let one choose.
        user: The end user's id.
        extra_body: Further members of the request's JSON; they win over the arguments.

    Raises:
        TypeError: custom_id is no string.
    """

    inputs: EmbeddingInput
    custom_id: str | None = None
    encoding_format: EncodingFormat | None = None
    dimensions: int | None = None
    user: str | None = None
    extra_body: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_custom_id(self.custom_id)


def _check_custom_id(value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"custom_id is a string, got {type(value).__name__}")


def as_batch_request(value: Any, *, embeddings: bool) -> BatchRequest | BatchEmbedding:
    """What the caller passed as one request.

    Args:
        value: A BatchRequest or BatchEmbedding; anything else is a request's messages, or an embedding's inputs.
        embeddings: Whether the model makes embeddings.
    """
    if isinstance(value, (BatchRequest, BatchEmbedding)):
        return value
    return BatchEmbedding(value) if embeddings else BatchRequest(value)


def check_requests(requests: Any) -> None:
    """Refuse what is no collection of requests, such as a single one, whose letters or fields would each be one.

    Raises:
        TypeError: Says what it is.
    """
    single = isinstance(requests, (str, bytes, bytearray, Mapping, Message, BatchRequest, BatchEmbedding))
    if single or not hasattr(type(requests), "__iter__"):
        raise TypeError(
            "requests is a list, or another plain iterable, of BatchRequest objects, texts or lists of messages; got "
            f"{type(requests).__name__}"
        )


def check_key(key: Any) -> str:
    """The name that a caller gave to a submission.

    Raises:
        TypeError: It is no string.
        ValueError: It holds other characters than the vendors take, or too many.
    """
    if not isinstance(key, str):
        raise TypeError(f"key is a string, got {type(key).__name__}")
    if not _KEY.fullmatch(key):
        raise ValueError(f"key is 1 to 48 letters, digits, hyphens and underscores, got {key!r}")
    return key


def round_key(key: str, number: int) -> str:
    """The name of a further submission of the same requests: the same one in every process.

    Args:
        key: The first submission's.
        number: Which submission, from 0.
    """
    if not number:
        return key
    name = f"{key}-r{number}"
    if len(name) <= _LONGEST_KEY:
        return name
    rest = f"-{blake2b(key.encode(), digest_size=8).hexdigest()}-r{number}"
    return key[: _LONGEST_KEY - len(rest)] + rest


def check_rounds(rounds: Any) -> None:
    """Refuse a number of submissions that is none.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is below 1.
    """
    if isinstance(rounds, bool) or not isinstance(rounds, int):
        raise TypeError(f"rounds is a whole number, got {type(rounds).__name__}")
    if rounds < 1:
        raise ValueError(f"rounds counts all submissions and is at least 1, got {rounds!r}")


def check_poll_interval(seconds: Any) -> None:
    """Refuse a pause between two looks that is none; None stands for the usual one.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0.
    """
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"poll_interval is a number of seconds, got {type(seconds).__name__}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"poll_interval is a number of seconds above 0, got {seconds!r}")


def check_callback(name: str, value: Any) -> None:
    """Refuse what cannot be called; None stands for no call.

    Raises:
        TypeError: Says what it is.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} is a function, got {type(value).__name__}")


BatchState = Literal["running", "canceling", "ended"]


@dataclass(frozen=True, slots=True)
class BatchProblem:
    """Why a vendor refused a whole batch.

    Args:
        message: The vendor's words.
        code: The vendor's code.
        line: Which line of the input it is about, from 1.
    """

    message: str
    code: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a batch is.

    Args:
        id: The vendor's id.
        state: "running", "canceling" or "ended".
        vendor_state: The vendor's own word, such as "validating" or "expired".
        total: Requests in it; 0 while the vendor has not counted them.
        succeeded: Requests with an answer.
        failed: Requests that failed, expired or were canceled.
        created_at: Seconds since the epoch, None where the vendor does not say.
        expires_at: Seconds since the epoch: when the vendor gives up what it has not answered.
        results: Where the vendor keeps the answers: ids of files, or an address.
        problems: Why the whole batch was refused.
        labels: What we attached to it when it was submitted.
    """

    id: str
    state: BatchState
    vendor_state: str
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    created_at: float | None = None
    expires_at: float | None = None
    results: tuple[str, ...] = ()
    problems: tuple[BatchProblem, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """True when nothing more will come, so that the results can be collected."""
        return self.state == "ended"


@dataclass(frozen=True, slots=True)
class BatchHandle:
    """A submitted batch; holds no secrets, and can be saved: `collect()` takes it in any later process.

    Args:
        vendor: "openai" or "anthropic".
        id: The vendor's id.
        key: The name of the submission that it is part of.
        custom_ids: The requests in it, in order.
        model: The provider's model.
        kind: "completion" or "embedding".
        base_url: The server that has it.
    """

    vendor: str
    id: str
    key: str
    custom_ids: tuple[str, ...]
    model: str
    kind: Literal["completion", "embedding"] = "completion"
    base_url: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "format": _HANDLE,
            "version": _VERSION,
            "vendor": self.vendor,
            "id": self.id,
            "key": self.key,
            "custom_ids": list(self.custom_ids),
            "model": self.model,
            "kind": self.kind,
            "base_url": self.base_url,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> BatchHandle:
        """From `to_dict`'s form; unknown keys are left out.

        Raises:
            SessionFileError: It is something else, or was written by a newer version.
        """
        given = saved.check(value, kind=_HANDLE, version=_VERSION, source="the handle")
        try:
            fields = {name: given[name] for name in cls.__dataclass_fields__ if name in given}
            fields["custom_ids"] = tuple(fields["custom_ids"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise SessionFileError(f"the handle is incomplete: {error}") from error


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be submitted, written down before it is: finds the batch again if its answer is lost.

    Args:
        key: The submission's name.
        part: Which of its batches, from 0.
        digest: Of the requests, so that a key is not taken for another one's.
        count: Requests in it.
        newest: The vendor's newest batch before; None where there was none or the vendor keeps labels.
    """

    key: str
    part: int
    digest: str
    count: int
    newest: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Intent:
        """From `to_dict`'s form."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__ if name in value})


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What a vendor takes in one batch.

    Args:
        requests: Most requests.
        size: Most bytes.
        inputs: Most texts to embed, all requests together.
    """

    requests: int
    size: int
    inputs: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a result file says of one request.

    Args:
        status: HTTP status, or ours where there was none: 408 for expired, 499 for canceled, 502 for unreadable.
        body: The answer as the live endpoint would have sent it, for a status below 300.
        failure: What went wrong, for all others.
        request_id: The vendor's id of the exchange.
    """

    status: int
    body: bytes = b""
    failure: Failure | None = None
    request_id: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.status < 300


def expired() -> Outcome:
    """For a request that the vendor did not come to in time."""
    return Outcome(408, failure=Failure("the batch expired before the vendor came to this request", code=EXPIRED))


def canceled() -> Outcome:
    """For a request that was given up with its batch."""
    return Outcome(499, failure=Failure("the batch was canceled before the vendor came to this request", code=CANCELED))


def unreadable(what: str) -> Outcome:
    """For a line that says nothing we know."""
    return Outcome(502, failure=Failure(f"the batch's result for this request is {what}", code=MISSING))


def unanswered(status: BatchStatus, custom_ids: Sequence[str], position: int) -> Outcome:
    """For a request that no result file mentions.

    Args:
        status: The batch's.
        custom_ids: All requests in it.
        position: Which of them.
    """
    if status.problems:
        mine = [problem for problem in status.problems if problem.line == position + 1]
        general = [problem for problem in status.problems if problem.line is None]
        for problem in (*mine, *general):
            # The vendor's limit for waiting batches: the same request may pass when others have ended.
            full = problem.code == "token_limit_exceeded"
            words = f"the vendor refused the batch: {problem.message}"
            return Outcome(429 if full else 400, failure=Failure(words, code=problem.code))
        return Outcome(503, failure=Failure("the vendor refused the batch because of other requests in it"))
    if status.vendor_state == "expired":
        return expired()
    if status.vendor_state in ("cancelled", "canceled"):
        return canceled()
    return Outcome(
        502,
        failure=Failure(f"the results of batch {status.id} do not mention {custom_ids[position]!r}", code=MISSING),
    )
