"""A folder on a disk that can be full: a small tmpfs where root may mount one, else errors put into the writing."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from llm_client._core import files


class Disk(Protocol):
    """A disk that is full when told to be."""

    folder: Path

    def fill(self) -> None: ...

    def free(self) -> None: ...


class SmallDisk:
    """A tmpfs of some pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with open(self.folder / "filler", "ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * 4096)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        (self.folder / "filler").unlink()


class InjectedDisk:
    """Writing stops in the middle of a file."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = patch

    def fill(self) -> None:
        true_fdopen = os.fdopen

        def fdopen(handle: int, mode: str, *rest: Any) -> Any:
            file = true_fdopen(handle, mode, *rest)
            return _Half(file)

        self._patch.setattr(files.os, "fdopen", fdopen)

    def free(self) -> None:
        self._patch.undo()


class _Half:
    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> _Half:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, "No space left on device")


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk that can really be full; an injected one where this user, or this machine, cannot mount one."""
    folder.mkdir()
    if not _mounted(folder):
        with injected_disk(folder) as disk:
            yield disk
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


@contextmanager
def injected_disk(folder: Path) -> Iterator[Disk]:
    """A disk that seems to be full."""
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        yield InjectedDisk(folder, patch)


def _mounted(folder: Path) -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "llm-client-test", str(folder)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
