"""What llm-client costs beside the raw engines and other libraries: `python benchmarks/compare.py [SCENARIO ...]`.

Every library runs in a process of its own against a server of canned bytes, which has a core of its own where there are
two. All of them take turns, A B A B: a pair is the best of a few short batches of each, so that whatever else the
machine does hits both or neither, and a ratio is the median over the pairs. A ratio whose pairs lie further apart than
30 % of it is not quoted. CPU is that of all threads of the library's process, user and system.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import peers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WIDEST = 0.30
"""The largest spread with which a ratio is quoted."""

PROCESS_PAIRS = 3
"""How many pairs of whole processes, which take longer than batches."""

RAW, OURS = "raw", "ours"
SHOWN = {
    "bare": "bare interpreter", RAW: "raw engine", OURS: "llm-client", "openai": "openai", "anthropic": "anthropic",
    "openai_agents": "openai-agents", "pydantic_ai": "pydantic-ai", "litellm": "litellm", "langchain": "langchain",
}  # fmt: skip
_ENVIRONMENT = {OURS: RAW, "bare": RAW, "openai_agents": "openai-agents", "pydantic_ai": "pydantic-ai"}
_FRAMEWORKS = ("openai_agents", "pydantic_ai", "litellm", "langchain")
_ALL = ("openai", *_FRAMEWORKS)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that libraries do.

    Args:
        name: As the command line has it.
        title: As tables have it; "..., us" or "..., ms".
        peers: Who does it, besides the raw engine and llm-client.
        goal: The largest ratio of llm-client to the raw engine, or to the bare interpreter.
        most: The largest value of llm-client in the title's unit.
        process: It is a whole process and its memory, not a batch within one.
    """

    name: str
    title: str
    peers: tuple[str, ...] = _ALL
    goal: float | None = None
    most: float | None = None
    process: str | None = None

    @property
    def unit(self) -> str:
        return self.title.rsplit(", ", 1)[1]

    def shown(self, seconds: float) -> str:
        """A time in the title's unit."""
        value = seconds * {"us": 1e6, "ms": 1e3}[self.unit]
        return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


SCENARIOS = [
    Scenario("async_call", "async call, us", goal=1.4),
    Scenario("async_50", "async, 50 in flight, us", goal=1.5),
    Scenario("blocking_call", "blocking call, us", goal=1.2),
    Scenario("async_stream", "async stream, per chunk, us", goal=0.6),
    Scenario("async_packets", "async stream, a packet per chunk, us"),
    Scenario("blocking_stream", "blocking stream, per chunk, us", ("openai", "litellm", "langchain"), goal=1.0),
    Scenario("first_token", "up to the first token, us", goal=1.2),
    Scenario("agent", "agent, 2 turns, 4 parallel tools, us", ("openai", "openai_agents", "pydantic_ai", "langchain"),
             goal=1.8),
    Scenario("agent_blocking", "the same, blocking, us", ("openai", "openai_agents", "pydantic_ai", "langchain"),
             goal=1.5),
    Scenario("embeddings_base64", "64 embeddings of 1,536, base64, ms", ("openai", "litellm"), goal=1.05),
    Scenario("embeddings_float", "the same as floats, ms", ("openai", "litellm"), goal=0.6),
    Scenario("tool_schema", "schema of one tool, us", ("openai_agents", "pydantic_ai", "langchain"), most=100),
    Scenario("anthropic_call", "async call of Anthropic's API, us", ("anthropic",)),
    Scenario("anthropic_stream", "its stream, per chunk, us", ("anthropic",)),
    Scenario("import", "import, ms", (*_ALL, "anthropic"), goal=1.35, process="import"),
    Scenario("first_call", "import and first call, ms", (*_ALL, "anthropic"), goal=1.15, process="first_call"),
]  # fmt: skip
MARK, END_MARK = "<!-- compare.py begins -->", "<!-- compare.py ends -->"

