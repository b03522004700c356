"""FSCache: damaged entries, age, size, compression, many writers."""

from __future__ import annotations

import errno
import os
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_client._core import files
from llm_client._seam import _async as seam
from support._async import face

KEY = "ab" * 32


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def test_values_come_back_in_two_levels_of_folders(tmp_path: Path) -> None:
    cache = face.FSCache(tmp_path / "c")
    assert await cache.get("default", KEY) is None
    assert not (tmp_path / "c").exists()
    await cache.set("default", KEY, b"value")
    assert await cache.get("default", KEY) == b"value"
    assert await cache.get("other", KEY) is None
    assert entries(tmp_path) == [tmp_path / "c" / "default" / "ab" / "ab" / f"{KEY}.entry"]
    await cache.set("default", KEY, b"new" * 1000)
    assert await cache.get("default", KEY) == b"new" * 1000
    assert await cache.delete("default", KEY)
    assert not await cache.delete("default", KEY)
    assert await cache.get("default", KEY) is None
    assert await cache.warm("default") == 0
    await cache.close()


async def test_any_key_is_contained(tmp_path: Path) -> None:
    cache = face.FSCache(tmp_path / "c")
    for number, key in enumerate(["../../../x", "a/b", "", ".", "KEY", "\U0001f600", "x" * 400, "\ud800"]):
        await cache.set("default", key, b"%d" % number)
        assert await cache.get("default", key) == b"%d" % number
    assert {path.parents[3] for path in entries(tmp_path)} == {tmp_path / "c"}
    assert len(entries(tmp_path)) == 8


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
async def test_a_damaged_entry_is_a_miss_and_moved_aside(tmp_path: Path, damage: str) -> None:
    cache = face.FSCache(tmp_path)
    await cache.set("default", KEY, b"value" * 100)
    file = entries(tmp_path)[0]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes({"cut": data[:50], "flip": data, "empty": b"", "foreign": b"GIF89a" * 20}[damage])
    assert await cache.get("default", KEY) is None
    assert [path.name for path in entries(tmp_path)] == [f"{KEY}.entry.damaged"]
    await cache.set("default", KEY, b"again")
    assert await cache.get("default", KEY) == b"again"
    assert await cache.purge() == 1
    assert entries(tmp_path) == []


async def test_old_entries_no_longer_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = face.FSCache(tmp_path, ttl_seconds=100)
    await cache.set("default", KEY, b"value")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 99)
    assert await cache.get("default", KEY) == b"value"
    monkeypatch.setattr(time, "time", lambda: now + 101)
    assert await cache.get("default", KEY) is None
    assert entries(tmp_path) == []


async def test_purge_removes_by_collection_and_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = face.FSCache(tmp_path)
    now = time.time()
    for number in range(4):
        monkeypatch.setattr(time, "time", lambda number=number: now + 100 * number)
        for collection in ("one", "two"):
            await cache.set(collection, f"{number}{KEY[1:]}", b"value")
    assert await cache.purge("one", older_than=150) == 2
    assert await cache.purge(older_than=timedelta(seconds=250)) == 1
    assert await cache.purge("one") == 2
    assert await cache.purge() == 3
    assert await cache.purge("never used") == 0
    for wrong in (-1, "x"):
        with pytest.raises((TypeError, ValueError), match="older_than"):
            await cache.purge(older_than=wrong)


async def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    cache = face.FSCache(tmp_path, max_bytes=10_000)
    for number in range(100):
        await cache.set("default", f"{number:064d}", b"x" * 1000)
    await cache.purge()
    assert [path.name for path in entries(tmp_path)] == ["notes.txt"]


async def test_the_size_is_bounded_and_what_was_read_lately_stays(tmp_path: Path) -> None:
    cache = face.FSCache(tmp_path, max_bytes=50_000)
    await cache.set("default", KEY, b"x" * 1000)
    past = time.time() - 1000
    for number in range(200):
        await cache.set("default", f"{number:064d}", b"x" * 1000)
        assert await cache.get("default", KEY) is not None
        for path in entries(tmp_path):
            if path.stem != KEY:
                os.utime(path, (past + number, past + number)) if path.stem == f"{number:064d}" else None
    sizes = sum(path.stat().st_size for path in entries(tmp_path))
    assert sizes <= 50_000
    assert await cache.get("default", f"{199:064d}") is not None
    assert await cache.get("default", f"{0:064d}") is None
    await cache.set("default", "big" + KEY[3:], b"x" * 60_000)
    assert await cache.get("default", "big" + KEY[3:]) is None


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
async def test_entries_are_made_smaller_and_all_forms_are_read_by_all(tmp_path: Path, compression: str) -> None:
    plain, packed = face.FSCache(tmp_path), face.FSCache(tmp_path, compression=compression)
    value = b"the same words again, " * 500
    await packed.set("default", KEY, value)
    assert entries(tmp_path)[0].stat().st_size < 1000
    assert await plain.get("default", KEY) == value
    await plain.set("default", KEY, value)
    assert await packed.get("default", KEY) == value


async def test_an_entry_that_only_others_can_read_is_a_miss_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await face.FSCache(tmp_path, compression="zstd").set("default", KEY, b"the same words again, " * 500)
    monkeypatch.setattr(sys, "version_info", (3, 13))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    cache = face.FSCache(tmp_path)
    for _ in range(2):
        assert await cache.get("default", KEY) is None
    assert [record.getMessage()[:30] for record in caplog.records] == ["the entry cannot be read here:"]
    assert await cache.purge(older_than=1000) == 0
    assert len(entries(tmp_path)) == 1
    monkeypatch.undo()
    assert await cache.get("default", KEY) is not None


@pytest.mark.parametrize(
    "options",
    [{"ttl_seconds": 0}, {"ttl_seconds": -1}, {"max_bytes": "1"}, {"max_bytes": True}, {"compression": "gzip"}],
)
async def test_wrong_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        face.FSCache("c", **options)


async def test_a_full_disk_raises_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = face.FSCache(tmp_path)
    await cache.set("default", KEY, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        await cache.set("default", KEY, b"new")
    monkeypatch.undo()
    assert await cache.get("default", KEY) == b"old"
    assert len(entries(tmp_path)) == 1


async def test_many_writers_and_readers_at_once(tmp_path: Path) -> None:
    cache = face.FSCache(tmp_path, max_bytes=200_000)

    async def work(number: int) -> int:
        seen = 0
        for turn in range(20):
            key = f"{(number + turn) % 8:064d}"
            await cache.set("default", key, key.encode() * 20)
            value = await cache.get("default", key)
            assert value == key.encode() * 20
            seen += 1
        return seen

    assert await seam.gather([partial(work, number) for number in range(8)]) == [20] * 8


async def test_a_cache_stays_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = face.FSCache()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await cache.set("default", KEY, b"value")
    assert entries(tmp_path / "elsewhere") == []
    assert cache.directory == str(tmp_path / "cache")
    assert repr(cache) == f"FSCache({cache.directory!r})"
