"""The supported Python interpreters that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
_FIND = Path(__file__).resolve().parents[2] / "scripts" / "find_python.sh"


@cache
def interpreters() -> dict[str, str]:
    """Paths by version, the running one always among them.

    LLM_CLIENT_PYTHONS="3.10 3.13" makes those versions mandatory: a missing one is then a FileNotFoundError.
    """
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = {running: sys.executable}
    mandatory = os.environ.get("LLM_CLIENT_PYTHONS", "").replace(",", " ").split()
    for version in {*SUPPORTED, *mandatory} - {running}:
        answer = subprocess.run(["sh", str(_FIND), version], capture_output=True, text=True, timeout=60, check=False)
        if answer.returncode == 0:
            found[version] = answer.stdout.strip()
        elif version in mandatory:
            raise FileNotFoundError(f"LLM_CLIENT_PYTHONS asks for Python {version}: {answer.stderr.strip()}")
    return dict(sorted(found.items()))
