"""Saved conversations and sessions: JSON objects that say what they are and which version wrote them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from . import files, jsons
from .exceptions import SessionFileError


def read(path: str | os.PathLike[str], *, kind: str, version: int) -> dict[str, Any]:
    """The object in a file; the file is never changed.

    Args:
        path: Where it was saved.
        kind: The "format" that it must state.
        version: The newest version that is understood.

    Raises:
        FileNotFoundError: There is no such file.
        SessionFileError: It is damaged, of another kind, or of a newer version.
    """
    data = files.read_bytes(path)
    return parse(data, kind=kind, version=version, source=f"the file {os.fspath(path)!r}")


def parse(data: bytes | str, *, kind: str, version: int, source: str = "the text") -> dict[str, Any]:
    """The object in a JSON text.

    Args:
        data: The text.
        kind: The "format" that it must state.
        version: The newest version that is understood.
        source: What the error calls it.

    Raises:
        SessionFileError: It is damaged, of another kind, or of a newer version.
    """
    try:
        value = jsons.loads(data)
    except ValueError as error:
        raise SessionFileError(f"{source} is no {kind}: it is damaged or not JSON ({error})") from error
    return check(value, kind=kind, version=version, source=source)


def check(value: Any, *, kind: str, version: int, source: str) -> dict[str, Any]:
    """The object itself, if it is of this kind and of a version that is understood.

    Raises:
        SessionFileError: It is not.
    """
    if not isinstance(value, Mapping):
        raise SessionFileError(f"{source} is no {kind}: expected a JSON object, got {type(value).__name__}")
    found = value.get("format", kind)
    if found != kind:
        raise SessionFileError(f"{source} is no {kind}: it states the format {found!r}")
    written = value.get("version", version)
    if isinstance(written, bool) or not isinstance(written, int) or written < 1:
        raise SessionFileError(f"{source} is no {kind}: its version is {written!r}, expected a number from 1")
    if written > version:
        raise SessionFileError(
            f"{source} was written by a newer version of this library ({kind} version {written}; this one reads up to "
            f"{version}): update llm-client to read it"
        )
    return dict(value)
