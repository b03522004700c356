"""Programs that close nothing end without a word: in development mode, with every warning an error."""

from __future__ import annotations

import pytest

from support.processes import run_python


@pytest.mark.parametrize(
    "scenario",
    ["blocking", "asynchronous", "threads", "threads_at_work", "mixed", "hard_way", "cancelled", "exits"],
)
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_nothing_closed_nothing_said(url: str, vendor: str, scenario: str) -> None:
    program = f"from matrix.programs import forgetting\nforgetting.{scenario}({url!r}, {vendor!r})"
    assert run_python(program) == ""
