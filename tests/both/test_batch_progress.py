"""The progress bar: in a terminal and in a notebook; nothing where nobody sees it, or without tqdm."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import types
from typing import Any

import pytest

import llm_client.sync
from llm_client._seam import progress
from support.processes import ROOT, run_python

PROGRAM = """
import llm_client.sync
def processor(item):
    if item == 3:
        raise ValueError("no")
    return item
llm_client.sync.BatchManager().process_batch(range(10), processor, desc="Processing Batch")
"""


def test_a_terminal_sees_a_bar() -> None:
    main, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stderr=end)
    os.close(end)
    seen = b""
    try:
        while piece := os.read(main, 4096):
            seen += piece
    except OSError:
        pass  # the other side has ended
    finally:
        os.close(main)
    assert process.wait(60) == 0
    assert b"Processing Batch: 100%" in seen
    assert b"10/10" in seen
    assert b"failed=1" in seen


def test_a_file_sees_nothing() -> None:
    assert run_python(PROGRAM + "import sys\nassert 'tqdm' not in sys.modules") == ""


def test_it_can_be_had_everywhere_and_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", seen)
    llm_client.sync.BatchManager(progress=False).process_batch([1, 2], str)
    assert seen.getvalue() == ""
    llm_client.sync.BatchManager(progress=True).process_batch(iter([1, 2]), str, desc="Some")
    assert "Some: 2item" in seen.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_without_tqdm_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.std", None)
    real = progress.importlib.util.find_spec
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None if name == "tqdm" else real(name))
    llm_client.sync.BatchManager().process_batch([1, 2], str)
    assert seen.getvalue() == ""
    with pytest.raises(ImportError, match=r'pip install "llm-client\[progress\]"'):
        llm_client.sync.BatchManager(progress=True).process_batch([1, 2], str)


class Widget:
    made: list[Any] = []

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.count = 0
        self.closed = False
        self.made.append(self)

    def update(self) -> None:
        self.count += 1

    def set_postfix(self, **values: Any) -> None:
        self.values = values

    def close(self) -> None:
        self.closed = True


def test_a_notebook_sees_a_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "tqdm.notebook", types.SimpleNamespace(tqdm=Widget))  # type: ignore[arg-type]
    real = progress.importlib.util.find_spec
    monkeypatch.setattr(
        progress.importlib.util, "find_spec", lambda name: object() if name == "ipywidgets" else real(name)
    )
    llm_client.sync.BatchManager().process_batch([1, 2, 3], str, desc="Some")
    (widget,) = Widget.made
    assert (widget.options["desc"], widget.options["total"], widget.count, widget.closed) == ("Some", 3, 3, True)


def test_a_closed_stderr_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert llm_client.sync.BatchManager().process_batch([1], str) == ["1"]
    monkeypatch.setattr(sys, "stderr", None)
    assert llm_client.sync.BatchManager().process_batch([1], str) == ["1"]
