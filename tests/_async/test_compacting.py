"""A summary in place of old messages: when it is called for, and before an agent's request that would not fit."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.compaction import HEAD
from llm_client._core.conversation import Conversation
from llm_client._core.messages import Message
from llm_client._core.results import CompletionResult
from llm_client._core.usage import Usage
from llm_client._core.validate import repair
from llm_client.exceptions import APIError, LLMClientError
from llm_client.testing import FakeAPI, Reply
from support._async import face


def provider(api: FakeAPI) -> Any:
    return face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url, api_key="k", backoff=0.0)


def talk(turns: int, **settings: Any) -> Conversation:
    conversation = Conversation("Be kind.", truncation_strategy="summarize", **settings)
    for number in range(turns):
        conversation.add_user(f"question {number:03}")
        conversation.add_assistant(f"answer {number:03}")
    return conversation


def look(place: str) -> str:
    """Look somewhere."""
    return f"{place}: " + "nothing to be seen here, " * 20


async def test_the_older_half_gives_way_to_a_summary(api: FakeAPI) -> None:
    conversation = talk(100)
    before = conversation.messages
    api.reply(Reply(" They talked.\n", usage=(900, 4)))
    done = await face.conversation.compact(conversation, provider(api))
    assert done
    assert done.summary == "They talked."
    assert done.usage.input_tokens == 900
    assert conversation[0] == Message.user(HEAD + "They talked.")
    assert [*done.replaced, *conversation[1:]] == before
    assert 20 < len(done.replaced) < 190
    asked = api.last_request.body
    assert "question 000" in asked["messages"][1]["content"]
    assert "question 099" not in asked["messages"][1]["content"]
    assert asked["max_completion_tokens"] >= 8000  # the model reasons before it writes


async def test_nothing_is_asked_where_there_is_nothing_to_summarise(api: FakeAPI) -> None:
    assert not await face.conversation.compact(Conversation(), provider(api))
    assert not await face.conversation.compact(talk(3, max_tokens=8000), provider(api), only_if_needed=True)
    assert api.requests == []


async def test_it_works_only_where_needed_and_by_the_given_limit(api: FakeAPI) -> None:
    conversation = talk(100)
    api.reply("They talked.")
    done = await face.conversation.compact(conversation, provider(api), only_if_needed=True, max_tokens=600)
    assert done
    assert conversation.count_tokens("gpt-5.6-luna") < 600


async def test_a_failed_summary_leaves_everything_as_it_was(api: FakeAPI) -> None:
    conversation = talk(20)
    before = conversation.messages
    api.fail(400, "no")
    with pytest.raises(APIError, match="no"):
        await face.conversation.compact(conversation, provider(api))
    api.reply(Reply("", finish_reason="length"))
    with pytest.raises(LLMClientError, match=r"wrote no summary.*'length'"):
        await face.conversation.compact(conversation, provider(api))
    assert conversation.messages == before


async def test_what_is_added_meanwhile_stays() -> None:
    conversation = talk(20)

    def answer(messages: list[Message]) -> str:
        conversation.add_user("meanwhile")
        return "They talked."

    done = await face.conversation.compact(conversation, face.testing.ScriptedProvider([answer]))
    assert done
    assert conversation[-1] == Message.user("meanwhile")


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_agent_compacts_before_a_request_that_would_not_fit(api: FakeAPI, streaming: bool) -> None:
    conversation = talk(100, max_tokens=1200)
    agent = face.Agent(provider(api), conversation=conversation, config=face.AgentConfig(reserve_tokens=100))
    api.reply(Reply("They talked.", usage=(1000, 10)))
    api.reply(Reply("Fine.", usage=(500, 5)))
    if streaming:
        async for event in agent.stream("And now?"):
            last = event
        result = last.data
    else:
        result = await agent.run("And now?")
    assert result.content == "Fine."
    assert result.num_turns == 1
    assert (result.usage.input_tokens, result.usage.output_tokens) == (1500, 15)
    sent = api.last_request.body["messages"]
    assert sent[1] == {"role": "user", "content": HEAD + "They talked."}
    assert sent[-1] == {"role": "user", "content": "And now?"}
    assert len(sent) == len(conversation)  # the system message for the answer
    assert conversation.count_tokens("gpt-5.6-luna") < 1100


async def test_an_agent_compacts_between_turns_and_exchanges_stay_whole(api: FakeAPI) -> None:
    agent = face.Agent(provider(api), tools=[look], max_tokens=1500, config=face.AgentConfig(reserve_tokens=100))
    agent.conversation.truncation_strategy = "summarize"
    summaries = 0

    def answer(request: Any) -> Reply:
        nonlocal summaries
        if not request.tools:
            summaries += 1
            return Reply(f"Summary {summaries}.")
        number = len(api.requests)
        return Reply(tool_calls=[("look", {"place": f"place {number}"})]) if number < 16 else Reply("Nothing anywhere.")

    api.on_request(answer)
    result = await agent.run("Look around.", max_turns=30)
    assert result.content == "Nothing anywhere."
    assert 1 <= summaries <= 6
    assert repair(agent.conversation.messages).notes == []
    assert agent.conversation.get_last_user_message() == Message.user("Look around.")
    for request in api.requests:
        said = "".join(str(message["content"]) for message in request.body["messages"])
        assert not request.tools or "Look around." in said


async def test_a_summary_that_fails_does_not_fail_the_run(api: FakeAPI) -> None:
    conversation = talk(100, max_tokens=1200)
    agent = face.Agent(provider(api), conversation=conversation, config=face.AgentConfig(reserve_tokens=100))
    api.fail(400, "no summary today")
    api.reply("Fine.")
    assert await agent.chat("And now?") == "Fine."
    assert len(conversation) == 202
    sent = api.last_request.body["messages"]
    # What stands in the middle was left out, as "drop_middle" does.
    assert sent[1]["content"] == "question 000"
    assert len(sent) < 190


async def test_far_from_any_limit_nothing_is_counted_or_asked() -> None:
    asked = face.testing.ScriptedProvider([CompletionResult(content="Fine.", usage=Usage(input_tokens=1))])
    agent = face.Agent(asked, conversation=talk(20, max_tokens=100_000))
    result = await agent.run("And now?")
    assert result.usage.input_tokens == 1
    assert len(asked.requests) == 1
    assert agent.conversation._history._counts == {}
