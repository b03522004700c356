"""Amazon's event-stream framing, in which Bedrock sends Claude's stream, turned into Server-Sent Events.

The format (prelude, headers, payload, two check sums):
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html, with the payloads of
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from .. import jsons
from ..decoding import DecodeError

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct("!III")
_SHORTEST = _PRELUDE.size + 4
_LONGEST = 32 * 1024 * 1024
"""No message is longer: AWS allows 24 MiB."""
_STRING, _BYTES = 7, 6
# Sizes of the other header types: true, false, byte, short, integer, long, timestamp, uuid.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_ERROR_TYPES = {
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
    "accessDeniedException": "permission_error",
    "resourceNotFoundException": "not_found_error",
    "modelTimeoutException": "timeout_error",
    "serviceUnavailableException": "overloaded_error",
}


def is_aws_stream(headers: Mapping[str, str]) -> bool:
    """Whether an answer comes in this framing.

    Args:
        headers: The answer's, names in lower case.
    """
    return headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


class AwsStreamDecoder:
    """Turns the messages of a stream, whatever the pieces are that they come in, into Server-Sent Events."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes:
        """The events of the messages that these bytes complete; may be empty.

        Raises:
            DecodeError: The framing is damaged.
        """
        buffer = self._buffer
        buffer += data
        events = []
        while len(buffer) >= _PRELUDE.size:
            total, headers_length, checksum = _PRELUDE.unpack_from(buffer)
            if zlib.crc32(buffer[:8]) != checksum or not _SHORTEST + headers_length <= total <= _LONGEST:
                raise DecodeError("its event-stream framing is damaged")
            if len(buffer) < total:
                break
            message = bytes(buffer[:total])
            del buffer[:total]
            if zlib.crc32(message[:-4]) != int.from_bytes(message[-4:], "big"):
                raise DecodeError("its event-stream framing is damaged")
            payload = message[_PRELUDE.size + headers_length : -4]
            events.append(_event(_headers(message[_PRELUDE.size : _PRELUDE.size + headers_length]), payload))
        return b"".join(events)

    def finish(self) -> bytes:
        """The end of the stream.

        Raises:
            DecodeError: It came within a message.
        """
        if self._buffer:
            raise DecodeError("its event stream ends within a message")
        return b""


def _headers(data: bytes) -> dict[str, str]:
    found = {}
    position = 0
    try:
        while position < len(data):
            end = position + 1 + data[position]
            name, kind = data[position + 1 : end].decode(), data[end]
            position = end + 1
            if kind in (_STRING, _BYTES):
                (length,) = struct.unpack_from("!H", data, position)
                position += 2
                if kind == _STRING:
                    found[name] = data[position : position + length].decode()
                position += length
            else:
                position += _FIXED[kind]
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise DecodeError("its event-stream headers are damaged") from error
    return found


def _event(headers: Mapping[str, str], payload: bytes) -> bytes:
    kind = headers.get(":message-type", "event")
    if kind == "event":
        if headers.get(":event-type", "chunk") != "chunk":
            return b""
        try:
            data = base64.b64decode(jsons.loads(payload)["bytes"], validate=True)
        except (ValueError, KeyError, TypeError) as error:
            raise DecodeError("a chunk of its event stream holds no bytes") from error
    else:
        name = headers.get(":exception-type") or headers.get(":error-code") or kind
        error_type = _ERROR_TYPES.get(name[:1].lower() + name[1:], "api_error")
        message = headers.get(":error-message") or _message(payload) or name
        data = jsons.dumps({"type": "error", "error": {"type": error_type, "message": message}})
    return b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"


def _message(payload: bytes) -> str | None:
    try:
        value: Any = jsons.loads(payload)
    except ValueError:
        return payload.decode(errors="replace") or None
    return value.get("message") if isinstance(value, dict) and isinstance(value.get("message"), str) else None
