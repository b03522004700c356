"""OpenAI Responses: the answer as one object, or as a stream of typed events.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .rendering import Draft, Event, to_json

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response_object(draft: Draft) -> dict[str, Any]:
    """The finished `response` object."""
    incomplete = _INCOMPLETE.get(draft.reply.finish_reason or "")
    status = "incomplete" if incomplete else _status(draft)
    answer = _response(draft, status)
    answer["output"] = [item.done for item in _items(draft)]
    answer["completed_at"] = draft.created if status == "completed" else None
    answer["incomplete_details"] = {"reason": incomplete} if incomplete else None
    if draft.reply.send_usage:
        answer["usage"] = _usage(draft)
    return answer


def response_events(draft: Draft) -> Iterator[Event]:
    """The events of a stream, from `response.created` to `response.completed` (or `.incomplete`)."""
    for number, (kind, fields) in enumerate(_event_fields(draft)):
        yield Event(kind, to_json({"type": kind, "sequence_number": number, **fields}))


def failed_response(draft: Draft, message: str, code: str) -> dict[str, Any]:
    """The `response` object of a `response.failed` event."""
    answer = _response(draft, "failed")
    answer["error"] = {"code": code, "message": message}
    return answer


@dataclass(frozen=True, slots=True)
class _Item:
    """One output item: as it is announced, what is streamed of it, as it is when done."""

    started: dict[str, Any]
    done: dict[str, Any]


def _event_fields(draft: Draft) -> Iterator[tuple[str, dict[str, Any]]]:
    started = _response(draft, "in_progress")
    yield "response.created", {"response": started}
    yield "response.in_progress", {"response": started}
    for index, item in enumerate(_items(draft)):
        yield "response.output_item.added", {"output_index": index, "item": item.started}
        place = {"item_id": item.done["id"], "output_index": index}
        if item.done["type"] == "reasoning":
            yield from _reasoning_fields(draft, item, place)
        elif item.done["type"] == "message":
            yield from _message_fields(draft, item, place)
        else:
            yield from _call_fields(draft, item, place)
        yield "response.output_item.done", {"output_index": index, "item": item.done}
    finished = response_object(draft)
    kind = "incomplete" if finished["status"] == "incomplete" else "completed"
    yield f"response.{kind}", {"response": finished}


def _reasoning_fields(draft: Draft, item: _Item, place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for summary_index, part in enumerate(item.done["summary"]):
        here = {**place, "summary_index": summary_index}
        yield "response.reasoning_summary_part.added", {**here, "part": {"type": "summary_text", "text": ""}}
        for piece in draft.cut(part["text"]):
            yield "response.reasoning_summary_text.delta", {**here, "delta": piece}
        yield "response.reasoning_summary_text.done", {**here, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**here, "part": part}


def _message_fields(draft: Draft, item: _Item, place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    part = item.done["content"][0]
    here = {**place, "content_index": 0}
    if part["type"] == "refusal":
        yield "response.content_part.added", {**here, "part": {"type": "refusal", "refusal": ""}}
        for piece in draft.cut(part["refusal"]):
            yield "response.refusal.delta", {**here, "delta": piece}
        yield "response.refusal.done", {**here, "refusal": part["refusal"]}
    else:
        yield "response.content_part.added", {**here, "part": {**part, "text": ""}}
        for piece in draft.text_pieces():
            yield "response.output_text.delta", {**here, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {**here, "text": part["text"], "logprobs": []}
    yield "response.content_part.done", {**here, "part": part}


def _call_fields(draft: Draft, item: _Item, place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    call = next(call for position, call in enumerate(draft.calls) if _call_item_id(draft, position) == place["item_id"])
    for piece in draft.argument_pieces(call):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    yield "response.function_call_arguments.done", {**place, "arguments": call.arguments_json}


def _items(draft: Draft) -> Iterator[_Item]:
    reply = draft.reply
    if reply.reasoning is not None:
        item: dict[str, Any] = {"id": draft.identifier("rs_"), "type": "reasoning", "summary": []}
        if "reasoning.encrypted_content" in (draft.body.get("include") or []):
            item["encrypted_content"] = draft.seal("encrypted")
        summary = [{"type": "summary_text", "text": reply.reasoning}] if reply.reasoning else []
        yield _Item(item, {**item, "summary": summary})
    if reply.refusal is not None or draft.text is not None:
        part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": [], "text": draft.text or ""}
        if reply.refusal is not None:
            part = {"type": "refusal", "refusal": reply.refusal}
        item = {"id": draft.identifier("msg_"), "type": "message", "role": "assistant", "content": []}
        status = "incomplete" if reply.finish_reason in _INCOMPLETE else "completed"
        yield _Item({**item, "status": "in_progress"}, {**item, "status": status, "content": [part]})
    for position, call in enumerate(draft.calls):
        item = {
            "id": _call_item_id(draft, position),
            "type": "function_call",
            "call_id": draft.call_id(position, "call_"),
            "name": call.name,
        }
        yield _Item(
            {**item, "status": "in_progress", "arguments": ""},
            {**item, "status": "completed", "arguments": call.arguments_json},
        )


def _call_item_id(draft: Draft, position: int) -> str:
    return draft.identifier("fc_", position)


def _status(draft: Draft) -> str:
    reason = draft.reply.finish_reason
    return "completed" if reason in (None, "stop", "tool_calls") else reason


def _response(draft: Draft, status: str) -> dict[str, Any]:
    """The object without its output; the vendor repeats most of the request in it."""
    body = draft.body
    text = body.get("text") or {}
    reasoning = body.get("reasoning") or {}
    return {
        "id": draft.identifier("resp_"),
        "object": "response",
        "created_at": draft.created,
        "status": status,
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": draft.model,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": body.get("store") is not False,
        "temperature": body.get("temperature", 1.0),
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [_echoed_tool(tool) for tool in body.get("tools") or []],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": None,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _echoed_tool(tool: Any) -> Any:
    if isinstance(tool, dict) and tool.get("type") == "function":
        return {"description": None, "parameters": None, "strict": True, **tool}
    return tool


def _usage(draft: Draft) -> dict[str, Any]:
    counts = draft.counts
    return {
        "input_tokens": counts.input,
        "input_tokens_details": {"cache_write_tokens": counts.cache_write, "cached_tokens": counts.cached},
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.total,
    }
