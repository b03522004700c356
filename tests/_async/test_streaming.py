"""Adapters: text for a browser, callbacks, buffers; closing upstream, whatever ends the stream."""

from __future__ import annotations

import json
import threading
from functools import partial
from typing import Any

import pytest

from llm_client._core.agent import AgentResult
from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.results import CompletionResult
from llm_client._core.usage import Usage
from llm_client._seam import _async as seam
from llm_client.exceptions import StreamError
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.streams import WAIT_SECONDS, Stream, done, error, every_kind, token

MODEL = "gpt-5.6-luna"


def provider(api: FakeAPI) -> Any:
    return face.OpenAIProvider(model=MODEL, base_url=api.openai_url, backoff=0.0)


@face.tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"sunny in {city}"


async def lines_of(adapter: Any, stream: Any) -> list[str]:
    return [line async for line in adapter.transform(stream)]


# ---------------------------------------------------------------- Server-Sent Events


@pytest.mark.parametrize("heartbeat", [None, 5.0])
async def test_each_event_becomes_its_text(heartbeat: float | None) -> None:
    events = every_kind()
    stream = Stream(events)
    lines = await lines_of(face.SSEAdapter(heartbeat=heartbeat), stream.of(face))
    assert lines == [event.to_sse() for event in events]
    assert lines[2] == "event: token\ndata: Hello\n\n"
    sent = json.loads(lines[-1].split("data: ", 1)[1])
    assert lines[-1].startswith("event: done\n")
    assert (sent["content"], sent["tool_calls"], sent["usage"]["total_tokens"]) == ("Hello you", ["search"], 10)
    assert not {"reasoning", "raw", "provider_items", "conversation"} & set(sent)
    assert stream.closed.is_set()


async def test_tokens_of_several_lines_follow_the_standard() -> None:
    lines = await lines_of(face.SSEAdapter(), Stream([token("a\nb\r\nc\rd"), done()]).of(face))
    assert lines[0] == "event: token\ndata: a\ndata: b\ndata: c\ndata: d\n\n"


async def test_full_sends_the_whole_result() -> None:
    adapter = face.SSEAdapter(full=True)
    sent = json.loads((await lines_of(adapter, Stream(every_kind()).of(face)))[-1].split("data: ", 1)[1])
    assert sent["reasoning"] == "hm"
    assert sent["tool_calls"][0]["function"]["arguments"] == '{"q": "fox"}'
    assert adapter.emit(token("x")) == "event: token\ndata: x\n\n"


async def test_a_stream_of_a_provider_and_one_of_an_agent(api: FakeAPI) -> None:
    api.reply("Hello there.")
    lines = await lines_of(face.SSEAdapter(), provider(api).stream("Hi"))
    assert lines[0].startswith("event: token\n")
    assert lines[-1].startswith("event: done\n")
    api.reply(Reply(tool_calls=[("get_weather", {"city": "Tokyo"})]))
    api.reply("Sunny.")
    agent = face.Agent(provider(api), [get_weather], "secret instructions")
    text = "".join(await lines_of(face.SSEAdapter(), agent.stream("Weather?")))
    kinds = [line[7:] for line in text.split("\n") if line.startswith("event: ")]
    assert kinds.count("meta") == 5  # two turns begin and end, one tool result
    assert kinds.index("tool_call_start") < kinds.index("tool_call_end") < kinds.index("token") < kinds.index("done")
    assert "sunny in Tokyo" in text
    assert "secret instructions" not in text


async def test_silence_is_broken_by_comments(api: FakeAPI) -> None:
    with api.holding():
        api.reply("Hello")
        stream = provider(api).stream("Hi")
        async with seam.closing(face.SSEAdapter(heartbeat=0.05).transform(stream)) as lines:
            assert (await lines.__anext__()).startswith(": ping\n")
            api.release()
            rest = "".join([line async for line in lines])
    events = "".join(part for part in rest.split("\n\n") if part and not part.startswith(":"))
    assert "event: token\ndata: Hello" in events
    assert "event: done" in events


async def test_what_comes_in_the_middle_of_a_comment_is_not_lost() -> None:
    adapter = face.SSEAdapter(heartbeat=0.05)
    text = "".join(await lines_of(adapter, Stream([0.2, token("a"), 0.2, token("b"), done()]).of(face)))
    assert text.count(": ping\n") >= 2
    blocks = [[line for line in block.split("\n") if line and not line.startswith(":")] for block in text.split("\n\n")]
    assert [block[1] for block in blocks if block][:2] == ["data: a", "data: b"]


