"""Messages in Anthropic's content blocks.

https://platform.claude.com/docs/en/build-with-claude/working-with-messages
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any

from .. import jsons
from ..messages import Message, Role, ToolCall
from ..parts import AudioPart, FilePart, ImagePart, Part, RawPart, TextPart

DIALECT = "anthropic-messages"
DEFAULT_MAX_TOKENS = 4096

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_TEXT_TYPES = ("application/json", "application/xml", "application/x-yaml", "application/javascript")
_INVALID = "INVALID_JSON"

Block = dict[str, Any]


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call in the history, as the object that the API demands.

    Text that is no JSON object goes back under the key INVALID_JSON, as Anthropic advises, so that the model sees
    what it wrote: https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming
    """
    try:
        return call.parse_arguments()
    except ValueError:
        return {_INVALID: call.arguments}


def system_blocks(messages: Iterable[Message]) -> list[Block]:
    """All system messages, in their order, as text blocks.

    Raises:
        ValueError: One of them holds something other than text.
    """
    blocks = []
    for message in messages:
        if message.role is not Role.SYSTEM:
            continue
        for part in message.parts:
            if not isinstance(part, TextPart):
                raise ValueError(f"a system message holds text only, got {type(part).__name__}")
            if part.text.strip():
                blocks.append(_with_cache_control({"type": "text", "text": part.text}, part))
    return blocks


def turns(messages: Sequence[Message], *, keep_last_thinking: bool = True) -> list[Block]:
    """The conversation as Anthropic's alternating turns, without its system messages.

    Neighbours of one role become one turn. The results of a turn's tool calls stand first in the user's turn, in the
    order of the calls. What is empty is left out, since the API refuses text without a visible character.

    Args:
        messages: The conversation.
        keep_last_thinking: Whether an assistant's message at the very end may carry thinking; the API refuses that
            where thinking is off.

    Raises:
        ValueError: A part has no form in this API, or nothing is left to send.
    """
    collected: list[Block] = []
    results: list[Block] = []
    said: list[Block] = []
    order: dict[str, int] = {}

    def end_user_turn() -> None:
        if results or said:
            results.sort(key=lambda block: order.get(block["tool_use_id"], len(order)))
            collected.append({"role": "user", "content": [*results, *said]})
            results.clear()
            said.clear()

    spoken = [message for message in messages if message.role is not Role.SYSTEM]
    for position, message in enumerate(spoken):
        if message.role is Role.TOOL:
            results.append(_tool_result(message))
        elif message.role is Role.USER:
            said.extend(_parts(message))
        else:
            last = position == len(spoken) - 1
            blocks = _assistant(message, keep_thinking=keep_last_thinking or not last)
            if not blocks:
                continue
            end_user_turn()
            if collected and collected[-1]["role"] == "assistant":
                collected[-1]["content"].extend(blocks)
            else:
                collected.append({"role": "assistant", "content": blocks})
                order.clear()
            for block in blocks:
                if block["type"] == "tool_use":
                    order.setdefault(block["id"], len(order))
    end_user_turn()
    if not collected:
        raise ValueError("there is nothing to send: Anthropic needs a message of the user that is not empty")
    _end_prefill(collected)
    return collected


def _end_prefill(collected: list[Block]) -> None:
    # "final assistant content cannot end with trailing whitespace"
    last = collected[-1]
    if last["role"] == "assistant" and last["content"][-1]["type"] == "text":
        block = last["content"][-1]
        last["content"][-1] = {**block, "text": block["text"].rstrip()}


def _assistant(message: Message, *, keep_thinking: bool) -> list[Block]:
    items = replayed_items(message)
    if items is not None:
        blocks = [item for item in items if keep_thinking or not _is_thinking(item)]
        # "The final block in an assistant message cannot be thinking"
        while blocks and _is_thinking(blocks[-1]):
            blocks.pop()
        return blocks
    blocks = _parts(message)
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_object(call)}
        for call in message.tool_calls or ()
    ]
    return blocks


