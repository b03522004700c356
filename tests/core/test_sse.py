"""The decoder of Server-Sent Events, against a plain reading of the standard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.sse_format import format_sse_event
from llm_client._core.wire.sse import SseDecoder

LINE = st.sampled_from(
    [
        b"data: one", b"data:two", b"data:  three", b"data", b"data:", b": comment", b":", b"event: x", b"id: 1",
        b"retry: 5", b"database: no", b" data: no", "data: Zürich 東京 🙂".encode(), b"data: a:b", b"",
    ]
)  # fmt: skip
END = st.sampled_from([b"\n", b"\r\n", b"\r"])


def decode(body: bytes, cuts: list[int] | None = None) -> list[bytes]:
    decoder = SseDecoder()
    events: list[bytes] = []
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts or ())})
    for start, end in zip(places, [*places[1:], len(body)], strict=True):
        events += decoder.feed(body[start:end])
    return events + decoder.close()


def reference(body: bytes) -> list[bytes]:
    """As the standard says, but that an event at the very end counts without its blank line."""
    text = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[bytes] = []
    data: list[bytes] = []
    for line in [*text.split(b"\n"), b""]:
        if line == b"":
            if data:
                events.append(b"\n".join(data))
            data = []
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
    return events


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"", []),
        (b"data: a\n\n", [b"a"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"event: x\nid: 7\ndata: a\nretry: 10\n\n", [b"a"]),
        (b": keep-alive\n\ndata: a\n\n: keep-alive\n\n", [b"a"]),
        (b"data:a\n\ndata:  a\n\n", [b"a", b" a"]),
        (b"data\n\n", [b""]),
        (b"\n\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: \xef\xbb\xbf\n\n", [b"\xef\xbb\xbf"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: a\r", [b"a"]),
        (b"data: a\r\n\r", [b"a"]),
        (b"<html>no stream</html>", []),
    ],
)
def test_bodies(body: bytes, events: list[bytes]) -> None:
    assert decode(body) == events == reference(body)
    assert decode(body, list(range(len(body)))) == events


def test_an_event_is_there_as_soon_as_its_blank_line_is() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [b"a"]
    assert decoder.feed(b"data: b\r\n\r") == [b"b"]
    # The LF belongs to the CR before it, and is no blank line of its own.
    assert decoder.feed(b"\ndata: c\r\n\r\n") == [b"c"]
    assert decoder.feed(b"") == []
    assert decoder.close() == []


def test_a_byte_order_mark_in_pieces() -> None:
    decoder = SseDecoder()
    assert [decoder.feed(piece) for piece in (b"\xef", b"\xbb", b"\xbf", b"data: a\n\n")] == [[], [], [], [b"a"]]
    short = SseDecoder()
    assert short.feed(b"\xef\xbb") == []
    assert short.close() == []


@given(
    lines=st.lists(st.tuples(LINE, END), max_size=12),
    mark=st.booleans(),
    last=LINE,
    cuts=st.lists(st.integers(0, 10_000), max_size=30),
)
def test_any_chunking_reads_as_the_standard_says(
    lines: list[tuple[bytes, bytes]], mark: bool, last: bytes, cuts: list[int]
) -> None:
    body = (b"\xef\xbb\xbf" if mark else b"") + b"".join(line + end for line, end in lines) + last
    assert decode(body) == decode(body, cuts) == decode(body, list(range(len(body)))) == reference(body)


@given(st.binary(max_size=60), st.lists(st.integers(0, 100), max_size=10))
def test_any_bytes(body: bytes, cuts: list[int]) -> None:
    assert decode(body, cuts) == decode(body)


@given(st.lists(st.text(), max_size=5), st.integers(1, 10))
def test_what_we_write_we_read(texts: list[str], size: int) -> None:
    # The standard has no other line end inside an event than LF.
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    body = "".join(format_sse_event("token", text) for text in texts).encode()
    read = decode(body, list(range(0, len(body), size)))
    assert [event.decode() for event in read] == [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
