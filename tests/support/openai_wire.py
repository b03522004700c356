"""Requests, recorded shapes and checks for the tests of OpenAI's dialects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from openai.types import embedding_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import normalize_messages
from llm_client._core.profiles import ModelProfile
from llm_client._core.results import CompletionResult
from llm_client._core.wire.request import CompletionRequest

# Reasons, takes efforts, no temperature.
MODEL = "gpt-5.2"
# Does not reason.
PLAIN_MODEL = "gpt-4o"

_TYPES: dict[str, tuple[Any, ...]] = {
    "chat": (
        completion_create_params.CompletionCreateParamsNonStreaming,
        completion_create_params.CompletionCreateParamsStreaming,
    ),
    "responses": (
        response_create_params.ResponseCreateParamsNonStreaming,
        response_create_params.ResponseCreateParamsStreaming,
    ),
    "embeddings": (embedding_create_params.EmbeddingCreateParams,),
}
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}
_LAST = (StreamEventType.DONE, StreamEventType.ERROR)


def request(messages: Any = "Hello", *, model: str = MODEL, **given: Any) -> CompletionRequest:
    """A question to an OpenAI model."""
    return CompletionRequest(
        model=model, profile=ModelProfile.resolve(model), messages=normalize_messages(messages), **given
    )


def check_body(api: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body itself, if it is a request by the vendor's own types."""
    kinds = _TYPES[api]
    kind = kinds[-1] if body.get("stream") else kinds[0]
    known = {name for base in (kind, *kind.__orig_bases__) for name in getattr(base, "__annotations__", ())}
    assert set(body) - known == set()
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    _force(adapter.validate_python(json.loads(json.dumps(body))))
    return body


def _force(value: Any) -> None:
    # pydantic validates an Iterable when somebody walks through it.
    if isinstance(value, dict):
        for item in value.values():
            _force(item)
    elif not isinstance(value, (str, bytes)) and isinstance(value, Iterable):
        for item in value:
            _force(item)


def sse(events: Iterable[Any]) -> bytes:
    """Events as the API streams them; strings go out as they are."""
    return b"".join(
        b"data: " + (event.encode() if isinstance(event, str) else json.dumps(event).encode()) + b"\n\n"
        for event in events
    )


def run_stream(
    make: Callable[[CompletionRequest], Any], asked: CompletionRequest, data: bytes, *, cut: int | None = None
) -> list[StreamEvent]:
    """All events of a streamed body, fed in pieces of `cut` bytes; one DONE or one ERROR ends them."""
    parser = make(asked)
    events: list[StreamEvent] = []
    size = cut or len(data) or 1
    for start in range(0, len(data), size):
        events += parser.feed(data[start : start + size])
    events += parser.close()
    assert parser.close() == []
    assert parser.feed(b'data: {"type": "ping", "choices": []}\n\n') == []
    assert [event.type for event in events if event.type in _LAST] == [events[-1].type]
    return events


def kinds(events: list[StreamEvent]) -> list[str]:
    """The events' names."""
    return [event.type.value for event in events]


def data(events: list[StreamEvent], kind: StreamEventType) -> list[Any]:
    """What the events of one kind carry."""
    return [event.data for event in events if event.type is kind]


def done(events: list[StreamEvent]) -> CompletionResult:
    """The result of a stream that ended well."""
    assert events[-1].type is StreamEventType.DONE, events[-1]
    result: CompletionResult = events[-1].data
    return result


def error(events: list[StreamEvent]) -> dict[str, Any]:
    """What the ERROR of a stream says."""
    assert events[-1].type is StreamEventType.ERROR, events[-1]
    content: dict[str, Any] = events[-1].data
    assert set(content) == {"status", "error"}
    return content


# --- the Responses API


def text_item(*texts: str, id: str = "msg_1", **given: Any) -> dict[str, Any]:
    """An output message."""
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts]
    return {"id": id, "type": "message", "role": "assistant", "status": "completed", "content": content, **given}


