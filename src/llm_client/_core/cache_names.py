"""Collection names: any text becomes a short name that is safe as a folder, a table and a key, each its own."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

DEFAULT_COLLECTION = "default"

# Lower case only: some file systems take "A" and "a" for one.
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,39}")
# What the names made here end with: a user's name of that form is replaced too, so that none can be mistaken for one.
_MADE = re.compile(r".*_[0-9a-f]{16}")
# Windows opens devices under these, whatever the folder.
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


def check_collection(name: object) -> str:
    """The name itself if it can be one.

    Raises:
        TypeError: It is no string.
        ValueError: It is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"cache_collection is a string, got {type(name).__name__}")
    if not name:
        raise ValueError("cache_collection is empty; leave it out for the collection named 'default'")
    return name


@lru_cache(maxsize=1024)
def safe_name(collection: str) -> str:
    """A name of at most 57 lower-case letters, digits and underscores that stands for the collection alone.

    Simple names stay as they are; of all others what is readable stays, with a hash of the whole behind it.

    Raises:
        TypeError: The collection's name is no string.
        ValueError: It is empty.
    """
    name = check_collection(collection)
    if _PLAIN.fullmatch(name) and not _MADE.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:38]
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"x_{readable}_{digest}" if readable else f"x_{digest}"


_KEY = re.compile(r"[0-9a-z]{8,64}")


def safe_key(key: str) -> str:
    """A key as it may stand in a file's name, a table and a server's key: 8 to 64 lower-case letters and digits."""
    if _KEY.fullmatch(key):
        return key
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
