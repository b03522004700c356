"""What a BatchManager is made with, checked."""

from __future__ import annotations

import inspect
import os
import re
import typing
from collections.abc import Callable
from typing import Any

from .batch_outcome import ONCE
from .batch_sql import is_address
from .retry import RetryPolicy

SYNC_SECONDS = 1.0
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


def check_checkpoint(checkpoint: str | os.PathLike[str] | None) -> None:
    """Refuse an address that is none of a database: as a file's name it would make folders, named after a password.

    Raises:
        ValueError: It is such an address; the message does not show it.
    """
    if not isinstance(checkpoint, str) or is_address(checkpoint):
        return
    scheme, separator, _ = checkpoint.partition("://")
    if separator:
        shown = f"{scheme}://..." if _SCHEME.fullmatch(scheme) else "...://..."
        raise ValueError(
            f"a checkpoint is a file's path or postgresql://user:password@host:port/database, got an address {shown}"
        )


def sync_seconds(fsync: str | float | None) -> float | None:
    """Seconds between two waits for the disk: 0 for one after each line, None for none.

    Args:
        fsync: "always", "never" (or None), or seconds.

    Raises:
        ValueError: It is something else.
    """
    if fsync is None or fsync == "never":
        return None
    if fsync == "always":
        return 0.0
    if isinstance(fsync, bool) or not isinstance(fsync, (int, float)) or not fsync > 0:
        raise ValueError(f'fsync is "always", "never" or a number of seconds above 0, got {fsync!r}')
    return float(fsync)


def retry_policy(retry: RetryPolicy | int | None) -> RetryPolicy:
    """How often an item is tried.

    Args:
        retry: A policy, or the number of tries in all; None for one.

    Raises:
        TypeError: It is something else.
        ValueError: The number is below 1.
    """
    if retry is None:
        return ONCE
    if isinstance(retry, RetryPolicy):
        return retry
    if isinstance(retry, bool) or not isinstance(retry, int):
        raise TypeError(f"retry is a RetryPolicy or the number of tries, got {retry!r}")
    if retry < 1:
        raise ValueError(f"retry counts all tries and is at least 1, got {retry}")
    return RetryPolicy(attempts=retry)


def returned_type(processor: Callable[..., Any]) -> Any:
    """What a processor says it returns; None where it says nothing that can be found out."""
    function = processor
    while hasattr(function, "func"):  # a partial
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    try:
        return typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):
        return None  # an annotation that only a type checker can resolve


def length_of(items: Any) -> int | None:
    """How many items there are, None where nobody knows."""
    try:
        return len(items)
    except TypeError:
        return None
