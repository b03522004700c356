"""`llm-client doctor`: what works here and what does not."""

# ruff: noqa: T201 (a program prints)

from __future__ import annotations

import argparse
from typing import Any

from . import checks


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "doctor", help="check keys, servers and versions",
        description="Check keys, endpoints, cache servers, tokenizer and versions. Keys are never shown, and nothing "
        "that is checked costs anything.",
    )  # fmt: skip
    parser.add_argument("--offline", action="store_true", help="ask no server")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="S", help="seconds for each server (default 5)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check; 0 where all that is set up works, 1 where something does not, or no model can be asked."""
    timeout = None if options.offline else options.timeout
    failed = 0
    for title, check in checks.ALL:
        print(title)
        for finding in check(timeout):
            print(f"  {finding.level:<4} {finding.subject}: {finding.text}", flush=True)
            failed += finding.level == "FAIL"
    print()
    print("Everything that is set up works." if not failed else f"{failed} of these do not work.")
    return 1 if failed else 0
