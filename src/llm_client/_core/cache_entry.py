"""Answers as a cache keeps them: the whole result, of a stream also its events and their pace. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from typing import Any

from . import jsons
from .events import StreamEvent, StreamEventType
from .messages import ProviderItems, ToolCall, ToolCallDelta
from .replay import events_of
from .results import CompletionResult
from .usage import Usage

VERSION = 1
NOTHING = CompletionResult()
_EXACT = b'{"exact"'

# What of a result is kept; `parsed` is read anew, and the tries belong to the call that made them.
_PLAIN = (
    *("content", "reasoning", "model", "finish_reason", "raw_finish_reason", "raw", "refusal", "request_id"),
    "provider",
)
_FIELDS = frozenset((*_PLAIN, "tool_calls", "provider_items"))
_USAGE = frozenset(field.name for field in fields_of(Usage))
_FREE = {"input_cost": 0.0, "output_cost": 0.0, "total_cost": 0.0}


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored answer.

    Args:
        fields: What the result was made of, but for its usage.
        usage: What it cost when it was made.
        listed: Of a stream, its events as they are stored; None of an answer that came whole.
    """

    fields: dict[str, Any]
    usage: dict[str, Any]
    listed: list[Any] | None = None

    def result(self) -> CompletionResult:
        """The answer as it came."""
        return CompletionResult(usage=Usage(**self.usage), **self.fields)

    def hit(self, similarity: float | None, *, cached: bool = True, coalesced: bool = False) -> CompletionResult:
        """The answer as one that nobody pays for.

        Args:
            similarity: How near the stored question was, where the cache knows similar ones.
            cached: Whether a cache gave it.
            coalesced: Whether an equal call in flight gave it.
        """
        usage = Usage(**{**self.usage, **_FREE})
        return CompletionResult(
            usage=usage, cached=cached, coalesced=coalesced, cache_similarity=similarity, **self.fields
        )

    @property
    def cost(self) -> float:
        """What the answer cost, in dollars; 0 where nobody knows."""
        return self.usage.get("total_cost") or 0.0

    def replay(self, result: CompletionResult, now: float) -> list[StreamEvent]:
        """The answer as a stream: the very events of one, else made of the whole answer.

        Args:
            result: What DONE shall carry.
            now: Seconds since the epoch; the last event's time. The others keep their distance from it.
        """
        if self.listed is None:
            return list(events_of(result))
        start = now - self.listed[-1][1]
        return [_event(kind, start + after, data, result) for kind, after, data in self.listed]


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
        data = jsons.dumps(value)
        # Reading exactly costs a search through the text: only where it is needed.
        return jsons.dumps({"exact": True, **value}) if jsons.needs_exact(data) else data
    except TypeError:
        return None


def decode_entry(data: bytes) -> Entry | None:
    """The answer that these bytes hold; None where they hold none that this version can read."""
    try:
        value = jsons.loads(data) if data.startswith(_EXACT) else jsons.loads_wire(data)
        if value["v"] != VERSION:
            return None
        fields = value["result"]
        usage = fields.pop("usage")
        calls, items, listed = fields.get("tool_calls"), fields.get("provider_items"), value.get("events")
        if calls is not None:
            fields["tool_calls"] = [ToolCall(*call) for call in calls]
        if items is not None:
            fields["provider_items"] = ProviderItems.from_dict(items)
        # Looked at rather than made: that costs as much as all the rest of a hit.
        if not (fields.keys() <= _FIELDS and usage.keys() <= _USAGE and isinstance(usage["total_tokens"], int)):
            return None
        entry = Entry(fields, usage, listed)
        if listed is not None:
            entry.replay(NOTHING, 0.0)
        return entry
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


def _event(kind: str, timestamp: float, data: Any, result: CompletionResult) -> StreamEvent:
    event_type = StreamEventType(kind)
    if event_type is StreamEventType.DONE:
        data = result
    elif event_type in (StreamEventType.TOOL_CALL_START, StreamEventType.TOOL_CALL_DELTA):
        data = ToolCallDelta(*data)
    elif event_type is StreamEventType.TOOL_CALL_END:
        data = ToolCall(*data)
    elif event_type is StreamEventType.USAGE:
        data = Usage(**data)
    return StreamEvent(event_type, data, timestamp)
