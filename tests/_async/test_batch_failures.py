"""Batches that go wrong: items that fail, results that cannot be kept, runs that are stopped or left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_client._core.batch_errors import (
    BatchStoppedError,
    CheckpointError,
    TooManyFailuresError,
    UnstorableResultError,
)
from llm_client._core.batch_outcome import BatchFailure
from llm_client._core.results import CompletionResult
from llm_client._core.retry import RetryPolicy
from llm_client._seam import _async as seam
from llm_client._seam.checkpoint_file import CheckpointFile
from llm_client._seam.failures_file import FailuresFile
from support._async import face


class Flaky:
    """Fails for some items, the first so many times.

    Args:
        failures: For each item how often it fails.
        error: What it raises; a result is returned instead.
    """

    def __init__(self, failures: dict[int, int], error: Any = None) -> None:
        self.left = dict(failures)
        self.error = error if error is not None else ValueError("no luck")
        self.asked: list[int] = []

    async def __call__(self, item: int) -> Any:
        await seam.sleep(0.0)
        self.asked.append(item)
        if self.left.get(item, 0) > 0:
            self.left[item] -= 1
            if isinstance(self.error, Exception):
                raise self.error
            return self.error
        return f"answer to {item}"


async def read_into(read: dict[int, Any], stream: Any) -> None:
    async with seam.closing(stream):
        async for index, result in stream:
            read[index] = result


NO_WAIT = RetryPolicy(attempts=3, backoff=0.0)
FAILED = CompletionResult(status=429, error="slow down")


def failures_in(folder: Path) -> list[dict[str, Any]]:
    file = folder / "failures.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize("error", [ValueError("no luck"), FAILED], ids=["raised", "returned"])
async def test_failures_are_listed_and_asked_again_by_the_next_run(tmp_path: Path, error: Any) -> None:
    file = tmp_path / "answers.jsonl"
    processor = Flaky({3: 1, 7: 1}, error)
    manager = face.BatchManager(max_workers=4, checkpoint_file=file)
    results = await manager.process_batch(range(10), processor)
    assert [index for index, result in enumerate(results) if not isinstance(result, str)] == [3, 7]
    assert not results[3].ok
    if error is FAILED:
        assert results[3] is FAILED
    else:
        assert isinstance(results[3], BatchFailure)
        assert results[3].exception is error
    assert (manager.summary.done, manager.summary.failed) == (8, 2)
    listed = failures_in(tmp_path)
    assert sorted(line["index"] for line in listed) == [3, 7]
    assert all(line["checkpoint"] == "answers.jsonl" and line["error"] for line in listed)
    assert {line["item"] for line in listed} == {3, 7}
    again = Flaky({})
    manager = face.BatchManager(max_workers=4, checkpoint_file=file)
    assert await manager.process_batch(range(10), again) == [f"answer to {n}" for n in range(10)]
    assert sorted(again.asked) == [3, 7]
    assert (manager.summary.done, manager.summary.from_checkpoint, manager.summary.failed) == (10, 8, 0)
    assert failures_in(tmp_path) == []


async def test_the_failures_of_other_batches_stay_listed(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        manager = face.BatchManager(checkpoint_file=tmp_path / f"{name}.jsonl")
        await manager.process_batch([1], Flaky({1: 1}))
    assert [line["checkpoint"] for line in failures_in(tmp_path)] == ["b.jsonl", "a.jsonl"]


async def test_failures_are_listed_where_the_caller_wants(tmp_path: Path) -> None:
    manager = face.BatchManager(failures_file=tmp_path / "wrong.jsonl")
    results = await manager.process_batch([1, 2], Flaky({1: 1}))
    assert results[1] == "answer to 2"
    assert json.loads((tmp_path / "wrong.jsonl").read_text())["error"] == "ValueError: no luck"


@pytest.mark.parametrize("error", [ValueError("no luck"), FAILED], ids=["raised", "returned"])
async def test_items_are_tried_again_by_policy(error: Any) -> None:
    processor = Flaky({1: 2, 2: 3}, error)
    manager = face.BatchManager(max_workers=2, retry=NO_WAIT)
    results = await manager.process_batch([0, 1, 2], processor)
    assert results[:2] == ["answer to 0", "answer to 1"]
    assert not results[2].ok
    assert processor.asked.count(1) == 3
    assert processor.asked.count(2) == 3
    assert (manager.summary.retried, manager.summary.failed) == (4, 1)


async def test_what_will_not_pass_is_not_tried_again() -> None:
    processor = Flaky({1: 9}, CompletionResult(status=401, error="wrong key"))
    manager = face.BatchManager(retry=NO_WAIT)
    await manager.process_batch([1], processor)
    assert processor.asked == [1]


@pytest.mark.parametrize(("limit", "most"), [(2, 3), (0.05, 2), (0, 1)])
async def test_too_many_failures_end_the_batch(tmp_path: Path, limit: Any, most: int) -> None:
    file = tmp_path / "answers.jsonl"
    processor = Flaky(dict.fromkeys(range(0, 40, 2), 1))
    manager = face.BatchManager(max_workers=1, checkpoint_file=file, max_failures=limit)
    with pytest.raises(TooManyFailuresError, match="max_failures") as caught:
        await manager.process_batch(list(range(20)), processor)
    summary = caught.value.summary
    assert summary is not None
    assert summary.failed == most == len(failures_in(tmp_path))
    again = face.BatchManager(checkpoint_file=file)
    await again.process_batch(list(range(20)), Flaky({}))
    assert (again.summary.done, again.summary.from_checkpoint) == (20, summary.done)


async def test_a_result_that_cannot_be_kept_stops_the_batch_after_what_is_in_flight(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    begun: list[int] = []

    async def processor(item: int) -> Any:
        begun.append(item)
        while len(begun) < 4:
            await seam.sleep(0.001)
        if item == 1:
            return object()
        await seam.sleep(0.02)
        return item

    manager = face.BatchManager(max_workers=4, checkpoint_file=file)
    with pytest.raises(UnstorableResultError, match=r"result of item 1 cannot be stored: builtins.object") as caught:
        await manager.process_batch(range(1000), processor)
    assert caught.value.summary is not None
    assert len(begun) < 1000
    (listed,) = failures_in(tmp_path)
    assert listed["index"] == 1
    assert listed["result"].startswith("<object object at")
    stored = {json.loads(line).get("index") for line in file.read_bytes().splitlines()[1:]}
    assert stored == set(begun) - {1}


async def test_a_hook_that_raises_is_a_result_that_cannot_be_kept(tmp_path: Path) -> None:
    manager = face.BatchManager(checkpoint_file=tmp_path / "a.jsonl", serialize=lambda value: 1 // 0, deserialize=str)
    with pytest.raises(UnstorableResultError, match="division"):
        await manager.process_batch([1], Flaky({}))


async def test_a_stored_result_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    await face.BatchManager(checkpoint_file=file).process_batch([1], Flaky({}))
    file.write_bytes(file.read_bytes().replace(b'"answer to 1"', b'{"$type":"Later","x":1}'))
    with pytest.raises(CheckpointError, match=r"stored result of item 0 .* 'Later', which this version does not know"):
        await face.BatchManager(checkpoint_file=file).process_batch([1], Flaky({}))


async def test_stop_lets_what_is_in_flight_end(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    manager = face.BatchManager(max_workers=3, checkpoint_file=file)
    begun: list[int] = []

    async def processor(item: int) -> int:
        begun.append(item)
        if item == 5:
            manager.stop()
        await seam.sleep(0.005)
        return item

    with pytest.raises(BatchStoppedError, match="stopped before its end"):
        await manager.process_batch(range(1000), processor)
    assert len(begun) < 1000
    assert manager.summary.done == len(begun)
    again = Flaky({})
    manager = face.BatchManager(checkpoint_file=file)
    await manager.process_batch(range(10), again)
    assert sorted(again.asked) == sorted(set(range(10)) - set(begun))


async def test_stop_after_the_last_item_was_taken_changes_nothing() -> None:
    manager = face.BatchManager(max_workers=1)

    async def processor(item: int) -> int:
        await seam.sleep(0.0)
        return item

    results = []
    async with seam.closing(manager.process_stream([1, 2], processor)) as stream:
        async for _, result in stream:
            results.append(result)
            if len(results) == 2:
                break
    assert results == [1, 2]
    manager.stop()


async def test_stop_ends_the_waiting_for_another_try() -> None:
    manager = face.BatchManager(max_workers=2, retry=RetryPolicy(attempts=5, backoff=1e6, max_backoff=1e6))
    processor = Flaky({0: 9})

    async def stopping(item: int) -> Any:
        while item == 1 and not processor.asked:
            await seam.sleep(0.001)
        if item == 1:
            manager.stop()
        return await processor(item)

    with pytest.raises(BatchStoppedError):
        await manager.process_batch([0, 1, 2], stopping)
    assert sorted(processor.asked) == [0, 1]
    assert (manager.summary.done, manager.summary.failed) == (1, 1)


async def test_leaving_a_stream_gives_the_checkpoint_free(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    async with seam.closing(
        face.BatchManager(max_workers=2, checkpoint_file=file).process_stream(range(100), Flaky({}))
    ) as stream:
        async for _ in stream:
            break
    manager = face.BatchManager(checkpoint_file=file)
    await manager.process_batch(range(10), Flaky({}))
    assert manager.summary.done == 10


async def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    for content in (b'{"my": "notes"}\n', b"plain text", b'{"format":"llm-client-batch","version":2}\n{"new":1}\n'):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match="Nothing was changed"):
            await face.BatchManager(checkpoint_file=file).process_batch([1], Flaky({}))
        assert file.read_bytes() == content
    assert failures_in(tmp_path) == []


@pytest.mark.parametrize("torn", [b'{"index":2,"key":"00', b"\x00" * 50, b"{}", b'{"index":2,"key":"0","result":"x"}'])
async def test_a_torn_line_is_cut(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "answers.jsonl"
    await face.BatchManager(checkpoint_file=file).process_batch([0, 1], Flaky({}))
    file.write_bytes(file.read_bytes() + torn)
    again = Flaky({})
    await face.BatchManager(checkpoint_file=file).process_batch([0, 1, 2], again)
    assert again.asked == [2]
    lines = file.read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"}\n") for line in lines)
    assert len(lines) == (5 if torn.endswith(b'"x"}') else 4)


async def test_a_line_that_lacks_only_its_end_counts(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    await face.BatchManager(checkpoint_file=file).process_batch([0, 1], Flaky({}))
    file.write_bytes(file.read_bytes()[:-1])
    for _ in range(2):
        again = Flaky({})
        await face.BatchManager(checkpoint_file=file).process_batch([0, 1], again)
        assert again.asked == []
    assert file.read_bytes().endswith(b"}\n")


async def test_a_damaged_line_costs_its_own_item_only(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    await face.BatchManager(max_workers=1, checkpoint_file=file).process_batch([0, 1, 2], Flaky({}))
    lines = file.read_bytes().splitlines(keepends=True)
    lines[2] = b"\x00" * (len(lines[2]) - 1) + b"\n"
    file.write_bytes(b"".join(lines))
    again = Flaky({})
    assert await face.BatchManager(checkpoint_file=file).process_batch([0, 1, 2], again) == [
        f"answer to {n}" for n in range(3)
    ]
    assert again.asked == [1]


async def test_answers_that_a_full_disk_does_not_take_are_listed_whole_and_yielded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: CheckpointFile, line: bytes) -> bool:
        raise CheckpointError("no space left on device")

    begun: list[int] = []

    async def processor(item: int) -> str:
        begun.append(item)
        while len(begun) < 4:
            await seam.sleep(0.001)
        return f"{item} " + "x" * 5000

    monkeypatch.setattr(CheckpointFile, "append", full)
    manager = face.BatchManager(max_workers=4, checkpoint_file=tmp_path / "answers.jsonl")
    read: dict[int, Any] = {}
    with pytest.raises(CheckpointError, match="no space left"):
        await read_into(read, manager.process_stream(range(100), processor))
    assert sorted(read) == sorted(begun)
    listed = failures_in(tmp_path)
    assert {line["index"]: json.loads(line["result"])["result"] for line in listed} == read
    assert {line["error"] for line in listed} == {"no space left on device"}


async def test_what_can_neither_be_recorded_nor_listed_is_yielded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Any, *arguments: Any) -> bool:
        raise CheckpointError("no space left on device")

    monkeypatch.setattr(CheckpointFile, "append", full)
    monkeypatch.setattr(FailuresFile, "add", full)
    manager = face.BatchManager(max_workers=1, checkpoint_file=tmp_path / "answers.jsonl")
    read: dict[int, Any] = {}
    with pytest.raises(CheckpointError, match="no space left"):
        await read_into(read, manager.process_stream([1, 2], Flaky({})))
    assert read == {0: "answer to 1"}


async def test_dicts_that_are_no_results_of_version_1_are_answers(tmp_path: Path) -> None:
    refused = {
        "params": {},
        "output": None,
        "usage": {},
        "identifier": "a",
        "status": 200,
        "error": "the model refused",
    }
    answered = [{"status": 0, "error": None}, {"status": 404, "error": "gone"}, {**refused, "status": 201}, refused]
    for asked in ([0, 1, 2, 3], []):
        processor = Flaky({})

        async def look(item: int, processor: Flaky = processor) -> dict[str, Any]:
            await processor(item)
            return answered[item]

        manager = face.BatchManager(max_workers=1, checkpoint_file=tmp_path / "answers.jsonl")
        assert await manager.process_batch(range(4), look) == answered
        assert processor.asked == asked
        assert manager.summary.failed == 0


async def test_headers_are_not_listed(tmp_path: Path) -> None:
    async def processor(item: dict[str, Any]) -> None:
        raise ValueError("no luck")

    item = {"prompt": "hi", "extra_headers": {"Authorization": "Bearer s3cret"}, "api_key": "s3cret"}
    await face.BatchManager(failures_file=tmp_path / "failures.jsonl").process_batch([item], processor)
    (listed,) = failures_in(tmp_path)
    assert listed["item"] == {
        "prompt": "hi",
        "extra_headers": {"Authorization": "[hidden]"},
        "api_key": "[hidden]",
    }
