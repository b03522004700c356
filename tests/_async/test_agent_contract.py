"""Every scenario by `run` and by `stream`: equal results, equal histories, equal requests, equal calls of hooks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from llm_client._core.agent import AgentConfig, AgentResult
from llm_client._core.conversation import Conversation
from llm_client._core.events import StreamEventType
from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.tool_result import ToolResult
from llm_client._core.usage import Usage
from llm_client.testing import FakeAPI, Reply
from support import agent_tools
from support._async import face
from support.leaks import assert_valid

SUM = ("add", {"a": 1, "b": 2})
PRODUCT = ("multiply", {"a": 3, "b": 4})
NUMBERS = itertools.count()
TOOLS = (agent_tools.add, agent_tools.multiply, agent_tools.fail, agent_tools.fail_later)


class Total(BaseModel):
    total: int


@dataclass
class Scenario:
    """A script and the agent that plays it.

    Args:
        script: Answers of the model, as ScriptedProvider takes them.
        status: How the run ends.
        config: Fields of AgentConfig.
        options: Further arguments of Agent.
        tools: What the model may call; a function makes them anew for each agent.
    """

    script: list[Any]
    status: str = "success"
    config: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    tools: Callable[[], Any] = lambda: TOOLS


def answer(content: str = "", **fields: Any) -> CompletionResult:
    usage = Usage(
        input_tokens=11, output_tokens=7, input_tokens_cached=5, cache_write_tokens=3, reasoning_tokens=2,
        input_cost=0.25, output_cost=0.5, total_cost=0.75,
    )  # fmt: skip
    return CompletionResult(content=content, model="scripted", **{"usage": usage, "finish_reason": "stop", **fields})


def calling(*calls: tuple[str, Any], content: str = "") -> CompletionResult:
    made = [ToolCall(f"id_{next(NUMBERS)}", name, arguments) for name, arguments in calls]
    return answer(content, tool_calls=made, finish_reason="tool_calls")


def slow_and_quick() -> Any:
    return [face.tool(agent_tools.hang, timeout=0.05), agent_tools.add]


def three_deep() -> Any:
    lowest = face.Agent(face.testing.ScriptedProvider([[SUM], "three"]), tools=TOOLS)
    middle = face.Agent(
        face.testing.ScriptedProvider([[("lowest", {"prompt": "1 + 2?"})], "It says three"]),
        tools=[lowest.as_tool("lowest", "Adds.")],
    )
    return [middle.as_tool("middle", "Asks another.")]


def failing_below() -> Any:
    below = face.Agent(face.testing.ScriptedProvider([CompletionResult(status=429, error="slow down")]))
    return [below.as_tool("below", "Fails.")]


def own_results() -> Any:
    def partly() -> Any:
        return ToolResult.error_result("half of it is missing")

    def table() -> Any:
        return {"rows": [1, 2], "text": "x" * 200}

    return [partly, table]


SCENARIOS: dict[str, Scenario] = {
    "plain answer": Scenario([answer("Hello there.")]),
    "empty answer": Scenario([answer("")]),
    "answer with reasoning": Scenario([answer("Four.", reasoning="Two and two.")]),
    "one tool": Scenario([calling(SUM), answer("It is 3.")]),
    "text beside a call": Scenario([calling(SUM, content="Let me add."), answer("It is 3.")]),
    "parallel tools": Scenario([calling(SUM, PRODUCT, SUM, PRODUCT), calling(PRODUCT, SUM), answer("Done.")]),
    "parallel tools, one after the other": Scenario(
        [calling(SUM, PRODUCT, SUM), answer("Done.")], config={"parallel_tool_execution": False, "tool_timeout": None}
    ),
    "failing tool": Scenario([calling(("fail", {}), SUM, ("fail_later", {})), answer("It failed.")]),
    "failing tool, hidden": Scenario(
        [calling(("fail", {}), SUM), answer("It failed.")], config={"include_tool_errors_in_context": False}
    ),
    "unknown tool": Scenario([calling(("search", {"q": "x"}), SUM), answer("There is none.")]),
    "no tools at all": Scenario([calling(SUM), answer("There are none.")], tools=lambda: None),
    "bad arguments": Scenario(
        [
            calling(("add", "{broken"), ("add", "[1]"), ("add", {"a": "one"}), ("add", {}), ("add", "null")),
            answer("Sorry."),
        ]
    ),
    "tool timeout": Scenario(
        [calling(("hang", {}), SUM), answer("Too slow.")],
        config={"tool_timeout": 0.05},
        tools=lambda: [agent_tools.hang, face.tool(agent_tools.add, timeout=60.0)],
    ),
    "tool timeout of the tool's own": Scenario(
        [calling(("hang", {}), SUM), answer("Too slow.")], tools=slow_and_quick
    ),
    "tool timeout, stopping on errors": Scenario(
        [calling(("hang", {}))], "error", {"stop_on_tool_error": True}, tools=slow_and_quick
    ),
    "stop on tool error": Scenario([calling(SUM, ("fail", {}), SUM)], "error", {"stop_on_tool_error": True}),
    "stop on tool error, none fails": Scenario([calling(SUM), answer("3.")], config={"stop_on_tool_error": True}),
    "stop on an unknown tool": Scenario([calling(("search", {}))], "error", {"stop_on_tool_error": True}),
    "max turns": Scenario([calling(SUM), calling(PRODUCT)], "max_turns", {"max_turns": 2}),
    "final answer": Scenario(
        [calling(SUM), calling(PRODUCT), answer("So far 3.")], "max_turns", {"max_turns": 2, "final_answer": True}
    ),
    "final answer with a call": Scenario(
        [calling(SUM), calling(PRODUCT, content="One more.")], "max_turns", {"max_turns": 1, "final_answer": True}
    ),
    "final answer not needed": Scenario([calling(SUM), answer("3.")], config={"max_turns": 2, "final_answer": True}),
    "too many calls": Scenario([calling(*[SUM] * 5), answer("Done.")], config={"max_tool_calls_per_turn": 2}),
    "too many calls, stopping on errors": Scenario(
        [calling(*[SUM] * 5), answer("Done.")], config={"max_tool_calls_per_turn": 2, "stop_on_tool_error": True}
    ),
    "long results": Scenario(
        [calling(("table", {}), ("partly", {})), answer("Done.")], config={"max_tool_output": 50}, tools=own_results
    ),
    "output": Scenario([calling(SUM), answer('{"total": 3}')], options={"output_type": Total}),
    "output repaired": Scenario(
        [calling(SUM), answer('{"total": "many"}'), answer('{"total": 3}')], options={"output_type": Total}
    ),
    "output repaired by a tool": Scenario(
        [answer("I do not know."), calling(SUM), answer('{"total": 3}')], options={"output_type": Total}
    ),
    "output never right": Scenario(
        [answer("no"), answer("still no")], "error", options={"output_type": Total}
    ),
    "output refused": Scenario([answer("", refusal="I will not.")], "error", options={"output_type": Total}),
    "output cut off": Scenario(
        [answer('{"tot', finish_reason="length"), answer('{"total": 3}')], options={"output_type": Total}
    ),
    "refusal": Scenario([answer("", refusal="I will not.")]),
    "error answer": Scenario([CompletionResult(status=500, error="the server broke")], "error"),
    "error answer after tools": Scenario(
        [calling(SUM), CompletionResult(status=429, error="slow down", error_code="rate_limit")], "error"
    ),
    "error answer in the final answer": Scenario(
        [calling(SUM), CompletionResult(status=503, error="gone")], "error", {"max_turns": 1, "final_answer": True}
    ),
    "length finish": Scenario([answer("It goes on and", finish_reason="length")]),
    "length finish in a call": Scenario(
        [
            answer("Let me", tool_calls=[ToolCall("id_0", "add", '{"a": 1, "b"')], finish_reason="length"),
            answer("I shall be shorter."),
        ]
    ),
    "content filter": Scenario([answer("", finish_reason="content_filter")]),
    "agents as tools, three deep": Scenario(
        [calling(("middle", {"prompt": "Ask."})), answer("All say three.")], tools=three_deep
    ),
    "a failing agent as a tool": Scenario(
        [calling(("below", {"prompt": "Ask."})), answer("It failed.")], tools=failing_below
    ),
    "a conversation that has begun": Scenario(
        [calling(SUM), answer("3.")],
        options={"conversation": lambda: Conversation("Be exact.", messages=["Earlier"]), "system_message": "Be kind."},
    ),
    "tool events left out": Scenario([calling(SUM), answer("3.")], config={"stream_tool_calls": False}),
}  # fmt: skip


class Play:
    """One agent, and all that its hooks are told.

    Args:
        scenario: What it plays.
        provider: Asks instead of the script.
    """

    def __init__(self, scenario: Scenario, provider: Any = None) -> None:
        self.told: list[Any] = []
        self._lock = threading.Lock()
        options = {name: value() if callable(value) and not isinstance(value, type) else value
                   for name, value in scenario.options.items()}  # fmt: skip
        self.provider = provider or face.testing.ScriptedProvider(scenario.script)
        self.agent = face.Agent(
            self.provider,
            tools=scenario.tools(),
            config=AgentConfig(**scenario.config),
            on_turn_start=lambda turn: self._tell("start", turn),
            on_tool_call=lambda call: self._tell("call", (call.id, call.name, call.arguments)),
            on_tool_result=lambda result: self._tell("result", (result.tool_call_id, result.success)),
            on_turn_end=lambda turn: self._tell("end", turn),
            **options,
        )
        self.events: list[Any] = []

    def _tell(self, what: str, value: Any) -> None:
        with self._lock:
            self.told.append((what, value))

    async def run(self) -> AgentResult:
        return await self.agent.run("Go", temperature=0.5)

    async def stream(self) -> AgentResult | None:
        """The result, None where the stream ended with an ERROR."""
        self.events = [event async for event in self.agent.stream("Go", temperature=0.5)]
        last = self.events[-1]
        ends = [event for event in self.events if event.type in (StreamEventType.DONE, StreamEventType.ERROR)]
        assert ends == [last]
        return last.data if last.type is StreamEventType.DONE else None


def plain(result: AgentResult) -> Any:
    """All of a result that two runs have in common: not how long the tools took."""
    shown = result.to_dict()
    for turn in shown["turns"]:
        for done in turn["tool_results"]:
            del done["duration"]
    content = [[done.content for done in turn.tool_results] for turn in result.turns]
    return shown, content, result.output, result.all_tool_calls, result.total_usage, result.num_turns


def history(conversation: Conversation) -> Any:
    kept = conversation.to_dict()
    for name in ("session_id", "created_at", "updated_at"):
        kept.pop(name, None)
    return list(conversation), kept.get("messages"), kept.get("system_message")


def requests(provider: Any) -> Any:
    asked = []
    for request in provider.requests:
        options = {**request.options, "tools": [tool.to_dict() for tool in request.options.get("tools", [])]}
        asked.append((request.messages, options))
    return asked


def ordered(told: list[Any]) -> list[Any]:
    """What hooks were told; the results of tools that ran at the same time come in any order."""
    ranked, turn = [], 0
    for what, value in told:
        turn = value if what == "start" else turn
        ranked.append((turn, ["start", "call", "result", "end"].index(what), what, value))
    return sorted(ranked, key=lambda item: (item[0], item[1], str(item[3]) if item[2] == "result" else ""))


def assert_same(running: Play, streaming: Play, result: AgentResult, streamed: AgentResult | None) -> None:
    assert history(running.agent.conversation) == history(streaming.agent.conversation)
    assert_valid(running.agent.conversation)
    assert ordered(running.told) == ordered(streaming.told)
    if streamed is None:
        assert result.status == "error"
        assert streaming.events[-1].data["error"] == result.error
    else:
        assert plain(streamed) == plain(result)
    _check_events(streaming, result)


def _check_events(streaming: Play, result: AgentResult) -> None:
    metas = [event.data for event in streaming.events if event.type is StreamEventType.META]
    starts = [data["turn"] for data in metas if data["event"] == "turn_start"]
    assert starts == [turn.turn for turn in result.turns] == list(range(1, result.num_turns + 1))
    assert [data["turn"] for data in metas if data["event"] == "turn_end"] == starts
    said = "".join(event.data for event in streaming.events if event.type is StreamEventType.TOKEN)
    assert said == "".join(turn.content for turn in result.turns)
    told = {(data["turn"], data["tool_call_id"]): data for data in metas if data["event"] == "tool_result"}
    for turn in result.turns:
        for done in turn.tool_results:
            data = told.pop((turn.turn, done.tool_call_id), None)
            if data is None:
                assert "not executed" in (done.error or "")
            else:
                assert (data["success"], data["tool_name"]) == (done.success, done.name)
                assert isinstance(data["content"], str)
    assert told == {}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_run_and_stream_agree(name: str) -> None:
    scenario = SCENARIOS[name]
    running, streaming = Play(scenario), Play(scenario)
    result = await running.run()
    streamed = await streaming.stream()
    assert result.status == scenario.status, result.error
    assert_same(running, streaming, result, streamed)
    assert requests(running.provider) == requests(streaming.provider)
    await running.provider.close()  # the script was used up


# ---------------------------------------------------------------- over HTTP

WIRE: dict[str, tuple[list[Any], str, dict[str, Any]]] = {
    "plain answer": ([Reply("Hello there.", usage=(10, 5))], "success", {}),
    "parallel tools": (
        [Reply("Let me see.", tool_calls=[SUM, PRODUCT], usage=(10, 5)), Reply("3 and 12.", usage=(20, 5))],
        "success", {},
    ),
    "bad arguments": (
        [Reply(tool_calls=[("add", {"a": "one"}), ("nothing_such", {})]), Reply("Sorry.")], "success", {}
    ),
    "reasoning": ([Reply(tool_calls=[SUM], reasoning="I shall add."), Reply("3.", reasoning="Done.")], "success", {}),
    "refusal": ([Reply(refusal="I will not.")], "success", {}),
    "length": ([Reply("It goes on and", finish_reason="length")], "success", {}),
    "max turns": ([Reply(tool_calls=[SUM]), Reply(tool_calls=[SUM])], "max_turns", {"max_turns": 2}),
    "final answer": (
        [Reply(tool_calls=[SUM]), Reply("So far 3.")], "max_turns", {"max_turns": 1, "final_answer": True}
    ),
    "stop on tool error": ([Reply(tool_calls=[SUM, ("fail", {})])], "error", {"stop_on_tool_error": True}),
    "error": ([400], "error", {}),
    "error after tools": ([Reply(tool_calls=[SUM]), 400], "error", {}),
}  # fmt: skip


def provider(api: FakeAPI, dialect: str) -> Any:
    if dialect == "messages":
        return face.AnthropicProvider(
            model="claude-haiku-4-5", base_url=api.anthropic_url, api_key="k", attempts=1, max_tokens=500
        )
    return face.OpenAIProvider(
        model="gpt-5.6-luna", base_url=api.openai_url, api_key="k", attempts=1,
        use_responses_api=dialect == "responses",
    )  # fmt: skip


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
@pytest.mark.parametrize("name", WIRE)
async def test_run_and_stream_agree_over_http(name: str, dialect: str) -> None:
    replies, status, config = WIRE[name]
    plays, results = [], []
    for streaming in (False, True):
        with FakeAPI(strict=True, strict_rules=True) as api:
            for reply in replies:
                if isinstance(reply, int):
                    api.fail(reply, "the server says no")
                else:
                    api.reply(reply)
            asked = provider(api, dialect)
            play = Play(Scenario([], status, config), asked)
            plays.append(play)
            results.append(await play.stream() if streaming else await play.run())
            await asked.close()
    result, streamed = results
    assert result.status == status, result.error
    assert_same(plays[0], plays[1], result, streamed)
