"""What every dialect builds its request from, and what every dialect offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from ..events import StreamEvent
    from ..messages import Message
    from ..profiles import ModelProfile
    from ..results import CompletionResult
    from ..tools import Tool

Unsupported = Literal["drop", "raise", "send"]


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The form that the answer must have, normalised.

    Args:
        kind: "json_object" or "json_schema" (plain text is no ResponseFormat at all).
        schema: The JSON schema, for "json_schema".
        name: The schema's name, as the vendors want one.
        description: What the answer is, for the model.
        strict: Whether the vendor shall enforce the schema; None leaves it to the vendor.
    """

    kind: Literal["json_object", "json_schema"]
    schema: Mapping[str, Any] | None = None
    name: str = "response"
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One question to a model, before any dialect: names are the specification's.

    Args:
        model: The name that goes out.
        profile: What is known of the model.
        messages: The conversation, system messages included, already valid.
        stream: Whether the answer comes in pieces.
        tools: What the model may call.
        tool_choice: "auto", "none", "required" (or "any"), or a tool's name.
        temperature: Sampling temperature.
        top_p: Nucleus sampling.
        max_tokens: Most output tokens.
        stop: Texts at which the model stops.
        seed: For repeatable sampling, where the vendor has it.
        response_format: None for plain text.
        reasoning_effort: The vendor's word, such as "low".
        thinking: Anthropic's thinking parameter.
        parallel_tool_calls: Whether several calls may come in one answer.
        store: Whether OpenAI keeps the answer.
        prompt_cache_key: OpenAI's routing key for its prompt cache.
        cache: Anthropic's prompt caching: "auto" or None.
        user: The end user's id, for the vendor's abuse detection.
        extra_body: Further members of the request's JSON; they win over ours.
        unsupported: What happens to parameters that the model does not take.
    """

    model: str
    profile: type[ModelProfile]
    messages: Sequence[Message]
    stream: bool = False
    tools: Sequence[Tool] = ()
    tool_choice: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: Sequence[str] | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    thinking: Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    cache: str | None = None
    user: str | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    unsupported: Unsupported = "drop"


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error answer says.

    Args:
        message: The vendor's words, or what the body shows.
        code: Our word where the status alone does not tell: "context_length", "content_filter".
        request_id: The vendor's id of the exchange.
        status: The status that the vendor's error type stands for, for errors that come inside a stream.
    """

    message: str
    code: str | None = None
    request_id: str | None = None
    status: int | None = None


class StreamParser(Protocol):
    """Turns the bytes of a streamed answer into events; the last one is DONE or ERROR, exactly one of them."""

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete; none after DONE or ERROR."""
        ...

    def close(self) -> list[StreamEvent]:
        """The events still owed at the end of the bytes: an ERROR if the answer was cut short."""
        ...

    def partial(self) -> CompletionResult:
        """What has come so far."""
        ...


class Dialect(Protocol):
    """One wire format, sans-IO: bytes and values in, bytes and values out."""

    NAME: str
    PATH: str

    def build_request(self, request: CompletionRequest, /) -> dict[str, Any]:
        """The request's JSON body.

        Raises:
            ValueError: The request asks for what the dialect cannot express.
        """
        ...

    def parse_response(self, body: bytes, request: CompletionRequest, /) -> CompletionResult:
        """The answer of status 200; a body that is none becomes a result with an error, never an exception."""
        ...

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, /) -> Failure:
        """What an answer of another status says, whatever its body is."""
        ...

    def StreamParser(self, request: CompletionRequest, /) -> StreamParser:  # a class of the module
        """A parser for one streamed answer."""
        ...
