"""Hanging up for a thread that is blocked in a read: only its own connections, and only while it uses them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import llm_client.sync
from llm_client._seam._interrupt import Interrupted, Interruption, current
from llm_client.testing import FakeAPI, Reply


def provider(api: FakeAPI) -> Any:
    return llm_client.sync.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url, backoff=0.0)


def test_a_connection_that_was_given_back_is_not_cut(api: FakeAPI) -> None:
    asked = provider(api)
    interruption = Interruption()
    token = current.set(interruption)
    try:
        api.reply("one", times=2)
        assert asked.complete("Hi").ok
        assert asked.complete("Hi").ok
    finally:
        current.reset(token)
    interruption.stop()
    api.reply("two")
    assert asked.complete("Hi").content == "two"
    assert {request.connection for request in api.requests} == {1}


def test_a_blocked_read_is_cut_and_nothing_is_tried_again(api: FakeAPI) -> None:
    asked = provider(api)
    interruption = Interruption()
    ended: list[BaseException] = []

    def ask() -> None:
        current.set(interruption)
        try:
            asked.complete("Hi", attempts=3)
        except BaseException as error:
            ended.append(error)

    api.stall(reply="never said")
    thread = threading.Thread(target=ask)
    thread.start()
    api.wait_for_requests(1)
    interruption.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert [type(error) for error in ended] == [Interrupted]
    assert api.wait_for_hang_up().client_hung_up
    assert len(api.requests) == 1


def test_whoever_should_stop_begins_nothing(api: FakeAPI) -> None:
    interruption = Interruption()
    interruption.stop()
    token = current.set(interruption)
    try:
        with pytest.raises(Interrupted):
            provider(api).complete("Hi")
    finally:
        current.reset(token)
    assert api.requests == []


def test_heartbeats_of_one_stream_do_not_disturb_another(api: FakeAPI) -> None:
    asked = provider(api)
    api.reply(Reply("on and on ", endless=True, chunk_delay=0.01))
    api.reply(Reply("one two three", chunk_delay=0.05))
    endless = llm_client.sync.SSEAdapter().transform(asked.stream("first"))
    next(endless)
    other = llm_client.sync.SSEAdapter().transform(asked.stream("second"))
    first = next(other)
    endless.close()
    assert "event: done" in "".join([first, *other])
    assert api.wait_for_hang_up().client_hung_up