def _is_thinking(block: Block) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")


def replayed_items(message: Message) -> list[Block] | None:
    """The vendor's own blocks of an answer, to be sent back as they came; None where there are none that fit.

    Blocks of another dialect do not fit, nor do blocks that no longer say what the message says: whoever changed the
    message wants the change sent.
    """
    carried = message.provider_items
    if carried is None or carried.dialect != DIALECT:
        return None
    calls = {call.id: call for call in message.tool_calls or ()}
    blocks: list[Block] = []
    texts: list[str] = []
    seen: list[str] = []
    for item in carried.items:
        kind = item.get("type")
        if kind == "text":
            texts.append(item.get("text") or "")
            if not texts[-1].strip():
                continue
        elif kind == "tool_use":
            seen.append(item.get("id") or "")
            call = calls.get(seen[-1])
            if call is None:
                return None
            item = {**item, "input": arguments_object(call)}
        elif kind == "thinking" and not item.get("signature"):
            continue
        blocks.append(item)
    if "".join(texts) != message.text or seen != list(calls):
        return None
    return blocks


def _tool_result(message: Message) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": message.tool_call_id or ""}
    content = message.content
    if isinstance(content, str):
        if content.strip():
            block["content"] = content
    else:
        parts = _parts(message)
        if parts:
            block["content"] = parts
    if message.is_error:
        block["is_error"] = True
    return block


def _parts(message: Message) -> list[Block]:
    return [
        _with_cache_control(_part(part), part)
        for part in message.parts
        if not isinstance(part, TextPart) or part.text.strip()
    ]


def _with_cache_control(block: Block, part: Part) -> Block:
    control = None if isinstance(part, (AudioPart, RawPart)) else part.cache_control
    if control is not None:
        block["cache_control"] = dict(control)
    return block


def _part(part: Part) -> Block:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "image", "source": _image_source(part)}
    if isinstance(part, RawPart):
        return part.to_dict()
    if isinstance(part, AudioPart):
        raise ValueError("Anthropic's API takes no audio; send a transcript as text instead")
    return _file(part)


def _image_source(part: ImagePart) -> Block:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    media_type = "image/jpeg" if part.media_type == "image/jpg" else part.media_type
    if media_type not in _IMAGE_TYPES:
        raise ValueError(f"Anthropic's API takes JPEG, PNG, GIF and WebP images, got {media_type!r}")
    return {"type": "base64", "media_type": media_type, "data": part.data}


def _file(part: FilePart) -> Block:
    if part.media_type is not None and part.media_type.startswith("image/") and part.data is not None:
        return {"type": "image", "source": _image_source(ImagePart(data=part.data, media_type=part.media_type))}
    block: Block = {"type": "document", "source": _document_source(part)}
    if part.filename:
        block["title"] = part.filename
    return block


def _document_source(part: FilePart) -> Block:
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    media_type = (part.media_type or "").partition(";")[0]
    if media_type == "application/pdf":
        return {"type": "base64", "media_type": media_type, "data": part.data}
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            text = base64.b64decode(part.data or "", validate=False).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"the file {part.filename or ''!r} of type {media_type} is not UTF-8 text: {error}"
            ) from error
        return {"type": "text", "media_type": "text/plain", "data": text}
    raise ValueError(
        f"Anthropic's API takes PDF, text and images as files, got {part.media_type!r}"
        + (f" ({part.filename!r})" if part.filename else "")
    )


def canonical_arguments(text: str) -> str:
    """The text of a call's arguments in the one form that streamed and whole answers share.

    A whole answer holds the arguments decoded, a stream holds them as the model wrote them. Text that is no JSON
    stays as it is.
    """
    if not text.strip():
        return "{}"
    try:
        return jsons.dumps_text(jsons.loads(text))
    except (ValueError, TypeError):
        return text
