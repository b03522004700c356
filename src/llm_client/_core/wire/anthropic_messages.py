"""Anthropic's Messages API, and the servers that speak it.

https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import jsons
from ..events import StreamEvent, StreamEventType
from ..parts import FilePart
from ..results import CompletionResult
from ..strict_schema import strict_schema
from . import thinking_rules
from .anthropic_answer import AnswerFold
from .anthropic_blocks import DEFAULT_MAX_TOKENS, DIALECT, system_blocks, turns
from .anthropic_cache import mark_breakpoints
from .anthropic_errors import parse_error, read_error
from .anthropic_format import answer_tool, answer_tool_name, instruction, native_schema, way_of
from .broken import CUT_SHORT, broken_reply, describe_broken
from .plain import LESSONS, PlainChunk
from .request import CompletionRequest
from .sse import SseDecoder

if TYPE_CHECKING:
    from ..tools import Tool

__all__ = [
    "COUNT_PATH",
    "DEFAULT_MAX_TOKENS",
    "NAME",
    "PATH",
    "StreamParser",
    "auth_headers",
    "beta_headers",
    "build_count_request",
    "build_request",
    "parse_count",
    "parse_error",
    "parse_response",
]

NAME = DIALECT
PATH = "/v1/messages"
COUNT_PATH = PATH + "/count_tokens"

_EXPECTED = "an Anthropic message"
_FILES_BETA = "files-api-2025-04-14"
_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control")


def auth_headers(api_key: str | None) -> dict[str, str]:
    """The headers that the API demands.

    The version is the one under which temperature and top_p still exist, for the models that take them:
    https://platform.claude.com/docs/en/api/versioning

    Args:
        api_key: None where a gateway needs none.
    """
    headers = {"anthropic-version": "2023-06-01"}
    if api_key is not None:
        headers["x-api-key"] = api_key
    return headers


def beta_headers(request: CompletionRequest) -> dict[str, str]:
    """The header for what the request uses that is still in beta; empty for nearly all requests."""
    uploaded = any(
        isinstance(part, FilePart) and part.file_id is not None
        for message in request.messages
        for part in message.parts
    )
    return {"anthropic-beta": _FILES_BETA} if uploaded else {}


def build_request(request: CompletionRequest) -> dict[str, Any]:
    """The request's JSON body.

    Raises:
        ValueError: A part of a message has no form in this API, or nothing is left to send.
    """
    if request.cache not in (None, "auto"):
        raise ValueError(f'cache is "auto" or None, got {request.cache!r}')
    way = way_of(request)
    system = system_blocks(request.messages)
    if way == "words":
        system.append({"type": "text", "text": instruction(request)})
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
        "messages": turns(request.messages, keep_last_thinking=_may_think(request)),
    }
    if request.stream:
        body["stream"] = True
    if system:
        body["system"] = system
    body.update(_tools(request, way))
    output: dict[str, Any] = {}
    if request.reasoning_effort is not None:
        output["effort"] = request.reasoning_effort
    if way == "native" and request.response_format is not None:
        output["format"] = {"type": "json_schema", "schema": native_schema(request.response_format.schema or {})}
    if output:
        body["output_config"] = output
    if request.thinking is not None:
        body["thinking"] = dict(request.thinking)
    for name in ("temperature", "top_p"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    if request.cache == "auto":
        mark_breakpoints(body)
    if system and not any("cache_control" in block for block in body["system"]):
        body["system"] = "\n\n".join(block["text"] for block in system)
    body.update(request.extra_body)
    return body


def _may_think(request: CompletionRequest) -> bool:
    return thinking_rules.is_on(request.thinking) or request.profile.capabilities.thinking_always


def _tools(request: CompletionRequest, way: str | None) -> dict[str, Any]:
    tools = [_tool(tool, request) for tool in request.tools]
    choice = request.tool_choice
    if way == "tool":
        tools.append(answer_tool(request))
        named = choice is not None and choice not in ("auto", "none", "required", "any")
        if not named:
            # One of the caller's own tools may still come first, unless the caller forbids that.
            choice = "required" if request.tools and choice != "none" else answer_tool_name(request)
    if not tools:
        return {}
    chosen: dict[str, Any] | None = None
    if choice in ("auto", "none"):
        chosen = {"type": choice}
    elif choice in ("required", "any"):
        chosen = {"type": "any"}
    elif choice is not None:
        chosen = {"type": "tool", "name": choice}
    if request.parallel_tool_calls is False and choice != "none":
        chosen = {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": True}
    return {"tools": tools} if chosen is None else {"tools": tools, "tool_choice": chosen}


def _tool(tool: Tool, request: CompletionRequest) -> dict[str, Any]:
    value: dict[str, Any] = {"name": tool.name}
    if tool.description:
        value["description"] = tool.description
    if tool.strict and request.profile.capabilities.structured_output:
        value["input_schema"] = strict_schema(tool.parameters)
        value["strict"] = True
    else:
        value["input_schema"] = {"type": "object", **tool.parameters}
    return value


def build_count_request(request: CompletionRequest) -> dict[str, Any]:
    """The body of a request to COUNT_PATH, which tells how many input tokens a request would have.

    Raises:
        ValueError: As `build_request`.
    """
    body = build_request(request)
    return {name: body[name] for name in _COUNTED if name in body}


def parse_count(body: bytes) -> int | None:
    """The input tokens that the API counted; None for an answer that is none."""
    try:
        count = jsons.loads_wire(body)["input_tokens"]
    except (ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None


def parse_response(body: bytes, request: CompletionRequest) -> CompletionResult:
    """The answer of status 200; a body that is none becomes a result with an error."""
    try:
        # Arguments stand decoded in the envelope, so that integers of any size may be in it.
        value = jsons.loads(body)
    except ValueError:
        value = None
    if not _is_message(value):
        failure = read_error(value)
        if failure is None:
            return broken_reply(body, _EXPECTED)
        return CompletionResult(
            status=failure.status or 502,
            error=failure.message,
            error_code=failure.code,
            request_id=failure.request_id,
        )
    return _from_whole(value, request, [])


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("content"), list) and value.get("type") != "error"


def _from_whole(value: dict[str, Any], request: CompletionRequest, events: list[StreamEvent]) -> CompletionResult:
    fold = AnswerFold(request)
    fold.start(value, events)
    return fold.finish(events)


def _plain_text(event: Any) -> Any:
    return event["delta"]["text"]


class StreamParser:
    """A streamed message, from bytes to events.

    Args:
        request: What was asked.
    """

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._sse = SseDecoder()
        self._fold = AnswerFold(request)
        # What came before the first event: shown if none ever comes.
        self._before = bytearray()
        self._plain: PlainChunk | None = None
        self._plain_index: Any = None
        self._lessons = LESSONS
        self._heard = False
        self._ended = False

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete; none after DONE or ERROR."""
        events: list[StreamEvent] = []
        if not self._heard:
            self._before += data
        plain, add_text = self._plain, self._fold.add_text
        for payload in self._sse.feed(data):
            if self._ended:
                break
            text = None if plain is None else plain.text(payload)
            if text is None:
                self._event(payload, events)
                plain = self._plain
            else:
                add_text(self._plain_index, text, events)
        return events

    def close(self) -> list[StreamEvent]:
        """The events still owed at the end of the bytes: an ERROR if the answer was cut short."""
        events: list[StreamEvent] = []
        for payload in self._sse.close():
            if not self._ended:
                self._event(payload, events, last=True)
        if self._ended:
            return events
        if not self._heard:
            self._no_stream(events)
        elif self._fold.stop_reason is not None:
            # All of the answer came; only the closing event is missing.
            self._done(events)
        else:
            self._fail(503, CUT_SHORT, events)
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
            self._fail(502, describe_broken(payload, "an event of an Anthropic stream"), events)
            return
        if not isinstance(event, dict):
            return
        if not self._heard:
            self._heard = True
            self._before.clear()
        fold = self._fold
        kind = event.get("type")
        if kind == "content_block_delta":
            delta = event.get("delta")
            if isinstance(delta, dict) and delta.get("type") == "text_delta":
                fold.add_text(event.get("index"), delta.get("text"), events)
                self._learn(payload, event)
            else:
                fold.add(event.get("index"), delta, events)
        elif kind == "content_block_start":
            block = event.get("content_block")
            if isinstance(block, dict) and block.get("input"):
                # Some servers send the arguments here, decoded, with integers of any size.
                block = jsons.loads(payload)["content_block"]
            fold.start_block(event.get("index"), block, events)
        elif kind == "content_block_stop":
            fold.end_block(event.get("index"), events)
        elif kind == "message_start":
            fold.start(event.get("message"), events)
        elif kind == "message_delta":
            fold.end_message(event)
        elif kind == "message_stop":
            if fold.begun:
                self._done(events)
            else:
                self._fail(502, "the stream held no message", events)
        elif kind == "error" or (kind is None and event.get("error")):
            self._error(event, events)
        # Everything else is a ping, or newer than this code.

    def _learn(self, payload: bytes, event: dict[str, Any]) -> None:
        text = event["delta"].get("text")
        if self._lessons and isinstance(text, str):
            self._lessons -= 1
            self._plain = PlainChunk.learn(payload, b'"text":', text, _plain_text)
            self._plain_index = event.get("index")

    def _error(self, event: dict[str, Any], events: list[StreamEvent]) -> None:
        failure = read_error(event)
        if failure is None:
            self._fail(500, "the API broke the stream off with an error", events)
        else:
            self._fail(failure.status or 500, failure.message, events)

    def _no_stream(self, events: list[StreamEvent]) -> None:
        body = bytes(self._before)
        result = parse_response(body, self._request)
        if not result.ok:
            self._fail(result.status, result.error or "", events)
            return
        # A gateway that does not stream answered as a whole.
        self._fold = AnswerFold(self._request)
        self._fold.start(jsons.loads(body), events)
        self._done(events)

    def _done(self, events: list[StreamEvent]) -> None:
        self._ended = True
        result = self._fold.finish(events)
        events.append(StreamEvent(StreamEventType.DONE, result))

    def _fail(self, status: int, message: str, events: list[StreamEvent]) -> None:
        self._ended = True
        events.append(StreamEvent(StreamEventType.ERROR, {"status": status, "error": message}))
