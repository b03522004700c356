"""From stored and shared answers to what callers get: marked, free of charge, in the form they asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .cache_entry import Entry, free_of_charge
from .events import StreamEvent, StreamEventType
from .messages import ToolCallDelta
from .results import CompletionResult
from .structured import OutputForm, read_output

LAST = (StreamEventType.DONE, StreamEventType.ERROR)


def in_form(form: OutputForm, result: CompletionResult) -> CompletionResult:
    """The answer with the object that this caller asked for; its error says why there is none."""
    parsed, problem = read_output(form, result)
    if problem is not None:
        return replace(result, error=problem, parsed=None)
    return replace(result, parsed=parsed)


def as_hit(entry: Entry, form: OutputForm, similarity: float | None) -> CompletionResult | None:
    """A stored answer as a result; None where it does not have the form that is asked for now."""
    hit = entry.hit(similarity)
    if form.read is None:
        return hit
    hit = in_form(form, hit)
    return hit if hit.ok else None


def as_events(entry: Entry, hit: CompletionResult, now: float) -> Iterator[StreamEvent]:
    """A stored answer as a stream.

    Args:
        entry: What was stored.
        hit: What `as_hit` made of it.
        now: Seconds since the epoch.
    """
    for event in entry.replay(hit, now):
        if event.type is StreamEventType.USAGE:
            event.data = free_of_charge(event.data)
        yield event


def as_shared(result: CompletionResult, form: OutputForm, stored: Entry | None) -> CompletionResult:
    """An answer as it goes to those who did not make the call.

    Args:
        result: What the one who made it got.
        form: What this caller asked for.
        stored: A copy of the answer that nobody else holds, where there is one.
    """
    if stored is not None:
        shared = stored.hit(result.cache_similarity, cached=result.cached, coalesced=True)
        return shared if form.read is None else in_form(form, shared)
    calls = None if result.tool_calls is None else list(result.tool_calls)
    usage = free_of_charge(result.usage) if result.ok else result.usage
    shared = replace(result, coalesced=True, tool_calls=calls, attempts=(), usage=usage)
    return in_form(form, shared) if result.ok else shared


def shared_event(event: StreamEvent, form: OutputForm) -> StreamEvent:
    """An event of a shared stream as it goes to those who did not open it."""
    data: Any = event.data
    if event.type is StreamEventType.DONE:
        data = as_shared(data, form, None)
    elif event.type is StreamEventType.USAGE:
        data = free_of_charge(data)
    elif isinstance(data, ToolCallDelta):
        data = replace(data)
    elif isinstance(data, dict):
        data = dict(data)
    return StreamEvent(event.type, data, event.timestamp)
