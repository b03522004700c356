"""Writes docs/examples.md: every example with what it really prints without a key. `--check` compares instead.

python scripts/build_examples.py
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "examples.md"

GROUPS = {
    "Providers": ["simple_generation", "provider_streaming", "sse_streaming", "embeddings_provider"],
    "Agents and tools": ["agent_with_tools", "anthropic_agent", "tool_registry"],
    "Conversations and answers": ["conversation_management", "json_structured_output", "reasoning_models"],
    "Many requests": ["batch_processing", "rate_limiting"],
    "The blocking face": ["sync_quickstart"],
    "The client of version 1": ["basic_completions_fs_cache", "embeddings_with_cache"],
}
NAMES = [name for names in GROUPS.values() for name in names]
SERVERS = ["fastapi_sse", "flask_sse", "django_view"]

_HEAD = """\
# Examples

Each of these programs of the folder `examples/` runs without a key: it then asks a fake API on your machine, with
answers written beforehand, and prints exactly what stands here. With `OPENAI_API_KEY` or `ANTHROPIC_API_KEY` set it
asks the real API; parts that need PostgreSQL, Redis or Qdrant run where their variables are set.

`demo.py` is what `make demo` runs. `fastapi_sse.py`, `flask_sse.py` and `django_view.py` are whole servers with a page
to look at, see [Streaming to a browser](guides/streaming.md).
"""


def environment(**more: str) -> dict[str, str]:
    """The variables of a machine without keys and servers."""
    ours = ("OPENAI_", "ANTHROPIC_", "PG_DSN", "REDIS_URL", "QDRANT_", "LLM_CLIENT_DEMO")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "LLM_CLIENT_DISABLE_DOTENV": "1", "PYTHONIOENCODING": "utf-8", **more}


def run(name: str, **more: str) -> str:
    """What an example prints.

    Args:
        name: Its file's name, without the ending.
        **more: Further environment variables.

    Raises:
        RuntimeError: It failed, or wrote warnings.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / f"{name}.py")],
        env=environment(**more),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"examples/{name}.py failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def page(outputs: dict[str, str]) -> str:
    """The page's text.

    Args:
        outputs: What each example printed.
    """
    parts = [_HEAD]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in names:
            source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
            about = (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
            lines = "\n".join(line.rstrip() for line in outputs[name].strip().splitlines())
            parts.append(f"### `{name}.py`\n\n{about}\n")
            parts.append(f'??? example "examples/{name}.py"\n')
            parts.append(
                "    ````py\n" + "".join(f"    {line}".rstrip() + "\n" for line in source.splitlines()) + "    ````\n"
            )
            parts.append(f"```text\n{lines}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write the page, or say whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where the page is not current")
    wanted = page({name: run(name) for name in NAMES})
    if parser.parse_args().check:
        if PAGE.read_text(encoding="utf-8") != wanted:
            print("docs/examples.md is not what the examples print: python scripts/build_examples.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
