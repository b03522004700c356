"""Agents: runs, chats, streams, forks; the conversation that grows with them."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.agent import AgentConfig
from llm_client._core.conversation import Conversation
from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import Message, Role
from llm_client._core.results import CompletionResult
from llm_client._core.usage import Usage
from llm_client.exceptions import ConfigurationError, LLMClientError, RateLimitError, ServerError
from llm_client.testing import FakeAPI
from support import agent_tools
from support._async import face
from support.leaks import assert_valid

SUM = [("add", {"a": 1, "b": 2})]


def scripted(*answers: Any, **options: Any) -> Any:
    return face.testing.ScriptedProvider(answers, **options)


def agent_with(*answers: Any, **options: Any) -> Any:
    tools = options.pop("tools", [agent_tools.add, agent_tools.multiply, agent_tools.fail])
    return face.Agent(scripted(*answers), tools=tools, **options)


def told(conversation: Any) -> list[tuple[str, str]]:
    return [(message.role.value, message.text) for message in conversation]


# ---------------------------------------------------------------- runs


async def test_a_run_without_tools() -> None:
    agent = face.Agent(scripted("Hello."), system_message="Be kind.")
    result = await agent.run("Hi")
    assert (result.content, result.status, result.error, result.ok) == ("Hello.", "success", None, True)
    assert (result.num_turns, result.all_tool_calls) == (1, [])
    assert result.conversation is agent.conversation
    assert told(agent.conversation) == [("user", "Hi"), ("assistant", "Hello.")]
    asked = agent.provider.requests[0]
    assert told(asked.messages) == [("system", "Be kind."), ("user", "Hi")]
    assert "tools" not in asked.options


async def test_a_run_with_tools() -> None:
    agent = agent_with([*SUM, ("multiply", {"a": 3, "b": 4})], "3 and 12.")
    result = await agent.run("1 + 2, 3 * 4?", temperature=0.5)
    assert (result.content, result.num_turns, result.ok) == ("3 and 12.", 2, True)
    assert [(call.name, call.parse_arguments()) for call in result.all_tool_calls] == [
        ("add", {"a": 1, "b": 2}),
        ("multiply", {"a": 3, "b": 4}),
    ]
    first, last = result.turns
    assert (first.turn, first.content, [done.content for done in first.tool_results]) == (1, "", [3, 12])
    assert [done.tool_call_id for done in first.tool_results] == [call.id for call in first.tool_calls]
    assert (last.turn, last.content, last.tool_calls, last.tool_results) == (2, "3 and 12.", [], [])
    assert told(agent.conversation) == [
        ("user", "1 + 2, 3 * 4?"),
        ("assistant", ""),
        ("tool", "3"),
        ("tool", "12"),
        ("assistant", "3 and 12."),
    ]
    assert_valid(agent.conversation)
    for request in agent.provider.requests:
        assert request.options["temperature"] == 0.5
        assert [tool.name for tool in request.options["tools"]] == ["add", "multiply", "fail"]


async def test_usage_is_that_of_all_turns() -> None:
    def costing(tokens: int, content: str, calls: Any = None) -> CompletionResult:
        usage = Usage(input_tokens=tokens, output_tokens=1, input_cost=1.0, output_cost=1.0, total_cost=2.0)
        return CompletionResult(content=content, tool_calls=calls, usage=usage)

    calls = (await scripted(SUM).complete("Go")).tool_calls
    result = await agent_with(costing(10, "", calls), costing(20, "3.")).run("Go")
    assert (result.total_usage.input_tokens, result.total_usage.total_tokens) == (30, 32)
    assert result.total_usage.total_cost == 4.0
    assert result.usage is result.total_usage


async def test_a_conversation_goes_on_over_runs() -> None:
    agent = agent_with("One.", SUM, "Three.", "Four.")
    await agent.run("First")
    await agent.run("Second")
    assert await agent.chat("Third") == "Four."
    assert [text for role, text in told(agent.conversation) if role == "user"] == ["First", "Second", "Third"]
    assert len(agent.provider.requests[-1].messages) == len(agent.conversation) - 1
    assert_valid(agent.conversation)


async def test_a_run_without_a_prompt_goes_on_with_what_is_there() -> None:
    agent = agent_with("Yes.", conversation=Conversation("Be brief.", messages=["Are you there?"]))
    assert (await agent.run()).content == "Yes."
    assert told(agent.provider.requests[0].messages) == [("system", "Be brief."), ("user", "Are you there?")]


async def test_all_forms_of_prompts() -> None:
    for prompt in ("Hi", Message.user("Hi"), {"role": "user", "content": "Hi"}, ["Hi"]):
        agent = agent_with("yes")
        assert await agent.chat(prompt) == "yes"
        assert told(agent.provider.requests[0].messages) == [("user", "Hi")]
    with pytest.raises(TypeError, match="messages is a string"):
        await agent.run(7)
    with pytest.raises(TypeError, match="messages is a string"):
        agent.stream(7)


async def test_a_given_conversation_is_used_itself() -> None:
    conversation = Conversation("Old.", messages=["Before"])
    agent = agent_with("yes", conversation=conversation, system_message="New.")
    assert agent.conversation is conversation
    assert (agent.system_message, conversation.system_message) == ("New.", "New.")
    empty = Conversation()
    assert agent_with(conversation=empty).conversation is empty
    await agent.run("Now")
    assert told(conversation) == [("user", "Before"), ("user", "Now"), ("assistant", "yes")]


async def test_reset_keeps_the_system_message_and_the_object() -> None:
    agent = agent_with("yes", "again", system_message="Be kind.")
    conversation = agent.conversation
    await agent.run("Go")
    agent.reset()
    assert agent.conversation is conversation
    assert (len(conversation), agent.system_message) == (0, "Be kind.")
    await agent.run("Go")
    assert told(agent.provider.requests[1].messages) == [("system", "Be kind."), ("user", "Go")]


async def test_forks_go_their_own_ways() -> None:
    seen: list[int] = []
    agent = agent_with("one", "two", "three", system_message="Be kind.", on_turn_start=seen.append, deps="mine")
    await agent.run("First")
    fork = agent.fork()
    assert (fork.provider, fork.config, fork.deps) == (agent.provider, agent.config, "mine")
    assert fork.tools is not agent.tools
    assert fork.tools.names == agent.tools.names
    assert fork.conversation.session_id != agent.conversation.session_id
    fork.tools.unregister("add")
    await fork.run("Second")
    await agent.run("Third")
    assert "add" in agent.tools
    assert [text for _, text in told(fork.conversation)] == ["First", "one", "Second", "two"]
    assert [text for _, text in told(agent.conversation)] == ["First", "one", "Third", "three"]
    assert fork.system_message == "Be kind."
    assert seen == [1, 1, 1]


def test_a_registry_is_used_itself() -> None:
    tools = face.ToolRegistry([agent_tools.add])
    agent = agent_with(tools=tools)
    assert agent.tools is tools
    empty = face.ToolRegistry()
    assert agent_with(tools=empty).tools is empty
    assert repr(agent).startswith("Agent(provider=")


# ---------------------------------------------------------------- streams


async def test_a_stream() -> None:
    events = [event async for event in agent_with(SUM, "It is 3.").stream("1 + 2?")]
    kinds = [
        event.data["event"] if event.type is StreamEventType.META else event.type.value
        for event in events
        if event.type is not StreamEventType.USAGE
    ]
    assert kinds == [
        *("turn_start", "tool_call_start", "tool_call_delta", "tool_call_end", "tool_result", "turn_end"),
        *("turn_start", "token", "token", "token", "turn_end", "done"),
    ]
    result = events[-1].data
    assert (result.content, result.status, result.num_turns) == ("It is 3.", "success", 2)
    (ended,) = [event.data for event in events if event.type is StreamEventType.META and "content" in event.data]
    assert (ended["tool_name"], ended["content"], ended["turn"]) == ("add", "3", 1)
    assert (ended["success"], ended["error"], ended["tool_call_id"]) == (True, None, result.all_tool_calls[0].id)


SCRIPTS: list[list[Any]] = [
    ["Hello there."],
    [SUM, "It is 3."],
    [[*SUM, ("fail", {}), ("unknown", {}), ("add", "{broken")], "Done."],
    [CompletionResult(status=500, error="broken")],
    [SUM, CompletionResult(status=429, error="slow down")],
    [SUM, SUM, SUM],
    [[("add", {"a": n}) for n in range(12)], "Done."],
]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("config", [{}, {"stop_on_tool_error": True}, {"final_answer": True}])
async def test_run_and_stream_give_equal_results(script: list[Any], config: dict[str, Any]) -> None:
    script = [*script, "The last word."]
    made = AgentConfig(max_turns=3, **config)
    running = face.Agent(scripted(*script, strict=False), tools=[agent_tools.add, agent_tools.fail], config=made)
    streaming = face.Agent(scripted(*script, strict=False), tools=[agent_tools.add, agent_tools.fail], config=made)
    result = await running.run("Go")
    events = [event async for event in streaming.stream("Go")]
    assert list(running.conversation) == list(streaming.conversation)
    assert_valid(running.conversation)
    last = events[-1]
    assert [event.type.value in ("done", "error") for event in events].count(True) == 1
    if result.status == "error":
        assert last.type is StreamEventType.ERROR
        assert last.data["error"] == result.error
    else:
        assert last.type is StreamEventType.DONE
        assert last.data.status == result.status
        assert (last.data.content, last.data.error) == (result.content, result.error)
        assert last.data.total_usage == result.total_usage
        assert [call.id for call in last.data.all_tool_calls] == [call.id for call in result.all_tool_calls]
        for ours, theirs in zip(result.turns, last.data.turns, strict=True):
            assert [done.to_dict() | {"duration": 0} for done in ours.tool_results] == [
                done.to_dict() | {"duration": 0} for done in theirs.tool_results
            ]
    assert [request.options for request in running.provider.requests] == [
        {**request.options, "tools": running.provider.requests[0].options["tools"]}
        for request in streaming.provider.requests
    ]


async def test_tool_call_events_can_be_left_out() -> None:
    agent = agent_with(SUM, "It is 3.", config=AgentConfig(stream_tool_calls=False))
    kinds = [event.type.value async for event in agent.stream("Go")]
    assert not [kind for kind in kinds if kind.startswith("tool_call")]
    assert kinds.count("token") == 3
    assert len(agent.conversation) == 4


async def test_the_agent_is_free_at_its_last_event() -> None:
    agent = agent_with("one", "two")
    async for event in agent.stream("First"):
        if event.type is StreamEventType.DONE:
            assert await agent.chat("Second") == "two"
    assert len(agent.conversation) == 4


# ---------------------------------------------------------------- errors of the provider


async def test_an_error_of_the_provider() -> None:
    agent = agent_with(SUM, CompletionResult(status=429, error="slow down"), "Better now.")
    result = await agent.run("Go")
    assert (result.status, result.error, result.ok) == ("error", "slow down", False)
    assert [done.content for done in result.turns[0].tool_results] == [3]  # what was done is there
    assert result.turns[-1].completion.status == 429
    assert_valid(agent.conversation)
    assert [role for role, _ in told(agent.conversation)] == ["user", "assistant", "tool"]
    assert (await agent.run()).content == "Better now."


async def test_an_error_of_the_provider_in_a_stream() -> None:
    events = [event async for event in agent_with(CompletionResult(status=529, error="overloaded")).stream("Go")]
    assert [event.type.value for event in events].count("error") == 1
    assert (events[-1].type, events[-1].data) == (
        StreamEventType.ERROR,
        {"status": 529, "error": "overloaded"},
    )


async def test_chat_raises_it() -> None:
    with pytest.raises(RateLimitError, match="slow down"):
        await agent_with(CompletionResult(status=429, error="slow down")).chat("Go")
    with pytest.raises(LLMClientError, match="the tool 'fail' failed"):
        await agent_with([("fail", {})], config=AgentConfig(stop_on_tool_error=True)).chat("Go")


async def test_a_stream_that_breaks_off_keeps_what_had_come(api: FakeAPI) -> None:
    provider = face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url, attempts=1)
    agent = face.Agent(provider)
    api.fail_mid_stream(after=3, message="the model broke", reply="one two three four five")
    events = [event async for event in agent.stream("Count")]
    assert events[-1].data == {"status": 500, "error": "the model broke"}
    assert agent.conversation[-1].role is Role.ASSISTANT
    assert agent.conversation[-1].text.startswith("one")
    assert_valid(agent.conversation)
    api.reply("six")
    assert await agent.chat("Go on") == "six"


async def test_an_exception_of_a_provider_passes_through() -> None:
    agent = agent_with(ConnectionError("gone"), ConnectionError("gone"), "here")
    with pytest.raises(ConnectionError, match="gone"):
        await agent.run("Go")
    with pytest.raises(ConnectionError, match="gone"):
        async for _ in agent.stream("Go"):
            pass
    assert await agent.chat("Go") == "here"
    assert_valid(agent.conversation)


# ---------------------------------------------------------------- custom providers


class Mine(face.BaseProvider):  # type: ignore[misc, name-defined]
    """As in the specification's example."""

    async def complete(self, messages: Any, **kwargs: Any) -> CompletionResult:
        return CompletionResult(content=f"{len(messages)}: {messages[-1].text}")

    async def stream(self, messages: Any, **kwargs: Any) -> Any:
        yield StreamEvent(type=StreamEventType.TOKEN, data="Hello")
        yield StreamEvent(type=StreamEventType.TOKEN, data=" you")
        yield StreamEvent(type=StreamEventType.DONE, data=CompletionResult(content="Hello you"))

    async def embed(self, inputs: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("Embeddings not supported")


class OnlyComplete(face.BaseProvider):  # type: ignore[misc, name-defined]
    async def complete(self, messages: Any, **kwargs: Any) -> CompletionResult:
        return CompletionResult(content=messages[-1].text.upper())


class NoEnd(Mine):
    async def stream(self, messages: Any, **kwargs: Any) -> Any:
        yield StreamEvent(type=StreamEventType.TOKEN, data="half an ans")


async def test_a_custom_provider() -> None:
    agent = face.Agent(Mine(), system_message="Be kind.", tools=[agent_tools.add])
    assert await agent.chat("Hi") == "2: Hi"
    events = [event async for event in agent.stream("Hi")]
    assert [event.data for event in events if event.type is StreamEventType.TOKEN] == ["Hello", " you"]
    assert events[-1].data.content == "Hello you"
    assert told(agent.conversation) == [
        *(("user", "Hi"), ("assistant", "2: Hi")),
        *(("user", "Hi"), ("assistant", "Hello you")),
    ]
    assert isinstance(agent.provider, face.Provider)
    async with Mine() as mine:
        with pytest.raises(NotImplementedError):
            await mine.embed("text")


async def test_a_custom_provider_that_only_completes() -> None:
    agent = face.Agent(OnlyComplete())
    assert await agent.chat("hi") == "HI"
    events = [event async for event in agent.stream("hi there")]
    assert [event.data for event in events if event.type is StreamEventType.TOKEN] == ["HI ", "THERE"]
    assert events[-1].data.content == "HI THERE"


async def test_a_custom_provider_whose_stream_just_ends() -> None:
    agent = face.Agent(NoEnd())
    events = [event async for event in agent.stream("Hi")]
    assert events[-1].type is StreamEventType.ERROR
    assert events[-1].data["status"] == 502
    assert "without a DONE or ERROR" in events[-1].data["error"]
    assert told(agent.conversation) == [("user", "Hi"), ("assistant", "half an ans")]


# ---------------------------------------------------------------- quick_agent


async def test_quick_agent_with_a_provider() -> None:
    provider = scripted(SUM, "It is 3.")
    tools = [agent_tools.add]
    answer = await face.quick_agent("1 + 2?", provider=provider, tools=tools, system_message="Add.", temperature=0.0)
    assert answer == "It is 3."
    first = provider.requests[0]
    assert told(first.messages) == [("system", "Add."), ("user", "1 + 2?")]
    assert first.options["temperature"] == 0.0
    with pytest.raises(ServerError, match="broken"):
        await face.quick_agent("Go", provider=scripted(CompletionResult(status=500, error="broken")))


async def test_quick_agent_from_the_environment(api: FakeAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        await face.quick_agent("Hi")
    for name, value in api.environment.items():
        monkeypatch.setenv(name, value)
    api.reply(tool_calls=SUM)
    api.reply("It is 3.")
    assert await face.quick_agent("1 + 2?", tools=[agent_tools.add], model="gpt-5.6-luna") == "It is 3."
    assert [request.model for request in api.requests] == ["gpt-5.6-luna"] * 2
    assert api.wait_for_connections(0) is None  # the provider that it made is closed
