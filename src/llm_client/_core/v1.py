"""The client of version 1 in terms of this one: its arguments, and the dict that it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from . import jsons
from .messages import Message
from .options import OPTION_NAMES
from .profiles import ModelProfile
from .results import CompletionResult, EmbeddingResult
from .tools import Tool, as_tool_list
from .usage import Usage

OK = "OK"
"""What `error` says of a call that succeeded."""

OutputKind = Literal["text", "json", "object"]

_HIDDEN = "[hidden]"
_QUESTIONS = ("messages", "input", "prompt")
_OTHER_NAMES = {"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens"}
_EMBED_OPTIONS = frozenset({"encoding_format", "dimensions", "user", "extra_headers"})
_TEXT = (None, "text", {"type": "text"})


@dataclass(frozen=True, slots=True)
class Call:
    """A call of version 1, read.

    Args:
        question: Messages, or what is to be embedded.
        arguments: Keyword arguments for the provider's `complete`, `stream` or `embed`.
        params: What the returned dict shows of the call: values that JSON can hold, no headers, no keys.
        form: What `output` is: the answer's text, the JSON in it, or the object of a type as JSON.
    """

    question: Any
    arguments: dict[str, Any]
    params: dict[str, Any]
    form: OutputKind = "text"

    @property
    def digest(self) -> str:
        """64 hexadecimal digits, equal for equal calls."""
        return sha256(jsons.dumps(self.params, sort_keys=True)).hexdigest()


def completion_call(
    model: str, params: Mapping[str, Any], *, responses: bool, redact: Callable[[str], str] = str
) -> Call:
    """Read what a question to a model was called with.

    Args:
        model: The client's.
        params: Keyword arguments: those of `complete()`, those of version 1, and members of the API's own JSON.
        responses: Whether it goes to the Responses API.
        redact: Takes the key out of a text.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: There is no question or more than one, or another model than the client's.
    """
    given = _given(model, params)
    _, question = _question(given)
    arguments: dict[str, Any] = {}
    extra = dict(given.pop("extra_body", None) or {})
    if responses and _is_items(question):
        # What no message can hold, such as a tool's output in the API's own form, goes out as it is.
        extra["input"] = question
        question = []
    tools, choice = _listed(given.pop("tools", None)), given.pop("tool_choice", None)
    if isinstance(tools, list) and any(_is_hosted(tool) for tool in tools):
        tools = extra["tools"] = [_api_form(tool, responses) for tool in tools]
        if choice is not None:
            extra["tool_choice"] = choice
    else:
        tools = arguments["tools"] = _tools(tools)
        named = _chosen_name(choice)
        if named is None and choice is not None:
            extra["tool_choice"] = choice
        arguments["tool_choice"] = named
    effort = _effort(given.get("reasoning"))
    if effort is not None:
        del given["reasoning"]
        arguments["reasoning_effort"] = effort
    for argument, value in given.items():
        argument = _OTHER_NAMES.get(argument, argument)
        if argument in OPTION_NAMES:
            arguments[argument] = value
        elif argument != "stream_options":
            extra[argument] = value
    wanted = arguments.get("response_format")
    form: OutputKind = "text" if wanted in _TEXT else "json" if isinstance(wanted, (str, Mapping)) else "object"
    if form == "json":
        # Not asked for again, but an answer that is no JSON is no success either.
        arguments.setdefault("output_retries", 0)
    if extra:
        arguments["extra_body"] = extra
    shown: dict[str, Any] = {"model": model}
    if responses:
        shown["input"] = extra.get("input", question)
    else:
        asked = {"role": "user", "content": question} if isinstance(question, str) else question
        shown["messages"] = asked if isinstance(asked, list) else [asked]
        shown["response_format"] = wanted or "text"
    shown.update({argument: value for argument, value in params.items() if argument not in _QUESTIONS})
    if tools:
        shown["tools"] = tools
    return Call(question, arguments, shown_params(shown, redact), form)


def embedding_call(model: str, params: Mapping[str, Any], *, redact: Callable[[str], str] = str) -> Call:
    """Read what an embedding model was called with; arguments as for `completion_call`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: There is nothing to embed, or another model than the client's.
    """
    given = _given(model, params)
    name, inputs = _question(given)
    if name != "input":
        raise ValueError(f"{model} is an embedding model: pass input=..., a text or a list of texts, not {name}")
    extra = dict(given.pop("extra_body", None) or {})
    arguments = {name: given.pop(name) for name in _EMBED_OPTIONS & given.keys()}
    extra.update(given)
    if extra:
        arguments["extra_body"] = extra
    shown = {"model": model, "encoding_format": "base64", **params, "input": inputs}
    return Call(inputs, arguments, shown_params(shown, redact))


def completion_dict(
    call: Call, result: CompletionResult, identifier: str, body: Mapping[str, Any] | None, redact: Callable[[str], str]
) -> dict[str, Any]:
    """What a question to a model returned, as version 1 did.

    Args:
        call: The call.
        result: What came of it.
        identifier: The caller's, or ours.
        body: What the caller wants to find in the dict, to which the output is added.
        redact: Takes the key out of a text.
    """
    error = result.error or (OK if result.ok else f"the API answered with status {result.status}")
    output: Any
    if result.ok and result.refusal is not None:
        output, error = None, f"the model refused: {result.refusal}"
    elif result.ok and not result.has_tool_calls:
        output = result.content if call.form == "text" else _as_json(result.parsed, call.form)
        if call.form == "json" and output is None and result.content.strip() != "null":
            # An answer that was streamed, or stored by a caller who asked less of it.
            output, error = result.content, "the answer does not have the wanted form: it is no JSON"
    else:
        output = result.content or None
    made = _common(call, output, result.usage, result.status, error, identifier, body, redact)
    made["tool_calls"] = [item.to_dict() for item in result.tool_calls] if result.tool_calls else None
    return made


def embedding_dict(
    call: Call, result: EmbeddingResult, identifier: str, body: Mapping[str, Any] | None, redact: Callable[[str], str]
) -> dict[str, Any]:
    """What an embedding model returned: one vector for one input, a list of them for many; as `completion_dict`."""
    vectors = result.embeddings
    output: Any = None
    if result.ok:
        output = vectors[0] if len(vectors) == 1 else vectors
    error = result.error or (OK if result.ok else f"the API answered with status {result.status}")
    return _common(call, output, result.usage, result.status, error, identifier, body, redact)


def _common(
    call: Call,
    output: Any,
    usage: Usage,
    status: int,
    error: str,
    identifier: str,
    body: Mapping[str, Any] | None,
    redact: Callable[[str], str],
) -> dict[str, Any]:
    return {
        "params": call.params,
        "output": output,
        "usage": usage.to_dict(),
        "status": status,
        "error": error,
        "identifier": identifier,
        # A copy: version 1 wrote into the caller's own dict.
        "body": {**_redacted(body, redact), "completion": output} if body else body,
    }


def _as_json(value: Any, form: OutputKind) -> Any:
    if form == "json":
        return value
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)


# ---------------------------------------------------------------- arguments


def _given(model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in params.items() if value is not None}
    asked = given.pop("model", model)
    if asked != model:
        raise ValueError(f"this client asks {model}; make another one for {asked}")
    return given


def _question(given: dict[str, Any]) -> tuple[str, Any]:
    names = [name for name in _QUESTIONS if name in given]
    if len(names) != 1:
        found = " and ".join(names) or "none of them"
        raise ValueError(f"get_response() takes one of messages=, input= and prompt=, got {found}")
    return names[0], _listed(given.pop(names[0]))


def _listed(value: Any) -> Any:
    """A list of what can be gone through once only; all else as it is."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return list(value)
    return value


