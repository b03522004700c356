"""Makes the environments that the benchmarks compare with, one for each peer: `python benchmarks/peers.py [NAME ...]`.

They lie in `.venv-peers`, outside version control; `make distclean` removes them. One that cannot be made is said to be
missing, and the benchmarks go on without it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent / ".venv-peers"

PEERS = {
    # The engines alone, which everything is measured against, and what llm-client itself needs: both are measured on
    # one interpreter with the same packages, llm-client from the checkout.
    "raw": ["aiohttp", "httpx", "orjson", "pydantic", "python-dotenv", "tiktoken", "docstring-parser"],
    "openai": ["openai"],
    "anthropic": ["anthropic"],
    "openai-agents": ["openai-agents"],
    "pydantic-ai": ["pydantic-ai-slim[openai]"],
    "litellm": ["litellm"],
    "langchain": ["langchain", "langchain-openai"],
}
"""Name, and what is installed for it."""


def interpreter(name: str) -> Path | None:
    """The Python of a peer, None where its environment has not been made."""
    stamp = HERE / name / ".installed"
    made_of = stamp.read_text().split() if stamp.exists() else None
    return HERE / name / "bin" / "python" if made_of == PEERS[name] else None


def make(name: str) -> str | None:
    """Make a peer's environment, unless it is there; return what went wrong."""
    if interpreter(name) is not None:
        return None
    folder = HERE / name
    venv.create(folder, with_pip=True, clear=True, symlinks=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *PEERS[name]], capture_output=True, text=True)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    (folder / ".installed").write_text("\n".join(PEERS[name]))
    return None


def versions(name: str) -> dict[str, str]:
    """What a peer's environment holds of what was asked for: name and version."""
    python = interpreter(name)
    if python is None:
        return {}
    wanted = [requirement.partition(">")[0].partition("[")[0] for requirement in PEERS[name]]
    script = f"from importlib.metadata import version\nfor name in {wanted!r}: print(name, version(name))"
    lines = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PEERS)}; all unless named")
    names = parser.parse_args().names or list(PEERS)
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        parser.error(f"no peer {', '.join(unknown)}; there are: {', '.join(PEERS)}")
    missing = 0
    for name in names:
        problem = make(name)
        missing += problem is not None
        made = ", ".join(f"{package} {version}" for package, version in versions(name).items())
        print(f"{name}: {made}" if problem is None else f"{name}: cannot be installed: {problem}", flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
