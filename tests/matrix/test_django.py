"""Both faces in Django views, called by Django's own test clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support import django_site
from support.calls import KINDS, VENDORS, Asynchronous, Blocking, Kind

django_site.set_up()

from django.db import connection, transaction  # noqa: E402
from django.http import HttpResponse, StreamingHttpResponse  # noqa: E402
from django.test import AsyncClient, Client, override_settings  # noqa: E402
from django.urls import path  # noqa: E402

import llm_client.sync  # noqa: E402

SERVING: dict[str, Any] = {}


def plain_view(request: Any, kind: Kind, number: int) -> HttpResponse:
    SERVING["blocking"].call(kind, number)
    return HttpResponse(f"{kind} {number}")


async def async_view(request: Any, kind: Kind, number: int) -> HttpResponse:
    await SERVING["async"].call(kind, number)
    return HttpResponse(f"{kind} {number}")


def streaming_view(request: Any) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        with SERVING["blocking"].provider.stream("one two three") as events:
            for event in events:
                if event.type.value == "token":
                    yield event.data

    return StreamingHttpResponse(pieces())


async def async_streaming_view(request: Any) -> StreamingHttpResponse:
    async def pieces() -> Any:
        async with SERVING["async"].provider.stream("one two three") as events:
            async for event in events:
                if event.type.value == "token":
                    yield event.data

    return StreamingHttpResponse(pieces())


def in_transaction_view(request: Any) -> HttpResponse:
    # Plain tools of such an agent run on the request's own thread, inside its transaction.
    def rows(number: int) -> str:
        """Count rows."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM matrix_rows")
            return f"{cursor.fetchone()[0]} in thread {threading.get_ident()}, atomic: {connection.in_atomic_block}"

    config = llm_client.AgentConfig(tool_timeout=None, parallel_tool_execution=False)
    agent = llm_client.sync.Agent(SERVING["blocking"].provider, tools=[rows], config=config)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE matrix_rows (name TEXT)")
            cursor.execute("INSERT INTO matrix_rows VALUES ('written in this transaction')")
        answer = agent.chat("How many?")
        transaction.set_rollback(True)
    return HttpResponse(f"{answer} here: {threading.get_ident()}")


urlpatterns = [
    path("plain/<str:kind>/<int:number>", plain_view),
    path("async/<str:kind>/<int:number>", async_view),
    path("stream", streaming_view),
    path("async-stream", async_streaming_view),
    path("transaction", in_transaction_view),
]


@pytest.fixture(autouse=True)
def _site(url: str) -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__):
        yield
    for calls in SERVING.values():
        if isinstance(calls, Blocking):
            calls.provider.close()
    SERVING.clear()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_plain_views(url: str, vendor: str, kind: Kind) -> None:
    SERVING["blocking"] = Blocking(url, vendor)
    for number in range(3):
        assert Client().get(f"/plain/{kind}/{number}").content.decode() == f"{kind} {number}"
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda number: Client().get(f"/plain/{kind}/{number}").content.decode(), range(16))
        assert list(answers) == [f"{kind} {number}" for number in range(16)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_async_views_on_a_server_with_a_loop(url: str, vendor: str, kind: Kind) -> None:
    SERVING["async"], SERVING["blocking"] = Asynchronous(url, vendor), Blocking(url, vendor)

    async def main() -> None:
        client = AsyncClient()
        answers = await asyncio.gather(*(client.get(f"/async/{kind}/{number}") for number in range(5)))
        assert [answer.content.decode() for answer in answers] == [f"{kind} {number}" for number in range(5)]
        plain = await client.get(f"/plain/{kind}/7")  # Django runs it on a thread
        assert plain.content.decode() == f"{kind} 7"

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_async_views_on_a_server_without_one(url: str, kind: Kind) -> None:
    # Django makes a loop for each request: one provider lives through all of them.
    SERVING["async"] = Asynchronous(url)
    for number in range(3):
        assert Client().get(f"/async/{kind}/{number}").content.decode() == f"{kind} {number}"


def test_streaming_responses(url: str) -> None:
    SERVING["async"], SERVING["blocking"] = Asynchronous(url), Blocking(url)
    assert list(Client().get("/stream")) == [b"one", b" two", b" three"]

    async def main() -> list[bytes]:
        answer = await AsyncClient().get("/async-stream")
        return [piece async for piece in answer]

    assert asyncio.run(main()) == [b"one", b" two", b" three"]


def test_plain_tools_inside_the_requests_transaction(url: str) -> None:
    SERVING["blocking"] = Blocking(url)
    answer = Client().get("/transaction").content.decode()
    ident = threading.get_ident()
    assert answer == f"Here is what I found: rows says 1 in thread {ident}, atomic: True. here: {ident}"
    connection.close()
