"""The lines of a checkpoint: what was written is read, what was torn is cut, what is not ours is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.batch_codec import Codec
from llm_client._core.batch_errors import CheckpointError
from llm_client._core.checkpoint import HEADER, CheckpointScan, Record, format_line, key_of, parse_line

LINES = [format_line(index, f"{index:032x}", Codec().encode(f"answer {index}")) for index in range(5)]
WHOLE = HEADER + b"".join(LINES)


def scan(data: bytes, piece: int = 1 << 20) -> tuple[CheckpointScan, list[tuple[int, Record]], Record | None]:
    scanned = CheckpointScan("the checkpoint 'x'")
    found = []
    for start in range(0, len(data), piece):
        found += scanned.feed(data[start : start + piece])
    return scanned, found, scanned.finish()


def test_a_line_reads_as_people_would_write_it() -> None:
    line = format_line(7, "0f.1", Codec().encode({"text": "ä"}))
    assert line == '{"index":7,"key":"0f.1","result":{"text":"ä"}}\n'.encode()
    assert parse_line(line[:-1]) == Record("0f.1")
    assert key_of(line[:-1]) == "0f.1"
    assert Codec().decode(line[:-1]) == {"text": "ä"}


def test_a_line_that_somebody_rewrote_has_its_key_still() -> None:
    assert key_of(b'{"result": 1, "key": "0f", "index": 1}') == "0f"
    assert key_of(b"garbage") is None


def test_all_lines_are_found_where_they_are() -> None:
    scanned, found, last = scan(WHOLE)
    assert [record.key for _, record in found] == [f"{index:032x}" for index in range(5)]
    assert [WHOLE[start : WHOLE.index(b"\n", start) + 1] for start, _ in found] == LINES
    assert (scanned.end, scanned.damaged, last, scanned.is_new) == (len(WHOLE), 0, None, False)


@given(st.integers(0, len(WHOLE)), st.integers(1, 300))
def test_at_any_point_of_truncation_all_complete_lines_are_found(cut: int, piece: int) -> None:
    data = WHOLE[:cut]
    scanned, found, last = scan(data, piece)
    complete = [line for line in LINES if line in data]
    assert len(found) == len(complete)
    assert scanned.damaged == 0
    assert scanned.end == (data.rindex(b"\n") + 1 if b"\n" in data else 0)
    assert scanned.is_new == (b"\n" not in data)
    if last is not None:  # only its line feed is missing
        assert data + b"\n" in (WHOLE[: cut + 1], WHOLE)


@given(st.binary(max_size=200).filter(lambda data: b"\n" not in data), st.integers(0, 5), st.integers(1, 300))
def test_a_line_of_garbage_hides_no_other(garbage: bytes, position: int, piece: int) -> None:
    lines = [*LINES[:position], garbage + b"\n", *LINES[position:]]
    scanned, found, _ = scan(HEADER + b"".join(lines), piece)
    assert [record.key for _, record in found if record.key in {f"{n:032x}" for n in range(5)}] == [
        f"{n:032x}" for n in range(5)
    ]
    assert scanned.damaged + len(found) == 6


@given(st.binary(max_size=300))
def test_any_end_is_kept_or_cut(tail: bytes) -> None:
    scanned, found, _ = scan(WHOLE + tail)
    assert len(found) >= 5
    assert len(WHOLE) <= scanned.end <= len(WHOLE) + len(tail)


@given(st.binary(max_size=300))
def test_a_foreign_file_is_refused(data: bytes) -> None:
    if HEADER.startswith(data) or data.startswith(HEADER):
        return
    with pytest.raises(CheckpointError, match="Nothing was changed"):
        scan(data)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_newer_version_is_refused(piece: int) -> None:
    with pytest.raises(CheckpointError, match=r"newer version .* up to 1"):
        scan(HEADER.replace(b"1", b"2") + LINES[0], piece)


@pytest.mark.parametrize("version", [b'"1"', b"true", b"0", b"null"])
def test_a_version_is_a_number(version: bytes) -> None:
    with pytest.raises(CheckpointError, match="its version is"):
        scan(HEADER.replace(b":1}", b":" + version + b"}"))


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[1]", b'{"key":"a"}', b'{"key":1,"result":1}', b'{"key":"","result":1}', b"{" + b"\x00" * 40 + b"}"],
)
def test_what_is_no_record(line: bytes) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize("start", [b"x", b"\n\n[", b"\xff" * 10, b"{" + b" " * (1 << 17)])
def test_a_file_that_cannot_be_ours_is_refused_at_its_first_bytes(start: bytes) -> None:
    scanned = CheckpointScan("the checkpoint 'x'")
    with pytest.raises(CheckpointError, match="no checkpoint of a batch"):
        list(scanned.feed(start))


def test_what_may_become_a_header_is_waited_for() -> None:
    scanned = CheckpointScan("the checkpoint 'x'")
    for byte in b'  { "version": 1,\t"format": "llm-client-batch" }\n':
        assert scanned.is_new
        assert list(scanned.feed(bytes([byte]))) == []
    assert not scanned.is_new


def test_a_line_of_many_pieces_is_put_together_once() -> None:
    line = format_line(0, "0f", Codec().encode("x" * (1 << 16)))
    _, found, last = scan(HEADER + line + line[:-1], piece=64)
    assert found == [(len(HEADER), Record("0f"))]
    assert last == Record("0f")
