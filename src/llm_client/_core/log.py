"""Logging: loggers below `llm_client`, silent until the application configures logging."""

from __future__ import annotations

import logging

logging.getLogger("llm_client").addHandler(logging.NullHandler())

_said: set[tuple[object, ...]] = set()


def logger(name: str) -> logging.Logger:
    """The logger `llm_client.NAME`."""
    return logging.getLogger(f"llm_client.{name}")


def warn_once(log: logging.Logger, key: tuple[object, ...], message: str) -> None:
    """Log a warning the first time that its key comes up in this process."""
    if key not in _said:
        _said.add(key)
        log.warning("%s", message)


def forget_warnings() -> None:
    """Let every warning come up anew; for tests."""
    _said.clear()
