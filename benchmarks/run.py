"""Runs all benchmarks of this folder, or those that are named: `python benchmarks/run.py compare conversation tokens`.

The name of a scenario of compare.py runs that scenario: `python benchmarks/run.py async_stream agent`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import compare

HERE = Path(__file__).resolve().parent
SCENARIOS = [scenario.name for scenario in compare.SCENARIOS]


def main(names: list[str]) -> int:
    """Run each as a process of its own, so that none warms another up; the worst exit status counts."""
    known = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem not in ("run", "peers")}
    scenarios = [name for name in names if name in SCENARIOS]
    names = [name for name in names if name not in scenarios] + ["compare"] * bool(scenarios)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join([*known, *SCENARIOS])}", file=sys.stderr)
        return 2
    worst = 0
    for name in names or known:
        print(f"\n## {name}\n", flush=True)
        more = scenarios if name == "compare" else []
        worst = max(worst, subprocess.run([sys.executable, str(known[name]), *more]).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
