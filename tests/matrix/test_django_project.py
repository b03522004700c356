"""A real Django project with a database in a file: plain tools run inside the request's transaction."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent / "programs" / "shop"
SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, with its own database."""
    return Path(shutil.copytree(PROJECT, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__")))


def manage(project: Path, *arguments: str) -> str:
    """Run `manage.py`; returns all that it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(SRC), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_tests_of_the_project(project: Path) -> None:
    printed = manage(project, "test", "--no-input")
    assert "Ran 7 tests" in printed
    assert "\nOK\n" in printed


def test_what_is_in_the_file_afterwards(project: Path) -> None:
    manage(project, "makemigrations", "--check")
    manage(project, "migrate")
    program = """
from django.test import Client
client = Client(raise_request_exception=False)
print([client.get(path).status_code for path in ("/order-and-fail/shoe", "/order/hat", "/order-and-take-back/coat")])
"""
    assert manage(project, "shell", "-v", "0", "-c", program).splitlines()[-1] == "[500, 200, 200]"
    database = sqlite3.connect(project / "db.sqlite3")
    try:
        assert database.execute("SELECT item FROM orders_order ORDER BY item").fetchall() == [
            ("hat",),
            ("of the view itself",),
        ]
    finally:
        database.close()
