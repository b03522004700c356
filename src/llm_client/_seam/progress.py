"""A progress bar by tqdm, where somebody can see it: in a terminal and in a notebook; else nothing."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from . import _extras


class Progress:
    """How far a batch is.

    Args:
        desc: What stands before the bar.
        total: How many items there are, None where nobody knows.
        shown: True shows it also where stderr is a file, False never; None decides by what stderr is.

    Raises:
        ImportError: It was asked for by True, and tqdm is not installed.
    """

    def __init__(self, desc: str | None, total: int | None, shown: bool | None) -> None:
        self._failed = 0
        self._bar: Any = None
        if shown is False or (shown is None and not _is_seen()):
            return
        if shown is None and importlib.util.find_spec("tqdm") is None:
            return
        kind = _extras.load(_module(), "progress").tqdm

        class Bar(kind):  # type: ignore[misc, valid-type]
            monitor_interval = 0  # no thread of its own

        self._bar = Bar(total=total, desc=desc, unit="item", dynamic_ncols=True)

    def update(self, failed: bool) -> None:
        """One more item has ended.

        Args:
            failed: Without an answer.
        """
        if self._bar is None:
            return
        if failed:
            self._failed += 1
            self._bar.set_postfix(failed=self._failed, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _is_notebook() -> bool:
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return found is not None and type(found).__name__ == "ZMQInteractiveShell"


def _is_seen() -> bool:
    if _is_notebook():
        return True
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:
        return False  # it is closed


def _module() -> str:
    # The notebook's bar is a widget; without the package for these, the plain one shows below the cell as well.
    return "tqdm.notebook" if _is_notebook() and importlib.util.find_spec("ipywidgets") is not None else "tqdm.std"
