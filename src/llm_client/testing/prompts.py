"""What a request asks for, in neutral terms: one reader for each dialect, tolerant of anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .._core import jsons


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A function that the model may call."""

    name: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to a model.

    Args:
        model: The model asked for; "" when none was named.
        stream: Whether a stream was asked for.
        user_text: Text of the last message of the user.
        tools: Functions that may be called, in order.
        tool_choice: "auto", "none", "required", or the name of the one function to call.
        parallel_calls: Whether one answer may hold several calls.
        tool_results: Name and text of the tool results that the request ends with.
        answer_schema: JSON schema that the answer must fit; {} for any JSON object; None for text.
        input_tokens: Estimate of the prompt's size.
        inputs: Texts to embed.
    """

    model: str = ""
    stream: bool = False
    user_text: str = ""
    tools: tuple[ToolOffer, ...] = ()
    tool_choice: str = "auto"
    parallel_calls: bool = True
    tool_results: tuple[tuple[str, str], ...] = ()
    answer_schema: dict[str, Any] | None = None
    input_tokens: int = 0
    inputs: tuple[str, ...] = field(default=())


def estimate_tokens(text: str) -> int:
    """The server's idea of a token: four characters, rounded up."""
    return (len(text) + 3) // 4


def read_prompt(endpoint: str, body: Any) -> Prompt:
    """Read a decoded body; what cannot be read is left out."""
    if not isinstance(body, dict):
        return Prompt()
    if endpoint == "chat":
        return _read_chat(body)
    if endpoint == "responses":
        return _read_responses(body)
    if endpoint in ("messages", "count_tokens"):
        return _read_messages(body)
    if endpoint == "embeddings":
        inputs = tuple(_embedding_inputs(body.get("input")))
        return Prompt(model=_text(body.get("model")), inputs=inputs, input_tokens=sum(map(estimate_tokens, inputs)))
    return Prompt(model=_text(body.get("model")))


def _read_chat(body: dict[str, Any]) -> Prompt:
    messages = _dicts(body.get("messages"))
    names: dict[str, str] = {}
    for message in messages:
        for call in _dicts(message.get("tool_calls")):
            names[_text(call.get("id"))] = _text(_dict(call.get("function")).get("name"))
    results = [
        (names.get(_text(message.get("tool_call_id")), ""), _content_text(message.get("content")))
        for message in _tail(messages, lambda message: message.get("role") == "tool")
    ]
    functions = [_dict(tool.get("function")) for tool in _dicts(body.get("tools")) if tool.get("type") == "function"]
    response_format = _dict(body.get("response_format"))
    return Prompt(
        model=_text(body.get("model")),
        stream=body.get("stream") is True,
        user_text=_last_user_text(messages),
        tools=_offers(functions, "parameters"),
        tool_choice=_tool_choice(body.get("tool_choice")),
        parallel_calls=body.get("parallel_tool_calls") is not False,
        tool_results=tuple(results),
        answer_schema=_answer_schema({**response_format, **_dict(response_format.get("json_schema"))}),
        input_tokens=_prompt_tokens(messages, body.get("tools")),
    )


def _read_responses(body: dict[str, Any]) -> Prompt:
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else _dicts(given)
    names = {
        _text(item.get("call_id")): _text(item.get("name")) for item in items if item.get("type") == "function_call"
    }
    results = [
        (names.get(_text(item.get("call_id")), ""), _content_text(item.get("output")))
        for item in _tail(items, lambda item: item.get("type") == "function_call_output")
    ]
    functions = [tool for tool in _dicts(body.get("tools")) if tool.get("type") == "function"]
    instructions = _text(body.get("instructions"))
    return Prompt(
        model=_text(body.get("model")),
        stream=body.get("stream") is True,
        user_text=_last_user_text(items),
        tools=_offers(functions, "parameters"),
        tool_choice=_tool_choice(body.get("tool_choice")),
        parallel_calls=body.get("parallel_tool_calls") is not False,
        tool_results=tuple(results),
        answer_schema=_answer_schema(_dict(_dict(body.get("text")).get("format"))),
        input_tokens=_prompt_tokens(items, body.get("tools")) + estimate_tokens(instructions),
    )


