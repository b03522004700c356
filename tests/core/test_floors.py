"""No import points upwards, and the ground floor is pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "llm_client"

MAY_IMPORT = {
    "_core": {"_core"},
    "_seam": {"_core", "_seam"},
    "_async": {"_core", "_seam", "_async"},
    "_sync": {"_core", "_seam", "_sync"},
    "testing": {"_core", "_seam", "_async", "_sync", "testing"},
    "cli": {"_core", "cli"},
}
"""By floor: the parts of llm_client that it may import. All else is the face, with private helpers of its own."""

# fmt: off
IMPURE_MODULES = {
    "aiohttp", "anthropic", "anyio", "asyncio", "concurrent", "http", "httpx", "multiprocessing", "openai", "psycopg",
    "qdrant_client", "queue", "random", "redis", "requests", "secrets", "select", "selectors", "signal", "socket",
    "ssl", "subprocess", "urllib3",
}
# fmt: on
"""Modules that wait, do I/O or roll dice: `_core` imports none of them."""

ONLY_A_NAME = {"asyncio.exceptions.TimeoutError"}
"""ResponseTimeoutError is under it, and before Python 3.11 it is a class of its own."""

# fmt: off
CLOCKS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
}
# fmt: on

MAY_OPEN = {"files.py", "tokenizer.py"}
"""The modules of `_core` that touch files; both are documented exceptions."""


def imports(path: Path, root: Path = PACKAGE) -> Iterator[tuple[int, str]]:
    """Line and absolute name of everything that a module imports, also inside functions and `if TYPE_CHECKING`."""
    package = ["llm_client", *path.relative_to(root).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                yield node.lineno, f"{stem}.{alias.name}"


def wrong_imports(root: Path = PACKAGE) -> list[str]:
    """Every import that points upwards or sideways."""
    found = []
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root)
        floor = where.parts[0] if len(where.parts) > 1 else "the face"
        face = floor not in MAY_IMPORT
        for line, name in imports(path, root):
            parts = name.split(".")
            if parts[0] != "llm_client" or len(parts) == 1:
                continue
            allowed = set(MAY_IMPORT) if face else MAY_IMPORT[floor]
            if parts[1] == "cli" and face and where.name != "__main__.py":
                found.append(f"{where}:{line}: the library imports the command line")
            elif parts[1] not in allowed and not (face and parts[1].startswith("_")):
                found.append(f"{where}:{line}: {floor} imports {name}")
            elif where.parts[0] in ("_async", "_sync") and parts[1:3] == [
                "_seam",
                {"_async": "_sync"}.get(floor, "_async"),
            ]:
                found.append(f"{where}:{line}: {floor} imports the other half of the seam")
    return found


def impurities(path: Path, root: Path = PACKAGE) -> Iterator[str]:
    """What a module of `_core` does that pure code does not."""
    where = path.name
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for line, name in imports(path, root):
        if name.split(".")[0] in IMPURE_MODULES and name not in ONLY_A_NAME:
            yield f"{where}:{line}: imports {name}"
    defaults = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        or (isinstance(node, ast.FunctionDef) and node.name in ("__init__", "__post_init__"))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)):
            yield f"{where}:{node.lineno}: {type(node).__name__}"
        elif isinstance(node, ast.Call) and id(node) not in defaults and path.name not in MAY_OPEN:
            function = node.func
            if isinstance(function, ast.Name) and function.id == "open":
                yield f"{where}:{node.lineno}: opens a file"
            elif isinstance(function, ast.Attribute):
                owner = getattr(function.value, "id", getattr(function.value, "attr", ""))
                if f"{owner}.{function.attr}" in CLOCKS:
                    yield f"{where}:{node.lineno}: asks the clock ({owner}.{function.attr})"


def test_no_import_points_upwards() -> None:
    assert len(list(PACKAGE.rglob("*.py"))) > 5, "the package was not found"
    assert wrong_imports() == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "_core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_is_pure(path: Path) -> None:
    assert list(impurities(path)) == []


@pytest.mark.parametrize(
    ("where", "line", "wrong"),
    [
        ("_core/a.py", "from .._seam import _threads", True),
        ("_core/wire/a.py", "from ..jsons import dumps", False),
        ("_core/a.py", "from llm_client import Message", True),
        ("_seam/_async.py", "from .._async import agent", True),
        ("_seam/_async.py", "from . import _threads", False),
        ("_async/a.py", "from .._seam import _async as seam", False),
        ("_async/a.py", "from .._seam import _sync as seam", True),
        ("_async/a.py", "from ..exceptions import LLMClientError", True),
        ("_async/a.py", "def f():\n    from ..providers.openai import OpenAIProvider", True),
        ("_sync/providers/a.py", "from ..._async import agent", True),
        ("_sync/a.py", "from .._seam import _async as seam", True),
        ("testing/a.py", "from .._sync import scripted", False),
        ("testing/a.py", "from ..providers import Provider", True),
        ("agent.py", "from ._async.agent import Agent", False),
        ("providers/base.py", "from ..agent import Agent", True),
        ("sync/agent.py", "from .._sync.agent import Agent", False),
        ("__init__.py", "from ._lazy import attach", False),
        ("__main__.py", "from .cli.main import main", False),
        ("agent.py", "from .cli.main import main", True),
        ("_core/a.py", "from ..cli.main import main", True),
        ("cli/a.py", "from .screen import note", False),
        ("cli/a.py", "from .._async.agent import Agent", True),
        ("_async/a.py", "from .._lazy import attach", True),
    ],
)
def test_the_check_sees_what_it_should(tmp_path: Path, where: str, line: str, wrong: bool) -> None:
    (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / where).write_text(line + "\n")
    assert bool(wrong_imports(tmp_path)) is wrong


@pytest.mark.parametrize(
    ("source", "pure"),
    [
        ("import asyncio", False),
        ("from random import random", False),
        ("import time\nstamp = field(default_factory=time.time)", True),
        ("import time\nclass A:\n    def __init__(self): self.t = time.time()", True),
        ("import time\ndef age(self): return time.time() - self.t", False),
        ("import datetime\ndef f(): return datetime.datetime.now()", False),
        ("def f(p): return open(p)", False),
        ("async def f(): pass", False),
    ],
)
def test_impurities_are_seen(tmp_path: Path, source: str, pure: bool) -> None:
    module = tmp_path / "_core" / "a.py"
    module.parent.mkdir()
    module.write_text(source + "\n")
    assert (not list(impurities(module, tmp_path))) is pure
