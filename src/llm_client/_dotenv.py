"""Loads a `.env` file when the package is imported; costs a few look-ups where there is none."""

from __future__ import annotations

import os


def load_dotenv() -> str | None:
    """Set the variables of the nearest trustworthy `.env` file that are not set yet; returns its path.

    Searched from the working directory upwards, to the first folder that holds `.git` or is the home directory. A
    file that belongs to another user (but root), or that others may write, is left alone. LLM_CLIENT_DISABLE_DOTENV=1
    turns it off.
    """
    if os.environ.get("LLM_CLIENT_DISABLE_DOTENV", "") not in ("", "0"):
        return None
    try:
        folder = os.getcwd()
    except OSError:  # the working directory was deleted
        return None
    home = os.path.expanduser("~")
    while True:
        path = os.path.join(folder, ".env")
        if os.path.isfile(path):
            return path if _is_trustworthy(path) and _apply(path) else None
        parent = os.path.dirname(folder)
        if parent == folder or folder == home or os.path.exists(os.path.join(folder, ".git")):
            return None
        folder = parent


def _is_trustworthy(path: str) -> bool:
    if os.name != "posix":
        return True
    status = os.stat(path)
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o002


def _apply(path: str) -> bool:
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError):  # not ours to read
        return False
    for name, value in values.items():
        try:
            if value is not None:
                os.environ.setdefault(name, value)
        except ValueError:  # a NUL, or characters that the environment cannot hold
            continue
    return True
