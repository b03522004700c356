"""Under gevent, with everything patched before anything else is imported."""

from __future__ import annotations

import pytest

from support.calls import VENDORS
from support.processes import run_python


def run(call: str) -> None:
    # Not with warnings as errors: gevent has some of its own.
    assert run_python(f"from matrix.programs import greenlets\ngreenlets.{call}", strict=False) == "done\n"


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_blocking_face_in_greenlets(url: str, vendor: str) -> None:
    run(f"blocking({url!r}, {vendor!r})")


def test_streams_left_early_in_greenlets(url: str) -> None:
    run(f"stream_left_early({url!r})")


def test_the_async_face_beside_greenlets(url: str) -> None:
    run(f"asynchronous({url!r})")
