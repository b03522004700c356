"""Answers as a cache keeps them: the whole result, of a stream also its events and their pace. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import jsons
from .events import StreamEvent, StreamEventType
from .messages import ProviderItems, ToolCall, ToolCallDelta
from .replay import events_of
from .results import CompletionResult
from .usage import Usage

VERSION = 1

# What of a result is kept; `parsed` is read anew, and the tries belong to the call that made them.
_PLAIN = (
    *("content", "reasoning", "model", "finish_reason", "raw_finish_reason", "raw", "refusal", "request_id"),
    "provider",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored answer.

    Args:
        result: As it came, with what it cost then.
        events: Of a stream, DONE included; None of an answer that came whole.
    """

    result: CompletionResult
    events: list[StreamEvent] | None = None

    def replay(self, now: float) -> list[StreamEvent]:
        """The answer as a stream: the very events of one, else made of the whole answer.

        Args:
            now: Seconds since the epoch; the last event's time. The others keep their distance from it.
        """
        if self.events is None:
            return list(events_of(self.result))
        shift = now - self.events[-1].timestamp
        return [StreamEvent(event.type, event.data, event.timestamp + shift) for event in self.events]


def is_worth_keeping(result: CompletionResult) -> bool:
    """Whether an answer is complete and successful; one that a filter cut off is neither."""
    return result.ok and result.finish_reason != "content_filter"


def free_of_charge(usage: Usage) -> Usage:
    """The same tokens at no cost: they were paid for before."""
    return replace(usage, input_cost=0.0, output_cost=0.0, total_cost=0.0)


def encode_entry(result: CompletionResult, events: Sequence[StreamEvent] | None = None) -> bytes | None:
    """A result, and the events of its stream, as bytes; None where they hold what JSON cannot.

    Args:
        result: A complete, successful answer.
        events: All events of its stream, the last of them DONE with this result.
    """
    value: dict[str, Any] = {"v": VERSION, "result": _result_value(result)}
    if events is not None:
        start = events[0].timestamp
        value["events"] = [
            [event.type.value, round(event.timestamp - start, 6), _event_value(event)] for event in events
        ]
    try:
        return jsons.dumps(value)
    except TypeError:
        return None


def decode_entry(data: bytes) -> Entry | None:
    """The answer that these bytes hold; None where they hold none that this version can read."""
    try:
        value = jsons.loads(data)
        if value["v"] != VERSION:
            return None
        result = _result(value["result"])
        listed = value.get("events")
        return Entry(result, None if listed is None else [_event(*item, result) for item in listed])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _result_value(result: CompletionResult) -> dict[str, Any]:
    value = {name: kept for name in _PLAIN if (kept := getattr(result, name)) is not None}
    value["usage"] = result.usage.to_dict()
    if result.tool_calls is not None:
        value["tool_calls"] = [[call.id, call.name, call.arguments] for call in result.tool_calls]
    if result.provider_items is not None:
        value["provider_items"] = result.provider_items.to_dict()
    return value


def _result(value: Mapping[str, Any]) -> CompletionResult:
    calls = value.get("tool_calls")
    items = value.get("provider_items")
    return CompletionResult(
        **{name: value[name] for name in _PLAIN if name in value},
        usage=Usage(**value["usage"]),
        tool_calls=None if calls is None else [ToolCall(*call) for call in calls],
        provider_items=None if items is None else ProviderItems.from_dict(items),
    )


def _event_value(event: StreamEvent) -> Any:
    kind, data = event.type, event.data
    if kind is StreamEventType.DONE:
        return None  # the result, which stands in the entry already
    if isinstance(data, ToolCallDelta):
        return [data.index, data.id, data.name, data.arguments_delta]
    if isinstance(data, ToolCall):
        return [data.id, data.name, data.arguments]
    if isinstance(data, Usage):
        return data.to_dict()
    return data


def _event(kind: str, after: float, data: Any, result: CompletionResult) -> StreamEvent:
    event_type = StreamEventType(kind)
    if event_type is StreamEventType.DONE:
        data = result
    elif event_type in (StreamEventType.TOOL_CALL_START, StreamEventType.TOOL_CALL_DELTA):
        data = ToolCallDelta(*data)
    elif event_type is StreamEventType.TOOL_CALL_END:
        data = ToolCall(*data)
    elif event_type is StreamEventType.USAGE:
        data = Usage(**data)
    return StreamEvent(event_type, data, after)
