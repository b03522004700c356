"""Chunks that are read without decoding them: the events are those of chunks that were decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core.messages import Message
from llm_client._core.profiles import ModelProfile
from llm_client._core.wire import anthropic_messages, openai_chat
from llm_client._core.wire.plain import PlainChunk
from llm_client._core.wire.request import CompletionRequest


def request(model: str) -> CompletionRequest:
    return CompletionRequest(
        model=model, profile=ModelProfile.resolve(model), messages=[Message.user("Hello")], stream=True
    )


def chat_stream(texts: list[str], ascii_only: bool, extra: dict[str, Any]) -> bytes:
    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        value = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}
        return f"data: {json.dumps(value, ensure_ascii=ascii_only)}\n\n".encode()

    pieces = [chunk({"role": "assistant", "content": ""})]
    pieces += [chunk({"content": text}, **extra) for text in texts]
    return b"".join([*pieces, chunk({}, "stop"), b"data: [DONE]\n\n"])


def anthropic_stream(texts: list[str], ascii_only: bool, extra: dict[str, Any]) -> bytes:
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {"id": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 1}},
        },
    ]
    for index, half in enumerate((texts[: len(texts) // 2], texts[len(texts) // 2 :])):
        events.append({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}})
        for text in half:
            delta = {"type": "text_delta", "text": text, **extra}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}})
    events.append({"type": "message_stop"})
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=ascii_only)}\n\n".encode() for event in events
    )


def events_of(dialect: Any, model: str, data: bytes, lessons: int | None) -> list[tuple[Any, Any]]:
    parser = dialect.StreamParser(request(model))
    if lessons is not None:
        parser._lessons = lessons
    return [(event.type, event.data) for event in parser.feed(data) + parser.close()]


# No surrogates: an encoder that is not told to keep to ASCII cannot write them.
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=12)


@pytest.mark.parametrize(
    ("dialect", "model", "stream"),
    [
        (openai_chat, "gpt-5.6-luna", chat_stream),
        (anthropic_messages, "claude-sonnet-5", anthropic_stream),
    ],
)
@settings(deadline=None, max_examples=100)
@given(texts=TEXTS, ascii_only=st.booleans(), more=st.sampled_from([{}, {"obfuscation": "x"}, {"a": {"content": "b"}}]))
def test_events_do_not_depend_on_how_they_are_read(
    dialect: Any, model: str, stream: Any, texts: list[str], ascii_only: bool, more: dict[str, Any]
) -> None:
    data = stream(texts, ascii_only, more)
    quick = events_of(dialect, model, data, None)
    assert quick == events_of(dialect, model, data, 0)
    assert quick[-1][1].content == "".join(texts)


def text_of(chunk: Any) -> Any:
    return chunk["content"]


def test_a_chunk_is_learned_where_its_text_stands_once() -> None:
    plain = PlainChunk.learn(b'{"a":1,"content": "x","b":2}', b'"content":', "x", text_of)
    assert plain is not None
    assert (plain.head, plain.tail) == (b'{"a":1,"content": ', b',"b":2}')
    assert plain.text(b'{"a":1,"content": "y \\u00e4","b":2}') == "y \u00e4"
    for other in (
        b'{"a":1,"content": "","b":2}',
        b'{"a":1,"content": 5,"b":2}',
        b'{"a":1,"content": "x","c":1,"b":2}',
        b'{"a":1,"content": ,"b":2}',
        b'{"a":2,"content": "x","b":2}',
        b'{"a":1,"content": "x","b":3}',
    ):
        assert plain.text(other) is None


@pytest.mark.parametrize(
    "payload",
    [
        b'{"content":"x","a":{"content":"x"}}',
        b'{"content"  :"x"}',
        b'{"content":  "x"}',
        b'{"content":"\\u0078"}',
        b'{"a":"x"}',
        b'{"a":{"content":"x"}}',
    ],
)
def test_a_chunk_of_another_form_is_not_learned(payload: bytes) -> None:
    assert PlainChunk.learn(payload, b'"content":', "x", text_of) is None
