"""Packages that only some installations have, imported at first use."""

from __future__ import annotations

import importlib
import importlib.util
import math
from typing import Any


def load(module: str, extra: str) -> Any:
    """Import an optional package.

    Args:
        module: Its import name.
        extra: The name of our extra that installs it.

    Raises:
        ImportError: It is not installed; the text names the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} cannot be imported ({error}). Install it with: pip install "llm-client[{extra}]"', name=module
        ) from error


def redis_retry(module: str) -> Any:
    """One more try, at once, where a kept connection has ended; redis-py's own policy waits for seconds."""
    retry = load(module, "redis").Retry
    backoff = load("redis.backoff", "redis").NoBackoff()
    return retry(backoff, 1, supported_errors=(load("redis.exceptions", "redis").ConnectionError,))


def require(module: str, extra: str) -> None:
    """Make sure that an optional package is installed, without importing it.

    Raises:
        ImportError: It is not installed; the text names the line that installs it.
    """
    if importlib.util.find_spec(module) is None:
        load(module, extra)


def qdrant_arguments(url: str, api_key: str | None, timeout: float) -> dict[str, Any]:
    """The constructor arguments of a Qdrant client of either colour for a server, a folder or memory."""
    if url == ":memory:":
        return {"location": url}
    if not url.startswith(("http://", "https://")):
        return {"path": url}
    # The check would ask the server for its version inside the constructor, and block the event loop.
    return {"url": url, "api_key": api_key, "timeout": math.ceil(timeout), "check_compatibility": False}
