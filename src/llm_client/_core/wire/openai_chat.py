"""OpenAI's Chat Completions, and the many servers that speak it.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Any

from .. import jsons
from ..events import StreamEvent, StreamEventType
from ..messages import Message, Role, ToolCall
from ..parts import FilePart
from ..results import CompletionResult
from ..tools import Tool
from ..usage import NO_USAGE, Usage
from .assembly import Assembly
from .broken import CUT_SHORT, broken_reply, describe_broken
from .openai_errors import parse_error, read_error
from .plain import LESSONS, PlainChunk
from .request import CompletionRequest
from .sse import SseDecoder

__all__ = ["NAME", "PATH", "StreamParser", "build_request", "parse_error", "parse_response"]

NAME = "openai-chat"
PATH = "/chat/completions"
_EXPECTED = "a chat completion"
_EXPECTED_CHUNK = "a chunk of a chat completion"

# What a tool gave besides text has no place in this API; the model must not take it for nothing.
_NOT_CARRIED = "(the result holds no text)"

_TOKEN = StreamEventType.TOKEN

_FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def build_request(request: CompletionRequest) -> dict[str, Any]:
    """The request's JSON body.

    Raises:
        ValueError: A part of a message has no form in this API.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
    }
    if request.stream:
        body["stream"] = True
        # Without it the usage of a stream is nowhere.
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.max_tokens is not None:
        body[request.profile.capabilities.max_tokens_name] = request.max_tokens
    if request.response_format is not None:
        body["response_format"] = _response_format(request)
    for name in ("temperature", "top_p", "seed", "reasoning_effort", "store", "prompt_cache_key", "user"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.stop is not None:
        body["stop"] = list(request.stop)
    body.update(request.extra_body)
    return body


def _message(message: Message) -> dict[str, Any]:
    role = message.role
    if role is Role.TOOL:
        return {
            "role": "tool",
            "tool_call_id": message.tool_call_id,
            "content": message.text or (_NOT_CARRIED if message.parts else ""),
        }
    if role is Role.ASSISTANT:
        value: dict[str, Any] = {"role": "assistant", "content": message.text}
        if message.tool_calls:
            value["content"] = message.text or None
            value["tool_calls"] = [call.to_dict() for call in message.tool_calls]
    else:
        content = message.content
        if content is None:
            content = ""
        value = {"role": role.value, "content": content if isinstance(content, str) else _parts(message)}
    if message.name is not None:
        value["name"] = message.name
    return value


def _parts(message: Message) -> list[dict[str, Any]]:
    parts = []
    for part in message.parts:
        if isinstance(part, FilePart) and part.url is not None:
            raise ValueError(
                "Chat Completions takes a file as data or by file_id, not by url; "
                "use FilePart.from_path(...) or use_responses_api=True"
            )
        parts.append(part.to_dict())
    return parts


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.strict_parameters if tool.strict else tool.parameters
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> Any:
    if choice in ("auto", "none", "required"):
        return choice
    if choice == "any":
        return "required"
    return {"type": "function", "function": {"name": choice}}


def _response_format(request: CompletionRequest) -> dict[str, Any]:
    wanted = request.response_format
    assert wanted is not None
    if wanted.kind == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def parse_response(body: bytes, request: CompletionRequest) -> CompletionResult:
    """The answer of status 200; a body that is none becomes a result with an error."""
    try:
        value = jsons.loads_wire(body)
        choice = value["choices"][0]
        message = choice.get("message") or {}
        calls = [_read_call(call, position) for position, call in enumerate(message.get("tool_calls") or ())]
        if message.get("function_call"):
            calls.append(_read_call({"function": message["function_call"]}, 0))
        content = _text(message.get("content"))
        refusal = _text(message.get("refusal"))
    except (ValueError, LookupError, TypeError, AttributeError):
        return _no_completion(body)
    finish = _text(choice.get("finish_reason")) or None
    model = value.get("model")
    return CompletionResult(
        content=content or refusal,
        tool_calls=calls or None,
        usage=_read_usage(value.get("usage"), value.get("service_tier"), request),
        reasoning=_reasoning(message) or None,
        model=model if isinstance(model, str) and model else request.model,
        finish_reason=_FINISH.get(finish, "stop") if finish else None,
        raw_finish_reason=finish,
        raw=value,
        refusal=refusal or None,
    )


def _no_completion(body: bytes) -> CompletionResult:
    # Some gateways answer an error with status 200.
    try:
        failure = read_error(jsons.loads_wire(body))
    except ValueError:
        failure = None
    if failure is not None:
        return CompletionResult(status=failure.status or 502, error=failure.message, error_code=failure.code)
    return broken_reply(body, _EXPECTED)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # some compatible servers answer in parts
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return ""


def _read_call(call: dict[str, Any], position: int) -> ToolCall:
    function = call.get("function")
    if function is None:  # a custom tool's call: free text instead of JSON
        custom = call.get("custom") or {}
        function = {"name": custom.get("name"), "arguments": jsons.dumps_text({"input": custom.get("input")})}
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # some compatible servers send the object itself
        arguments = jsons.dumps_text(arguments)
    return ToolCall(
        id=_text(call.get("id")) or f"call_{position}", name=_text(function.get("name")), arguments=_text(arguments)
    )


def _reasoning(message: dict[str, Any]) -> str | None:
    # OpenAI shows none here; DeepSeek and vLLM call it reasoning_content, OpenRouter reasoning.
    text = message.get("reasoning_content") or message.get("reasoning")
    return text if isinstance(text, str) else None


def _read_usage(usage: Any, service_tier: Any, request: CompletionRequest) -> Usage:
    if not isinstance(usage, dict) or not usage:
        return NO_USAGE
    try:
        return request.profile.parse_usage(usage, service_tier=_text(service_tier) or None)
    except (TypeError, ValueError, AttributeError):
        # Counts that nobody can read are no reason to lose an answer.
        return NO_USAGE


class StreamParser:
    """A streamed chat completion, from bytes to events.

    Args:
        request: What was asked.
    """

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._sse = SseDecoder()
        self._assembly = Assembly()
        self._head: dict[str, Any] = {}
        self._plain: PlainChunk | None = None
        self._lessons = LESSONS
        self._usage: dict[str, Any] | None = None
        self._refusal: list[str] = []
        self._refusals_shown = 0
        self._logprobs: dict[str, list[Any]] = {}
        self._finish: str | None = None
        # What came before the first event: shown if none ever comes.
        self._before = bytearray()
        self._heard = False
        self._begun = False
        self._ended = False

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete; none after DONE or ERROR."""
        events: list[StreamEvent] = []
        if not self._heard:
            self._before += data
        text_pieces, plain = self._assembly.text_pieces, self._plain
        for payload in self._sse.feed(data):
            if self._ended:
                break
            # Nearly every chunk holds a piece of text and nothing else.
            text = None if plain is None else plain.text(payload)
            if text is None:
                self._event(payload, events)
                plain = self._plain
            else:
                text_pieces.append(text)
                events.append(StreamEvent(_TOKEN, text))
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
        elif self._finish is not None:
            # Some servers leave the closing [DONE] out.
            self._done(events)
        else:
            self._fail(503, CUT_SHORT, events)
        return events

    def partial(self) -> CompletionResult:
        """What has come so far; only calls that are complete."""
        return self._result(whole=False)

    def _event(self, payload: bytes, events: list[StreamEvent], *, last: bool = False) -> None:
        if payload == b"[DONE]":
            if self._begun:
                self._done(events)
            else:
                self._fail(502, "the stream held no chat completion", events)
            return
        try:
            chunk = jsons.loads_wire(payload)
        except ValueError:
            if payload.strip() and not last:  # else the stream was cut inside an event
                self._heard = True
                self._fail(502, describe_broken(payload, _EXPECTED_CHUNK), events)
            return
        if not isinstance(chunk, dict):
            return
        if not self._heard:
            self._heard = True
            self._before.clear()
        if chunk.get("error"):
            failure = read_error(chunk)
            text = failure.message if failure is not None else "the API broke the stream off with an error"
            self._fail((failure.status if failure is not None else None) or 500, text, events)
            return
        try:
            self._chunk(chunk, events)
            if self._lessons and _is_plain(chunk):
                self._lessons -= 1
                self._plain = PlainChunk.learn(payload, b'"content":', _plain_text(chunk), _plain_text)
        except (AttributeError, TypeError):
            self._fail(502, describe_broken(payload, _EXPECTED_CHUNK), events)

    def _chunk(self, chunk: dict[str, Any], events: list[StreamEvent]) -> None:
        if not self._head or (chunk.get("model") and not self._head.get("model")):
            self._head = {key: value for key, value in chunk.items() if key not in ("choices", "usage")}
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            self._begun = True
            if not choice.get("index"):
                self._choice(choice, events)

    def _choice(self, choice: dict[str, Any], events: list[StreamEvent]) -> None:
        delta = choice.get("delta")
        if delta:
            text = delta.get("content")
            # Nearly every chunk holds text and nothing else; some servers put calls or reasoning beside it.
            if text and isinstance(text, str) and len(delta) == 1:
                self._assembly.text(text, events)
            else:
                self._rare(delta, events)
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict):
            for key, values in logprobs.items():
                if isinstance(values, list):
                    self._logprobs.setdefault(key, []).extend(values)
        finish = _text(choice.get("finish_reason"))
        if finish:
            self._finish = finish
            self._assembly.end_all_calls(events)

    def _rare(self, delta: dict[str, Any], events: list[StreamEvent]) -> None:
        assembly = self._assembly
        reasoning = _reasoning(delta)
        if reasoning:
            assembly.reason(reasoning, events)
        text = _text(delta.get("content"))
        if text:
            assembly.text(text, events)
        refusal = _text(delta.get("refusal"))
        if refusal:
            # What is refused beside an answer is told by `refusal` alone, as of a whole answer.
            if len(assembly.text_pieces) == self._refusals_shown:
                self._refusals_shown += 1
                assembly.text(refusal, events)
            self._refusal.append(refusal)
        for position, call in enumerate(delta.get("tool_calls") or ()):
            function = call.get("function") or call.get("custom") or {}
            index = call.get("index")
            assembly.call(
                index if isinstance(index, int) else position,
                events,
                id=_text(call.get("id")),
                name=_text(function.get("name")),
                arguments=_arguments(function.get("arguments")) or _text(function.get("input")),
            )
        legacy = delta.get("function_call")
        if legacy:
            assembly.call(
                "function_call",
                events,
                id="call_0",
                name=_text(legacy.get("name")),
                arguments=_arguments(legacy.get("arguments")),
            )

    def _no_stream(self, events: list[StreamEvent]) -> None:
        result = parse_response(bytes(self._before), self._request)
        if not result.ok:
            self._fail(result.status, result.error or "", events)
            return
        # A gateway that does not stream answered as a whole.
        if result.reasoning:
            self._assembly.reason(result.reasoning, events)
        if result.content:
            self._assembly.text(result.content, events)
        for position, call in enumerate(result.tool_calls or ()):
            self._assembly.call(position, events, id=call.id, name=call.name, arguments=call.arguments)
        self._assembly.end_all_calls(events)
        self._end(result, events)

    def _done(self, events: list[StreamEvent]) -> None:
        self._assembly.end_all_calls(events)
        self._end(self._result(whole=True), events)

    def _end(self, result: CompletionResult, events: list[StreamEvent]) -> None:
        self._ended = True
        if result.usage is not NO_USAGE:
            events.append(StreamEvent(StreamEventType.USAGE, result.usage))
        events.append(StreamEvent(StreamEventType.DONE, result))

    def _fail(self, status: int, message: str, events: list[StreamEvent]) -> None:
        self._ended = True
        events.append(StreamEvent(StreamEventType.ERROR, {"status": status, "error": message}))

    def _result(self, *, whole: bool) -> CompletionResult:
        assembly = self._assembly
        refusal = "".join(self._refusal) or None
        calls = assembly.tool_calls if whole else assembly.ended_tool_calls
        content = assembly.content
        model = self._head.get("model")
        return CompletionResult(
            content=content,
            tool_calls=calls,
            usage=_read_usage(self._usage, self._head.get("service_tier"), self._request),
            reasoning=assembly.reasoning,
            model=model if isinstance(model, str) and model else self._request.model,
            finish_reason=_FINISH.get(self._finish, "stop") if self._finish else None,
            raw_finish_reason=self._finish,
            raw=self._raw(content, calls, refusal),
            refusal=refusal,
        )

    def _raw(self, content: str, calls: list[ToolCall] | None, refusal: str | None) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": content or None, "refusal": refusal}
        if calls:
            message["tool_calls"] = [call.to_dict() for call in calls]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self._finish,
            "logprobs": self._logprobs or None,
        }
        return {**self._head, "object": "chat.completion", "usage": self._usage, "choices": [choice]}


def _is_plain(chunk: dict[str, Any]) -> bool:
    """Whether a chunk tells nothing but a piece of text, once it was read: its like need not be looked at."""
    choices = chunk.get("choices")
    if not choices or len(choices) != 1 or chunk.get("usage"):
        return False
    (choice,) = choices
    delta = choice.get("delta")
    if not delta or len(delta) != 1 or not isinstance(delta.get("content"), str):
        return False
    return not (choice.get("index") or choice.get("finish_reason") or choice.get("logprobs"))


def _plain_text(chunk: Any) -> Any:
    return chunk["choices"][0]["delta"]["content"]


def _arguments(value: Any) -> str:
    # Some servers send the arguments as an object instead of its text.
    return jsons.dumps_text(value) if isinstance(value, dict) else _text(value)