@pytest.mark.parametrize("heartbeat", [None, 5.0])
async def test_leaving_early_closes_the_upstream_request(api: FakeAPI, heartbeat: float | None) -> None:
    api.reply(Reply("on and on ", endless=True, chunk_delay=0.01))
    lines = face.SSEAdapter(heartbeat=heartbeat).transform(provider(api).stream("Hi"))
    async with seam.closing(lines):
        assert (await lines.__anext__()).startswith("event: token")
    request = await seam.offload(api.wait_for_hang_up)
    assert request.client_hung_up


async def test_leaving_while_the_server_says_nothing_closes_the_upstream_request(api: FakeAPI) -> None:
    api.stall(after_events=2, reply="one two three")
    lines = face.SSEAdapter(heartbeat=0.05).transform(provider(api).stream("Hi"))
    async with seam.closing(lines):
        async for line in lines:
            if line.startswith(": ping"):
                break
    request = await seam.offload(api.wait_for_hang_up)
    assert request.client_hung_up
    assert len(api.requests) == 1  # nothing was tried again


async def test_leaving_before_the_answer_begins_closes_the_upstream_request(api: FakeAPI) -> None:
    api.stall(reply="never said")
    lines = face.SSEAdapter(heartbeat=0.05).transform(provider(api).stream("Hi", attempts=3))
    async with seam.closing(lines):
        assert (await lines.__anext__()).startswith(": ping")
    request = await seam.offload(api.wait_for_hang_up)
    assert request.client_hung_up
    assert len(api.requests) == 1


@pytest.mark.parametrize("heartbeat", [None, 5.0])
async def test_a_stream_that_raises_is_told_to_the_browser_and_to_the_server(heartbeat: float | None) -> None:
    stream = Stream([token("a"), ValueError("secret detail")])
    told: list[str] = []

    async def read() -> None:
        async for line in face.SSEAdapter(heartbeat=heartbeat).transform(stream.of(face)):
            told.append(line)

    with pytest.raises(ValueError, match="secret detail"):
        await read()
    assert [line.split("\n")[0] for line in told] == ["event: token", "event: error"]
    assert json.loads(told[1].split("data: ")[1])["status"] == 500
    assert "secret detail" not in "".join(told)
    assert stream.closed.is_set()


async def test_a_slow_browser_does_not_make_the_stream_run_ahead() -> None:
    stream = Stream([token(str(number)) for number in range(1000)])
    async with seam.closing(face.SSEAdapter().transform(stream.of(face))) as lines:
        await lines.__anext__()
        await seam.sleep(0.1)
        assert stream.given < 30
    assert await seam.offload(stream.closed.wait, WAIT_SECONDS)


async def test_a_closed_adapter_ends_its_streams() -> None:
    adapter = face.SSEAdapter()
    stream = Stream([token("a"), token("b"), done()])
    seen = []
    async for line in adapter.transform(stream.of(face)):
        seen.append(line)
        await adapter.close()
    assert len(seen) == 1
    assert await seam.offload(stream.closed.wait, WAIT_SECONDS)
    with pytest.raises(RuntimeError, match="closed"):
        adapter.transform(Stream([]).of(face))


async def test_arguments_of_the_adapter() -> None:
    assert face.SSEAdapter.media_type == "text/event-stream"
    assert face.SSEAdapter.headers["Cache-Control"] == "no-cache"
    with pytest.raises(ValueError, match="heartbeat"):
        face.SSEAdapter(heartbeat=0)
    with pytest.raises(TypeError, match="heartbeat"):
        face.SSEAdapter(heartbeat="5")


# ---------------------------------------------------------------- callbacks


async def test_each_callback_gets_its_data() -> None:
    names = ["token", "reasoning", "tool_start", "tool_delta", "tool_end", "usage", "meta", "done", "error"]
    calls: list[tuple[str, Any]] = []
    adapter = face.CallbackAdapter(
        **{f"on_{name}": partial(lambda kind, data: calls.append((kind, data)), name) for name in names}
    )
    events = every_kind()
    result = await adapter.consume(Stream(events).of(face))
    expected = ["meta", "reasoning", "token", "token", "tool_start", "tool_delta", "tool_end", "usage", "done"]
    assert calls == list(zip(expected, [event.data for event in events], strict=True))
    assert result is events[-1].data


