"""Sessions on disk, agents as tools, answers as objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from llm_client._core.agent import AgentConfig
from llm_client._core.conversation import Conversation
from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client._core.validate import repair
from llm_client.exceptions import RateLimitError, SessionFileError
from llm_client.testing import FakeAPI, Reply
from support._async import face


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def provider(api: FakeAPI) -> Any:
    return face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url, api_key="a-key-that-stays-secret")


async def add_later(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Sum(BaseModel):
    total: int


# ---------------------------------------------------------------- sessions


async def test_a_session_goes_on_where_it_stopped(api: FakeAPI, tmp_path: Path) -> None:
    file = tmp_path / "sessions" / "one.json"
    config = AgentConfig(max_turns=3, tool_timeout=5.0)
    agent = face.Agent(provider(api), tools=[add], system_message="Be exact.", config=config)
    api.reply(tool_calls=[("add", {"a": 1, "b": 2})])
    api.reply("The sum is 3.")
    await agent.run("1 + 2?")
    agent.save_session(file)
    assert "a-key-that-stays-secret" not in file.read_text()

    loaded = face.Agent.load_session(file, provider=provider(api), tools=[add])
    assert loaded.config == config
    assert loaded.system_message == "Be exact."
    assert list(loaded.conversation) == list(agent.conversation)
    api.reply("Yes.")
    assert await loaded.chat("Are you sure?") == "Yes."
    sent = [message["role"] for message in api.last_request.body["messages"]]
    assert sent == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_signatures_survive_a_session(api: FakeAPI, tmp_path: Path) -> None:
    asked = face.AnthropicProvider(model="claude-sonnet-4-6", base_url=api.anthropic_url, max_tokens=4000)
    thinking = {"type": "enabled", "budget_tokens": 2000}
    agent = face.Agent(asked, tools=[add])
    api.reply(Reply(reasoning="I shall add.", tool_calls=[("add", {"a": 1, "b": 2})]))
    api.reply(Reply("3", reasoning="Done."))
    await agent.run("1 + 2?", thinking=thinking)
    first_answer = api.last_request.body["messages"][1]["content"]
    assert first_answer[0]["type"] == "thinking"
    assert first_answer[0]["signature"]
    agent.save_session(tmp_path / "s.json")
    loaded = face.Agent.load_session(tmp_path / "s.json", asked, tools=[add])
    api.reply("Yes")
    await loaded.run("Sure?", thinking=thinking)
    assert api.last_request.body["messages"][1]["content"] == first_answer


async def test_missing_tools_are_named_in_one_error(api: FakeAPI, tmp_path: Path) -> None:
    def other() -> None:
        """Do nothing."""

    face.Agent(provider(api), tools=[add, other]).save_session(tmp_path / "s.json")
    with pytest.raises(ValueError, match="add, other"):
        face.Agent.load_session(tmp_path / "s.json", provider(api))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("tools",), "add"),
        (("tools", 0), 7),
        (("config", "max_turns"), "many"),
        (("config", "reserve_tokens"), None),
        (("config", "tool_timeout"), 0),
        (("config", "parallel_tool_execution"), "yes"),
        (("conversation", "messages", 0, "role"), "nobody"),
        (("conversation", "messages", 0, "name"), 7),
        (("conversation", "messages"), {"a": 1}),
    ],
)
async def test_a_damaged_part_of_a_session(api: FakeAPI, tmp_path: Path, where: tuple[Any, ...], value: Any) -> None:
    file = tmp_path / "s.json"
    agent = face.Agent(provider(api), tools=[add], conversation=Conversation(messages=["Hi"]))
    agent.save_session(file)
    saved = json.loads(file.read_text())
    part = saved
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = value
    file.write_text(json.dumps(saved))
    before = file.read_bytes()
    with pytest.raises(SessionFileError):
        face.Agent.load_session(file, provider(api), tools=[add])
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    ["", "no JSON", "[]", '{"format": "something else"}', '{"format": "llm-client-session", "version": 99}', "{}"],
)
async def test_a_damaged_file_is_a_clear_error_and_stays_untouched(api: FakeAPI, tmp_path: Path, content: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(content)
    with pytest.raises(SessionFileError, match=r"s\.json"):
        face.Agent.load_session(file, provider(api))
    assert file.read_text() == content


# ---------------------------------------------------------------- agents as tools


async def test_an_agent_is_a_tool_of_another(api: FakeAPI) -> None:
    inner = face.Agent(face.testing.ScriptedProvider(["inner says 4"]), system_message="You calculate.")
    outer = face.Agent(provider(api), tools=[inner.as_tool("calculator", "Calculates.")])
    api.reply(tool_calls=[("calculator", {"prompt": "2 + 2"})])
    api.reply("It is 4.")
    result = await outer.run("2 + 2?")
    assert result.content == "It is 4."
    assert result.turns[0].tool_results[0].content == "inner says 4"
    assert len(inner.conversation) == 0  # each call asks a fork
    assert api.requests[0].body["tools"][0]["function"]["description"] == "Calculates."


async def test_agents_as_tools_three_deep() -> None:
    for colour in (add, add_later):
        lowest = face.Agent(face.testing.ScriptedProvider([[(colour.__name__, {"a": 1, "b": 2})], "3"]), tools=[colour])
        middle = face.Agent(
            face.testing.ScriptedProvider([[("lowest", {"prompt": "1 + 2?"})] * 2, "3 it is"], strict=False),
            tools=[lowest.as_tool("lowest", "Adds.")],
        )
        lowest.provider.add([(colour.__name__, {"a": 1, "b": 2})], "3")
        outer = face.Agent(
            face.testing.ScriptedProvider([[("middle", {"prompt": "1 + 2?"})], "Three."]),
            tools=[middle.as_tool("middle", "Asks.")],
        )
        result = await outer.run("1 + 2?")
        assert result.content == "Three."
        assert result.turns[0].tool_results[0].content == "3 it is"
        asked = middle.provider.requests[-1].messages
        assert len([message for message in asked if message.role.value == "tool"]) == 2


async def test_an_agent_that_fails_as_a_tool_says_so() -> None:
    saying = CompletionResult(content="Let me check.", tool_calls=[ToolCall("id", "add", {"a": 1, "b": 2})])
    cases: list[tuple[list[Any], dict[str, Any], str]] = [
        ([saying] * 2, {"max_turns": 2}, "Error: LLMClientError: no final answer within 2 turns"),
        ([saying, "So far 3."], {"max_turns": 1, "final_answer": True}, "So far 3."),
        ([CompletionResult(status=429, error="slow down")], {}, "Error: RateLimitError: slow down"),
    ]
    for script, config, expected in cases:
        inner = face.Agent(face.testing.ScriptedProvider(script), tools=[add], config=AgentConfig(**config))
        calls = [("inner", {"prompt": "Go"})]
        outer = face.Agent(face.testing.ScriptedProvider([calls, "yes"]), tools=[inner.as_tool("inner", "Asks.")])
        result = await outer.run("Go")
        assert result.ok
        assert [message.text for message in outer.conversation if message.role.value == "tool"] == [expected]


async def test_raise_for_error_of_a_run() -> None:
    agent = face.Agent(face.testing.ScriptedProvider(["yes", CompletionResult(status=429, error="slow down")]))
    result = await agent.run("Go")
    assert result.raise_for_error() is result
    with pytest.raises(RateLimitError, match="slow down"):
        (await agent.run("Go")).raise_for_error()


# ---------------------------------------------------------------- answers as objects


async def test_the_final_answer_is_an_object(api: FakeAPI) -> None:
    agent = face.Agent(provider(api), tools=[add], output_type=Sum)
    api.reply(tool_calls=[("add", {"a": 1, "b": 2})])
    api.reply('{"total": 3}')
    result = await agent.run("1 + 2?")
    assert result.output == Sum(total=3)
    assert result.ok


async def test_run_and_stream_ask_again_alike(api: FakeAPI) -> None:
    histories = []
    for streaming in (False, True):
        agent = face.Agent(provider(api), output_type=Sum)
        api.reply(Reply('{"total": "many"}', usage=(10, 5)))
        api.reply(Reply('{"total": 3}', usage=(20, 5)))
        if streaming:
            async for event in agent.stream("1 + 2?"):
                last = event
            result = last.data
        else:
            result = await agent.run("1 + 2?")
        assert result.output == Sum(total=3)
        assert (result.num_turns, result.usage.input_tokens) == (2, 30)
        assert repair(list(agent.conversation)).notes == []
        histories.append([(message.role, message.text) for message in agent.conversation])
    assert histories[0] == histories[1]
    assert "total" in histories[0][2][1]


async def test_an_answer_that_never_fits_is_an_error(api: FakeAPI) -> None:
    agent = face.Agent(provider(api), output_type=Sum)
    api.reply("no JSON", times=2)
    result = await agent.run("1 + 2?")
    assert (result.status, result.output) == ("error", None)
    assert "wanted form" in result.error


async def test_a_provider_without_structured_output_is_judged_too() -> None:
    agent = face.Agent(face.testing.ScriptedProvider(['{"total": 5}']), output_type=Sum)
    assert (await agent.run("2 + 3?")).output == Sum(total=5)
