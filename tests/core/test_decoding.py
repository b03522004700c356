"""Content codings, fed in pieces of any size."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.decoding import DecodeError, decode_body, decoder_for


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    "identity, gzip": gzip.compress,
    " gzip , gzip,": lambda data: gzip.compress(gzip.compress(data)),
}


def in_pieces(encoding: str, coded: bytes, sizes: list[int]) -> bytes:
    decoder = decoder_for(encoding)
    assert decoder is not None
    plain, position = b"", 0
    for size in [*sizes, len(coded)]:
        plain += decoder.feed(coded[position : position + size])
        position += size
    return plain + decoder.finish()


@pytest.mark.parametrize("encoding", CODINGS)
@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(1, 20), max_size=30))
def test_any_division_gives_the_whole(encoding: str, data: bytes, sizes: list[int]):
    coded = CODINGS[encoding](data)
    assert in_pieces(encoding, coded, sizes) == data
    assert decode_body(encoding, coded) == data


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4), st.lists(st.integers(1, 9), max_size=60))
def test_gzip_members_are_joined(members: list[bytes], sizes: list[int]):
    coded = b"".join(gzip.compress(member) for member in members)
    assert in_pieces("gzip", coded, sizes) == b"".join(members)


@given(st.binary(min_size=1, max_size=60), st.lists(st.integers(1, 9), max_size=20))
def test_rubbish_is_an_error_or_nothing_but_never_a_crash(data: bytes, sizes: list[int]):
    for encoding in ("gzip", "deflate"):
        message = ""
        try:
            in_pieces(encoding, data, sizes)
        except DecodeError as error:
            message = str(error)
        assert message in ("", f"its {encoding} data is damaged", f"its {encoding} data is incomplete")


@given(st.binary(min_size=1, max_size=200))
def test_every_truncation_is_noticed(data: bytes):
    for coded, encoding in ((gzip.compress(data), "gzip"), (zlib.compress(data), "deflate")):
        for length in range(1, len(coded)):
            with pytest.raises(DecodeError):
                decode_body(encoding, coded[:length])


@pytest.mark.parametrize("encoding", [None, "", "identity", " , identity"])
def test_plain_bodies_need_no_decoder(encoding: str | None):
    assert decoder_for(encoding) is None


def test_an_empty_body_needs_no_coding():
    assert decode_body("gzip", b"") == b""


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br"])
def test_codings_that_were_not_offered(encoding: str):
    with pytest.raises(DecodeError, match="was not asked for, expected gzip or deflate"):
        decode_body(encoding, b"data")
