"""The scripted provider: what users test their own code with."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.messages import Message, ToolCall
from llm_client._core.results import CompletionResult
from llm_client.exceptions import RateLimitError
from support._async import face


def scripted(*answers: Any, **options: Any) -> Any:
    return face.testing.ScriptedProvider(answers, **options)


async def test_answers_come_in_order() -> None:
    provider = scripted("one", "two", "three")
    assert [(await provider.complete("Go")).content for _ in range(2)] == ["one", "two"]
    assert provider.remaining == 1
    provider.add("four", "five")
    assert provider.remaining == 3
    assert [(await provider.complete("Go")).content for _ in range(3)] == ["three", "four", "five"]
    assert provider.remaining == 0


async def test_text() -> None:
    result = await scripted("Hello there.").complete("Hi")
    assert (result.content, result.ok, result.status, result.finish_reason) == ("Hello there.", True, 200, "stop")
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.total_cost) == (1, 2, 0.0)
    assert result.tool_calls is None


async def test_tool_calls() -> None:
    call = ToolCall("my-id", "search", {"query": "fox"})
    provider = scripted([("search", {"query": "cat"}), call, ("raw", '{"broken": ')], [("search", {})])
    result = await provider.complete("Go")
    assert result.finish_reason == "tool_calls"
    assert [(made.name, made.arguments) for made in result.tool_calls] == [
        ("search", '{"query":"cat"}'),
        ("search", call.arguments),
        ("raw", '{"broken": '),
    ]
    assert result.tool_calls[1] is call
    again = await provider.complete("Go")
    ids = [made.id for made in [*result.tool_calls, *again.tool_calls]]
    assert len(set(ids)) == 4  # over the whole script


async def test_results_exceptions_and_functions() -> None:
    def shout(messages: list[Message]) -> str:
        return messages[-1].text.upper()

    failed = CompletionResult(status=429, error="slow down")
    provider = scripted(failed, ConnectionError("gone"), shout, lambda messages: failed, lambda messages: KeyError())
    assert await provider.complete("Go") is failed
    with pytest.raises(RateLimitError, match="slow down"):
        failed.raise_for_error()
    with pytest.raises(ConnectionError, match="gone"):
        await provider.complete("Go")
    assert (await provider.complete("whisper")).content == "WHISPER"
    assert await provider.complete("Go") is failed
    with pytest.raises(KeyError):
        await provider.complete("Go")


async def test_streams() -> None:
    provider = scripted(
        "one two  three\n", [("search", {"query": "cat"})], CompletionResult(status=500, error="broken")
    )
    events = [event async for event in provider.stream("Go")]
    assert [event.type.value for event in events] == ["token", "token", "token", "usage", "done"]
    assert [event.data for event in events[:3]] == ["one ", "two  ", "three\n"]
    assert events[-1].data.content == "one two  three\n"
    events = [event async for event in provider.stream("Go")]
    assert [event.type.value for event in events] == [
        *("tool_call_start", "tool_call_delta", "tool_call_end"),
        *("usage", "done"),
    ]
    assert events[0].data.name == "search"
    assert events[2].data == events[-1].data.tool_calls[0]
    events = [event async for event in provider.stream("Go")]
    assert [(event.type.value, event.data) for event in events] == [("error", {"status": 500, "error": "broken"})]


async def test_a_stream_can_be_left() -> None:
    provider = scripted("one two three", "four")
    async with provider.stream("Go") as events:
        async for event in events:
            assert event.data == "one "
            break
    assert (await provider.complete("Go")).content == "four"


async def test_what_it_was_asked_is_kept() -> None:
    provider = scripted("a", "b")
    await provider.complete(["Hi", {"role": "user", "content": "there"}], temperature=0.5)
    tools = [object()]
    async for _ in provider.stream("Hello", tools, "auto", max_tokens=5):
        pass
    first, second = provider.requests
    assert [message.text for message in first.messages] == ["Hi", "there"]
    assert (first.options, first.stream) == ({"temperature": 0.5}, False)
    assert (second.options, second.stream) == ({"tools": tools, "tool_choice": "auto", "max_tokens": 5}, True)


async def test_one_question_too_many() -> None:
    provider = scripted("only one")
    await provider.complete("First")
    with pytest.raises(AssertionError, match=r"no answer for question 2: 'Second'"):
        await provider.complete("Second")
    with pytest.raises(AssertionError, match=r"no answer for question 3: 'Third'"):
        async for _ in provider.stream("Third"):
            pass


async def test_answers_left_over() -> None:
    with pytest.raises(AssertionError, match=r"2 scripted answers were not asked for: \['b', 'c'\]"):
        async with scripted("a", "b", "c") as provider:
            await provider.complete("Go")
    async with scripted("a", strict=False):
        pass
    async with scripted("a") as provider:
        await provider.complete("Go")


async def test_an_error_inside_the_block_is_not_hidden_by_answers_left_over() -> None:
    with pytest.raises(KeyError):
        async with scripted("a"):
            raise KeyError


@pytest.mark.parametrize("answer", [7, None, [], {}, [7], [("name",)], [("name", 7)], str])
async def test_what_is_no_answer(answer: Any) -> None:
    with pytest.raises(TypeError, match="scripted"):
        await scripted(answer).complete("Go")


async def test_embeddings_are_equal_for_equal_texts() -> None:
    provider = scripted(model="my-model")
    result = await provider.embed(["a", "b", "a"])
    assert result.embeddings[0] == result.embeddings[2] != result.embeddings[1]
    assert (await provider.embed("a")).embedding == result.embeddings[0]
    assert (result.model, provider.model) == ("my-model", "my-model")
