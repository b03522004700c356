"""Runs all benchmarks of this folder, or those that are named: `python benchmarks/run.py conversation tokens`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run each as a process of its own, so that none warms another up; the worst exit status counts."""
    known = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem != "run"}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    worst = 0
    for name in names or known:
        print(f"\n## {name}\n", flush=True)
        worst = max(worst, subprocess.run([sys.executable, str(known[name])]).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
