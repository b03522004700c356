"""One fake API in a process of its own for all rows of the matrix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_process import fake_process


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of the fake API."""
    with fake_process() as address:
        yield address
