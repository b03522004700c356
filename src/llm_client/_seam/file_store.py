"""Entries of a cache as files: where they lie, how they age, what goes when there are too many. For both faces.

Any number of threads and processes may use one folder at the same time: files are only ever replaced whole, and one
that another process has removed is simply not there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from .._core.cache_frame import Compression, DamagedEntry, UnreadableEntry, check_compression, seal, unseal
from .._core.cache_names import safe_key, safe_name
from .._core.files import read_bytes, write_atomic
from .._core.log import logger, warn_once
from ._fork import ForkLock

_SUFFIX = ".entry"
_DAMAGED = ".damaged"
_TEMPORARY = ".tmp"
_ABANDONED_SECONDS = 3600.0
_KEEP_SHARE = 0.9  # what eviction leaves of the limit, so that it need not run at every write

_log = logger("cache")


class FileStore:
    """A folder of entries.

    Args:
        directory: Made at the first write.
        ttl_seconds: Age at which an entry is no longer read; None for no limit.
        max_bytes: Most bytes on disk; the entries read longest ago go first. Several processes that write at once can
            exceed it by a sixteenth each before one of them notices.
        compression: None, "zlib" or "zstd".

    Raises:
        ValueError: A number or the compression is out of range.
        ImportError: This Python cannot do zstd.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        ttl_seconds: float | None,
        max_bytes: int | None,
        compression: Compression | None,
    ) -> None:
        for name, value in (("ttl_seconds", ttl_seconds), ("max_bytes", max_bytes)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
                raise ValueError(f"{name} is a number above 0 or None, got {value!r}")
        check_compression(compression)
        # Fixed here: a program that changes its working directory goes on with the same cache.
        self.directory = os.path.abspath(directory)
        self._ttl = ttl_seconds
        self._max_bytes = max_bytes
        self._compression: Compression | None = compression
        self._evicting = ForkLock()
        self._total: int | None = None  # bytes found by the last look at the folder
        self._written = 0  # bytes written since

    def path(self, collection: str, key: str) -> str:
        """Where an entry lies: two levels of folders keep each of them small."""
        key = safe_key(key)
        # os.path.join takes three times as long.
        return os.sep.join((self.directory, safe_name(collection), key[:2], key[2:4], key + _SUFFIX))

    def open(self, path: str, data: bytes) -> bytes | None:
        """The content of a file that was read; None if it is damaged, and is then moved aside, or too old."""
        try:
            content, created = unseal(data)
        except UnreadableEntry as error:
            warn_once(_log, ("unreadable", self.directory), str(error))
            return None
        except DamagedEntry as error:
            _log.warning("a damaged entry was moved aside: %s: %s", path, error)
            _quietly(os.replace, path, path + _DAMAGED)
            return None
        if self._ttl is not None and time.time() - created > self._ttl:
            _quietly(os.unlink, path)
            return None
        if self._max_bytes is not None:
            _quietly(os.utime, path)  # read lately: goes last
        return content

    def write(self, path: str, content: bytes) -> None:
        """Write an entry.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        data = seal(content, time.time(), self._compression)
        limit = self._max_bytes
        if limit is not None and len(data) > limit:
            return
        write_atomic(path, data, durable=False)  # a file that a power cut leaves half is found damaged
        if limit is not None:
            self._written += len(data)
            if self._total is None or self._written > limit // 16 or self._total + self._written > limit:
                self._evict(limit)

    def delete(self, path: str) -> bool:
        """Remove an entry; tells whether it was there."""
        return _quietly(os.unlink, path)

    def purge(self, collection: str | None, older_than: float | None) -> int:
        """Remove entries of one collection or of all, those older than some seconds or all; returns how many."""
        folder = self.directory if collection is None else os.path.join(self.directory, safe_name(collection))
        oldest = None if older_than is None else time.time() - older_than
        removed = 0
        for entry in _files(folder):
            if not entry.name.endswith(_SUFFIX):
                if entry.name.endswith(_DAMAGED):
                    _quietly(os.unlink, entry.path)
                continue
            if oldest is None or _created(entry.path) < oldest:
                removed += _quietly(os.unlink, entry.path)
        self._total = None
        return removed

    def _evict(self, limit: int) -> None:
        if not self._evicting.acquire(timeout=0):
            return  # another thread is at it
        try:
            found, total = [], 0
            for entry in _files(self.directory):
                try:
                    status = entry.stat()
                except OSError:
                    continue  # removed since
                if entry.name.endswith(_TEMPORARY) and time.time() - status.st_mtime > _ABANDONED_SECONDS:
                    _quietly(os.unlink, entry.path)  # of a process that was killed while it wrote
                    continue
                found.append((status.st_mtime_ns, status.st_size, entry.path))
                total += status.st_size
            if total > limit:
                found.sort()
                for _, size, path in found:
                    if total <= limit * _KEEP_SHARE:
                        break
                    _quietly(os.unlink, path)
                    total -= size
            self._total, self._written = total, 0
        finally:
            self._evicting.release()


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.name.endswith((_SUFFIX, _DAMAGED, _TEMPORARY)):  # nothing that is not ours
                        yield entry
        except FileNotFoundError:
            continue


def _created(path: str) -> float:
    try:
        return unseal(read_bytes(path))[1]
    except UnreadableEntry as entry:
        return entry.created
    except (OSError, DamagedEntry):
        return 0.0


def _quietly(change: object, *arguments: object) -> bool:
    # Another process may have been faster, or the folder may be read-only: neither makes a read fail.
    try:
        change(*arguments)  # type: ignore[operator]
    except OSError:
        return False
    return True
