"""A server of canned bytes: its process must not be what is measured, so it looks at a request as little as it can.

`python server.py` prints its port. The first part of a path says how it answers: `/plain/v1` at once, `/packets/v1`
streams with one packet for each event, `/first/v1` with a pause behind the first event.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import struct
import sys
from typing import Any

from sizes import CHUNKS, DIMENSIONS, TEXT, TOOL_CALLS, VECTORS

PAUSE = 0.003

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true')
_BASE64 = re.compile(rb'"encoding_format": ?"base64"')
_TOOL_ROLE = re.compile(rb'"role": ?"tool"')


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _whole(value: Any) -> bytes:
    body = _json(value)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _completion(message: dict[str, Any], finish: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5.6-luna",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": CHUNKS, "total_tokens": 10 + CHUNKS},
    }  # fmt: skip


def _chat_events() -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        value = {
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.6-luna",
            "system_fingerprint": "fp_1", "choices": [choice],
        }  # fmt: skip
        return _piece(b"data: " + _json(value) + b"\n\n")

    return [*(chunk({"content": TEXT}) for _ in range(CHUNKS)), chunk({}, "stop"), _piece(b"data: [DONE]\n\n")]


def _anthropic_events() -> list[bytes]:
    def event(value: dict[str, Any]) -> bytes:
        return _piece(b"event: " + value["type"].encode() + b"\ndata: " + _json(value) + b"\n\n")

    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "content": [],
               "stop_reason": None, "stop_sequence": None,
               "usage": {"input_tokens": 10, "output_tokens": 1}}  # fmt: skip
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
           "usage": {"output_tokens": CHUNKS}}  # fmt: skip
    return [
        event({"type": "message_start", "message": message}),
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        *(event(delta) for _ in range(CHUNKS)),
        event({"type": "content_block_stop", "index": 0}),
        event(end),
        event({"type": "message_stop"}),
    ]


def _embeddings(encode: Any) -> bytes:
    vector = [((position * 7919) % 2003 - 1001) / 1517.0 for position in range(DIMENSIONS)]
    data = [{"object": "embedding", "index": index, "embedding": encode(vector)} for index in range(VECTORS)]
    usage = {"prompt_tokens": VECTORS, "total_tokens": VECTORS}
    return _whole({"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage})


_CALLS = [
    {"id": f"call_{index}", "type": "function",
     "function": {"name": "weather", "arguments": json.dumps({"city": f"City {index}", "days": index + 1})}}
    for index in range(TOOL_CALLS)
]  # fmt: skip
_PLAIN = _whole(_completion({"content": TEXT * CHUNKS}, "stop"))
_TURN = _whole(_completion({"content": None, "tool_calls": _CALLS}, "tool_calls"))
_EVENTS = _chat_events()
_ANTHROPIC_EVENTS = _anthropic_events()
_MESSAGE = _whole(
    {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5",
     "content": [{"type": "text", "text": TEXT * CHUNKS}], "stop_reason": "end_turn", "stop_sequence": None,
     "usage": {"input_tokens": 10, "output_tokens": CHUNKS}}
)  # fmt: skip
_FLOATS = _embeddings(lambda vector: [round(number, 8) for number in vector])
_PACKED = _embeddings(lambda vector: base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode())


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            path = self._buffer.split(b" ", 2)[1]
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._answer(path, body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path.endswith(b"/embeddings"):
            self._transport.write(_PACKED if _BASE64.search(body) else _FLOATS)
        elif _STREAM.search(body):
            self._stream(path, _ANTHROPIC_EVENTS if path.endswith(b"/messages") else _EVENTS)
        elif path.endswith(b"/messages"):
            self._transport.write(_MESSAGE)
        elif b'"tools"' in body and not _TOOL_ROLE.search(body):
            self._transport.write(_TURN)
        else:
            self._transport.write(_PLAIN)

    def _stream(self, path: bytes, events: list[bytes]) -> None:
        write, last = self._transport.write, b"0\r\n\r\n"
        if path.startswith(b"/packets/"):
            write(_HEAD)
            self._packets(iter([*events, last]))
        elif path.startswith(b"/first/"):
            write(_HEAD + events[0])
            asyncio.get_running_loop().call_later(PAUSE, write, b"".join(events[1:]) + last)
        else:
            write(_HEAD + b"".join(events) + last)

    def _packets(self, events: Any) -> None:
        event = next(events, None)
        if event is not None:
            self._transport.write(event)
            # Long enough for the client to have read the event before the next one comes.
            asyncio.get_running_loop().call_later(0.0003, self._packets, events)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with its parent: the pipe from it ends then.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_serve())