def _is_items(question: Any) -> bool:
    """Whether it holds items of the Responses API that are no messages."""
    return isinstance(question, list) and any(isinstance(item, Mapping) and "role" not in item for item in question)


def _is_hosted(tool: Any) -> bool:
    """Whether it is a tool in the API's own form that is no function, such as a web search."""
    return isinstance(tool, Mapping) and tool.get("type", "function") != "function"


def _tools(tools: Any) -> list[Tool] | None:
    if not isinstance(tools, list):
        return None if tools is None else as_tool_list(tools)  # which says what is wrong
    return as_tool_list([_tool(tool, place) if isinstance(tool, Mapping) else tool for place, tool in enumerate(tools)])


def _tool(tool: Mapping[str, Any], place: int) -> Tool:
    function = tool.get("function", tool)
    if not isinstance(function, Mapping) or not function.get("name"):
        raise ValueError(f'tools[{place}] has no name: expected {{"type": "function", "function": {{"name": ...}}}}')
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
        handler=_caller_runs_it,
        strict=bool(function.get("strict")),
    )


def _api_form(tool: Any, responses: bool) -> dict[str, Any]:
    """A tool as the API has it, for lists that hold tools of the API's own."""
    if isinstance(tool, Mapping):
        return dict(tool)
    function = as_tool_list([tool])[0].to_dict()
    return (
        {"type": "function", **function, "strict": False} if responses else {"type": "function", "function": function}
    )


def _caller_runs_it(**arguments: Any) -> Any:
    raise NotImplementedError("this client hands tool calls back: whoever called it runs the tools")


def _chosen_name(choice: Any) -> str | None:
    """The choice as a word or a tool's name; None where it is neither."""
    if isinstance(choice, str):
        return choice
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        name = choice.get("name") or (choice.get("function") or {}).get("name")
        return name if isinstance(name, str) else None
    return None


def _effort(reasoning: Any) -> str | None:
    """The effort where nothing else is asked of the reasoning."""
    if isinstance(reasoning, Mapping) and set(reasoning) == {"effort"}:
        effort = reasoning["effort"]
        return effort if isinstance(effort, str) else None
    return None


# ---------------------------------------------------------------- what is shown


def shown_params(params: Mapping[str, Any], redact: Callable[[str], str]) -> dict[str, Any]:
    """Arguments as values that JSON can hold, without what belongs to the connection.

    Args:
        params: As they were passed.
        redact: Takes the key out of a text.
    """
    shown = {}
    for name, value in params.items():
        if value is None:
            continue
        if name == "extra_headers":
            shown[name] = dict.fromkeys(value, _HIDDEN)
        elif name == "response_format":
            shown[name] = _shown_format(value, redact)
        else:
            shown[name] = _shown(value, redact)
    return shown


def _shown_format(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, Mapping):
        return _shown(value, redact)
    return {"type": "json_schema", "schema_name": getattr(value, "__name__", str(value))}


def _shown(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _shown(item, redact) for name, item in value.items()}
    if isinstance(value, Tool):
        return {"type": "function", "function": _shown(value.to_dict(), redact)}
    if isinstance(value, Message):
        return _shown(value.to_dict(), redact)
    if isinstance(value, type) and issubclass(value, ModelProfile):
        return value.model_name
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(item, redact) for item in value]
    to_dict = getattr(value, "to_dict", None)
    return _shown(to_dict(), redact) if callable(to_dict) else redact(repr(value))


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """The same without the key in any text; what is no JSON stays as it is."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: _redacted(item, redact) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, redact) for item in value]
    return value