def _read_messages(body: dict[str, Any]) -> Prompt:
    messages = _dicts(body.get("messages"))
    names: dict[str, str] = {}
    for message in messages:
        for block in _dicts(message.get("content")):
            if block.get("type") == "tool_use":
                names[_text(block.get("id"))] = _text(block.get("name"))
    last_blocks = _dicts(messages[-1].get("content")) if messages else []
    results = [
        (names.get(_text(block.get("tool_use_id")), ""), _content_text(block.get("content")))
        for block in last_blocks
        if block.get("type") == "tool_result"
    ]
    functions = [tool for tool in _dicts(body.get("tools")) if "input_schema" in tool]
    choice = _dict(body.get("tool_choice"))
    config = _dict(_dict(body.get("output_config")).get("format")) or _dict(body.get("output_format"))
    system = _content_text(body.get("system"))
    return Prompt(
        model=_text(body.get("model")),
        stream=body.get("stream") is True,
        user_text=_last_user_text(messages),
        tools=_offers(functions, "input_schema"),
        tool_choice=_tool_choice(choice),
        parallel_calls=choice.get("disable_parallel_tool_use") is not True,
        tool_results=tuple(results),
        answer_schema=_answer_schema(config),
        input_tokens=_prompt_tokens(messages, body.get("tools")) + estimate_tokens(system),
    )


def _offers(functions: list[dict[str, Any]], schema_key: str) -> tuple[ToolOffer, ...]:
    return tuple(
        ToolOffer(function["name"], _dict(function.get(schema_key)))
        for function in functions
        if isinstance(function.get("name"), str)
    )


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, str):
        return choice if choice in ("none", "required") else "auto"
    choice = _dict(choice)
    kind = choice.get("type")
    if kind in ("function", "tool"):
        return _text(choice.get("name") or _dict(choice.get("function")).get("name")) or "auto"
    if kind == "any":
        return "required"
    return "none" if kind == "none" else "auto"


def _answer_schema(form: dict[str, Any]) -> dict[str, Any] | None:
    if form.get("type") == "json_schema":
        return _dict(form.get("schema"))
    return {} if form.get("type") == "json_object" else None


def _last_user_text(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            text = _content_text(message.get("content"))
            if text:
                return text
    return ""


def _content_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(_text(part.get("text")) for part in _dicts(content) if "text" in part)


def _prompt_tokens(messages: list[dict[str, Any]], tools: Any) -> int:
    size = sum(3 + sum(map(estimate_tokens, _strings(message))) for message in messages)
    return size + (estimate_tokens(jsons.dumps(tools).decode()) if tools else 0)


def _strings(value: Any) -> Iterator[str]:
    """The texts inside a message, without names, ids and media."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        for key in ("content", "text", "arguments", "output", "thinking"):
            if key in value:
                yield from _strings(value[key])
        for call in _dicts(value.get("tool_calls")):
            yield _text(_dict(call.get("function")).get("arguments"))
        if value.get("type") == "tool_use":
            yield jsons.dumps(value.get("input")).decode()


def _embedding_inputs(given: Any) -> Iterator[str]:
    if isinstance(given, str):
        yield given
    elif isinstance(given, list):
        if given and all(isinstance(token, int) for token in given):
            yield " ".join(map(str, given))
            return
        for item in given:
            yield item if isinstance(item, str) else " ".join(map(str, item)) if isinstance(item, list) else ""


def _tail(items: list[dict[str, Any]], belongs: Any) -> list[dict[str, Any]]:
    start = len(items)
    while start and belongs(items[start - 1]):
        start -= 1
    return items[start:]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
