"""OpenAI's Responses API, and the servers that speak it.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import jsons
from ..events import StreamEvent, StreamEventType
from ..results import CompletionResult
from .broken import CUT_SHORT, broken_reply, describe_broken
from .openai_errors import parse_error, read_error
from .request import CompletionRequest, Failure
from .responses_answer import AnswerFold
from .responses_input import DIALECT, input_items
from .sse import SseDecoder

if TYPE_CHECKING:
    from ..tools import Tool

__all__ = ["NAME", "PATH", "StreamParser", "build_request", "parse_error", "parse_response"]

NAME = DIALECT
PATH = "/responses"

_EXPECTED = "an answer of the Responses API"
_ENCRYPTED = "reasoning.encrypted_content"
_FAILED = {"failed": (500, "the API failed to produce the response"), "cancelled": (499, "the response was cancelled")}

Json = dict[str, Any]


def build_request(request: CompletionRequest) -> Json:
    """The request's JSON body.

    Members of extra_body win over the arguments; objects such as `reasoning` and `text` are merged with what the
    arguments say, and so is the list `include`.

    Raises:
        ValueError: A part of a message has no form in this API, or a strict tool has no strict schema.
    """
    stored = request.extra_body.get("store", request.store) is not False
    body: Json = {"model": request.model, "input": input_items(request.messages, stored=stored)}
    if request.stream:
        body["stream"] = True
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    if request.reasoning_effort is not None:
        body["reasoning"] = {"effort": request.reasoning_effort}
    if request.response_format is not None:
        body["text"] = {"format": _format(request)}
    for name in ("temperature", "top_p", "store", "prompt_cache_key"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.user is not None:
        body["safety_identifier"] = request.user
    if not stored and _may_reason(request):
        # Else the next request could not give the reasoning back.
        body["include"] = [_ENCRYPTED]
    _merge(body, request.extra_body)
    return body


def _may_reason(request: CompletionRequest) -> bool:
    # "Encrypted content is not supported with this model" is what models without reasoning answer.
    capabilities = request.profile.capabilities
    return capabilities.reasoning or capabilities.efforts is None


def _merge(body: Json, extra: Mapping[str, Any]) -> None:
    for name, value in extra.items():
        known = body.get(name)
        if isinstance(known, dict) and isinstance(value, Mapping) and name != "tool_choice":
            body[name] = {**known, **value}
        elif name == "include" and known and isinstance(value, (list, tuple)):
            body[name] = [*known, *(entry for entry in value if entry not in known)]
        else:
            body[name] = value


def _tool(tool: Tool) -> Json:
    value: Json = {"type": "function", "name": tool.name}
    if tool.description:
        value["description"] = tool.description
    value["parameters"] = tool.strict_parameters if tool.strict else tool.parameters
    # Where the field is missing, this API takes every tool for a strict one.
    value["strict"] = tool.strict
    return value


def _tool_choice(choice: str) -> Any:
    if choice in ("auto", "none", "required"):
        return choice
    if choice == "any":
        return "required"
    return {"type": "function", "name": choice}


def _format(request: CompletionRequest) -> Json:
    wanted = request.response_format
    assert wanted is not None
    if wanted.kind == "json_object":
        return {"type": "json_object"}
    value: Json = {"type": "json_schema", "name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        value["description"] = wanted.description
    if wanted.strict is not None:
        value["strict"] = wanted.strict
    return value


def parse_response(body: bytes, request: CompletionRequest) -> CompletionResult:
    """The answer of status 200; a body that is none becomes a result with an error."""
    try:
        value = jsons.loads_wire(body)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("output"), list):
        # Some gateways answer an error with status 200.
        failure = _failure_of(value)
        if failure is None:
            return broken_reply(body, _EXPECTED)
        return CompletionResult(status=failure.status or 502, error=failure.message, error_code=failure.code)
    return _from_whole(value, request, [])


def _from_whole(value: Json, request: CompletionRequest, events: list[StreamEvent]) -> CompletionResult:
    result = AnswerFold(request).finish(value, events)
    failure = _failure_of(value)
    if failure is None:
        return result
    return replace(result, status=failure.status or 500, error=failure.message, error_code=failure.code)


def _failure_of(response: Any) -> Failure | None:
    """Why a response object is no answer, None where it is one."""
    if not isinstance(response, dict):
        return None
    status = response.get("status")
    failed = _FAILED.get(status) if isinstance(status, str) else None
    error = response.get("error")
    failure = None
    if error or "output" not in response:
        # An error may stand under its name, or be the object itself.
        failure = read_error({"error": error} if error else {k: v for k, v in response.items() if v is not None})
    if failure is not None:
        return failure if failure.status is not None or failed is None else replace(failure, status=failed[0])
    return None if failed is None else Failure(failed[1], status=failed[0])


class StreamParser:
    """A streamed response, from bytes to events.

    Args:
        request: What was asked.
    """

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._sse = SseDecoder()
        self._fold = AnswerFold(request)
        # What came before the first event: shown if none ever comes.
        self._before = bytearray()
        self._heard = False
        self._ended = False

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete; none after DONE or ERROR."""
        events: list[StreamEvent] = []
        if not self._heard:
            self._before += data
        for payload in self._sse.feed(data):
            if self._ended:
                break
            self._event(payload, events)
        return events

    def close(self) -> list[StreamEvent]:
        """The events still owed at the end of the bytes: an ERROR if the answer was cut short."""
        events: list[StreamEvent] = []
        for payload in self._sse.close():
            if not self._ended:
                self._event(payload, events, last=True)
        if not self._ended:
            if self._heard:
                self._fail(503, CUT_SHORT, events)
            else:
                self._no_stream(events)
        return events

    def partial(self) -> CompletionResult:
        """What has come so far."""
        return self._fold.partial()

    def _event(self, payload: bytes, events: list[StreamEvent], *, last: bool = False) -> None:
        if not payload.strip() or payload == b"[DONE]":
            return
        try:
            event = jsons.loads_wire(payload)
        except ValueError:
            if last:
                return  # the stream was cut inside an event
            self._heard = True
            self._fail(502, describe_broken(payload, "an event of a Responses stream"), events)
            return
        if not isinstance(event, dict):
            return
        if not self._heard:
            self._heard = True
            self._before.clear()
        kind = event.get("type")
        if kind == "response.output_text.delta":
            fold = self._fold
            fold.add_text(fold.place(event), event.get("content_index"), event.get("delta"), events)
        elif kind == "error" or (kind is None and event.get("error")):
            self._error(event, events)
        elif isinstance(kind, str):
            self._other(kind, event, events)

    def _other(self, kind: str, event: Json, events: list[StreamEvent]) -> None:
        fold = self._fold
        index = fold.place(event, begins=kind == "response.output_item.added")
        part = event.get("content_index")
        match kind:
            case "response.function_call_arguments.delta":
                fold.add_arguments(index, event.get("delta"), events)
            case "response.function_call_arguments.done":
                fold.end_arguments(index, event.get("arguments"), events)
            case "response.reasoning_summary_text.delta":
                fold.add_reasoning("summary", index, event.get("summary_index"), event.get("delta"), events)
            case "response.reasoning_summary_text.done":
                fold.end_reasoning("summary", index, event.get("summary_index"), event.get("text"), events)
            case "response.reasoning_text.delta":
                fold.add_reasoning("content", index, part, event.get("delta"), events)
            case "response.reasoning_text.done":
                fold.end_reasoning("content", index, part, event.get("text"), events)
            case "response.output_text.done":
                fold.end_text(index, part, event.get("text"), events)
            case "response.refusal.delta":
                fold.add_refusal(index, part, event.get("delta"), events)
            case "response.refusal.done":
                fold.end_refusal(index, part, event.get("refusal"), events)
            case "response.output_item.added":
                fold.add_item(index, event.get("item"), events)
            case "response.output_item.done":
                fold.end_item(index, event.get("item"), events)
            case "response.created" | "response.in_progress" | "response.queued":
                fold.start(event.get("response"))
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
                self._done(event, events)
        # Everything else is told again by the item's end, is progress of a tool that the vendor runs, or is newer than
        # this code.

    def _done(self, event: Json, events: list[StreamEvent]) -> None:
        response = event.get("response")
        if not isinstance(response, dict):
            self._fail(502, "the stream's last event holds no response", events)
            return
        kind = event["type"].rpartition(".")[2]
        response = {**response, "status": response.get("status") or kind}
        failure = _failure_of(response)
        if failure is None and kind in _FAILED:
            failure = Failure(_FAILED[kind][1], status=_FAILED[kind][0])
        if failure is not None:
            self._fold.start(response)
            self._fail(failure.status or 500, failure.message, events)
            return
        self._ended = True
        result = self._fold.finish(response, events)
        events.append(StreamEvent(StreamEventType.DONE, result))

    def _error(self, event: Json, events: list[StreamEvent]) -> None:
        failure = read_error({name: value for name, value in event.items() if value is not None})
        if failure is None:
            self._fail(500, "the API broke the stream off with an error", events)
        else:
            self._fail(failure.status or 500, failure.message, events)

    def _no_stream(self, events: list[StreamEvent]) -> None:
        # A gateway that does not stream answered as a whole, or with something else.
        result = parse_response(bytes(self._before), self._request)
        if not result.ok:
            self._fail(result.status, result.error or "", events)
            return
        self._ended = True
        result = self._fold.finish(result.raw, events)
        events.append(StreamEvent(StreamEventType.DONE, result))

    def _fail(self, status: int, message: str, events: list[StreamEvent]) -> None:
        self._ended = True
        events.append(StreamEvent(StreamEventType.ERROR, {"status": status, "error": message}))
