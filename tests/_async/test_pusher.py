"""Streams on a Pusher channel, against a loopback server that checks the signatures."""

from __future__ import annotations

import itertools
import json
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from llm_client._core.agent import AgentResult
from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.pusher_batch import BATCH_SECONDS
from llm_client._seam import _async as seam
from llm_client.exceptions import ConfigurationError, DeliveryError
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.pusher_server import APP_ID, KEY, MAX_DATA, SECRET, PusherServer, pusher_server
from support.streams import Stream, done, error, every_kind, token

CHANNEL = "private-user-7"


@pytest.fixture
def pusher() -> Iterator[PusherServer]:
    with pusher_server() as server:
        yield server


def streamer(server: PusherServer, **options: Any) -> Any:
    return face.PusherStreamer(CHANNEL, **{**server.arguments, **options})


async def test_a_stream_arrives_in_order_with_start_and_end(pusher: PusherServer) -> None:
    events = every_kind()
    async with streamer(pusher) as channel:
        result = await channel.consume(Stream(events).of(face))
    assert result is events[-1].data
    assert {tuple(event["channels"]) for event in pusher.events} == {(CHANNEL,)}
    # Two pieces of text are one message or two, as the clock has it.
    names = [name for name, _ in itertools.groupby(name for name, _ in pusher.messages)]
    assert names == [
        "start", "meta", "reasoning", "token", "tool_call_start", "tool_call_delta", "tool_call_end", "usage", "done",
        "end",
    ]  # fmt: skip
    data = dict(pusher.messages)
    assert pusher.text_of("token") == "Hello you"
    assert data["tool_call_delta"]["arguments_delta"] == '{"q": "fox"}'
    assert (data["done"]["content"], data["done"]["tool_calls"]) == ("Hello you", ["search"])
    assert "reasoning" not in data["done"]
    assert data["end"] == {"ok": True}


async def test_tokens_come_together_and_nothing_is_lost(pusher: PusherServer) -> None:
    pieces = [f"piece {number} \n é世🙂 " for number in range(3000)]
    async with streamer(pusher) as channel:
        await channel.consume(Stream([*map(token, pieces), done("".join(pieces))]).of(face))
    assert pusher.text_of("token") == "".join(pieces)
    assert len([name for name, _ in pusher.messages if name == "token"]) < 40
    assert max(len(event["data"].encode()) for event in pusher.events) <= MAX_DATA


async def test_a_batch_goes_out_with_the_event_that_finds_it_old(pusher: PusherServer) -> None:
    async with streamer(pusher) as channel:
        await channel.emit(token("a"))
        await channel.emit(token("b"))
        assert pusher.events == []
        await seam.sleep(BATCH_SECONDS * 1.5)
        await channel.emit(token("c"))
        assert pusher.messages == [("token", "ab")]
        await channel.flush()
        assert pusher.messages == [("token", "ab"), ("token", "c")]
        await channel.emit(token("d"))
    assert pusher.text_of("token") == "abcd"


@pytest.mark.parametrize("text", ["a" * 50_000, "世界" * 9_000, "🙂" * 9_000, '"\\\n' * 7_000, "a" * 8_191 + "🙂"])
async def test_one_huge_token_is_divided_between_characters(pusher: PusherServer, text: str) -> None:
    async with streamer(pusher) as channel:
        await channel.consume(Stream([token("<"), token(text), token(">"), done()]).of(face))
    assert pusher.text_of("token") == f"<{text}>"
    assert max(len(event["data"].encode()) for event in pusher.events) <= MAX_DATA


async def test_a_huge_tool_result_comes_in_parts(pusher: PusherServer) -> None:
    content = "世界 and \U0001f642 " * 5_000
    meta = StreamEvent(StreamEventType.META, {"event": "tool_result", "content": content})
    async with streamer(pusher) as channel:
        await channel.consume(Stream([token("a"), meta, token("b"), done("ab" * 6_000)]).of(face))
    parts = [data for name, data in pusher.messages if name == "part"]
    for number, name in ((1, "meta"), (2, "done")):
        mine = [part for part in parts if part["id"] == number]
        assert [part["part"] for part in mine] == list(range(mine[0]["parts"]))
        assert {part["event"] for part in mine} == {name}
        whole = json.loads("".join(part["text"] for part in mine))
        assert whole.get("content") == (content if name == "meta" else "ab" * 6_000)
    names = [name for name, _ in pusher.messages]
    assert names.index("token") < names.index("part") < len(names) - 1 - names[::-1].index("token")
    assert max(len(event["data"].encode()) for event in pusher.events) <= MAX_DATA


async def test_events_of_your_own(pusher: PusherServer) -> None:
    async with streamer(pusher) as channel:
        await channel.emit(token("first"))
        await channel.push("progress", {"done": 3, "of": 7})
        await channel.push("words", "123")
    assert pusher.messages == [("token", "first"), ("progress", {"done": 3, "of": 7}), ("words", "123")]
    assert pusher.events[-1]["data"] == '"123"'  # a page that decodes it gets the text, not a number


async def test_an_agents_stream(api: FakeAPI, pusher: PusherServer) -> None:
    @face.tool
    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        return f"sunny in {city}"

    api.reply(Reply(tool_calls=[("get_weather", {"city": "Tokyo"})]))
    api.reply("Sunny.")
    provider = face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url)
    async with streamer(pusher) as channel:
        result = await channel.consume(face.Agent(provider, [get_weather], "secret").stream("Weather?"))
    assert isinstance(result, AgentResult)
    assert pusher.text_of("token") == "Sunny."
    shown = [data for name, data in pusher.messages if name == "meta" and data["event"] == "tool_result"]
    assert shown[0]["content"] == "sunny in Tokyo"
    assert "secret" not in json.dumps(pusher.messages)