async def test_an_error_goes_to_on_error_and_comes_back_with_what_came_so_far() -> None:
    seen = []
    adapter = face.CallbackAdapter(on_error=seen.append)
    result = await adapter.consume(Stream([token("so "), token("far"), error(503, "gone")]).of(face))
    assert seen == [{"status": 503, "error": "gone"}]
    assert (result.content, result.ok, result.status, result.error) == ("so far", False, 503, "gone")


async def test_callbacks_of_the_faces_colour() -> None:
    seen: list[str] = []

    async def on_token(text: str) -> None:
        seen.append(text)

    await face.CallbackAdapter(on_token=on_token).consume(Stream([token("a"), done()]).of(face))
    assert seen == ["a"]


async def test_a_raising_callback_ends_the_stream_and_closes_upstream(api: FakeAPI) -> None:
    def refuse(text: str) -> None:
        raise LookupError(text)

    api.reply(Reply("on and on ", endless=True, chunk_delay=0.01))
    with pytest.raises(LookupError):
        await face.CallbackAdapter(on_token=refuse).consume(provider(api).stream("Hi"))
    assert (await seam.offload(api.wait_for_hang_up)).client_hung_up


async def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="on_done is a function, got str"):
        face.CallbackAdapter(on_done="print")


# ---------------------------------------------------------------- buffers


async def test_a_buffer_passes_on_and_keeps() -> None:
    buffer = face.BufferingAdapter()
    events = every_kind()
    seen = [event async for event in buffer.wrap(Stream(events).of(face))]
    assert seen == events
    assert (buffer.content, buffer.reasoning, buffer.error) == ("Hello you", "hm", None)
    assert [call.name for call in buffer.tool_calls] == ["search"]
    assert buffer.usage == Usage(7, 3)
    assert buffer.get_result() is events[-1].data


async def test_a_buffer_tells_what_came_so_far() -> None:
    buffer = face.BufferingAdapter()
    events = every_kind()
    stream = Stream(events)
    async with buffer.wrap(stream.of(face)) as wrapped:
        async for event in wrapped:
            if event.type is StreamEventType.USAGE:
                break
    assert stream.closed.is_set()
    result = buffer.get_result()
    assert (result.ok, result.status, result.content, result.reasoning) == (False, 499, "Hello you", "hm")
    assert (result.tool_calls[0].name, result.usage) == ("search", Usage(7, 3))
    assert buffer.error is None


async def test_a_buffer_after_an_error() -> None:
    buffer = face.BufferingAdapter()
    async for _ in buffer.wrap(Stream([token("half"), error(529, "overloaded")]).of(face)):
        pass
    assert (buffer.content, buffer.error, buffer.tool_calls, buffer.reasoning) == ("half", "overloaded", [], None)
    result = buffer.get_result()
    assert (result.ok, result.status, result.content, result.error) == (False, 529, "half", "overloaded")


async def test_a_buffer_after_an_exception_and_after_a_stream_without_an_end() -> None:
    buffer = face.BufferingAdapter()
    with pytest.raises(ValueError, match="no such luck"):
        async for _ in buffer.wrap(Stream([token("a"), ValueError("no such luck")]).of(face)):
            pass
    assert (buffer.content, buffer.error) == ("a", "ValueError: no such luck")
    assert buffer.get_result().status == 500
    async for _ in buffer.wrap(Stream([token("b")]).of(face)):
        pass
    assert (buffer.content, buffer.get_result().status, buffer.get_result().ok) == ("b", 502, False)


async def test_a_buffer_begins_anew_with_each_stream() -> None:
    buffer = face.BufferingAdapter()
    assert (buffer.content, buffer.tool_calls, buffer.usage, buffer.error) == ("", [], Usage(), None)
    for text in ("one", "two"):
        async for _ in buffer.wrap(Stream([token(text), done(text)]).of(face)):
            pass
        assert buffer.content == text


