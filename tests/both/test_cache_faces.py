"""One cache under both faces: threads, loops, processes, and the same question on both sides of a loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI
from support.processes import run_python

MODEL = "gpt-5.6-luna"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def in_threads(count: int, work: Any) -> list[Any]:
    together = threading.Barrier(count)

    def one(number: int) -> Any:
        together.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.parametrize("backend", ["fs", None])
def test_equal_calls_of_64_threads_are_one(api: FakeAPI, backend: str | None) -> None:
    api.reply("Hello.", times=1)
    api.hold()
    provider = llm_client.sync.OpenAIProvider(model=MODEL, base_url=api.openai_url, cache_backend=backend)
    release = threading.Thread(target=lambda: (api.wait_for_requests(), api.release()))
    release.start()
    results = in_threads(64, lambda _: provider.complete("Hi", cache_response=True))
    release.join(10)
    assert {result.content for result in results} == {"Hello."}
    assert len(api.requests) == 1
    assert sum(not result.cached and not result.coalesced for result in results) == 1
    stats = provider.cache_stats
    assert (stats.misses, stats.hits + stats.coalesced) == (1, 63)
    provider.close()


def test_equal_streams_of_32_threads_are_one(api: FakeAPI) -> None:
    api.reply("one two three four five")
    api.hold()
    provider = llm_client.sync.OpenAIProvider(model=MODEL, base_url=api.openai_url)
    release = threading.Thread(target=lambda: (api.wait_for_requests(), api.release()))
    release.start()

    def read(_: int) -> Any:
        with provider.stream("Hi", cache_response=True) as events:
            return list(events)

    streams = in_threads(32, read)
    release.join(10)
    assert len(api.requests) == 1
    assert {"".join(e.data for e in events if e.type.value == "token") for events in streams} == {
        "one two three four five"
    }
    provider.close()


def test_both_faces_share_one_call(api: FakeAPI) -> None:
    api.reply("Hello.")
    api.hold()
    blocking = llm_client.sync.OpenAIProvider(model=MODEL, base_url=api.openai_url)
    asked: list[Any] = []

    async def main() -> list[Any]:
        provider = llm_client.OpenAIProvider(model=MODEL, base_url=api.openai_url)
        calls = [asyncio.create_task(provider.complete("Hi", cache_response=True)) for _ in range(36)]
        await asyncio.to_thread(api.wait_for_requests)
        results = await asyncio.gather(*calls)
        await provider.close()
        return results

    with ThreadPoolExecutor(66) as pool:
        first = pool.submit(asyncio.run, main())
        api.wait_for_requests()
        others = [pool.submit(blocking.complete, "Hi", cache_response=True) for _ in range(64)]
        api.release()
        asked = [*first.result(30), *[other.result(30) for other in others]]
    assert len(asked) == 100
    assert {result.content for result in asked} == {"Hello."}
    assert len(api.requests) == 1
    blocking.close()


def test_the_same_question_in_flight_and_then_blocking_on_the_same_loop(api: FakeAPI) -> None:
    api.reply("Hello.", times=2)
    blocking = llm_client.sync.OpenAIProvider(model=MODEL, base_url=api.openai_url)

    async def main() -> None:
        provider = llm_client.OpenAIProvider(model=MODEL, base_url=api.openai_url)
        flying = asyncio.create_task(provider.complete("Hi", cache_response=True))
        await asyncio.sleep(0)
        # It cannot wait for a call that this very thread drives: it makes its own.
        assert blocking.complete("Hi", cache_response=True).content == "Hello."
        assert (await flying).content == "Hello."
        async with provider.stream("Ho", cache_response=True) as events:
            api.reply("Streamed.", times=2)
            async for _ in events:
                with blocking.stream("Ho", cache_response=True) as others:
                    assert list(others)[-1].data.content == "Streamed."
                break
        await provider.close()

    asyncio.run(main())
    blocking.close()
    api.clear()


def test_cancelling_one_of_many_leaves_the_call_to_the_others(api: FakeAPI) -> None:
    api.reply("Hello.")
    api.reply("one two three")

    async def main() -> None:
        provider = llm_client.OpenAIProvider(model=MODEL, base_url=api.openai_url)
        api.hold()
        calls = [asyncio.create_task(provider.complete("Hi", cache_response=True)) for _ in range(5)]
        await asyncio.to_thread(api.wait_for_requests)
        calls[0].cancel()
        calls[3].cancel()
        api.release()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [True, False, False, True, False]

        async def read() -> str:
            async with provider.stream("Ho", cache_response=True) as events:
                return "".join([event.data async for event in events if event.type.value == "token"])

        api.hold()
        streams = [asyncio.create_task(read()) for _ in range(3)]
        await asyncio.to_thread(api.wait_for_requests, 2)
        streams[0].cancel()
        await asyncio.sleep(0)
        api.release()
        done = await asyncio.gather(*streams, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert done[1:] == ["one two three"] * 2
        await provider.close()

    asyncio.run(main())
    assert len(api.requests) == 2


def test_a_cancelled_stream_alone_hangs_up(api: FakeAPI) -> None:
    api.stall(after_events=2, reply="one two three")

    async def main() -> None:
        provider = llm_client.OpenAIProvider(model=MODEL, base_url=api.openai_url)
        seen = asyncio.Event()

        async def read() -> None:
            async with provider.stream("Ho", cache_response=True) as events:
                async for _ in events:
                    seen.set()

        reading = asyncio.create_task(read())
        await seen.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await asyncio.to_thread(api.wait_for_hang_up)
        await provider.close()

    asyncio.run(main())


def test_several_loops_one_after_the_other(api: FakeAPI) -> None:
    api.reply("one two")
    provider = llm_client.OpenAIProvider(model=MODEL, base_url=api.openai_url)

    async def read() -> Any:
        async with provider.stream("Ho", cache_response=True) as events:
            return [event async for event in events][-1].data

    results = [asyncio.run(read()) for _ in range(3)]
    assert [result.cached for result in results] == [False, True, True]


def test_programs_share_a_folder_and_say_nothing(api: FakeAPI, tmp_path: Path) -> None:
    api.reply("Hello.")
    program = f"""
        import asyncio, llm_client, llm_client.sync

        async def main():
            async with llm_client.OpenAIProvider(
                model={MODEL!r}, base_url={api.openai_url!r}, cache_dir={str(tmp_path / "shared")!r}
            ) as provider:
                result = await provider.complete("Hi", cache_response=True)
                async with provider.stream("Hi", cache_response=True) as events:
                    assert [event async for event in events][-1].data.cached
                return result

        print(asyncio.run(main()).content)
        with llm_client.sync.OpenAIProvider(
            model={MODEL!r}, base_url={api.openai_url!r}, cache_dir={str(tmp_path / "shared")!r}
        ) as provider:
            print(provider.complete("Hi", cache_response=True).cached)
    """
    for _ in range(2):
        assert run_python(program).split() == ["Hello.", "True"]
    assert len(api.requests) == 1
