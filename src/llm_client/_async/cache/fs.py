"""A cache in a folder: nothing to install, nothing to run."""

from __future__ import annotations

import os
from datetime import timedelta

from ..._core.cache_frame import Compression
from ..._seam import _async as seam
from ..._seam.file_store import FileStore
from .base import BaseCache, seconds_of


class FSCache(BaseCache):
    """Entries as files, safe for any number of threads and processes at once.

    Args:
        directory: Where; made at the first write.
        ttl_seconds: Age at which an entry no longer counts; None for no limit.
        max_bytes: Most bytes on disk; the entries read longest ago go first. None for no limit.
        compression: None, "zlib", or "zstd" (on Python before 3.14 with the package zstandard).

    Raises:
        ValueError: A number or the compression is out of range.
        ImportError: This Python cannot do zstd.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] = "./cache",
        *,
        ttl_seconds: float | None = None,
        max_bytes: int | None = None,
        compression: Compression | None = None,
    ) -> None:
        self._store = FileStore(directory, ttl_seconds, max_bytes, compression)
        self.identity = f"fs:{self._store.directory}"

    @property
    def directory(self) -> str:
        """The folder, as an absolute path."""
        return self._store.directory

    def __repr__(self) -> str:
        return f"FSCache({self._store.directory!r})"

    async def get(self, collection: str, key: str) -> bytes | None:
        """The value stored under a key, None where there is none; a damaged entry is moved aside."""
        path = self._store.path(collection, key)
        try:
            data = await seam.read_file(path)
        except FileNotFoundError:
            return None
        return self._store.open(path, data)

    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value, in the place of an older one.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        await seam.offload(self._store.write, self._store.path(collection, key), value)

    async def delete(self, collection: str, key: str) -> bool:
        """Remove an entry; tells whether it was there."""
        return await seam.offload(self._store.delete, self._store.path(collection, key))

    async def purge(self, collection: str | None = None, *, older_than: float | timedelta | None = None) -> int:
        """Remove many entries, and the damaged ones that were moved aside.

        Args:
            collection: Which; None for all.
            older_than: Age in seconds, or a timedelta; None for all ages.

        Returns:
            How many were removed.
        """
        return await seam.offload(self._store.purge, collection, seconds_of(older_than))
