"""Lets the examples run without a key: they then ask a fake API on this machine, with answers written beforehand.

with fake_api_without_key("OPENAI_API_KEY", answers=["Hello"]):
    ...  # providers find the fake API in OPENAI_BASE_URL, as they would find any other server
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llm_client.testing import FakeAPI, Reply


@contextlib.contextmanager
def fake_api_without_key(variable: str, answers: Sequence[Any] = ()) -> Iterator[FakeAPI | None]:
    """Start a fake API where neither the key nor an address is set, and say which of them is asked.

    Args:
        variable: The variable with the key, such as OPENAI_API_KEY.
        answers: What the fake model says, in order: texts, or Reply objects; afterwards it repeats the question.
    """
    address = variable.replace("_API_KEY", "_BASE_URL")
    if os.environ.get(variable) or os.environ.get(address):
        print(f"asking {os.environ.get(address) or 'the real API'}\n")
        yield None
        return
    print(f"no {variable}: asking a fake API on this machine, whose answers were written beforehand\n")
    before = dict(os.environ)
    with FakeAPI() as api:
        for answer in answers:
            api.reply(answer if isinstance(answer, Reply) else Reply(str(answer)))
        os.environ.update(api.environment)
        try:
            yield api
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextlib.contextmanager
def working_folder() -> Iterator[Path]:
    """Work in a new folder that is removed afterwards, so that caches and saved files leave nothing behind."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