async def test_an_agents_stream_in_a_buffer(api: FakeAPI) -> None:
    api.reply(Reply("Let me see. ", tool_calls=[("get_weather", {"city": "Tokyo"})], usage=(10, 5)))
    api.reply(Reply("Sunny.", usage=(20, 2)))
    agent = face.Agent(provider(api), [get_weather])
    buffer = face.BufferingAdapter()
    before: list[Usage] = []
    async for event in buffer.wrap(agent.stream("Weather?")):
        if event.type is not StreamEventType.DONE:
            before.append(buffer.usage)
    assert (before[-1].input_tokens, before[-1].output_tokens) == (30, 7)
    result = buffer.get_result()
    assert isinstance(result, AgentResult)
    assert (result.content, result.num_turns) == ("Sunny.", 2)
    assert buffer.content == "Let me see. Sunny."
    assert buffer.usage == result.total_usage
    assert [call.name for call in buffer.tool_calls] == ["get_weather"]


# ---------------------------------------------------------------- functions


async def test_collect_and_stream_to_string(api: FakeAPI) -> None:
    api.reply("Hello there.", times=2)
    result = await face.collect_stream(provider(api).stream("Hi"))
    assert isinstance(result, CompletionResult)
    assert (result.content, result.ok, result.finish_reason) == ("Hello there.", True, "stop")
    assert await face.stream_to_string(provider(api).stream("Hi")) == "Hello there."
    api.reply("And there.", times=2)
    agent = face.Agent(provider(api))
    assert (await face.collect_stream(agent.stream("Hi"))).num_turns == 1
    assert await face.stream_to_string(agent.stream("Hi")) == "And there."


async def test_an_error_event_is_a_result_or_an_exception_with_what_came_so_far(api: FakeAPI) -> None:
    api.fail_mid_stream(3, "out of luck", reply="one two three four", times=2)
    result = await face.collect_stream(provider(api).stream("Hi"))
    assert not result.ok
    assert "out of luck" in result.error
    assert "one two three four".startswith(result.content)
    assert result.content
    with pytest.raises(StreamError, match="out of luck") as caught:
        await face.stream_to_string(provider(api).stream("Hi"))
    assert caught.value.status == result.status
    assert caught.value.result.content == result.content


async def test_an_agent_that_failed_or_ran_out_of_turns(api: FakeAPI) -> None:
    api.fail(401, "bad key")
    with pytest.raises(StreamError, match="bad key"):
        await face.stream_to_string(face.Agent(provider(api)).stream("Hi"))
    api.reply(Reply("Looking. ", tool_calls=[("get_weather", {"city": "Tokyo"})]))
    agent = face.Agent(provider(api), [get_weather], max_turns=1)
    assert await face.stream_to_string(agent.stream("Hi")) == "Looking. "


async def test_a_stream_that_just_ends_is_an_error() -> None:
    with pytest.raises(StreamError, match="without a DONE or ERROR"):
        await face.stream_to_string(Stream([token("a")]).of(face))


# ---------------------------------------------------------------- colours


@pytest.mark.parametrize("name", ["transform", "wrap", "consume", "collect", "string"])
async def test_a_stream_of_the_other_face_is_refused(name: str) -> None:
    other = Stream([done()]).of_the_other(face)
    use = {
        "transform": face.SSEAdapter().transform,
        "wrap": face.BufferingAdapter().wrap,
        "consume": face.CallbackAdapter().consume,
        "collect": face.collect_stream,
        "string": face.stream_to_string,
    }[name]
    with pytest.raises(TypeError, match=r"belongs to the (blocking|asynchronous) face"):
        await seam.resolve(use(other))


async def test_adapters_take_any_iterator_of_events(api: FakeAPI) -> None:
    api.reply("Hello")
    buffer = face.BufferingAdapter()
    adapter = face.SSEAdapter()
    lines = await lines_of(adapter, buffer.wrap(provider(api).stream("Hi")))
    assert buffer.content == "Hello"
    assert lines[-1].startswith("event: done")
    assert StreamEvent(StreamEventType.TOKEN, "x").to_sse() == adapter.emit(token("x"))


async def test_nothing_is_left_behind(api: FakeAPI) -> None:
    threads = {thread.name for thread in threading.enumerate()}
    asked = provider(api)
    for _ in range(20):
        api.reply(Reply("on and on ", endless=True, chunk_delay=0.005))
        async with seam.closing(face.SSEAdapter().transform(asked.stream("Hi"))) as lines:
            await lines.__anext__()
    await seam.offload(partial(api.wait_for_hang_up, count=20))
    await seam.offload(partial(api.wait_for_connections, 0))
    for thread in threading.enumerate():
        if thread.name.startswith("llm-client-stream") and thread.name not in threads:
            await seam.offload(thread.join, WAIT_SECONDS)
            assert not thread.is_alive()
