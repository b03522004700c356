"""Content codings of an answer: gzip and deflate, fed in pieces of any size."""

from __future__ import annotations

import zlib

ACCEPTED = "gzip, deflate"
"""What requests offer: only what both engines can decode alike, whatever else is installed."""

_GZIP_START = b"\x1f\x8b"


class DecodeError(ValueError):
    """The body does not follow the coding that its header announces."""


class Decoder:
    """Undoes one content coding.

    Args:
        coding: "gzip" or "deflate".
    """

    __slots__ = ("_begun", "_coding", "_held", "_inflate")

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._begun = False
        self._held = b""
        self._inflate = zlib.decompressobj(31 if coding == "gzip" else 15)

    def feed(self, data: bytes) -> bytes:
        """Decode the next piece; the result may be empty.

        Raises:
            DecodeError: The data does not follow the coding.
        """
        if not data:
            return b""
        try:
            plain = self._inflate.decompress(data) if self._begun else self._begin(data)
            # A gzip body may consist of several members; anything else behind the end is padding.
            while self._inflate.eof and self._inflate.unused_data.startswith(_GZIP_START) and self._coding == "gzip":
                rest = self._inflate.unused_data
                self._inflate = zlib.decompressobj(31)
                plain += self._inflate.decompress(rest)
        except zlib.error as error:
            raise DecodeError(f"its {self._coding} data is damaged") from error
        return plain

    def finish(self) -> bytes:
        """Return what is left at the end of the body.

        Raises:
            DecodeError: The coded data is incomplete.
        """
        rest = self._inflate.flush()
        if (self._begun or self._held) and not self._inflate.eof:
            raise DecodeError(f"its {self._coding} data is incomplete")
        return rest

    def _begin(self, data: bytes) -> bytes:
        data = self._held + data
        if len(data) < 2:  # too little to recognise a header
            self._held = data
            return b""
        self._begun = True
        try:
            return self._inflate.decompress(data)
        except zlib.error:
            if self._coding != "deflate":
                raise
            # Many servers send "deflate" without the zlib header that the standard asks for.
            self._inflate = zlib.decompressobj(-15)
            return self._inflate.decompress(data)


class Decoders:
    """Undoes several codings, the last one applied first.

    Args:
        codings: In the order in which the server applied them.
    """

    __slots__ = ("_chain",)

    def __init__(self, codings: list[str]) -> None:
        self._chain = [Decoder(coding) for coding in reversed(codings)]

    def feed(self, data: bytes) -> bytes:
        """Decode the next piece; the result may be empty."""
        for decoder in self._chain:
            data = decoder.feed(data)
        return data

    def finish(self) -> bytes:
        """Return what is left at the end of the body."""
        data = b""
        for decoder in self._chain:
            data = decoder.feed(data) + decoder.finish()
        return data


def decoder_for(content_encoding: str | None) -> Decoder | Decoders | None:
    """Choose the decoder for a Content-Encoding header; None when the body is plain.

    Raises:
        DecodeError: The server used a coding that the request did not offer.
    """
    if not content_encoding:
        return None
    codings = []
    for name in content_encoding.lower().split(","):
        coding = name.strip().removeprefix("x-")
        if coding in ("", "identity"):
            continue
        if coding not in ("gzip", "deflate"):
            raise DecodeError(f"its coding {coding!r} was not asked for, expected gzip or deflate")
        codings.append(coding)
    if not codings:
        return None
    return Decoder(codings[0]) if len(codings) == 1 else Decoders(codings)


def decode_body(content_encoding: str, body: bytes) -> bytes:
    """Decode a whole body.

    Raises:
        DecodeError: The body does not follow its coding, or the coding was not offered.
    """
    decoder = decoder_for(content_encoding)
    return body if decoder is None else decoder.feed(body) + decoder.finish()
