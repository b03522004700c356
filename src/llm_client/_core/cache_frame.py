"""How entries lie in files and tables: a header that shows damage, an age, and perhaps compressed content."""

from __future__ import annotations

import struct
import sys
import zlib
from importlib import import_module
from typing import Any, Literal

Compression = Literal["zlib", "zstd"]

_MAGIC = b"LCE1"
_HEADER = struct.Struct("<4sBdI")  # magic, form of the content, time of writing, checksum of all else
_CHECKED = struct.Struct("<Bd")
_PLAIN, _ZLIB, _ZSTD = 0, 1, 2
_WORTH_IT = 256  # bytes: below, compression saves nothing


class DamagedEntry(ValueError):
    """These bytes are no whole entry."""


class UnreadableEntry(DamagedEntry):
    """This entry is whole, but its compression is unknown here: to other programs it is worth something.

    Args:
        message: What is missing.
        created: When the entry was written.
    """

    def __init__(self, message: str, created: float) -> None:
        super().__init__(message)
        self.created = created


def check_compression(name: str | None) -> None:
    """Refuse an unknown compression, or one that this Python cannot do.

    Raises:
        ValueError: The name is unknown.
        ImportError: zstd is wanted and there is neither Python 3.14 nor the package zstandard.
    """
    if name not in (None, "zlib", "zstd"):
        raise ValueError(f'compression is None, "zlib" or "zstd", got {name!r}')
    if name == "zstd":
        _zstd()


def seal(content: bytes, created: float, compression: Compression | None = None) -> bytes:
    """The content as an entry.

    Args:
        content: Any bytes.
        created: When it was written, in seconds since the epoch.
        compression: How to make it smaller.
    """
    form = _PLAIN
    if compression is not None and len(content) >= _WORTH_IT:
        form = _ZLIB if compression == "zlib" else _ZSTD
        content = zlib.compress(content, 6) if form == _ZLIB else _zstd().compress(content)
    return _HEADER.pack(_MAGIC, form, created, _checksum(form, created, content)) + content


def unseal(data: bytes) -> tuple[bytes, float]:
    """The content of an entry, and when it was written.

    Raises:
        DamagedEntry: The bytes are cut off or altered, or no entry at all.
        UnreadableEntry: This Python cannot undo the compression.
    """
    if len(data) < _HEADER.size:
        raise DamagedEntry("the entry is cut off")
    magic, form, created, checksum = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise DamagedEntry("these bytes are no entry of this cache")
    content = data[_HEADER.size :]
    if _checksum(form, created, content) != checksum:
        raise DamagedEntry("the entry is cut off or altered")
    if form == _PLAIN:
        return content, created
    try:
        return (zlib.decompress(content) if form == _ZLIB else _zstd().decompress(content)), created
    except ImportError as error:
        raise UnreadableEntry(f"the entry cannot be read here: {error}", created) from error
    except zlib.error as error:
        raise DamagedEntry(f"the entry cannot be read: {error}") from error


def _checksum(form: int, created: float, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(_CHECKED.pack(form, created)))


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd
    try:
        zstandard: Any = import_module("zstandard")
    except ImportError as error:
        raise ImportError(
            'compression="zstd" needs Python 3.14 or the package zstandard: pip install zstandard', name="zstandard"
        ) from error
    return zstandard
