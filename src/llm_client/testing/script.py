"""The queue of scripted answers, and scripts written as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._native import allocate_lock
from .journal import RecordedRequest
from .replies import Call, Failure, Interruption, RawAnswer, Reply, TokenCounts, Wire

On: TypeAlias = "str | Callable[[RecordedRequest], bool] | None"

_MODELS = ("chat", "responses", "messages")
_DEFAULT_ENDPOINTS = (*_MODELS, "embeddings")
_NAMED_ENDPOINTS = (*_DEFAULT_ENDPOINTS, "count_tokens", "models", "files", "batches", "message_batches")


@dataclass(frozen=True, slots=True)
class Step:
    """One scripted answer and the requests that it is meant for."""

    answer: Reply | Failure | RawAnswer | Interruption
    on: On = None

    def __post_init__(self) -> None:
        if isinstance(self.on, str) and self.on not in _NAMED_ENDPOINTS:
            raise ValueError(f"on={self.on!r} is no endpoint. The endpoints are {', '.join(_NAMED_ENDPOINTS)}.")

    def fits(self, request: RecordedRequest) -> bool:
        """Whether this answer can be given to that request."""
        endpoint = request.endpoint
        if isinstance(self.answer, Reply) and endpoint not in _endpoints_of(self.answer):
            return False
        if callable(self.on):
            return self.on(request)
        return endpoint == self.on if self.on is not None else endpoint in _DEFAULT_ENDPOINTS


def _endpoints_of(reply: Reply) -> tuple[str, ...]:
    return _MODELS if reply.embeddings is None else ("embeddings",)


class Script:
    """Scripted answers, first come, first served; an answer that does not fit a request waits for one that does."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._steps: list[Step] = []

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: Step, times: int) -> None:
        """Queue a step one or more times."""
        if times < 1:
            raise ValueError(f"times must be at least 1, not {times}.")
        with self._lock:
            self._steps.extend([step] * times)

    def take(self, request: RecordedRequest) -> Reply | Failure | RawAnswer | Interruption | None:
        """Take the first answer that fits; None when there is none."""
        with self._lock:
            for position, step in enumerate(self._steps):
                if step.fits(request):
                    return self._steps.pop(position).answer
        return None

    def clear(self) -> None:
        """Forget all steps."""
        with self._lock:
            self._steps.clear()


def expects_script(request: RecordedRequest) -> bool:
    """Whether a strict server needs a scripted answer for this request."""
    return request.endpoint in _DEFAULT_ENDPOINTS


def load_script(data: Any) -> list[tuple[Step, int]]:
    """Read a script from decoded JSON.

    Args:
        data: A list of steps. A step is a string (a reply with that text) or an object with one of the keys "reply",
            "fail", "fail_mid_stream", "hang_up", "stall" or "raw", whose value holds the fields of `Reply`, `Failure`,
            `Interruption` or `RawAnswer`, and, beside it, "times" and "on".

    Returns:
        The steps, each with the number of times it is to be used.

    Raises:
        ValueError: The script does not have this form; the message names the step.
    """
    if not isinstance(data, list):
        raise ValueError(f"A script is a list of steps, not {type(data).__name__}.")
    return [_load_step(position, item) for position, item in enumerate(data, 1)]


def _load_step(position: int, item: Any) -> tuple[Step, int]:
    if isinstance(item, str):
        return Step(Reply(item)), 1
    kinds = [key for key in _LOADERS if isinstance(item, dict) and key in item]
    if len(kinds) != 1 or item.keys() - {kinds[0], "times", "on"}:
        raise ValueError(
            f"Step {position} of the script must be a string or an object with exactly one of "
            f"{', '.join(_LOADERS)}, and optionally times and on; it is {item!r:.200}."
        )
    try:
        return Step(_LOADERS[kinds[0]](item[kinds[0]]), item.get("on")), int(item.get("times", 1))
    except (TypeError, ValueError) as error:
        raise ValueError(f"Step {position} of the script ({kinds[0]}): {error}") from error


def _load_reply(value: Any) -> Reply:
    if isinstance(value, str):
        return Reply(value)
    fields = dict(value)
    if isinstance(fields.get("usage"), Mapping):
        fields["usage"] = TokenCounts(**fields["usage"])
    if isinstance(fields.get("wire"), Mapping):
        fields["wire"] = Wire(**fields["wire"])
    calls = fields.get("tool_calls", [])
    fields["tool_calls"] = [Call(**call) if isinstance(call, Mapping) else call for call in calls]
    return Reply(**fields)


def _load_failure(value: Any) -> Failure:
    return Failure(value) if isinstance(value, int) else Failure(**value)


def _load_mid_stream_failure(value: Any) -> Interruption:
    fields = dict(value)
    after = fields.pop("after", 1)
    reply = _load_reply(fields.pop("reply")) if "reply" in fields else None
    event = fields.pop("event", "error")
    return Interruption("error", after_events=after, reply=reply, failure=Failure(**fields), event=event)


def _load_interruption(kind: Any) -> Callable[[Any], Interruption]:
    def load(value: Any) -> Interruption:
        fields = dict(value)
        if "reply" in fields:
            fields["reply"] = _load_reply(fields["reply"])
        return Interruption(kind, **fields)

    return load


def _load_raw(value: Any) -> RawAnswer:
    fields = dict(value)
    body = fields.pop("body", "")
    pieces = body if isinstance(body, list) else [body]
    return RawAnswer(pieces=tuple(str(piece).encode() for piece in pieces), **fields)


_LOADERS: dict[str, Callable[[Any], Reply | Failure | RawAnswer | Interruption]] = {
    "reply": _load_reply,
    "fail": _load_failure,
    "fail_mid_stream": _load_mid_stream_failure,
    "hang_up": _load_interruption("hang_up"),
    "stall": _load_interruption("stall"),
    "raw": _load_raw,
}
