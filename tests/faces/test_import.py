"""What `import llm_client` costs, loads and reads."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

HEAVY = [
    *("aiohttp", "anthropic", "asyncio", "dotenv", "httpcore", "httpx", "logging", "openai", "orjson", "psycopg"),
    *("pydantic", "redis", "socket", "ssl", "tiktoken", "typing"),
]


def _run(code: str, cwd: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_CLIENT_", "OPENAI_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


def test_importing_loads_nothing_heavy(tmp_path: Path) -> None:
    # Modules that the interpreter itself has loaded (an editable install's hooks may load typing) do not count.
    code = (
        "import sys; before = set(sys.modules); import llm_client, llm_client.sync; "
        f"print([name for name in {HEAVY!r} if name in sys.modules and name not in before])"
    )
    assert _run(code, tmp_path) == "[]"


def test_one_import_reaches_both_faces(tmp_path: Path) -> None:
    code = "import llm_client as l; print(l.sync.Agent.__module__, l.Agent.__module__, l.tools.Tool.__name__)"
    assert _run(code, tmp_path) == "llm_client._sync.agent llm_client._async.agent Tool"


def _cpu_seconds(code: str, cwd: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(code, cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def test_importing_costs_about_nothing(tmp_path: Path) -> None:
    # Interleaved, so that a busy machine slows both down alike.
    bare, ours = [], []
    for _ in range(15):
        bare.append(_cpu_seconds("pass", tmp_path))
        ours.append(_cpu_seconds("import llm_client", tmp_path))
    assert min(ours) <= 1.35 * min(bare)


def test_a_env_file_is_read_and_overrides_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOME_SETTING=from file\nOTHER_SETTING='quoted'\n")
    code = "import llm_client, os; print(os.environ.get('SOME_SETTING'), os.environ.get('OTHER_SETTING'))"
    assert _run(code, tmp_path) == "from file quoted"
    assert _run(code, tmp_path, SOME_SETTING="from environment") == "from environment quoted"
    assert _run(code, tmp_path, LLM_CLIENT_DISABLE_DOTENV="1") == "None None"


def test_a_env_file_is_found_upwards_but_not_beyond_the_project(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOME_SETTING=found\n")
    inner = tmp_path / "project" / "deep"
    inner.mkdir(parents=True)
    code = "import llm_client, os; print(os.environ.get('SOME_SETTING'))"
    assert _run(code, inner) == "found"
    (tmp_path / "project" / ".git").mkdir()
    assert _run(code, inner) == "None"


def test_a_env_file_that_others_may_write_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("SOME_SETTING=planted\n")
    file.chmod(0o666)
    assert _run("import llm_client, os; print(os.environ.get('SOME_SETTING'))", tmp_path) == "None"
