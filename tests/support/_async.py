"""The face under test, for tests that are written once and run twice: `from support._async import face`."""

from __future__ import annotations

import importlib
from typing import Any

FACE = "llm_client"


def __getattr__(name: str) -> Any:
    # Imported when a test first asks, so that tests of the lower floors need nothing of the upper ones.
    if name == "face":
        return importlib.import_module(FACE)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
