"""Requests, recorded shapes and checks for the tests of Anthropic's dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from anthropic.types import message_create_params
from pydantic import TypeAdapter

from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import normalize_messages
from llm_client._core.profiles import ModelProfile
from llm_client._core.wire.anthropic_messages import StreamParser
from llm_client._core.wire.request import CompletionRequest

# Takes everything but forced tools beside a budget; no effort.
BUDGET_MODEL = "claude-sonnet-4-5"
# Always thinks, takes no sampling, no prefill, no forced tools.
STRICT_MODEL = "claude-sonnet-5-5"
OLD_MODEL = "claude-3-5-haiku-20241022"

_ADAPTERS = {
    False: TypeAdapter(message_create_params.MessageCreateParamsNonStreaming),
    True: TypeAdapter(message_create_params.MessageCreateParamsStreaming),
}
_KNOWN = set(message_create_params.MessageCreateParamsStreaming.__annotations__) | set(
    message_create_params.MessageCreateParamsBase.__annotations__
)
_OLD = {"temperature", "top_p", "top_k"}


def request(messages: Any = "Hello", *, model: str = BUDGET_MODEL, **given: Any) -> CompletionRequest:
    """A question to a Claude model."""
    return CompletionRequest(
        model=model, profile=ModelProfile.resolve(model), messages=normalize_messages(messages), **given
    )


def check_body(body: dict[str, Any]) -> dict[str, Any]:
    """The body itself, if it is a request by the vendor's own types."""
    assert set(body) - _KNOWN - _OLD == set()
    validated = _ADAPTERS[body.get("stream", False)].validate_python(
        {name: value for name, value in json.loads(json.dumps(body)).items() if name not in _OLD}
    )
    _force(validated)
    return body


def _force(value: Any) -> None:
    # pydantic validates an Iterable when somebody walks through it.
    if isinstance(value, dict):
        for item in value.values():
            _force(item)
    elif not isinstance(value, (str, bytes)) and isinstance(value, Iterable):
        for item in value:
            _force(item)


def sse(events: Iterable[dict[str, Any]]) -> bytes:
    """Events as the API streams them."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def message(*content: dict[str, Any], **given: Any) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 3, "output_tokens": 5},
        **given,
    }


def as_stream(whole: dict[str, Any], *, piece: int = 7) -> list[dict[str, Any]]:
    """The events in which the API would stream this answer.

    Args:
        whole: The answer.
        piece: Characters in one delta.
    """
    usage = whole["usage"]
    head = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": head}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        start, deltas = _block_pieces(block, piece)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ending = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in whole}
    events.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": usage["output_tokens"]}})
    events.append({"type": "message_stop"})
    return events


def _block_pieces(block: dict[str, Any], piece: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = block["type"]
    if kind == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": text} for text in _cut(block["text"], piece)]
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": text} for text in _cut(block["thinking"], piece)]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, deltas
    if "input" in block:
        text = json.dumps(block["input"])  # with the spaces that a model writes
        return {**block, "input": {}}, [
            {"type": "input_json_delta", "partial_json": part} for part in ("", *_cut(text, piece))
        ]
    return block, []


def _cut(text: str, piece: int) -> Iterator[str]:
    for start in range(0, len(text), piece):
        yield text[start : start + piece]


def run_stream(asked: CompletionRequest, data: bytes, *, cut: int | None = None) -> list[StreamEvent]:
    """All events of a streamed body, fed in pieces of `cut` bytes."""
    parser = StreamParser(asked)
    events: list[StreamEvent] = []
    size = cut or len(data) or 1
    for start in range(0, len(data), size):
        events += parser.feed(data[start : start + size])
    events += parser.close()
    assert parser.close() == []
    assert parser.feed(sse([{"type": "ping"}])) == []
    ends = [event.type for event in events if event.type in (StreamEventType.DONE, StreamEventType.ERROR)]
    assert len(ends) == 1
    assert events[-1].type is ends[0]
    return events
