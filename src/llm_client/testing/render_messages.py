"""Anthropic Messages: the answer as one object, or as a stream of events.

https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._core import jsons
from .rendering import Draft, Event, to_json
from .replies import Call

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def message_object(draft: Draft) -> dict[str, Any]:
    """The `message` object."""
    return {
        "id": draft.identifier("msg_"),
        "type": "message",
        "role": "assistant",
        "model": draft.model,
        "content": [done for _, done, _ in _blocks(draft)],
        **_ending(draft),
        "usage": _usage(draft),
    }


def message_events(draft: Draft) -> Iterator[Event]:
    """The events of a stream, from `message_start` to `message_stop`; a ping follows the first block's start."""
    start = message_object(draft)
    start.update(content=[], stop_reason=None, stop_sequence=None, stop_details=None)
    start["usage"]["output_tokens"] = 1
    start["usage"].pop("output_tokens_details")
    yield _event("message_start", message=start)
    for index, (started, _, deltas) in enumerate(_blocks(draft)):
        yield _event("content_block_start", index=index, content_block=started)
        if index == 0:
            yield _event("ping")
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    usage = _usage(draft)
    sent = {
        key: usage[key]
        for key in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    }
    if draft.counts.reasoning:
        sent["output_tokens_details"] = usage["output_tokens_details"]
    if not draft.reply.send_usage:
        sent = {"output_tokens": 0}
    yield _event("message_delta", delta=_ending(draft), usage=sent)
    yield _event("message_stop")


def _event(kind: str, **fields: Any) -> Event:
    return Event(kind, to_json({"type": kind, **fields}))


def _blocks(draft: Draft) -> Iterator[tuple[dict[str, Any], dict[str, Any], Iterator[dict[str, Any]]]]:
    """Each content block as it starts, as it is when done, and the deltas in between."""
    reply = draft.reply
    if reply.reasoning is not None:
        started = {"type": "thinking", "thinking": "", "signature": ""}
        done = {"type": "thinking", "thinking": reply.reasoning, "signature": draft.seal("signature")}
        yield started, done, _thinking_deltas(draft, done["signature"])
    text = reply.refusal if reply.refusal is not None else draft.text
    if text or (text == "" and not draft.calls and reply.refusal is None):
        pieces = draft.text_pieces() if reply.refusal is None else iter(draft.cut(text))
        deltas = ({"type": "text_delta", "text": piece} for piece in pieces)
        yield {"type": "text", "text": ""}, {"type": "text", "text": text}, deltas
    for position, call in enumerate(draft.calls):
        block: dict[str, Any] = {"type": "tool_use", "id": draft.call_id(position, "toolu_"), "name": call.name}
        yield {**block, "input": {}}, {**block, "input": _input(call)}, _argument_deltas(draft, call)


def _thinking_deltas(draft: Draft, signature: str) -> Iterator[dict[str, Any]]:
    for piece in draft.cut(draft.reply.reasoning or ""):
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": signature}


def _argument_deltas(draft: Draft, call: Call) -> Iterator[dict[str, Any]]:
    yield {"type": "input_json_delta", "partial_json": ""}
    if call.arguments_json != "{}":  # a call without arguments streams none
        for piece in draft.argument_pieces(call):
            yield {"type": "input_json_delta", "partial_json": piece}


def _input(call: Call) -> dict[str, Any]:
    """The arguments as the object that this dialect needs; text that is none is shown under INVALID_JSON."""
    try:
        value = jsons.loads(call.arguments_json or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"INVALID_JSON": call.arguments_json}


def _ending(draft: Draft) -> dict[str, Any]:
    reason = draft.reply.finish_reason
    if reason is None:
        reason = "tool_calls" if draft.calls else "content_filter" if draft.reply.refusal is not None else "stop"
    stop_reason = _STOP_REASONS.get(reason, reason)
    sequences = draft.body.get("stop_sequences") or [None]
    refused = {"type": "refusal", "category": None, "explanation": draft.reply.refusal}
    return {
        "stop_reason": stop_reason,
        "stop_sequence": sequences[0] if stop_reason == "stop_sequence" else None,
        "stop_details": refused if stop_reason == "refusal" else None,
    }


def _usage(draft: Draft) -> dict[str, Any]:
    counts = draft.counts
    return {
        # This vendor counts cached tokens apart.
        "input_tokens": max(0, counts.input - counts.cached - counts.cache_write),
        "cache_creation_input_tokens": counts.cache_write,
        "cache_read_input_tokens": counts.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": counts.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": counts.output,
        "output_tokens_details": {"thinking_tokens": counts.reasoning},
        "service_tier": "standard",
        "inference_geo": "global",
    }
