"""What an item of a batch is known by: the digest of its content, and of equal items their number."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from . import jsons
from .batch_codec import Codec
from .compact_map import CompactMap

_DIGEST_BYTES = 16


class Identities:
    """Gives each item of one run its key.

    The same content gives the same digest in every process and on every machine: what is hashed is canonical JSON, with
    sorted keys. Where an item holds more than JSON can, it is brought into the form that results are stored in. Of
    equal items the first is known by its digest alone, the second by its digest and 1, and so on.

    Memory: some 15 bytes for each different item. Two different items that agree in 64 bits of their digests would
    share a count, so that one gets a higher number than it should: it is then asked once more, never answered wrongly.

    Args:
        key: What an item is known by, instead of its content: a function to a string, number or bytes.
    """

    __slots__ = ("_codec", "_key", "_seen")

    def __init__(self, key: Callable[[Any], Any] | None = None) -> None:
        self._key = key
        self._seen = CompactMap(values="B")
        self._codec = Codec()

    def of(self, item: Any) -> str:
        """The key of the next item of the input.

        Raises:
            TypeError: Nothing is known of its content.
        """
        content = item if self._key is None else self._key(item)
        digest = blake2b(self._canonical(content), digest_size=_DIGEST_BYTES)
        number = self._seen.count(int.from_bytes(digest.digest()[:8], "big"))
        text = digest.hexdigest()
        return f"{text}.{number}" if number else text

    def _canonical(self, content: Any) -> bytes:
        try:
            return jsons.canonical(content)
        except TypeError:
            pass  # the slower way is for what plain JSON cannot hold
        try:
            return b"*" + jsons.dumps(self._codec.tagged(content), sort_keys=True)
        except TypeError as error:
            raise TypeError(
                f"an item of the batch cannot be told from others: {error}. Items are JSON values, messages, "
                "dataclasses or pydantic models; for others pass key=, a function from an item to what it is known by."
            ) from error


def fingerprint(key: str) -> int:
    """64 bits of a key, for a CompactMap."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