MORE_MEMORY = 8.0
"""How many MB llm-client may need beyond the raw engine after its first call."""


@dataclass(slots=True)
class Figures:
    """What was measured of one library in one scenario: for each pair its best CPU seconds, seconds, and megabytes."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How one library's CPU stands to another's, over the pairs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, above: Figures, below: Figures) -> Ratio:
        ratios = [a / b for a, b in zip(above.cpu, below.cpu, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    @property
    def spread(self) -> float:
        return (self.high - self.low) / self.median

    def __str__(self) -> str:
        return "not quoted" if self.spread > WIDEST else f"{self.median:.2f}"


# ---------------------------------------------------------------- measuring


class Bench:
    """The server, the interpreters and how long to measure.

    Args:
        pairs: How many pairs.
        batches: How many batches of each library a pair is the best of.
        seconds: How long a batch shall take.
        one_core: Have the server on the core of what is measured.
    """

    def __init__(self, pairs: int, batches: int, seconds: float, *, one_core: bool = False) -> None:
        self.pairs, self.batches, self.seconds = pairs, batches, seconds
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.own_core = len(cores) > 1 and not one_core
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "comparing" / "server.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if len(cores) > 1:
            os.sched_setaffinity(self._server.pid, cores[-1:])
            os.sched_setaffinity(0, cores[:-1] if self.own_core else cores[-1:])
        assert self._server.stdout is not None
        self.url = f"http://127.0.0.1:{self._server.stdout.readline().strip()}"

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()

    def environment(self) -> dict[str, str]:
        """What every measured process is started with."""
        found = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        for name in ("PYTHONDONTWRITEBYTECODE", "OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
            found.pop(name, None)
        switches = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LANGSMITH_TRACING": "false",
            "LLM_CLIENT_DISABLE_DOTENV": "1",
        }
        return {**found, **switches, "PYTHONPATH": f"{HERE}{os.pathsep}{ROOT / 'src'}"}

    def python(self, work: str) -> str:
        """The interpreter of a library."""
        found = peers.interpreter(_ENVIRONMENT.get(work, work))
        return str(found) if found is not None else sys.executable

    def measure(self, scenario: Scenario, works: list[str]) -> dict[str, Figures]:
        """Measure these libraries in one scenario."""
        # What has no goal is measured less often: other libraries take a second for each process.
        others = set(works) - {"bare", RAW, OURS}
        if scenario.process is not None:
            measures = {work: self._process(scenario, work) for work in works}
            return self._interleave(measures, min(self.pairs, PROCESS_PAIRS), dict.fromkeys(others, 1))
        with contextlib.ExitStack() as open_children:
            children = {work: open_children.enter_context(Child(self, work, scenario.name)) for work in works}
            return self._interleave(
                {work: child.batch for work, child in children.items()}, self.pairs, dict.fromkeys(others, 2)
            )

    def _interleave(
        self, measures: dict[str, Callable[[], dict[str, float]]], pairs: int, rarely: Mapping[str, int]
    ) -> dict[str, Figures]:
        figures = {work: Figures() for work in measures}
        for _ in range(pairs):
            taken: dict[str, list[dict[str, float]]] = {work: [] for work in measures}
            for batch in range(self.batches):
                for work in list(measures) if batch % 2 == 0 else reversed(list(measures)):
                    if batch < rarely.get(work, self.batches):
                        taken[work].append(measures[work]())
            for work, batches in taken.items():
                figures[work].cpu.append(min(batch["cpu"] for batch in batches))
                figures[work].wall.append(min(batch["wall"] for batch in batches))
                figures[work].memory.append(max(batch["memory"] for batch in batches))
        return figures

    def _process(self, scenario: Scenario, work: str) -> Callable[[], dict[str, float]]:
        if work == "bare":
            command = [self.python(work), "-c", "pass"]
        elif scenario.process == "import":
            statement = f"from comparing.work_{work} import IMPORT; print(IMPORT)"
            found = self._run([self.python(work), "-c", statement])
            command = [self.python(work), "-c", str(found["output"]).strip()]
        else:
            command = [self.python(work), "-m", "comparing", work, "first_call", self.url]
        self._run(command)  # the first one compiles

        def once() -> dict[str, float]:
            found = self._run(command)
            resident = json.loads(found["output"])["resident"] if scenario.process == "first_call" else found["peak"]
            return {"cpu": found["cpu"], "wall": found["wall"], "memory": resident}

        return once

    def _run(self, command: list[str]) -> dict[str, Any]:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.environment()
        )
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if status:
            raise subprocess.CalledProcessError(process.returncode, command)
        return {
            "cpu": usage.ru_utime + usage.ru_stime,
            "wall": time.perf_counter() - begun,
            "peak": usage.ru_maxrss / 1024,
            "output": output,
        }


class Child:
    """A process in which one library does one thing, as often as it is told to."""

    def __init__(self, bench: Bench, work: str, scenario: str) -> None:
        self._process = subprocess.Popen(
            [bench.python(work), "-m", "comparing", work, scenario, bench.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=bench.environment(),
        )  # fmt: skip
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError(f"{work} cannot do {scenario}: run `{' '.join(map(str, self._process.args))}`")  # type: ignore[arg-type]
        # By CPU, and twice: a batch that was made small because something else held it up would measure its own start.
        self._count, enough = 1, 0
        while enough < 2:
            begun = time.perf_counter()
            cpu = self.batch()["batch"]
            if cpu >= bench.seconds / 2 or time.perf_counter() - begun > 20 * bench.seconds or self._count >= 1 << 16:
                enough += 1
            else:
                enough = 0
                self._count = max(
                    self._count + 1, min(self._count * 8, int(self._count * bench.seconds / max(cpu, 1e-6)))
                )

    def batch(self) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._count}\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return {"cpu": found["cpu"], "wall": found["wall"], "memory": found["peak"], "batch": found["batch"]}

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]


# ---------------------------------------------------------------- reporting


def about(bench: Bench, command: str) -> dict[str, Any]:
    """When, where and of what the figures are."""

    def shell(*words: str) -> str:
        found = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
        return found.stdout.strip() if found.returncode == 0 else "unknown"

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor() or "unknown",
    )
    changed = shell("git", "status", "--porcelain", "--", "src", "benchmarks")
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "commit": shell("git", "rev-parse", "--short=12", "HEAD") + (", with changes" if changed else ""),
        "machine": f"{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "server": "on a core of its own" if bench.own_core else "on the same core",
        "pairs": f"{bench.pairs} pairs, each the best of {bench.batches} batches of {bench.seconds * 1000:.0f} ms",
        "versions": {
            package: version
            for name in peers.PEERS
            for package, version in peers.versions(name).items()
        },
    }  # fmt: skip


def below(scenario: Scenario) -> str:
    """Against whom the goal of a scenario stands."""
    return "bare" if scenario.process == "import" else RAW


def goal_rows(results: dict[str, dict[str, Figures]]) -> list[list[str]]:
    """llm-client against the raw engines."""
    rows = []
    for scenario in SCENARIOS:
        figures = results.get(scenario.name)
        if figures is None:
            continue
        ours, base = figures[OURS], figures[below(scenario)]
        ratio = Ratio.of(ours, base)
        mine = statistics.median(ours.cpu)
        goal = "" if scenario.goal is None else f"≤ {scenario.goal:g}"
        met = "" if scenario.goal is None else _met(ratio, ratio.median <= scenario.goal)
        if scenario.most is not None:
            goal, met = f"≤ {scenario.most:g} {scenario.unit}", "yes" if mine * 1e6 <= scenario.most else "no"
        name = f"{scenario.title} (bare interpreter)" if below(scenario) == "bare" else scenario.title
        rows.append(
            [name, scenario.shown(statistics.median(base.cpu)), scenario.shown(mine), str(ratio), f"{ratio.spread:.0%}",
             goal, met]
        )  # fmt: skip
        if scenario.process == "first_call":
            more = statistics.median(ours.memory) - statistics.median(base.memory)
            rows.append(
                ["memory after the first call, MB", f"{statistics.median(base.memory):.1f}",
                 f"{statistics.median(ours.memory):.1f}", "", "", f"≤ raw + {MORE_MEMORY:g}",
                 "yes" if more <= MORE_MEMORY else "no"]
            )  # fmt: skip
    return rows


def _met(ratio: Ratio, met: bool) -> str:
    return "" if ratio.spread > WIDEST else "yes" if met else "no"


def peer_rows(results: dict[str, dict[str, Figures]], works: list[str]) -> list[list[str]]:
    """Everybody's CPU, and how many times llm-client's that is."""
    rows = []
    for scenario in SCENARIOS:
        figures = results.get(scenario.name)
        if figures is None:
            continue
        cells = [scenario.title]
        for work in works:
            if work not in figures:
                cells.append("")
                continue
            cell = scenario.shown(statistics.median(figures[work].cpu))
            if work != OURS:
                ratio = Ratio.of(figures[work], figures[OURS])
                cell += " (not quoted)" if ratio.spread > WIDEST else f" ({ratio.median:.2g} x)"
            cells.append(cell)
        rows.append(cells)
    return rows


def all_rows(results: dict[str, dict[str, Figures]]) -> list[list[str]]:
    """Every figure."""
    rows = []
    for scenario in SCENARIOS:
        for work, found in results.get(scenario.name, {}).items():
            ratio = Ratio.of(found, results[scenario.name][below(scenario)])
            rows.append(
                [scenario.title, SHOWN[work], scenario.shown(statistics.median(found.cpu)),
                 scenario.shown(statistics.median(found.wall)), f"{statistics.median(found.memory):.1f}", str(ratio),
                 f"{ratio.low:.2f} to {ratio.high:.2f}"]
            )  # fmt: skip
    return rows


def short_rows(results: dict[str, dict[str, Figures]], works: list[str]) -> list[list[str]]:
    """How many times llm-client's CPU everybody needs, for the README."""
    rows = []
    for scenario in SCENARIOS:
        figures = results.get(scenario.name)
        if figures is None or not scenario.peers:
            continue
        cells = [scenario.title.rsplit(", ", 1)[0]]
        for work in works:
            ratio = Ratio.of(figures[work], figures[OURS]) if work in figures else None
            cells.append("" if ratio is None or ratio.spread > WIDEST else f"{ratio.median:.2g}")
        rows.append(cells)
    return rows