def refusal_item(text: str, id: str = "msg_r") -> dict[str, Any]:
    """An output message that refuses."""
    return {**text_item(id=id), "content": [{"type": "refusal", "refusal": text}]}


def reasoning_item(*summary: str, id: str = "rs_1", **given: Any) -> dict[str, Any]:
    """A reasoning item."""
    return {
        "id": id, "type": "reasoning", "summary": [{"type": "summary_text", "text": text} for text in summary], **given
    }  # fmt: skip


def call_item(name: str = "weather", arguments: str = '{"city":"Zürich"}', *, number: int = 1) -> dict[str, Any]:
    """A function call."""
    return {
        "id": f"fc_{number}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": arguments,
    }


def response(*output: dict[str, Any], **given: Any) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5.2-2025-12-11",
        "output": list(output),
        "service_tier": "default",
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 17,
        },
        **given,
    }


def as_stream(whole: dict[str, Any], *, piece: int = 7) -> list[dict[str, Any]]:
    """The events in which the API would stream this answer.

    Args:
        whole: The answer.
        piece: Characters in one delta.
    """
    head = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": head},
        {"type": "response.in_progress", "response": head},
    ]
    for index, item in enumerate(whole["output"]):
        empty = {**item, **{name: [] for name in ("content", "summary") if name in item}}
        if "arguments" in item:
            empty["arguments"] = ""
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        for event in _item_events(item, piece):
            events.append({**event, "output_index": index, "item_id": item.get("id")})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": f"response.{whole['status']}", "response": whole})
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return events


def _item_events(item: dict[str, Any], piece: int) -> Iterator[dict[str, Any]]:
    for name, index_name, kind in (
        ("summary", "summary_index", "reasoning_summary_text"),
        ("content", "content_index", "reasoning_text" if item["type"] == "reasoning" else "output_text"),
    ):
        for number, part in enumerate(item.get(name) or ()):
            member = "refusal" if part["type"] == "refusal" else "text"
            kind = "refusal" if member == "refusal" else kind
            here = {index_name: number}
            for text in _cut(part[member], piece):
                yield {"type": f"response.{kind}.delta", **here, "delta": text}
            yield {"type": f"response.{kind}.done", **here, member: part[member]}
    if item["type"] == "function_call":
        for text in _cut(item["arguments"], piece):
            yield {"type": "response.function_call_arguments.delta", "delta": text}
        yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}


def _cut(text: str, piece: int) -> Iterator[str]:
    for start in range(0, len(text), piece):
        yield text[start : start + piece]


# --- Chat Completions


def completion(content: str | None = "Hello", **given: Any) -> dict[str, Any]:
    """A whole chat completion.

    Args:
        content: What the message says.
        given: `finish_reason`, `usage`, and further members of the message.
    """
    finish = given.pop("finish_reason", "stop")
    usage = given.pop("usage", {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17})
    message = {"role": "assistant", "content": content, "refusal": None, **given}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5.2-2025-12-11",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": usage,
        "service_tier": "default",
    }


def chat_stream(whole: dict[str, Any], *, piece: int = 7) -> list[Any]:
    """The events in which the API would stream this completion, `[DONE]` included.

    Args:
        whole: The completion.
        piece: Characters in one delta.
    """
    choice = whole["choices"][0]
    message = choice["message"]
    head = {name: whole[name] for name in ("id", "created", "model", "service_tier")}
    head["object"] = "chat.completion.chunk"

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}

    events: list[Any] = [chunk({"role": "assistant", "content": ""})]
    for name in ("reasoning_content", "content", "refusal"):
        events += [chunk({name: text}) for text in _cut(message.get(name) or "", piece)]
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        start = {"index": index, **call, "function": {"name": function["name"], "arguments": ""}}
        events.append(chunk({"tool_calls": [start]}))
        for text in _cut(function["arguments"], piece):
            events.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": text}}]}))
    events.append(chunk({}, choice["finish_reason"]))
    if whole["usage"] is not None:
        events.append({**head, "choices": [], "usage": whole["usage"]})
    return [*events, "[DONE]"]
