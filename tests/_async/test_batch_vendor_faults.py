"""What goes wrong around the vendors' batches: nothing that was paid for is lost, and errors say where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_client._core.batch_errors import BatchError
from llm_client._core.http import HttpRequest
from llm_client._core.vendor_batch import BatchHandle, BatchRequest, BatchStatus
from llm_client._core.wire import batch_anthropic, batch_openai
from llm_client._seam import _async as seam
from llm_client.exceptions import BadRequestError, ServerError
from llm_client.testing import FakeAPI, Reply
from support._async import face

POLL = 0.002
KEY = "key-of-mine-123"
VENDORS = pytest.mark.parametrize("vendor", ["openai", "anthropic"])
WIRE: dict[str, Any] = {"openai": batch_openai, "anthropic": batch_anthropic}


def provider(api: FakeAPI, vendor: str, **options: Any) -> Any:
    options = {"backoff": 0.0, "cache_backend": None, "api_key": KEY, **options}
    if vendor == "openai":
        return face.OpenAIProvider(**{"model": "gpt-5-mini", "base_url": api.openai_url, **options})
    return face.AnthropicProvider(**{"model": "claude-haiku-4-5", "base_url": api.anthropic_url, **options})


def echo(api: FakeAPI) -> None:
    @api.on_request
    def answer(request: Any) -> Reply:
        return Reply(f"You said {request.text}", usage=(100, 10))


def paid(api: FakeAPI) -> list[str]:
    return sorted(request.text for request in api.batches.answered)


def small_batches(monkeypatch: Any, vendor: str, size: int) -> None:
    limits = WIRE[vendor].LIMITS
    monkeypatch.setattr(WIRE[vendor], "LIMITS", type(limits)(size, limits.size, limits.inputs))


def is_creation(request: Any) -> bool:
    return request.method == "POST" and request.endpoint in ("batches", "message_batches")


# ------------------------------------------------------------ before anything is paid


@VENDORS
async def test_arguments_are_checked_before_anything_is_paid(vendor: str, api: FakeAPI) -> None:
    async with provider(api, vendor) as asked:
        for options, kind, words in [
            ({"poll_interval": -1}, ValueError, "poll_interval is a number of seconds above 0, got -1"),
            ({"poll_interval": 0}, ValueError, "poll_interval is a number of seconds above 0, got 0"),
            ({"poll_interval": float("nan")}, ValueError, "poll_interval is a number"),
            ({"poll_interval": "5"}, TypeError, "poll_interval is a number of seconds, got str"),
            ({"rounds": 0}, ValueError, "rounds counts all"),
            ({"rounds": None}, TypeError, "rounds is a whole number, got NoneType"),
            ({"rounds": 2.0}, TypeError, "rounds is a whole number, got float"),
            ({"key": "no spaces please"}, ValueError, "1 to 48 letters"),
            ({"on_handle": 7}, TypeError, "on_handle is a function, got int"),
        ]:
            with pytest.raises(kind, match=words):
                await asked.batch.run(["a"], **options)
        with pytest.raises(TypeError, match="on_handle is a function"):
            await asked.batch.submit(["a"], on_handle=[])
    assert api.requests == []


@VENDORS
async def test_the_longest_key_has_room_for_all_rounds(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.batches.on_item(lambda custom_id, request: "expired" if len(api.batches.ids) < 3 else None)
    async with provider(api, vendor) as asked:
        (result,) = await asked.batch.run(["a"], key="k" * 48, poll_interval=POLL)
        if vendor == "openai":
            names = [status.labels["llm_client_key"] for status in await asked.batch.list()]
            assert len(set(names)) == 3
            assert max(map(len, names)) <= 48
    assert result.ok
    assert api.batches.sizes == [1, 1, 1]


@VENDORS
async def test_a_mistake_far_down_a_list_is_found_before_the_first_batch(
    vendor: str, api: FakeAPI, monkeypatch: Any
) -> None:
    small_batches(monkeypatch, vendor, 2)
    texts = [BatchRequest(text, f"id-{text}") for text in "abcd"]
    async with provider(api, vendor) as asked:
        for ask in (asked.batch.submit, asked.batch.run):
            with pytest.raises(ValueError, match="requests 1 and 4 have the same custom_id 'id-b'"):
                await ask([*texts, BatchRequest("e", "id-b")])
            with pytest.raises(ValueError, match="temperature"):
                await ask([*texts, BatchRequest("e", temperature=-1.0)])
    assert api.batches.ids == []


# ------------------------------------------------------------ after it was paid


@VENDORS
async def test_a_mistake_far_down_a_stream_names_the_batches_made_before(
    vendor: str, api: FakeAPI, monkeypatch: Any
) -> None:
    echo(api)
    small_batches(monkeypatch, vendor, 1)

    def requests() -> Iterator[Any]:
        yield "a"
        yield "b"
        yield BatchRequest("c", temperature=-1.0)

    async with provider(api, vendor) as asked:
        with pytest.raises(BatchError, match=r"temperature.*made before.*collected") as caught:
            await asked.batch.submit(requests())
        await asked.batch.wait(caught.value.handles, poll_interval=POLL)
        results = await asked.batch.collect(caught.value.handles)
    assert isinstance(caught.value.__cause__, ValueError)
    assert [handle.id for handle in caught.value.handles] == api.batches.ids
    assert all(name in str(caught.value) for name in api.batches.ids)
    assert [result.content for result in results] == ["You said a"]


@VENDORS
async def test_a_handle_that_could_not_be_saved_is_in_the_error(vendor: str, api: FakeAPI) -> None:
    echo(api)

    def save(handle: BatchHandle) -> None:
        raise OSError("the disk is full")

    async with provider(api, vendor) as asked:
        for ask in (asked.batch.submit, asked.batch.run):
            with pytest.raises(BatchError, match="OSError: the disk is full") as caught:
                await ask(["a"], on_handle=save)
            assert isinstance(caught.value.__cause__, OSError)
            assert [handle.id for handle in caught.value.handles] == api.batches.ids[-1:]
            assert api.batches.ids[-1] in str(caught.value)


@VENDORS
async def test_a_refused_second_round_names_the_first(vendor: str, api: FakeAPI) -> None:
    echo(api)
    api.batches.expire(1)
    api.fail(400, "no more of these", on=lambda request: is_creation(request) and len(api.batches.ids) == 1)
    async with provider(api, vendor) as asked:
        with pytest.raises(BadRequestError, match=r"no more of these.*made before.*collected") as caught:
            await asked.batch.run(["a", "b"], poll_interval=POLL)
    assert str(caught.value).count(api.batches.ids[0]) == 1


# ------------------------------------------------------------ cached answers and names


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("size", [2, 100])
async def test_a_run_that_ended_while_it_stored_answers_is_gone_on_with(
    size: int, api: FakeAPI, tmp_path: Any, monkeypatch: Any
) -> None:
    echo(api)
    small_batches(monkeypatch, "openai", size)
    requests = [BatchRequest(text, cache_response=True) for text in "abcde"]
    kept: list[Any] = []
    async with provider(api, "openai", cache_backend="fs", cache_dir=tmp_path) as asked:
        await asked.complete("b", cache_response=True)
        keep = asked.batch_keep

        async def keep_two(request: Any, result: Any) -> None:
            if len(kept) == 2:
                raise Killed
            kept.append(request)
            await keep(request, result)

        monkeypatch.setattr(asked, "batch_keep", keep_two)
        with pytest.raises(Killed):
            await asked.batch.run(requests, key="night", poll_interval=POLL)
        monkeypatch.undo()
        small_batches(monkeypatch, "openai", size)
        made = api.batches.ids
        for cached in ([False, True, False, False, False], [True] * 5):
            results = await asked.batch.run(requests, key="night", poll_interval=POLL)
            assert [result.content for result in results] == [f"You said {text}" for text in "abcde"]
            assert [result.cached for result in results] == cached
        with pytest.raises(ValueError, match="key='night' was used before, for other requests"):
            await asked.batch.run([*requests[:2], BatchRequest("f")], key="night", poll_interval=POLL)
        assert all(result.cached for result in await asked.batch.run(requests, poll_interval=POLL))
    assert api.batches.ids == made
    assert paid(api) == ["a", "c", "d", "e"]


# ------------------------------------------------------------ waiting


def handles_of(asked: Any, count: int) -> list[BatchHandle]:
    return [asked.batch.handle(f"batch_{number}", "k", ("a",), "completion") for number in range(count)]


async def test_one_bad_minute_of_many_batches_is_one_bad_minute(api: FakeAPI, monkeypatch: Any) -> None:
    looks: list[str] = []
    async with provider(api, "openai") as asked:
        handles = handles_of(asked, 70)

        async def status(handle: BatchHandle) -> BatchStatus:
            looks.append(handle.id)
            if len(looks) <= 2 * len(handles):
                raise ServerError("a bad minute", status=500)
            return BatchStatus(handle.id, "ended", "completed")

        monkeypatch.setattr(asked.batch, "status", status)
        statuses = await asked.batch.wait(handles, poll_interval=POLL)
    assert [status.id for status in statuses] == [handle.id for handle in handles]
    assert all(status.done for status in statuses)


async def test_an_hour_without_an_answer_is_the_end(api: FakeAPI, monkeypatch: Any) -> None:
    looks: list[float] = []
    async with provider(api, "openai") as asked:

        async def status(handle: BatchHandle) -> BatchStatus:
            looks.append(20 * 60.0)
            if len(looks) == 2:
                return BatchStatus(handle.id, "running", "in_progress")
            raise ServerError("a bad hour", status=500)

        monkeypatch.setattr(asked.batch, "status", status)
        with monkeypatch.context() as patch:
            patch.setattr(seam, "now", lambda: sum(looks))
            with pytest.raises(ServerError, match="a bad hour"):
                await asked.batch.wait(handles_of(asked, 1), poll_interval=POLL)
    # The first failure is forgiven by the look that follows; the next ones are at 60, 80, 100 and 120 minutes.
    assert len(looks) == 6


# ------------------------------------------------------------ secrets


@VENDORS
async def test_no_repr_shows_the_key(vendor: str, api: FakeAPI) -> None:
    async with provider(api, vendor) as asked:
        line = asked.batch._desk._line
        shown = [repr(asked.batch), repr(asked.batch._desk), repr(line)]
    assert KEY in str(dict(line.headers))
    shown.append(repr(HttpRequest("GET", "https://api.example/v1", dict(line.headers))))
    assert not [text for text in shown if KEY in text]