def put(text: str, path: Path) -> None:
    """Put the report where the last one stands in a page: between the marks."""
    page = path.read_text()
    start, end = page.index(MARK) + len(MARK), page.index(END_MARK)
    path.write_text(f"{page[:start]}\n\n{text}\n{page[end:]}")


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, [":---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def report(results: dict[str, dict[str, Figures]], facts: dict[str, Any], missing: list[str]) -> str:
    """All of it in Markdown."""
    works = [work for work in SHOWN if any(work in figures for figures in results.values())]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts = [
        f"{facts['date']}, commit {facts['commit']}, `{facts['command']}`. {facts['machine']}; Python "
        f"{facts['python']}; load {facts['load']} at the start; the server {facts['server']}. {facts['pairs']}."
        + (f" {versions}." if versions else ""),
        *missing,
        "### llm-client and the raw engines\n\nCPU of the client's process; the ratio is the median over the pairs, "
        "its spread the distance between the smallest and the largest as a share of it.",
        table(["", "raw", "llm-client", "ratio", "spread", "goal", "met"], goal_rows(results)),
    ]
    if set(works) - {"bare", RAW, OURS}:
        parts += [
            "### Other libraries\n\nCPU, and in brackets how many times llm-client's that is (not quoted where the "
            "spread is above 30 %).",
            table(["", *(SHOWN[work] for work in works)], peer_rows(results, works)),
        ]
    parts += [
        '### All figures\n\nMemory is the peak of the process, in "import and first call" what is resident after it. '
        "Ratios are to the raw engine, of imports to the bare interpreter.",
        table(["", "library", "CPU", "wall", "memory, MB", "ratio", "range"], all_rows(results)),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(results: dict[str, dict[str, Figures]], facts: dict[str, Any]) -> dict[str, Any]:
    """All of it for programs."""
    scenarios: dict[str, Any] = {}
    for scenario in SCENARIOS:
        for work, found in results.get(scenario.name, {}).items():
            ratio = Ratio.of(found, results[scenario.name][below(scenario)])
            scenarios.setdefault(scenario.name, {})[work] = {
                "cpu_seconds": found.cpu, "wall_seconds": found.wall, "memory_mb": found.memory,
                "ratio": {"to": below(scenario), "median": ratio.median, "low": ratio.low, "high": ratio.high,
                          "spread": ratio.spread, "quoted": ratio.spread <= WIDEST},
            }  # fmt: skip
    return {**facts, "scenarios": scenarios}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(one.name for one in SCENARIOS))
    parser.add_argument(
        "--smoke", action="store_true", help="a few seconds, without other libraries, to see that it runs"
    )
    parser.add_argument("--no-peers", action="store_true", help="llm-client and the raw engines alone")
    parser.add_argument(
        "--one-core",
        action="store_true",
        help="the server on the same core as the libraries: for machines on which something else runs",
    )
    parser.add_argument("--pairs", type=int, help="how many pairs (5; smoke: 2)")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "build" / "bench", help="folder of compare.md, compare.json and readme.md"
    )
    parser.add_argument("--into", type=Path, help="a page whose report is replaced, such as docs/performance.md")
    options = parser.parse_args()
    known = {one.name: one for one in SCENARIOS}
    unknown = [name for name in options.scenarios if name not in known]
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = [known[name] for name in options.scenarios] or SCENARIOS
    alone = options.smoke or options.no_peers
    missing, lacking = [], set()
    for name in () if options.smoke else [RAW] if alone else peers.PEERS:
        problem = peers.make(name)
        if problem is not None:
            lacking.add(name)
            missing.append(f"{name} is missing: it could not be installed ({problem}).")
    pairs, batches, seconds = (2, 2, 0.008) if options.smoke else (5, 5, 0.03)
    bench = Bench(options.pairs or pairs, batches, seconds, one_core=options.one_core)
    command = " ".join(["python", "benchmarks/compare.py", *sys.argv[1:]])
    facts = about(bench, command)
    if options.into is not None and MARK not in options.into.read_text():
        parser.error(f"{options.into} has no line {MARK}")
    results: dict[str, dict[str, Figures]] = {}
    try:
        for scenario in chosen:
            others = () if alone else scenario.peers
            works = [*(("bare",) if scenario.process == "import" else ()), RAW, OURS]
            works += [work for work in others if _ENVIRONMENT.get(work, work) not in lacking]
            begun = time.perf_counter()
            figures = results[scenario.name] = bench.measure(scenario, works)
            ratio = Ratio.of(figures[OURS], figures[below(scenario)])
            print(
                f"{scenario.name}: {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}), "
                f"{time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True,
            )  # fmt: skip
    finally:
        bench.close()
    text = report(results, facts, missing)
    print(text)
    if not options.smoke:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "compare.md").write_text(text)
        works = [
            work for work in SHOWN if work not in ("bare", OURS) and any(work in found for found in results.values())
        ]
        short = table(["CPU, times llm-client's", *(SHOWN[work] for work in works)], short_rows(results, works))
        (options.output / "readme.md").write_text(short + "\n")
        if options.into is not None:
            put(text, options.into)
        (options.output / "compare.json").write_text(json.dumps(as_json(results, facts), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
