"""Agents and their tools: in parallel, mixed, failing, too many, too slow, turns that run out."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from llm_client._core.agent import AgentConfig
from llm_client._core.messages import ToolCall
from llm_client._core.tool_result import ToolResult
from llm_client._seam import _async as seam
from support import agent_tools
from support._async import face
from support.agent_tools import AtMost, Meeting
from support.leaks import Watch, assert_valid
from support.tools import Hanging

SUM = [("add", {"a": 1, "b": 2})]


def scripted(*answers: Any, **options: Any) -> Any:
    return face.testing.ScriptedProvider(answers, **options)


def results_of(agent: Any) -> list[str]:
    return [message.text for message in agent.conversation if message.role.value == "tool"]


async def run(agent: Any, streaming: bool, **options: Any) -> Any:
    """A run either way, and its result."""
    if not streaming:
        return await agent.run("Go", **options)
    async for event in agent.stream("Go", **options):
        last = event
    return last.data


# ---------------------------------------------------------------- at the same time


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "colours", [("plain",) * 3, ("asynchronous",) * 3, ("plain", "asynchronous", "plain")], ids="-".join
)
async def test_tools_overlap_and_results_keep_the_order(colours: tuple[str, ...], streaming: bool) -> None:
    meeting = Meeting(3)
    tools = [face.tool(getattr(meeting, colour), name=f"meet_{number}") for number, colour in enumerate(colours)]
    calls = [(f"meet_{number}", {"number": number}) for number in range(3)]
    agent = face.Agent(scripted(calls, "done"), tools=tools)
    result = await run(agent, streaming)
    assert result.content == "done"
    assert meeting.order == [2, 1, 0]  # they were all running, and ended the other way round
    assert results_of(agent) == ["met 0", "met 1", "met 2"]
    assert [done.content for done in result.turns[0].tool_results] == ["met 0", "met 1", "met 2"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_results_are_told_as_they_come(streaming: bool) -> None:
    heard = threading.Event()

    def slow() -> str:
        assert heard.wait(10)
        return "after the other was told"

    def quick() -> str:
        return "at once"

    def hear(result: Any) -> None:
        if result.name == "quick":
            heard.set()

    agent = face.Agent(scripted([("slow", {}), ("quick", {})], "done"), tools=[slow, quick], on_tool_result=hear)
    await run(agent, streaming)
    assert results_of(agent) == ["after the other was told", "at once"]


@pytest.mark.parametrize(
    ("options", "most"),
    [({"parallel_tool_execution": False}, 1), ({"max_parallel_tools": 2}, 2), ({"max_parallel_tools": 1}, 1)],
)
async def test_no_more_at_a_time_than_allowed(options: dict[str, Any], most: int) -> None:
    counting = AtMost(most)
    agent = face.Agent(
        scripted([("count", {})] * 6, "done"),
        tools=[face.tool(counting.plain, name="count")],
        config=AgentConfig(**options),
    )
    assert await agent.chat("Go") == "done"
    assert counting.most == most
    assert results_of(agent) == ["counted"] * 6


async def test_how_long_a_call_took_is_without_its_wait_for_others() -> None:
    def nap(seconds: float) -> str:
        threading.Event().wait(seconds)
        return "rested"

    calls = [("nap", {"seconds": 0.1}), *[("nap", {"seconds": 0.0})] * 3, ("nap", {"seconds": "long"})]
    agent = face.Agent(scripted(calls, "done"), tools=[nap], config=AgentConfig(max_parallel_tools=1))
    first, *others, refused = (await agent.run("Go")).turns[0].tool_results
    assert first.duration >= 0.095
    assert min(done.duration for done in others) < 0.095
    assert refused.duration is None


async def test_the_same_tool_with_the_same_id_twice() -> None:
    calls = [ToolCall("same", "add", {"a": 1}), ToolCall("same", "add", {"a": 2})]
    agent = face.Agent(scripted(calls, "done"), tools=[agent_tools.add])
    assert await agent.chat("Go") == "done"
    assert results_of(agent) == ["2", "3"]


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("streaming", [False, True])
async def test_failures_are_told_to_the_model(streaming: bool) -> None:
    calls = [("fail", {}), ("fail_later", {}), ("search", {}), ("add", "{broken"), ("add", {"b": 1}), *SUM]
    tools = [agent_tools.add, agent_tools.fail, agent_tools.fail_later]
    agent = face.Agent(scripted(calls, "done"), tools=tools)
    result = await run(agent, streaming)
    assert (result.content, result.status) == ("done", "success")
    told = results_of(agent)
    assert told[:3] == [
        "Error: ValueError: the disk is full",
        "Error: LookupError: no such row",
        "Error: there is no tool 'search'; the tools are: add, fail, fail_later",
    ]
    assert "not valid JSON" in told[3]
    assert told[4].startswith("Error: ")
    assert told[5] == "3"
    assert [message.is_error for message in agent.conversation if message.role.value == "tool"] == [True] * 5 + [False]
    assert [done.success for done in result.turns[0].tool_results] == [False] * 5 + [True]
    assert_valid(agent.conversation)


async def test_errors_can_be_kept_from_the_model() -> None:
    config = AgentConfig(include_tool_errors_in_context=False)
    agent = face.Agent(scripted([("fail", {})], "done"), tools=[agent_tools.fail], config=config)
    result = await agent.run("Go")
    assert results_of(agent) == ["Error: the tool failed"]
    assert result.turns[0].tool_results[0].error == "ValueError: the disk is full"  # the program may know
    agent = face.Agent(scripted([("fail", {})], "done"), tools=[agent_tools.fail], config=config)
    events = [event.data async for event in agent.stream("Go") if event.type.value == "meta"]
    assert "disk" not in str([data for data in events if data["event"] == "tool_result"])


@pytest.mark.parametrize("streaming", [False, True])
async def test_stop_on_tool_error(streaming: bool) -> None:
    config = AgentConfig(stop_on_tool_error=True)
    agent = face.Agent(scripted([*SUM, ("fail", {})]), tools=[agent_tools.add, agent_tools.fail], config=config)
    if streaming:
        last = [event async for event in agent.stream("Go")][-1]
        assert (last.type.value, last.data["status"]) == ("error", 500)
        error = last.data["error"]
    else:
        result = await agent.run("Go")
        assert result.status == "error"
        error = result.error
        assert [done.success for done in result.turns[0].tool_results] == [True, False]
    assert error == "the tool 'fail' failed: ValueError: the disk is full"
    assert results_of(agent)[0] == "3"
    assert_valid(agent.conversation)


@pytest.mark.parametrize("colour", ["plain", "asynchronous"])
@pytest.mark.parametrize("parallel", [False, True])
async def test_a_tool_that_is_too_slow(colour: str, parallel: bool) -> None:
    watch = Watch()
    hanging = Hanging()
    tools = [face.tool(getattr(hanging, colour), name="slow"), agent_tools.add]
    config = AgentConfig(tool_timeout=0.1, parallel_tool_execution=parallel)
    agent = face.Agent(scripted([("slow", {}), *SUM], "done"), tools=tools, config=config)
    result = await agent.run("Go")
    assert result.ok
    slow, quick = result.turns[0].tool_results
    assert quick.content == 3
    assert slow.error.startswith("no answer within 0.1 s")
    assert slow.still_running is (colour == "plain")
    if colour == "asynchronous":
        assert await seam.offload(hanging.cancelled.wait, 10)
    hanging.release.set()
    assert await seam.offload(watch.wait)


@pytest.mark.parametrize("streaming", [False, True])
async def test_too_many_calls_in_one_turn(streaming: bool) -> None:
    calls = [("add", {"a": number}) for number in range(5)]
    agent = face.Agent(scripted(calls, "done"), tools=[agent_tools.add], config=AgentConfig(max_tool_calls_per_turn=2))
    result = await run(agent, streaming)
    told = results_of(agent)
    assert told[:2] == ["1", "2"]
    assert len(told) == 5
    assert all("not executed: more than 2 tool calls" in text for text in told[2:])
    assert [done.success for done in result.turns[0].tool_results] == [True, True, False, False, False]
    assert len(result.all_tool_calls) == 5
    assert_valid(agent.conversation)


async def test_a_result_of_the_tools_own() -> None:
    def partly() -> Any:
        return ToolResult.error_result("half of it is missing")

    agent = face.Agent(scripted([("partly", {}), ("nothing", {})], "done"), tools=[partly, agent_tools.nothing])
    result = await agent.run("Go")
    assert result.turns[0].tool_results[0].error == "half of it is missing"
    assert results_of(agent)[0] == "Error: half of it is missing"
    assert_valid(agent.conversation)  # also with a tool that returned nothing


@pytest.mark.parametrize(("field", "value"), [("text", 7), ("error", 7), ("success", "yes")])
async def test_a_result_that_is_none(field: str, value: Any) -> None:
    def wrong() -> Any:
        return ToolResult(**{field: value})

    agent = face.Agent(scripted([("wrong", {})], "done"), tools=[wrong])
    assert (await agent.run("Go")).ok
    assert results_of(agent)[0].startswith("Error: TypeError: ")
    assert field in results_of(agent)[0]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_error_that_only_looks_like_a_time_out(asynchronous: bool) -> None:
    class Slow(TimeoutError):
        still_running = "perhaps"

    def plain() -> Any:
        raise Slow("the server did not answer")

    async def later() -> Any:
        raise Slow("the server did not answer")

    agent = face.Agent(scripted([("ask", {})], "done"), tools=[face.tool(later if asynchronous else plain, name="ask")])
    result = await agent.run("Go")
    assert results_of(agent) == ["Error: Slow: the server did not answer"]
    assert result.turns[0].tool_results[0].still_running is False


async def test_long_results_are_cut() -> None:
    def long() -> str:
        return "x" * 10_000

    agent = face.Agent(scripted([("long", {})], "done"), tools=[long], config=AgentConfig(max_tool_output=100))
    result = await agent.run("Go")
    assert len(results_of(agent)[0]) < 300
    assert len(result.turns[0].tool_results[0].content) == 10_000


async def test_long_errors_are_cut_too() -> None:
    def long(numbers: list[int]) -> Any:
        if numbers:
            return ToolResult.error_result("x" * 10_000)
        raise ValueError("x" * 10_000)

    calls = [("long", {"numbers": numbers}) for numbers in ([], [1], ["one"] * 1000)]
    agent = face.Agent(scripted(calls, "done"), tools=[long], config=AgentConfig(max_tool_output=100))
    result = await agent.run("Go")
    for text, done in zip(results_of(agent), result.turns[0].tool_results, strict=True):
        assert text.startswith("Error: ")
        assert len(text) < 200
        assert "[output cut: the first 100 of " in text
        assert len(done.error) > 9000  # the program may know all of it
    assert_valid(agent.conversation)


# ---------------------------------------------------------------- turns


@pytest.mark.parametrize("streaming", [False, True])
async def test_turns_run_out(streaming: bool) -> None:
    agent = face.Agent(scripted(*[SUM] * 3), tools=[agent_tools.add], config=AgentConfig(max_turns=3))
    result = await run(agent, streaming)
    assert (result.status, result.ok, result.num_turns) == ("max_turns", False, 3)
    assert result.error == "no final answer within 3 turns"
    assert results_of(agent) == ["3"] * 3  # nothing is left unanswered
    assert_valid(agent.conversation)
    agent.provider.add("Now.")
    assert await agent.chat("Then?") == "Now."


@pytest.mark.parametrize("streaming", [False, True])
async def test_max_turns_of_a_run_override_the_config_and_leave_it_alone(streaming: bool) -> None:
    config = AgentConfig(max_turns=2)
    agent = face.Agent(scripted(*[SUM] * 9, "done", *[SUM] * 2), tools=[agent_tools.add], config=config)
    result = await run(agent, streaming, max_turns=10)  # the default's value is a value like any other
    assert (result.content, result.num_turns) == ("done", 10)
    assert agent.config == config == AgentConfig(max_turns=2)
    assert (await run(agent, streaming)).num_turns == 2


def test_max_turns_of_the_agent_override_its_config() -> None:
    config = AgentConfig(max_turns=2, max_tokens=1000)
    agent = face.Agent(scripted(), config=config, max_turns=10)
    assert (agent.config.max_turns, agent.config.max_tokens) == (10, 1000)
    assert config.max_turns == 2
    assert face.Agent(scripted(), config=config, max_tokens=500).config == AgentConfig(max_turns=2, max_tokens=500)
    assert face.Agent(scripted(), config=config).config is not None


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("max_turns", 0, ValueError),
        ("max_turns", "3", TypeError),
        ("max_turns", True, TypeError),
        ("max_tool_calls_per_turn", -1, ValueError),
        ("tool_timeout", -1.0, ValueError),
        ("tool_timeout", 0, ValueError),
        ("tool_timeout", float("inf"), ValueError),
        ("tool_timeout", "30", TypeError),
        ("reserve_tokens", None, TypeError),
        ("reserve_tokens", -1, ValueError),
        ("parallel_tool_execution", "no", TypeError),
        ("stop_on_tool_error", 1, TypeError),
        ("max_parallel_tools", 0, ValueError),
    ],
)
async def test_numbers_out_of_range(name: str, value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=name):
        AgentConfig(**{name: value})
    if name == "max_turns":
        agent = face.Agent(scripted("yes"))
        with pytest.raises(kind, match=name):
            await agent.run("Go", max_turns=value)
        with pytest.raises(kind, match=name):
            agent.stream("Go", max_turns=value)
        assert await agent.chat("Go") == "yes"


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_last_word_when_turns_run_out(streaming: bool) -> None:
    config = AgentConfig(max_turns=2, final_answer=True)
    agent = face.Agent(scripted(SUM, SUM, "So far 3."), tools=[agent_tools.add], config=config)
    result = await run(agent, streaming)
    assert (result.content, result.status, result.num_turns) == ("So far 3.", "max_turns", 3)
    choices = [request.options.get("tool_choice") for request in agent.provider.requests]
    assert choices == [None, None, "none"]
    assert_valid(agent.conversation)


async def test_a_model_that_calls_even_in_its_last_word() -> None:
    config = AgentConfig(max_turns=1, final_answer=True)
    agent = face.Agent(scripted(SUM, SUM), tools=[agent_tools.add], config=config)
    result = await agent.run("Go")
    assert (result.status, result.num_turns) == ("max_turns", 2)
    assert results_of(agent)[0] == "3"
    assert "not executed" in results_of(agent)[1]
    assert_valid(agent.conversation)


async def test_an_answer_in_the_last_turn_is_a_success() -> None:
    agent = face.Agent(scripted(SUM, "3."), tools=[agent_tools.add], max_turns=2)
    assert (await agent.run("Go")).status == "success"


# ---------------------------------------------------------------- hooks, context


@pytest.mark.parametrize("streaming", [False, True])
async def test_hooks(streaming: bool) -> None:
    told: list[Any] = []
    agent = face.Agent(
        scripted([*SUM, ("fail", {})], "done"),
        tools=[agent_tools.add, agent_tools.fail],
        config=AgentConfig(parallel_tool_execution=False),
        on_turn_start=lambda turn: told.append(("start", turn)),
        on_tool_call=lambda call: told.append(("call", call.name, call.parse_arguments())),
        on_tool_result=lambda result: told.append(("result", result.name, result.success)),
        on_turn_end=lambda turn: told.append(("end", turn)),
    )
    await run(agent, streaming)
    assert told == [
        *(("start", 1), ("call", "add", {"a": 1, "b": 2}), ("call", "fail", {})),
        *(("result", "add", True), ("result", "fail", False), ("end", 1)),
        *(("start", 2), ("end", 2)),
    ]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("tool", [agent_tools.who, agent_tools.who_later])
async def test_tools_know_their_context(tool: Any, streaming: bool) -> None:
    calls = [(tool.__name__, {"question": "Q1"}), (tool.__name__, {"question": "Q2"})]
    agent = face.Agent(scripted(SUM, calls, "done"), tools=[tool, agent_tools.add], deps="mine")
    result = await run(agent, streaming)
    ids = [call.id for call in result.turns[1].tool_calls]
    known = "['user', 'assistant', 'tool', 'assistant']"
    assert [done.content for done in result.turns[1].tool_results] == [
        f"Q{number} {tool.__name__} {ids[number - 1]} mine 2 some {known}" for number in (1, 2)
    ]


async def test_tools_see_the_context_variables_of_the_caller() -> None:
    token = agent_tools.REQUEST.set("request 7")
    try:
        tools = [agent_tools.request, agent_tools.request_later]
        agent = face.Agent(scripted([("request", {}), ("request_later", {})], "done"), tools=tools)
        await agent.run("Go")
        assert results_of(agent) == ["request 7"] * 2
    finally:
        agent_tools.REQUEST.reset(token)


async def test_an_agents_request_fits_its_limit() -> None:
    agent = face.Agent(scripted(*["word " * 200] * 12), max_tokens=3000, config=AgentConfig(reserve_tokens=1000))
    for number in range(12):
        await agent.run(f"Question {number}")
    sent = [len(request.messages) for request in agent.provider.requests]
    assert max(sent) < 20 < len(agent.conversation)
    assert agent.provider.requests[-1].messages[-1].text == "Question 11"
