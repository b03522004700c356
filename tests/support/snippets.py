"""The Python blocks of a Markdown file, as programs that can be run."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Blocks inside a list or a tab are indented, with their fences.
_BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """One block.

    Args:
        file: Where it stands.
        line: Its first line there, so that a traceback leads to it.
        code: Its text.
    """

    file: Path
    line: int
    code: str

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}"

    def run(self) -> dict[str, object]:
        """Run it as a program of its own; returns its variables."""
        variables: dict[str, object] = {"__name__": "__main__"}
        program = compile("\n" * (self.line - 1) + self.code, str(self.file), "exec")
        exec(program, variables)
        return variables


def snippets(path: str) -> list[Snippet]:
    """The blocks of a file, in order.

    Args:
        path: From the project's root.
    """
    file = ROOT / path
    text = file.read_text(encoding="utf-8")
    return [
        Snippet(file, text.count("\n", 0, found.start()) + 2, textwrap.dedent(found[2]))
        for found in _BLOCK.finditer(text)
    ]
