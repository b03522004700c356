"""Any JSON as arguments, any Python object as a result, any error: `run` never raises, and every call is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_client._core.agent import AgentConfig
from support import anything
from support._async import face
from support.leaks import assert_valid

THOROUGH = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
INLINE = AgentConfig(tool_timeout=None, parallel_tool_execution=False)
CONFIGS = st.sampled_from(
    [AgentConfig(), INLINE, AgentConfig(include_tool_errors_in_context=False), AgentConfig(max_tool_output=20)]
)


async def run(agent: Any, streaming: bool) -> Any:
    if not streaming:
        return await agent.run("Go")
    async for event in agent.stream("Go"):
        last = event
    return last.data


def assert_answered(agent: Any, result: Any, calls: int) -> None:
    assert (result.status, result.content) == ("success", "done")
    first = result.turns[0]
    assert len(first.tool_calls) == len(first.tool_results) == calls
    for call, done in zip(first.tool_calls, first.tool_results, strict=True):
        assert (done.name, done.tool_call_id) == (call.name, call.id)
    answers = [message for message in agent.conversation if message.role.value == "tool"]
    assert len(answers) == calls
    assert all(isinstance(message.content, str) for message in answers)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert agent.conversation.to_json()


@THOROUGH
@given(calls=anything.CALLS, strict=st.booleans(), streaming=st.booleans(), config=CONFIGS)
async def test_any_arguments(calls: list[Any], strict: bool, streaming: bool, config: AgentConfig) -> None:
    tools = [face.tool(function, strict=strict and function is anything.scalars) for function in anything.TAKING]
    agent = face.Agent(face.testing.ScriptedProvider([calls, "done"]), tools=tools, config=config)
    result = await run(agent, streaming)
    assert_answered(agent, result, len(calls))


@THOROUGH
@given(makers=st.lists(anything.RESULTS, min_size=1, max_size=3), streaming=st.booleans(), config=CONFIGS)
async def test_any_result(makers: list[Any], streaming: bool, config: AgentConfig) -> None:
    def plain(number: int) -> Any:
        return makers[number]()

    async def later(number: int) -> Any:
        return makers[number]()

    calls = [(name, {"number": number}) for number in range(len(makers)) for name in ("plain", "later")]
    agent = face.Agent(face.testing.ScriptedProvider([calls, "done"]), tools=[plain, later], config=config)
    assert_answered(agent, await run(agent, streaming), len(calls))
    assert_valid(agent.conversation)


@THOROUGH
@given(errors=st.lists(anything.RAISED, min_size=1, max_size=3), streaming=st.booleans(), config=CONFIGS)
async def test_any_error(errors: list[Any], streaming: bool, config: AgentConfig) -> None:
    def plain(number: int) -> Any:
        error = errors[number]()
        raise error

    async def later(number: int) -> Any:
        error = errors[number]()
        raise error

    calls = [(name, {"number": number}) for number in range(len(errors)) for name in ("plain", "later")]
    agent = face.Agent(face.testing.ScriptedProvider([calls, "done"]), tools=[plain, later], config=config)
    result = await run(agent, streaming)
    assert_answered(agent, result, len(calls))
    assert not any(done.success for done in result.turns[0].tool_results)
    assert_valid(agent.conversation)


@pytest.mark.parametrize("make", anything.MADE, ids=range(len(anything.MADE)))
async def test_each_odd_object(make: Any) -> None:
    def plain() -> Any:
        return make()

    async def later() -> Any:
        return make()

    calls = [("plain", {}), ("later", {})]
    agent = face.Agent(face.testing.ScriptedProvider([calls, "done"]), tools=[plain, later])
    assert_answered(agent, await run(agent, streaming=True), 2)
    assert_valid(agent.conversation)
