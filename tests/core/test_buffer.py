"""What a stream has said so far: each property against an independent sum over the events."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.buffer import StreamBuffer
from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.usage import Usage

KINDS = StreamEventType
EVENTS = st.lists(
    st.one_of(
        st.builds(lambda text: StreamEvent(KINDS.TOKEN, text), st.text()),
        st.builds(lambda text: StreamEvent(KINDS.REASONING, text), st.text(min_size=1)),
        st.builds(lambda name: StreamEvent(KINDS.TOOL_CALL_END, ToolCall("id", name)), st.sampled_from("abc")),
        st.builds(lambda tokens: StreamEvent(KINDS.USAGE, Usage(tokens, 1)), st.integers(0, 9)),
        st.just(StreamEvent(KINDS.META, {"event": "turn_start"})),
        st.just(StreamEvent(KINDS.META, {"anything": "else"})),
    ),
    max_size=20,
)


def filled(events: list[StreamEvent]) -> StreamBuffer:
    buffer = StreamBuffer()
    for event in events:
        buffer.add(event)
    return buffer


def data_of(events: list[StreamEvent], kind: StreamEventType) -> list[Any]:
    return [event.data for event in events if event.type is kind]


@given(EVENTS)
def test_everything_that_came_is_there(events: list[StreamEvent]) -> None:
    buffer = filled(events)
    assert buffer.content == "".join(data_of(events, KINDS.TOKEN))
    assert (buffer.reasoning or "") == "".join(data_of(events, KINDS.REASONING))
    assert buffer.tool_calls == data_of(events, KINDS.TOOL_CALL_END)
    turns: list[list[Usage]] = [[]]
    for event in events:
        if event.type is KINDS.META and event.data.get("event") == "turn_start":
            turns.append([])
        elif event.type is KINDS.USAGE:
            turns[-1].append(event.data)
    assert buffer.usage.input_tokens == sum(usages[-1].input_tokens for usages in turns if usages)
    result = buffer.get_result()
    assert (result.ok, result.status, result.content) == (False, 499, buffer.content)
    buffer.ended()
    assert buffer.get_result().status == 502


@given(EVENTS)
def test_the_end_counts_for_all_of_it(events: list[StreamEvent]) -> None:
    result = CompletionResult("whole", [ToolCall("1", "f")], Usage(100, 10))
    buffer = filled([*events, StreamEvent(KINDS.DONE, result)])
    buffer.ended()
    assert buffer.get_result() is result
    assert (buffer.usage, buffer.tool_calls, buffer.error) == (result.usage, result.tool_calls, None)


def test_an_answer_that_came_in_no_tokens_is_still_there() -> None:
    buffer = filled([StreamEvent(KINDS.DONE, CompletionResult("whole"))])
    assert buffer.content == "whole"


def test_an_error_without_words() -> None:
    buffer = filled([StreamEvent(KINDS.TOKEN, "a"), StreamEvent(KINDS.ERROR, {"status": 500, "error": None})])
    assert buffer.error == "the stream failed with status 500"
    assert buffer.get_result().content == "a"
