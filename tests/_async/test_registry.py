"""Tools by name: called one by one or together, with results in place of exceptions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_client._core.messages import ToolCall
from llm_client._core.tool_context import ToolContext
from llm_client._seam import _async as seam
from support import agent_tools
from support._async import face
from support.agent_tools import AtMost, Meeting
from support.leaks import Watch
from support.tools import Hanging


def registry(*tools: Any) -> Any:
    return face.ToolRegistry(tools or [agent_tools.add, agent_tools.multiply, agent_tools.fail, agent_tools.fail_later])


def test_tools_by_name() -> None:
    tools = registry()
    assert tools.names == ["add", "multiply", "fail", "fail_later"]
    assert (len(tools), "add" in tools, "sub" in tools, bool(registry())) == (4, True, False, True)
    assert [tool.name for tool in tools] == tools.names == [tool.name for tool in tools.tools]
    assert tools.get("add").description == "Add two numbers."
    assert tools.get("sub") is None
    assert repr(face.ToolRegistry([agent_tools.add])) == "ToolRegistry(['add'])"
    assert not len(face.ToolRegistry())
    assert face.ToolRegistry()  # an empty one is true


def test_registering_and_unregistering() -> None:
    tools = face.ToolRegistry()
    made = tools.register(agent_tools.add)
    assert tools.get("add") is made
    with pytest.raises(ValueError, match="there is a tool 'add' already"):
        tools.register(agent_tools.add)
    with pytest.raises(ValueError, match="both named 'add'"):
        face.ToolRegistry([agent_tools.add, made])
    with pytest.raises(TypeError, match="must be a Tool or something that can be called"):
        tools.register("add")
    assert tools.unregister("add") is True
    assert tools.unregister("add") is False
    assert tools.names == []
    tools.register(made)
    assert tools.names == ["add"]


@pytest.mark.parametrize(
    ("name", "arguments", "content", "error"),
    [
        ("add", {"a": 1, "b": 2}, 3, None),
        ("add", '{"a": 1}', 2, None),
        ("multiply", {"a": 3, "b": 4}, 12, None),
        ("fail", None, None, "ValueError: the disk is full"),
        ("fail", "", None, "ValueError: the disk is full"),
        ("fail_later", "null", None, "LookupError: no such row"),
        ("sub", {}, None, "there is no tool 'sub'; the tools are: add, multiply, fail, fail_later"),
    ],
)
async def test_execute(name: str, arguments: Any, content: Any, error: str | None) -> None:
    result = await registry().execute(name, arguments)
    assert (result.content, result.error, result.success, result.name) == (content, error, error is None, name)
    assert result.still_running is False
    if name != "sub":
        assert result.duration >= 0


@pytest.mark.parametrize("arguments", ["{broken", "[1]", '"text"', {"b": 1}, {"a": "one"}, {"a": 1, "c": 2}])
async def test_bad_arguments_are_words_for_the_model(arguments: Any) -> None:
    result = await registry().execute("add", arguments)
    assert result.success is False
    assert result.error
    assert "Traceback" not in result.error
    assert (await registry().execute("add", {"a": "1"})).content == 2  # what clearly means a number is one


@pytest.mark.parametrize("arguments", [[1], 5, object(), {"a": object()}])
async def test_arguments_of_a_caller_that_are_none(arguments: Any) -> None:
    result = await registry().execute("add", arguments)
    assert result.success is False
    assert result.error.startswith("the arguments are no JSON object: ")


async def test_results_that_are_no_text() -> None:
    tools = registry(agent_tools.nothing, agent_tools.unreadable, agent_tools.fail_without_words)
    assert (await tools.execute("nothing")).success
    assert (await tools.execute("unreadable")).success is False
    assert (await tools.execute("fail_without_words")).error == "RuntimeError"


async def test_execute_json() -> None:
    tools = registry()
    assert json.loads(await tools.execute_json("add", {"a": 1, "b": 2})) == {
        "success": True, "content": "3", "error": None
    }  # fmt: skip
    failed = json.loads(await tools.execute_json("fail"))
    assert (failed["success"], failed["error"]) == (False, "ValueError: the disk is full")


@pytest.mark.parametrize("colours", [("plain",) * 3, ("asynchronous",) * 3, ("plain", "asynchronous", "plain")])
async def test_execute_parallel_overlaps_and_keeps_the_order(colours: tuple[str, ...]) -> None:
    meeting = Meeting(3)
    named = [face.tool(getattr(meeting, colour), name=f"meet_{number}") for number, colour in enumerate(colours)]
    calls = [ToolCall(f"id-{number}", f"meet_{number}", {"number": number}) for number in range(3)]
    results = await face.ToolRegistry(named).execute_parallel(calls)
    assert [result.content for result in results] == ["met 0", "met 1", "met 2"]
    assert [result.tool_call_id for result in results] == ["id-0", "id-1", "id-2"]
    assert meeting.order == [2, 1, 0]


@pytest.mark.parametrize("limit", [1, 2])
async def test_execute_parallel_with_a_limit(limit: int) -> None:
    counting = AtMost(limit)
    tools = face.ToolRegistry([face.tool(counting.plain, name="count")])
    calls = [ToolCall(f"id-{number}", "count") for number in range(6)]
    results = await tools.execute_parallel(calls, limit=limit)
    assert [result.content for result in results] == ["counted"] * 6
    assert counting.most == limit


@pytest.mark.parametrize(("limit", "kind"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)])
async def test_execute_parallel_with_a_limit_that_is_none(limit: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="limit"):
        await registry().execute_parallel([ToolCall("1", "add", {"a": 1})], limit=limit)


async def test_execute_parallel_with_some_of_everything() -> None:
    calls = [
        ToolCall("1", "add", {"a": 1}),
        ToolCall("2", "sub"),
        ToolCall("3", "fail"),
        ToolCall("4", "add", "{broken"),
        ToolCall("5", "multiply", {"a": 2, "b": 3}),
    ]
    results = await registry().execute_parallel(calls, timeout=10.0)
    assert [result.tool_call_id for result in results] == ["1", "2", "3", "4", "5"]
    assert [result.success for result in results] == [True, False, False, False, True]
    assert await registry().execute_parallel([]) == []


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("colour", ["plain", "asynchronous"])
async def test_a_time_limit(colour: str, together: bool) -> None:
    watch = Watch()
    hanging = Hanging()
    tools = face.ToolRegistry([face.tool(getattr(hanging, colour), name="slow"), agent_tools.add])
    if together:
        calls = [ToolCall("1", "slow"), ToolCall("2", "add", {"a": 1})]
        result, other = await tools.execute_parallel(calls, timeout=0.1)
        assert other.content == 2
    else:
        result = await tools.execute("slow", timeout=0.1)
    assert result.success is False
    assert result.error.startswith("no answer within 0.1 s")
    assert result.still_running is (colour == "plain")
    assert ("may still be running" in result.error) is (colour == "plain")
    if colour == "asynchronous":
        assert await seam.offload(hanging.cancelled.wait, 10)
    hanging.release.set()
    assert await seam.offload(watch.wait)


async def test_a_tools_own_limit_wins() -> None:
    hanging = Hanging()
    tools = face.ToolRegistry([face.tool(hanging.plain, name="slow", timeout=0.05)])
    result = await tools.execute("slow", timeout=60.0)
    assert result.error.startswith("no answer within 0.05 s")
    hanging.release.set()


@pytest.mark.parametrize("name", ["who", "who_later"])
async def test_the_context_is_handed_in(name: str) -> None:
    tools = registry(agent_tools.who, agent_tools.who_later)
    assert list(tools.get(name).parameters["properties"]) == ["question"]
    context: Any = ToolContext(call_id="id-1", tool_name=name, deps="mine", turn=3)
    assert (await tools.execute(name, {"question": "Q"}, context=context)).content == f"Q {name} id-1 mine 3 none []"
    assert (await tools.execute(name, {"question": "Q"})).success
    refused = await tools.execute(name, {"question": "Q", "context": {"deps": "theirs"}}, context=context)
    assert "theirs" not in str(refused.content)


@pytest.mark.parametrize("timeout", [None, 10.0])
@pytest.mark.parametrize("name", ["request", "request_later"])
async def test_tools_see_the_callers_context_variables(name: str, timeout: float | None) -> None:
    token = agent_tools.REQUEST.set("request 7")
    try:
        tools = registry(agent_tools.request, agent_tools.request_later)
        assert (await tools.execute(name, timeout=timeout)).content == "request 7"
        calls = [ToolCall(str(number), name) for number in range(3)]
        assert {result.content for result in await tools.execute_parallel(calls, timeout=timeout)} == {"request 7"}
    finally:
        agent_tools.REQUEST.reset(token)


async def test_long_results_are_cut_for_the_model() -> None:
    def long() -> str:
        return "x" * 1000

    result = await registry(long).execute("long", max_output=100)
    assert result.content == "x" * 1000
    assert len(result.to_string()) < 200
