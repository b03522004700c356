"""Amazon's event-stream framing: any pieces, damaged bytes, errors, and the vendor's own reading of the same bytes."""

from __future__ import annotations

import json

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.decoding import DecodeError
from llm_client._core.wire.aws_stream import AwsStreamDecoder, is_aws_stream
from support.clouds import chunk, frame

EVENT = {":event-type": "chunk", ":message-type": "event"}


def decoded(*pieces: bytes) -> bytes:
    decoder = AwsStreamDecoder()
    return b"".join([*(decoder.feed(piece) for piece in pieces), decoder.finish()])


@given(st.lists(st.text()), st.integers(1, 50))
def test_any_text_in_any_pieces(texts: list[str], size: int) -> None:
    events = [json.dumps({"type": "ping", "text": text}, ensure_ascii=False).encode() for text in texts]
    data = b"".join(map(chunk, events))
    expected = b"".join(b"data: " + event + b"\n\n" for event in events)
    assert decoded(data) == expected
    assert decoded(*(data[start : start + size] for start in range(0, len(data), size))) == expected
    # The test's own framing is what the vendor's library reads.
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    assert len(list(buffer)) == len(texts)


def test_line_breaks_inside_an_event_stay_inside() -> None:
    assert decoded(chunk(b'{"a":\n1}')) == b'data: {"a":\ndata: 1}\n\n'


def test_headers_of_all_types_and_messages_of_no_interest() -> None:
    with_number = frame({**EVENT, "count": 7}, b'{"bytes":"e30="}')
    assert decoded(with_number) == b"data: {}\n\n"
    assert decoded(frame({":event-type": "initial-response", ":message-type": "event"}, b"{}")) == b""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "rate_limit_error"),
        ("ThrottlingException", "rate_limit_error"),
        ("modelTimeoutException", "timeout_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("internalServerException", "api_error"),
        ("validationException", "invalid_request_error"),
    ],
)
def test_exceptions_become_error_events(name: str, kind: str) -> None:
    data = frame({":message-type": "exception", ":exception-type": name}, b'{"message":"Too many"}')
    event = decoded(data)
    assert event.startswith(b"data: ")
    assert json.loads(event[6:]) == {"type": "error", "error": {"type": kind, "message": "Too many"}}


def test_errors_without_a_body() -> None:
    data = frame({":message-type": "error", ":error-code": "500", ":error-message": "Broken"}, b"")
    assert json.loads(decoded(data)[6:])["error"] == {"type": "api_error", "message": "Broken"}
    data = frame({":message-type": "exception", ":exception-type": "odd"}, b"plain words")
    assert json.loads(decoded(data)[6:])["error"]["message"] == "plain words"


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    message = bytearray(chunk(b'{"type":"ping"}'))
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecodeError):
        decoded(bytes(message))


@given(st.binary(max_size=200))
def test_other_bytes_are_never_a_parsers_exception(data: bytes) -> None:
    if not data:
        assert decoded(data) == b""
        return
    with pytest.raises(DecodeError, match="event"):
        decoded(data)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"bytes":5}', b'{"bytes":"*"}', b"\xff"])
def test_chunks_without_bytes(payload: bytes) -> None:
    with pytest.raises(DecodeError, match="holds no bytes"):
        decoded(frame(EVENT, payload))


def test_a_stream_that_stops_within_a_message() -> None:
    with pytest.raises(DecodeError, match="ends within a message"):
        decoded(chunk(b"{}")[:-1])


def test_which_answers_are_meant() -> None:
    assert is_aws_stream({"content-type": "application/vnd.amazon.eventstream; charset=x"})
    assert not is_aws_stream({"content-type": "text/event-stream"})
    assert not is_aws_stream({})
