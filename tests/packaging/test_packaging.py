"""Wheel, source distribution and editable install, each from a clean copy of this checkout.

These tests ask the configured package index for build tools and dependencies, as an installation does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterable, Sequence
from email.parser import Parser
from pathlib import Path

import pytest

import llm_client

pytestmark = pytest.mark.timeout(480)

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {"openai", "anthropic", "postgres", "redis", "qdrant", "pusher", "cli", "all"}
IMPORT_BOTH = "import llm_client, llm_client.sync; print(llm_client.__file__); print(len(llm_client.sync.__all__))"


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """Run a command outside this process's Python settings, and show its output if it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, f"{command} failed:\n{result.stdout}\n{result.stderr}"
    return result.stdout


def build(project: Path, kind: str, out: Path) -> Path:
    """Build with the tools of this environment: the isolated way is what the editable test uses."""
    run([sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", out, project], cwd=project)
    (made,) = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


def checkout_files() -> list[Path]:
    """What a clean clone would hold, with work not yet committed; without Git, all but what tools leave behind."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listed = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        return [Path(name) for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    leftovers = {"__pycache__", "build", "dist", "node_modules"}
    return [
        path.relative_to(ROOT)
        for path in ROOT.rglob("*")
        if path.is_file() and not any(p in leftovers or p.startswith(".venv") for p in path.relative_to(ROOT).parts)
    ]


def modules(face: str, root: Path = ROOT) -> set[str]:
    return {path.relative_to(root / "src").as_posix() for path in (root / "src/llm_client" / face).rglob("*.py")}


def in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def wanted(names: Iterable[Path]) -> set[str]:
    """The package's own files, as a wheel should hold them: no more and no less."""
    return {
        name.relative_to("src").as_posix()
        for name in names
        if name.parts[:2] == ("src", "llm_client") and (name.suffix in (".py", ".json") or name.name == "py.typed")
    }


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("pristine") / "llm-client"
    for name in checkout_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture
def project(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "project"))


@pytest.fixture(scope="module")
def distributions(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A wheel, a source distribution, and the directory that the latter unpacks to."""
    work = tmp_path_factory.mktemp("distributions")
    project = Path(shutil.copytree(pristine, work / "project"))
    wheel = build(project, "wheel", work / "wheel")
    sdist = build(project, "sdist", work / "sdist")
    with tarfile.open(sdist) as archive:
        # The filter came with 3.12 and later releases of the older versions; where it exists, leaving it out warns.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(work / "unpacked", **safely)
    (unpacked,) = (work / "unpacked").iterdir()
    return wheel, sdist, unpacked


def test_the_wheel_holds_exactly_the_package(distributions: tuple[Path, Path, Path]) -> None:
    found = in_wheel(distributions[0])
    assert found == wanted(checkout_files())
    assert modules("_async") <= found
    assert modules("_sync") <= found
    assert {name.replace("_async", "_sync") for name in modules("_async")} == modules("_sync")
    assert "llm_client/py.typed" in found


def test_the_source_distribution_holds_all_that_it_takes_to_build_and_test(
    distributions: tuple[Path, Path, Path],
) -> None:
    _, _, unpacked = distributions
    assert modules("_async", unpacked) == modules("_async")
    assert modules("_sync", unpacked) == modules("_sync")
    for name in ("scripts/gen_sync.py", "scripts/sync_rules.py", "setup.py", "LICENSE", "README.md", "Makefile"):
        assert (unpacked / name).is_file(), name
    assert (unpacked / "tests/core/test_gen_sync.py").is_file()
    assert not list(unpacked.rglob("*.pyc"))


def test_a_wheel_made_from_the_source_distribution_is_the_same(
    distributions: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    wheel, _, unpacked = distributions
    again = build(unpacked, "wheel", tmp_path / "again")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert in_wheel(again) == in_wheel(wheel)
        for name in in_wheel(wheel):
            assert first.read(name) == second.read(name), name


def test_metadata(distributions: tuple[Path, Path, Path]) -> None:
    with zipfile.ZipFile(distributions[0]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert metadata["Name"] == "llm-client"
    assert metadata["Version"].startswith("2.0.0")
    assert metadata["Requires-Python"] == ">=3.10"
    assert set(metadata.get_all("Provides-Extra", [])) >= EXTRAS
    mandatory = {
        line.split(";")[0].split(">")[0] for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line
    }
    assert mandatory == {
        *("httpx", "httpcore", "aiohttp", "orjson", "pydantic", "python-dotenv", "tiktoken", "docstring-parser"),
    }


def test_building_refreshes_a_stale_twin_and_ships_no_earlier_build(project: Path, tmp_path: Path) -> None:
    source = sorted(modules("_sync"))[-1]
    stale = project / "src" / source
    fresh = stale.read_bytes()
    stale.write_bytes(fresh + b"\nSTALE = True\n")
    orphan = project / "src/llm_client/_sync/orphan.py"
    orphan.write_bytes(fresh)
    left_over = project / "build/lib/llm_client/removed_module.py"
    left_over.parent.mkdir(parents=True)
    left_over.write_text("gone = True\n")
    with zipfile.ZipFile(build(project, "wheel", tmp_path / "out")) as archive:
        assert archive.read(source) == fresh
        assert not {"llm_client/_sync/orphan.py", "llm_client/removed_module.py"} & set(archive.namelist())


def test_building_refuses_a_source_that_cannot_be_twinned(project: Path, tmp_path: Path) -> None:
    (project / "src/llm_client/_async/broken.py").write_text("import asyncio\n\n\nasync def f():\n    await g()\n")
    with pytest.raises(AssertionError, match=r"_async/broken\.py:1: import of asyncio"):
        build(project, "wheel", tmp_path / "out")


@pytest.mark.parametrize("mode", ["lenient", "strict", "compat"])
def test_editable_modes_leave_the_checkout_alone(project: Path, tmp_path: Path, mode: str) -> None:
    """An editable install does not regenerate: that would hide a forgotten `make sync` from `gen_sync.py --check`."""
    stale = project / "src" / sorted(modules("_sync"))[-1]
    stale.write_bytes(stale.read_bytes() + b"\nSTALE = True\n")
    target = tmp_path / "site"
    options = ["--no-deps", "--no-build-isolation", "--target", target, "--config-settings", f"editable_mode={mode}"]
    run([sys.executable, "-m", "pip", "install", *options, "--editable", project], cwd=tmp_path)
    assert stale.read_bytes().endswith(b"\nSTALE = True\n")
    module = ".".join(stale.relative_to(project / "src").with_suffix("").parts)
    # Without `site` (-S) this environment's own editable install of the project stays out of the way.
    code = (
        f"import importlib.util, site, sys; site.addsitedir({str(target)!r});"
        f" sys.path.append({sysconfig.get_path('purelib')!r});"
        f" print(open(importlib.util.find_spec({module!r}).origin).read())"
    )
    assert "STALE = True" in run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path)


def test_a_plain_editable_install_imports_both_faces(project: Path, tmp_path: Path) -> None:
    """The README's first command, in an empty environment: `pip install -e .`"""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run([python, "-m", "pip", "install", "--editable", "."], cwd=project)
    where, names = run([python, "-W", "error", "-c", IMPORT_BOTH], cwd=tmp_path).split("\n", 1)
    assert Path(where).is_relative_to(project)
    assert int(names) == len(llm_client.__all__)


def test_the_wheel_imports_without_any_extra(distributions: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Unpacked alone, over the dependencies of this environment, with the packages of all extras hidden."""
    with zipfile.ZipFile(distributions[0]) as archive:
        archive.extractall(tmp_path / "site")
    hidden = ["openai", "anthropic", "psycopg", "psycopg_pool", "redis", "qdrant_client", "pusher"]
    hiding = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden!r})); sys.path.insert(0, {str(tmp_path / 'site')!r})"
    )
    code = f"{hiding}; {IMPORT_BOTH}"
    where = run([sys.executable, "-I", "-W", "error", "-c", code], cwd=tmp_path).split("\n")[0]
    assert Path(where).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("extra", "brings"),
    [
        ("anthropic", {"anthropic"}),
        (
            "all",
            {"anthropic", "openai", "psycopg", "psycopg-binary", "psycopg-pool", "redis", "qdrant-client", "pusher"},
        ),
    ],
)
def test_the_extras_of_the_readme_resolve(project: Path, tmp_path: Path, extra: str, brings: set[str]) -> None:
    report = tmp_path / "report.json"
    options = ["--dry-run", "--ignore-installed", "--quiet", "--no-build-isolation", "--report", report]
    run([sys.executable, "-m", "pip", "install", *options, "--editable", f"{project}[{extra}]"], cwd=tmp_path)
    found = {item["metadata"]["name"].lower().replace("_", "-") for item in json.loads(report.read_text())["install"]}
    assert brings | {"llm-client", "httpx", "aiohttp"} <= found
