"""A checkpoint as a file: read once, then only appended to, by one process at a time. For both faces.

Every line is handed to the operating system at once, so that a killed process loses nothing that was recorded; what a
power cut may take is decided by the fsync policy. The file is locked for as long as it is open.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from .._core.batch_errors import CheckpointError
from .._core.batch_identity import fingerprint
from .._core.checkpoint import HEADER, CheckpointScan, key_of
from .._core.compact_map import CompactMap
from .._core.log import logger
from ._fork import ForkLock, on_fork
from ._threads import now

try:
    import fcntl
except ImportError:  # not a POSIX system: there the file is not locked
    fcntl = None  # type: ignore[assignment]

_PIECE = 1 << 20
_LINE_PIECE = 1 << 16
_IN_USE = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK)

_log = logger("batch")
_open_files: WeakSet[CheckpointFile] = WeakSet()


class CheckpointFile:
    """The file, open.

    Args:
        path: Where; missing folders are made.
        sync_every: Seconds after which what was written is made safe against a power cut: 0 for after every line, None
            for never, which leaves it to the operating system.

    Raises:
        CheckpointError: It is no checkpoint, is of a newer version, or another process has it open.
        OSError: It cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], sync_every: float | None) -> None:
        self.path = os.path.abspath(path)
        self._name = f"the checkpoint {os.fspath(path)!r}"
        self._every = sync_every
        self._lock = ForkLock()
        self._users = 0
        self._closing = False
        self._broken: str | None = None
        self._dirty = False
        self._index = CompactMap(keys="I")  # whose line it is, the line itself says
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            self._take()
            self.types = self._read()
        except BaseException:
            os.close(self._fd)
            raise
        self._synced = now()
        _open_files.add(self)

    def _take(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _IN_USE:
                _log.warning("%s cannot be locked (%s): make sure that only one process uses it", self._name, error)
                return
            raise CheckpointError(
                f"{self._name} is in use by another batch, in this process or another one: let that one end first, or "
                "name another checkpoint_file"
            ) from None

    def _read(self) -> frozenset[str]:
        status = os.fstat(self._fd)
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0  # a device has no content of ours
        scan = CheckpointScan(self._name)
        at = 0
        while at < size and (piece := os.pread(self._fd, min(_PIECE, size - at), at)):
            at += len(piece)
            for start, record in scan.feed(piece):
                self._index.add(fingerprint(record.key), start)
        last = scan.finish()
        self._end = scan.end
        if last is not None:
            self._index.add(fingerprint(last.key), scan.end)
            self._end = at
            self._write(b"\n")
        elif at > scan.end:
            _log.warning("%s: %d bytes of a half-written line were cut off", self._name, at - scan.end)
            os.ftruncate(self._fd, scan.end)
        if scan.is_new:
            self._write(HEADER)
            self._sync_folder()
        if scan.damaged:
            _log.warning("%s: %d damaged lines are skipped; their items are asked again", self._name, scan.damaged)
        return frozenset(scan.types)

    def _sync_folder(self) -> None:
        if self._every is None:
            return
        try:
            folder = os.open(os.path.dirname(self.path), os.O_RDONLY)
        except OSError:
            return  # a folder that cannot be opened cannot be made durable either
        try:
            os.fsync(folder)
        except OSError:
            pass  # not every file system can do this for folders
        finally:
            os.close(folder)

    # ------------------------------------------------------------ reading

    def __len__(self) -> int:
        """How many answers were there when it was opened."""
        return len(self._index)

    def find(self, key: str) -> bytes | None:
        """The line of an answer, as it was when the file was opened; None where there is none.

        Raises:
            CheckpointError: It can no longer be read.
        """
        for start in self._index.find(fingerprint(key)):
            line = self._line_at(start)
            if key_of(line) == key:
                return line
        return None

    def _line_at(self, start: int) -> bytes:
        line = b""
        with self._in_use() as is_open:
            while is_open:
                try:
                    piece = os.pread(self._fd, _LINE_PIECE, start + len(line))
                except OSError as error:
                    raise CheckpointError(f"{self._name} cannot be read: {error}") from error
                end = piece.find(b"\n")
                if end >= 0 or not piece:
                    return line + piece[:end]
                line += piece
        return line

    # ------------------------------------------------------------ writing

    def append(self, line: bytes) -> bool:
        """Write a line at the end, and hand it to the operating system; after `close` it does nothing.

        Returns:
            Whether `sync` is due.

        Raises:
            CheckpointError: It could not be written; what stands in the file is whole.
        """
        with self._lock_held():
            if self._closing:
                return False
            self._write(line)
            if self._every is None:
                return False
            self._dirty = True
            if self._every > 0 and now() - self._synced < self._every:
                return False
            self._synced = now()
            return True

    def _write(self, line: bytes) -> None:
        if self._broken is not None:
            raise CheckpointError(self._broken)
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            message = (
                f"{self._name} cannot be written: {error}. What was recorded before is intact: make room, or repair "
                "the disk, and start again"
            )
            try:
                os.ftruncate(self._fd, self._end)  # half a line, and others behind it, would hide both
            except OSError:
                self._broken = message
            raise CheckpointError(message) from error
        self._end += len(line)

    def sync(self) -> None:
        """Wait until the disk has everything that was written.

        Raises:
            CheckpointError: It could not be made durable.
        """
        with self._in_use() as is_open:
            if not is_open or not self._dirty:
                return
            self._dirty = False
            try:
                os.fsync(self._fd)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return  # a pipe or a device
                raise CheckpointError(f"{self._name} cannot be made durable: {error}") from error

    # ------------------------------------------------------------ the end

    def close(self) -> None:
        """Let go of it. Never waits: where another thread is using it, that one closes it when it has done."""
        self._closing = True
        self._try_close()

    def _try_close(self) -> None:
        if not self._lock.acquire(timeout=0):
            return  # whoever holds the lock looks at _closing after giving it back
        try:
            if self._users == 0 and self._fd >= 0:
                fd, self._fd = self._fd, -1
                _open_files.discard(self)
                os.close(fd)
        finally:
            self._lock.release()

    @contextmanager
    def _lock_held(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()
            if self._closing:
                self._try_close()

    @contextmanager
    def _in_use(self) -> Iterator[bool]:
        # Without holding the lock: a slow disk must not hold up those who only want to append.
        with self._lock_held():
            is_open = not self._closing
            self._users += is_open
        try:
            yield is_open
        finally:
            if is_open:
                with self._lock_held():
                    self._users -= 1

    def forget(self) -> None:
        """Close the copy that a forked child has, so that the lock lasts no longer than the parent wants it."""
        self._closing, fd, self._fd = True, self._fd, -1
        if fd >= 0:
            os.close(fd)


def _in_child() -> None:
    for file in list(_open_files):
        file.forget()
    _open_files.clear()


on_fork(_in_child)
