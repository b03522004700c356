"""Batches: every item once, its answer its own, in the order of the input; and gone on with where they ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from llm_client._core.batch_errors import CheckpointError
from llm_client._core.results import CompletionResult
from llm_client._seam import _async as seam
from llm_client.testing import FakeAPI
from support._async import face


class Answer(BaseModel):
    text: str


class Counting:
    """A processor that notes what it was asked."""

    def __init__(self, prefix: str = "answer to") -> None:
        self.asked: list[Any] = []
        self.running: set[object] = set()
        self.most = 0
        self.prefix = prefix

    async def __call__(self, item: Any) -> Any:
        self.asked.append(item)
        call = object()
        self.running.add(call)
        self.most = max(self.most, len(self.running))
        await seam.sleep(0.001)
        self.running.discard(call)
        return f"{self.prefix} {item}"


def answers(items: Any, prefix: str = "answer to") -> list[str]:
    return [f"{prefix} {item}" for item in items]


async def test_results_come_in_the_order_of_the_items() -> None:
    async def processor(item: int) -> int:
        await seam.sleep(0.01 if item % 3 == 0 else 0.0)
        return item * item

    manager = face.BatchManager(max_workers=4)
    results = await manager.process_batch(items=range(20), processor=processor, desc="Squares")
    assert results == [number * number for number in range(20)]
    assert (manager.summary.done, manager.summary.failed, manager.summary.from_checkpoint) == (20, 0, 0)


async def test_no_more_than_the_workers_at_once() -> None:
    processor = Counting()
    await face.BatchManager(max_workers=3).process_batch(range(30), processor)
    assert 1 <= processor.most <= 3


async def test_an_empty_input_is_a_batch() -> None:
    assert await face.BatchManager().process_batch([], Counting()) == []


async def test_a_processors_own_object_comes_back() -> None:
    made: list[CompletionResult] = []

    async def processor(item: str) -> CompletionResult:
        made.append(CompletionResult(item))
        return made[-1]

    (result,) = await face.BatchManager().process_batch(["x"], processor)
    assert result is made[0]


async def test_a_plain_processor_will_do() -> None:
    assert await face.BatchManager(max_workers=2).process_batch([1, 2, 3], lambda item: item + 1) == [2, 3, 4]


async def test_the_request_manager_is_the_batch_manager() -> None:
    assert face.RequestManager is face.BatchManager
    assert await face.RequestManager().process_batch([1], Counting()) == ["answer to 1"]


async def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "answers.jsonl"
    first, second = Counting(), Counting()
    items = [{"messages": [{"role": "user", "content": f"Question {n}"}]} for n in range(25)]
    copies = json.loads(json.dumps(items))
    results = await face.BatchManager(max_workers=5, checkpoint_file=file).process_batch(items, first)
    manager = face.BatchManager(max_workers=5, checkpoint_file=file)
    assert await manager.process_batch(items, second) == results == answers(items)
    assert second.asked == []
    assert items == copies
    assert (manager.summary.done, manager.summary.from_checkpoint) == (25, 25)
    header, *lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert header == {"format": "llm-client-batch", "version": 1}
    assert sorted(line["index"] for line in lines) == list(range(25))


async def test_changed_items_keep_their_own_answers(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    first, second = Counting(), Counting("new answer to")
    await face.BatchManager(checkpoint_file=file).process_batch(["a", "b", "c", "d", "d"], first)
    # d moved to the front and grew a third, b was edited, a removed, e is new
    results = await face.BatchManager(checkpoint_file=file).process_batch(["d", "c", "B", "d", "e", "d"], second)
    assert sorted(second.asked) == ["B", "d", "e"]
    assert results == [
        "answer to d",
        "answer to c",
        "new answer to B",
        "answer to d",
        "new answer to e",
        "new answer to d",
    ]


async def test_equal_items_are_each_asked(tmp_path: Path) -> None:
    processor = Counting()
    manager = face.BatchManager(checkpoint_file=tmp_path / "answers.jsonl")
    assert await manager.process_batch(["x"] * 4, processor) == ["answer to x"] * 4
    assert processor.asked == ["x"] * 4


async def test_results_of_the_library_come_back_as_they_were(tmp_path: Path, api: FakeAPI) -> None:
    provider = face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url)
    api.reply("Tokyo", times=3)

    async def processor(question: str) -> CompletionResult:
        result: CompletionResult = await provider.complete(question)
        return result

    file = tmp_path / "answers.jsonl"
    manager = face.BatchManager(checkpoint_file=file)
    questions = ["one", "two", "three"]
    results = await manager.process_batch(questions, processor)
    assert manager.summary.tokens == sum(result.usage.total_tokens for result in results) > 0
    again = face.BatchManager(checkpoint_file=file)
    assert await again.process_batch(questions, processor) == results
    assert again.summary.tokens == 0
    assert len(api.requests) == 3
    await provider.close()


async def test_the_users_types_come_back_by_annotation_or_by_argument(tmp_path: Path) -> None:
    async def annotated(item: str) -> Answer:
        return Answer(text=item)

    async def bare(item):  # type: ignore[no-untyped-def]
        return Answer(text=item)

    file = tmp_path / "answers.jsonl"
    expected = [Answer(text="a"), Answer(text="b")]
    assert await face.BatchManager(checkpoint_file=file).process_batch(["a", "b"], bare) == expected
    with pytest.raises(
        CheckpointError, match=r"types that were not given: .*:Answer\. Pass BatchManager\(result_type="
    ):
        await face.BatchManager(checkpoint_file=file).process_batch(["a", "b"], bare)
    assert await face.BatchManager(checkpoint_file=file).process_batch(["a", "b"], annotated) == expected
    manager = face.BatchManager(checkpoint_file=file, result_type=Answer)
    assert await manager.process_batch(["a", "b"], bare) == expected


async def test_hooks_store_other_types(tmp_path: Path) -> None:
    async def processor(item: int) -> complex:
        return complex(item, -item)

    for _ in range(2):
        manager = face.BatchManager(
            checkpoint_file=tmp_path / "answers.jsonl",
            serialize=lambda value: [value.real, value.imag],
            deserialize=lambda value: complex(*value),
        )
        assert await manager.process_batch([1, 2], processor) == [1 - 1j, 2 - 2j]
    assert manager.summary.from_checkpoint == 2


async def test_items_that_are_no_json_are_known_by_a_key(tmp_path: Path) -> None:
    class Item:
        def __init__(self, number: int) -> None:
            self.number = number

        def __repr__(self) -> str:
            return str(self.number)

    file = tmp_path / "answers.jsonl"
    with pytest.raises(TypeError, match="pass key="):
        await face.BatchManager(checkpoint_file=file).process_batch([Item(1)], Counting())
    for asked in ([1, 2], []):
        processor = Counting()
        manager = face.BatchManager(checkpoint_file=file, key=lambda item: item.number)
        assert await manager.process_batch([Item(1), Item(2)], processor) == ["answer to 1", "answer to 2"]
        assert [item.number for item in processor.asked] == asked


async def test_a_stream_yields_each_item_as_it_ends_and_takes_no_more_than_it_needs() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken - 1

    seen = []
    async with seam.closing(face.BatchManager(max_workers=4).process_stream(endless(), Counting())) as stream:
        async for index, result in stream:
            assert result == f"answer to {index}"
            assert taken <= len(seen) + 4
            seen.append(index)
            if len(seen) == 50:
                break
    assert len(set(seen)) == 50


async def test_items_may_come_one_after_the_other() -> None:
    async def source() -> AsyncIterator[int]:
        for number in range(10):
            await seam.sleep(0.001)
            yield number

    processor = Counting()
    if hasattr(type(source()), "__aiter__") or face.__name__ == "llm_client.sync":
        assert await face.BatchManager(max_workers=3).process_batch(source(), processor) == answers(range(10))


async def test_a_source_is_closed_when_the_stream_is_left_early() -> None:
    closed: list[str] = []

    async def source() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                await seam.sleep(0.0)
                yield number
        finally:
            closed.append("source")

    async with seam.closing(face.BatchManager(max_workers=3).process_stream(source(), Counting())) as stream:
        async for _ in stream:
            break
    assert closed == ["source"]


async def test_the_errors_of_the_source_end_the_batch_when_all_in_flight_is_recorded(tmp_path: Path) -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise RuntimeError("the table is gone")

    file = tmp_path / "answers.jsonl"
    processor = Counting()
    manager = face.BatchManager(max_workers=10, checkpoint_file=file)
    with pytest.raises(RuntimeError, match="the table is gone"):
        await manager.process_batch(source(), processor)
    assert manager.summary.done == 5
    again = Counting()
    assert await face.BatchManager(checkpoint_file=file).process_batch(range(5), again) == answers(range(5))
    assert again.asked == []


async def test_answers_are_recorded_when_they_come_not_when_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    processor = Counting()
    async with seam.closing(
        face.BatchManager(max_workers=5, checkpoint_file=file).process_stream(range(5), processor)
    ) as stream:
        async for _ in stream:
            while len(file.read_bytes().splitlines()) < 6:
                await seam.sleep(0.001)
            break
    again = Counting()
    assert await face.BatchManager(checkpoint_file=file).process_batch(range(5), again) == answers(range(5))
    assert again.asked == []


async def test_two_batches_of_one_manager_do_not_mix() -> None:
    manager = face.BatchManager(max_workers=2)
    firsts, seconds = [], []
    async with seam.closing(manager.process_stream(range(5), Counting("one"))) as one:
        async for _, result in one:
            firsts.append(result)
            async with seam.closing(manager.process_stream(range(2), Counting("two"))) as two:
                async for _, inner in two:
                    seconds.append(inner)
    assert sorted(firsts) == answers(range(5), "one")
    assert sorted(set(seconds)) == answers(range(2), "two")
    assert len(seconds) == 10


async def test_a_checkpoint_belongs_to_one_batch_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    async with seam.closing(face.BatchManager(checkpoint_file=file).process_stream(range(3), Counting())) as stream:
        async for _ in stream:
            with pytest.raises(CheckpointError, match="in use by another batch"):
                await face.BatchManager(checkpoint_file=file).process_batch(range(3), Counting())
            break
    assert await face.BatchManager(checkpoint_file=file).process_batch(range(3), Counting()) == answers(range(3))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_workers": 0}, ValueError),
        ({"max_workers": "3"}, TypeError),
        ({"max_failures": 2.5}, ValueError),
        ({"retry": 0}, ValueError),
        ({"fsync": "often"}, ValueError),
        ({"serialize": str}, ValueError),
        ({"lease_seconds": 0}, ValueError),
        ({"lease_seconds": -5}, ValueError),
        ({"lease_seconds": float("nan")}, ValueError),
        ({"lease_seconds": "60"}, TypeError),
        ({"checkpoint": "postgresql+psycopg://u:pw@h/db"}, ValueError),
    ],
)
async def test_arguments_are_checked(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(arguments))):
        face.BatchManager(**arguments)


@pytest.mark.parametrize(
    ("items", "processor", "words"),
    [
        ("text", Counting(), "a list or another iterable"),
        (7, Counting(), "a list or another iterable"),
        ([1], None, "a function that takes one item"),
    ],
)
async def test_mistakes_of_the_caller_are_raised_at_once(items: Any, processor: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        face.BatchManager().process_stream(items, processor)


@pytest.mark.parametrize("fsync", ["always", "never", 0.001])
async def test_every_policy_of_waiting_for_the_disk_records_everything(tmp_path: Path, fsync: Any) -> None:
    file = tmp_path / "answers.jsonl"
    for _ in range(2):
        manager = face.BatchManager(max_workers=4, checkpoint_file=file, fsync=fsync)
        assert await manager.process_batch(range(12), Counting()) == answers(range(12))
    assert manager.summary.from_checkpoint == 12
