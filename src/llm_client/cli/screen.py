"""What the user sees: answers on standard output, everything about them on standard error."""

# ruff: noqa: T201 (a program prints)

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Any

from .._core.events import StreamEvent, StreamEventType

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended, as shells have it."""

_LONGEST = 200


def is_rich() -> bool:
    """Whether to draw: on a terminal, where rich is installed and nobody objects (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and importlib.util.find_spec("rich") is not None


def note(text: str) -> None:
    """Tell the user something that is no part of an answer."""
    print(text, file=sys.stderr, flush=True)


class Answer:
    """Shows an agent's stream as it comes; a context manager.

    Args:
        quiet: Show no text; for answers that are printed when they are whole.
        rich: Draw Markdown as it grows.

    Attributes:
        result: The AgentResult once it is there.
        error: What went wrong, None where nothing did.
    """

    def __init__(self, *, quiet: bool = False, rich: bool = False) -> None:
        self.result: Any = None
        self.error: str | None = None
        self._quiet = quiet
        self._rich = rich
        self._live: Any = None
        self._text: list[str] = []

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *error: object) -> None:
        self._end_text()

    def show(self, event: StreamEvent) -> None:
        """Show one event."""
        kind, data = event.type, event.data
        if kind is StreamEventType.TOKEN:
            if not self._quiet:
                self._add(data)
        elif kind is StreamEventType.TOOL_CALL_END:
            self._end_text()
            note(f"> {data.name}({_short(data.arguments)})")
        elif kind is StreamEventType.META and data.get("event") == "tool_result":
            note(f"< {_short(data['content'])}")
        elif kind is StreamEventType.DONE:
            self._end_text()
            self.result = data
            self.error = data.error
        elif kind is StreamEventType.ERROR:
            self._end_text()
            self.error = f"{data['error']} (status {data['status']})"

    def _add(self, text: str) -> None:
        self._text.append(text)
        if not self._rich:
            print(text, end="", flush=True)
            return
        from rich.live import Live
        from rich.markdown import Markdown

        if self._live is None:
            self._live = Live(vertical_overflow="visible", refresh_per_second=10)
            self._live.start()
        self._live.update(Markdown("".join(self._text)))

    def _end_text(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._text and not self._text[-1].endswith("\n"):
            print(flush=True)
        self._text = []


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
    """Print a table.

    Args:
        titles: Of the columns.
        rows: Their texts.
        right: The columns that are set flush right.
    """
    if is_rich():
        _print_rich_table(titles, rows, right)
        return
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _print_rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for place, title in enumerate(titles):
        table.add_column(title, justify="right" if place in right else "left", no_wrap=place == 0)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