async def test_an_error_event_goes_out_and_comes_back(pusher: PusherServer) -> None:
    async with streamer(pusher) as channel:
        result = await channel.consume(Stream([token("half"), error(529, "overloaded")]).of(face))
    assert (result.ok, result.content, result.status) == (False, "half", 529)
    assert pusher.messages[1:] == [
        ("token", "half"),
        ("error", {"status": 529, "error": "overloaded"}),
        ("end", {"ok": False}),
    ]


async def test_a_stream_that_raises_is_told_to_the_page(pusher: PusherServer) -> None:
    stream = Stream([token("half"), ValueError("secret detail")])
    async with streamer(pusher) as channel:
        with pytest.raises(ValueError, match="secret detail"):
            await channel.consume(stream.of(face))
    assert [name for name, _ in pusher.messages] == ["start", "token", "error", "end"]
    assert "secret detail" not in json.dumps(pusher.messages)
    assert stream.closed.is_set()


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (400, "bad things", 400, "bad things"),
        (401, "wrong key", 401, "wrong key"),
        (403, "over quota", 403, "over quota"),
        (413, "too large", None, "413: too large"),
        (500, "oops", None, "500: oops"),
        (200, '{"error": "The app does not exist", "code": 404}', 404, "The app does not exist"),
        (200, "<html>a captive portal</html>", None, "cannot be read"),
    ],
)
async def test_refusals_end_the_stream_and_close_upstream(
    pusher: PusherServer, status: int, body: str, code: int | None, message: str
) -> None:
    stream = Stream([token("a"), *every_kind()])
    pusher.answers = [(200, "{}"), (status, body)]
    with pytest.raises(DeliveryError, match=message) as caught:
        async with streamer(pusher) as channel:
            await channel.consume(stream.of(face))
    assert caught.value.status == code
    assert stream.closed.is_set()
    assert SECRET not in str(caught.value)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.status) == (str(caught.value), code)


async def test_a_wrong_secret_is_refused_by_the_server(pusher: PusherServer) -> None:
    with pytest.raises(DeliveryError, match="Invalid signature") as caught:
        await streamer(pusher, secret="another").push("x", 1)
    assert caught.value.status == 401


async def test_a_server_that_is_not_there(pusher: PusherServer) -> None:
    channel = streamer(pusher, host="http://127.0.0.1:9")
    with pytest.raises(DeliveryError, match=r"did not reach Pusher at http://127\.0\.0\.1:9"):
        await channel.push("x", 1)
    await channel.close()


async def test_settings_come_from_the_environment(pusher: PusherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"app_id.*PUSHER_APP_ID"):
        face.PusherStreamer(CHANNEL)
    for name, value in {"APP_ID": APP_ID, "KEY": KEY, "SECRET": SECRET}.items():
        monkeypatch.setenv(f"PUSHER_{name}", value)
    with pytest.raises(ConfigurationError, match=r"cluster.*PUSHER_CLUSTER"):
        face.PusherStreamer(CHANNEL)
    monkeypatch.setenv("PUSHER_CLUSTER", "eu")
    assert SECRET not in repr(face.PusherStreamer(CHANNEL))
    async with face.PusherStreamer(CHANNEL, host=pusher.url) as channel:
        await channel.push("x", 1)
    assert pusher.messages == [("x", 1)]


@pytest.mark.parametrize("channel", ["", "a b", "ä", "x" * 165, "private-encrypted-x"])
async def test_channels_that_pusher_would_not_take(pusher: PusherServer, channel: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        face.PusherStreamer(channel, **pusher.arguments)


async def test_what_it_refuses(pusher: PusherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="channel"):
        face.PusherStreamer(7, **pusher.arguments)
    with pytest.raises(ValueError, match="app_id"):
        streamer(pusher, app_id="seven")
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(streamer(pusher))
    with pytest.raises(TypeError, match="face"):
        await streamer(pusher).consume(Stream([done()]).of_the_other(face))
    monkeypatch.setitem(sys.modules, "pusher", None)
    with pytest.raises(ImportError, match=r'pip install "llm-client\[pusher\]"'):
        await streamer(pusher).push("x", 1)


async def test_leaving_the_block_with_an_error_sends_nothing_more(pusher: PusherServer) -> None:
    async def leave() -> None:
        async with streamer(pusher) as channel:
            await channel.emit(token("a"))
            raise LookupError

    with pytest.raises(LookupError):
        await leave()
    assert pusher.events == []


async def test_messages_of_several_senders_go_one_after_another(pusher: PusherServer) -> None:
    under_way: list[int] = []
    most: list[int] = []

    def watch() -> None:
        under_way.append(1)
        most.append(len(under_way))
        under_way.pop()

    pusher.delay = watch
    async with streamer(pusher) as channel:

        async def send(number: int) -> None:
            await channel.push("x", number)

        async with seam.closing(seam.pool(range(12), send, 4)) as results:
            async for _, outcome in results:
                assert outcome is None
    assert sorted(data for _, data in pusher.messages) == list(range(12))
    assert max(most) == 1
