"""OpenAI Chat Completions: the answer as one object, or as a stream of chunks.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .rendering import Draft, Event, to_json

DONE = Event(None, "[DONE]")


def chat_completion(draft: Draft) -> dict[str, Any]:
    """The `chat.completion` object."""
    answer: dict[str, Any] = {
        "id": draft.identifier("chatcmpl-"),
        "object": "chat.completion",
        "created": draft.created,
        "model": draft.model,
        "choices": [
            {
                "index": index,
                "message": _message(draft, index),
                "logprobs": None,
                "finish_reason": _finish_reason(draft),
            }
            for index in range(_choices(draft))
        ],
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }
    if draft.reply.send_usage:
        answer["usage"] = _usage(draft)
    return answer


def chat_events(draft: Draft) -> Iterator[Event]:
    """The chunks of a stream, with the usage chunk where the request asked for it, and the final [DONE]."""
    include_usage = draft.reply.send_usage and (draft.body.get("stream_options") or {}).get("include_usage") is True
    head: dict[str, Any] = {
        "id": draft.identifier("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": draft.created,
        "model": draft.model,
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }
    tail: dict[str, Any] = {"usage": None} if include_usage else {}

    def chunk(index: int, delta: dict[str, Any], finish_reason: str | None = None) -> Event:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return Event(None, to_json({**head, "choices": [choice], **tail}))

    for index in range(_choices(draft)):
        for delta in _deltas(draft, index):
            yield chunk(index, delta)
        yield chunk(index, {}, _finish_reason(draft))
    if include_usage:
        yield Event(None, to_json({**head, "choices": [], "usage": _usage(draft)}))
    yield DONE


def _deltas(draft: Draft, index: int) -> Iterator[dict[str, Any]]:
    reply = draft.reply
    first_content = None if draft.text is None else ""
    yield {"role": "assistant", "content": first_content, "refusal": None}
    for piece in draft.cut(reply.reasoning or ""):
        yield {"reasoning_content": piece}
    if reply.refusal is not None:
        for piece in draft.cut(reply.refusal):
            yield {"refusal": piece}
    elif draft.text is not None:
        for piece in draft.text_pieces():
            yield {"content": piece}
    for position, call in enumerate(draft.calls):
        start = {
            "index": position,
            "id": _call_id(draft, index, position),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        yield {"tool_calls": [start]}
        for piece in draft.argument_pieces(call):
            yield {"tool_calls": [{"index": position, "function": {"arguments": piece}}]}


def _message(draft: Draft, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if draft.reply.refusal is not None else draft.text,
        "refusal": draft.reply.refusal,
        "annotations": [],
    }
    if draft.reply.reasoning is not None:
        message["reasoning_content"] = draft.reply.reasoning
    if draft.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(draft, index, position),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_json},
            }
            for position, call in enumerate(draft.calls)
        ]
    return message


def _call_id(draft: Draft, index: int, position: int) -> str:
    return draft.call_id(position, "call_" if index == 0 else f"call_{index}_")


def _choices(draft: Draft) -> int:
    count = draft.body.get("n")
    return count if isinstance(count, int) and count > 0 else 1


def _finish_reason(draft: Draft) -> str:
    return draft.reply.finish_reason or ("tool_calls" if draft.calls else "stop")


def _usage(draft: Draft) -> dict[str, Any]:
    counts = draft.counts
    prompt_details = {"cached_tokens": counts.cached, "audio_tokens": 0}
    if counts.cache_write:
        prompt_details["cache_write_tokens"] = counts.cache_write
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.total,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
