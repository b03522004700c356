"""After `os.fork()`: parent and child both go on, at rest and while 32 threads are calling."""

from __future__ import annotations

import pytest

from support.calls import VENDORS
from support.processes import run_python


def run(call: str) -> None:
    assert run_python(f"from matrix.programs import forking\nforking.{call}") == "done\n"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_fork_after_calls(url: str, vendor: str) -> None:
    run(f"at_rest({url!r}, {vendor!r})")


def test_forks_while_32_threads_are_calling(url: str) -> None:
    run(f"under_load({url!r}, 'openai')")


def test_a_fork_inside_a_tool(url: str) -> None:
    run(f"of_tools({url!r})")
