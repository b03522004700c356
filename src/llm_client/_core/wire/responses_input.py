"""Messages as the input items of OpenAI's Responses API, and what of an answer goes back unchanged.

https://platform.openai.com/docs/guides/conversation-state
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import jsons
from ..messages import Message, ProviderItems, Role, ToolCall
from ..parts import AudioPart, FilePart, ImagePart, Part, RawPart, TextPart

DIALECT = "openai-responses"

Item = dict[str, Any]

# The server tells who made an item, but does not take it back.
_NOT_TAKEN_BACK = ("created_by",)
_CONTINUED = ("previous_response_id", "conversation")


def input_items(messages: Sequence[Message], *, stored: bool) -> list[Item]:
    """The conversation as input items.

    System messages stay where they are: JSON mode looks for the word json in the input, not in `instructions`.

    Args:
        messages: The conversation.
        stored: Whether the server keeps answers; where it does not, reasoning goes back only in its encrypted form.

    Raises:
        ValueError: A part has no form in this API.
    """
    items: list[Item] = []
    custom: set[str | None] = set()
    for message in messages:
        role = message.role
        if role is Role.TOOL:
            items.append(_tool_output(message, message.tool_call_id in custom))
        elif role is Role.ASSISTANT:
            said = replayed_items(message, stored=stored)
            if said is None:
                said = _plain_items(message)
            custom.update(item.get("call_id") for item in said if item.get("type") == "custom_tool_call")
            items += said
        else:
            content = message.content
            if content is None:
                content = ""
            items.append({"role": role.value, "content": content if isinstance(content, str) else _parts(message)})
    return items


def begun_on_server(messages: Sequence[Message], extra_body: Mapping[str, Any]) -> int:
    """How many messages at the start answer calls that only the server knows.

    It keeps the conversation itself where a request names `previous_response_id` or `conversation`; a list of nothing
    but results can have no other meaning.

    Args:
        messages: The conversation.
        extra_body: Further members of the request's JSON.
    """
    count = 0
    for message in messages:
        if message.role not in (Role.TOOL, Role.SYSTEM):
            break
        count += 1
    if not any(message.role is Role.TOOL for message in messages[:count]):
        return 0
    return count if count == len(messages) or any(extra_body.get(name) for name in _CONTINUED) else 0


def _plain_items(message: Message) -> list[Item]:
    # Without the vendor's ids: the server would look for the reasoning that belongs to them.
    items: list[Item] = []
    text = message.text
    if text:
        items.append({"role": "assistant", "content": text})
    for call in message.tool_calls or ():
        arguments = call.arguments if call.arguments.strip() else "{}"
        items.append({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments})
    return items


def _tool_output(message: Message, custom: bool) -> Item:
    content = message.content
    plain = content is None or isinstance(content, str) or all(isinstance(part, TextPart) for part in content)
    return {
        "type": "custom_tool_call_output" if custom else "function_call_output",
        "call_id": message.tool_call_id or "",
        "output": message.text if plain else _parts(message),
    }


def _parts(message: Message) -> list[Item]:
    return [_part(part) for part in message.parts]


def _part(part: Part) -> Item:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "input_image", "detail": part.detail or "auto", "image_url": part.data_url}
    if isinstance(part, RawPart):
        return part.to_dict()
    if isinstance(part, AudioPart):
        raise ValueError(
            "the Responses API takes no audio; use Chat Completions (leave use_responses_api out) or send a transcript"
        )
    if isinstance(part, RawPart):
        return dict(part.value)
    return _file(part)


def _file(part: FilePart) -> Item:
    if part.data is not None and (part.media_type or "").startswith("image/"):
        return {"type": "input_image", "detail": "auto", "image_url": part.data_url}
    value: Item = {"type": "input_file"}
    if part.file_id is not None:
        value["file_id"] = part.file_id
    elif part.url is not None:
        value["file_url"] = part.url
    else:
        # The kind of a file is told by its name.
        value["filename"] = part.filename or "file" + (mimetypes.guess_extension(part.media_type or "") or "")
        value["file_data"] = part.data_url
    return value


# --- what goes back unchanged


def items_to_keep(output: Iterable[Any]) -> ProviderItems | None:
    """What a message must carry so that it can be replayed; None where its text and calls say all.

    Args:
        output: The output items of an answer, in order.
    """
    items = [dict(item) for item in output if isinstance(item, dict) and isinstance(item.get("type"), str)]
    _drop_unfollowed(items)
    if all(_is_plain(item) for item in items):
        return None
    return ProviderItems(dialect=DIALECT, items=tuple(items))


def _is_plain(item: Item) -> bool:
    kind = item["type"]
    if kind == "message":
        # Models that tell commentary from the answer want that kept: the "phase".
        return item.get("phase") is None
    return kind == "function_call" and item.get("namespace") is None


def _drop_unfollowed(items: list[Item]) -> None:
    # "reasoning was provided without its required following item"
    while items and items[-1].get("type") == "reasoning":
        items.pop()


def replayed_items(message: Message, *, stored: bool) -> list[Item] | None:
    """The vendor's own items of an answer, to be sent back as they came; None where there are none that fit.

    Items of another dialect do not fit, nor do items that no longer say what the message says, nor reasoning that the
    server has not kept and that is not encrypted.

    Args:
        message: An assistant's message.
        stored: Whether the server keeps answers.
    """
    carried = message.provider_items
    if carried is None or carried.dialect != DIALECT:
        return None
    calls = {call.id: call for call in message.tool_calls or ()}
    items: list[Item] = []
    seen: list[str] = []
    for item in carried.items:
        kind = item.get("type")
        item = {key: value for key, value in item.items() if value is not None and key not in _NOT_TAKEN_BACK}
        if kind == "reasoning":
            if not stored and not item.get("encrypted_content"):
                return None
            item.pop("status", None)
        elif kind in ("function_call", "custom_tool_call"):
            call = calls.get(item.get("call_id") or "")
            if call is None:
                return None
            seen.append(call.id)
            _update_call(item, call)
        items.append(item)
    _drop_unfollowed(items)
    if seen != list(calls) or visible_text(carried.items) != message.text:
        return None
    return items


def _update_call(item: Item, call: ToolCall) -> None:
    # Whoever changed the call wants the change sent.
    item["name"] = call.name
    if item["type"] == "function_call":
        item["arguments"] = call.arguments if call.arguments.strip() else "{}"
    else:
        item.pop("status", None)
        item["input"] = custom_input(call.arguments)


def visible_text(output: Iterable[Any]) -> str:
    """What an answer says: its text, and a refusal that no text stands before."""
    pieces: list[str] = []
    refusals: list[str] = []
    has_text = False
    for item in output:
        if not isinstance(item, dict) or item.get("type") != "message":
            continue
        content = item.get("content")
        for part in content if isinstance(content, (list, tuple)) else ():
            if not isinstance(part, dict):
                continue
            text = part.get("text")
            refusal = part.get("refusal")
            if part.get("type") == "output_text" and isinstance(text, str) and text:
                has_text = True
                pieces.append(text)
            elif part.get("type") == "refusal" and isinstance(refusal, str) and not has_text:
                refusals.append(refusal)
    return "".join((*refusals, *pieces))


def custom_arguments(text: str) -> str:
    """The free text that a custom tool is called with, as the arguments of a call."""
    return jsons.dumps_text({"input": text})


def custom_input(arguments: str) -> str:
    """The free text in arguments that `custom_arguments` made; other arguments as they are."""
    try:
        value = jsons.loads(arguments)
    except ValueError:
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments
