"""Several providers as one: who answers, what is translated, what is told."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from llm_client._core.log import forget_warnings
from llm_client._seam import _async as seam
from llm_client.exceptions import APIError, BadRequestError, OverloadedError
from llm_client.testing import FakeAPI, Reply
from support._async import face

OPENAI, CLAUDE = "gpt-5.6-luna", "claude-haiku-4-5"


@pytest.fixture
def other() -> Iterator[FakeAPI]:
    """A second strict server, for the second provider."""
    with FakeAPI(strict=True) as running:
        yield running


def openai(api: FakeAPI, **options: Any) -> Any:
    return face.OpenAIProvider(**{"model": OPENAI, "base_url": api.openai_url, "attempts": 1, "backoff": 0, **options})


def claude(api: FakeAPI, **options: Any) -> Any:
    return face.AnthropicProvider(
        **{"model": CLAUDE, "base_url": api.anthropic_url, "attempts": 1, "backoff": 0, **options}
    )


def chain(*members: Any) -> Any:
    return face.providers.FallbackProvider(members)


class Custom(face.BaseProvider):
    """A user's own provider: raises, or answers."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.closed = 0

    async def complete(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def close(self) -> None:
        self.closed += 1
        if isinstance(self.outcome, OSError):
            raise self.outcome


# ---------------------------------------------------------------- whole answers


async def test_the_first_member_answers_while_it_can(api: FakeAPI, other: FakeAPI) -> None:
    api.reply("from the first")
    asked = chain(openai(api), claude(other))
    result = await asked.complete("Hi", max_tokens=20)
    assert (result.content, result.provider, result.model) == ("from the first", "openai", OPENAI)
    assert [attempt.status for attempt in result.attempts] == [200]
    assert (asked.model, asked.profile) == (OPENAI, asked.providers[0].profile)
    assert isinstance(asked, face.Provider)
    assert not other.requests


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
async def test_passing_failures_hand_over(api: FakeAPI, other: FakeAPI, status: int) -> None:
    api.fail(status, "busy", times=2)
    other.reply(Reply("from the second", usage=(10, 2)))
    result = await chain(openai(api, attempts=2), claude(other)).complete("Hi")
    assert (result.content, result.ok, result.provider, result.model) == ("from the second", True, "anthropic", CLAUDE)
    assert [attempt.status for attempt in result.attempts] == [status, status, 200]
    assert result.usage.total_tokens == 12


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_mistakes_do_not(api: FakeAPI, other: FakeAPI, status: int) -> None:
    api.fail(status, "no")
    result = await chain(openai(api), claude(other)).complete("Hi")
    assert (result.ok, result.status, result.error, result.provider) == (False, status, "no", "openai")
    assert not other.requests


async def test_a_server_that_is_not_there_and_one_that_is_silent(api: FakeAPI, other: FakeAPI) -> None:
    nowhere = face.OpenAIProvider(model=OPENAI, base_url="http://127.0.0.1:9/v1", attempts=1)
    api.stall()
    other.reply("at last")
    result = await chain(nowhere, openai(api, timeout=0.2), claude(other)).complete("Hi")
    assert result.content == "at last"
    assert [attempt.status for attempt in result.attempts] == [503, 408, 200]
    assert "127.0.0.1:9" in result.attempts[0].error


async def test_when_all_fail_the_last_one_tells(api: FakeAPI, other: FakeAPI) -> None:
    api.fail(500, "first is down")
    other.fail(529, "second is full")
    result = await chain(openai(api), claude(other)).complete("Hi")
    assert (result.status, result.error, result.provider) == (529, "second is full", "anthropic")
    assert [attempt.error for attempt in result.attempts] == ["status 500", "status 529"]
    with pytest.raises(OverloadedError):
        result.raise_for_error()


async def test_the_history_is_translated(api: FakeAPI, other: FakeAPI) -> None:
    @face.tool
    async def get_weather(city: str) -> str:
        """Get the weather of a city."""
        return city

    first, second = claude(api), openai(other)
    api.reply(Reply("Let me see.", reasoning="Weather is asked for.", tool_calls=[("get_weather", {"city": "Bern"})]))
    called = await first.complete(
        "Weather in Bern?", tools=[get_weather], thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2000
    )
    assert called.provider_items is not None
    history = [
        face.Message.system("Be brief."),
        face.Message.user("Weather in Bern?"),
        called.to_message(),
        face.Message.tool_result(called.tool_calls[0].id, "sunny"),
    ]
    api.fail(529, "full")
    other.reply("It is sunny.")
    result = await chain(first, second).complete(history, tools=[get_weather])
    assert (result.content, result.provider) == ("It is sunny.", "openai")
    # The first one got its own blocks back, the second one the same in its own words.
    blocks = api.last_request.body["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use"]
    assert blocks[0]["signature"]
    messages = other.last_request.body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[2]["content"] == "Let me see."
    assert [call["function"]["name"] for call in messages[2]["tool_calls"]] == ["get_weather"]
    assert messages[3]["tool_call_id"] == messages[2]["tool_calls"][0]["id"]
    assert "signature" not in str(messages)
    assert other.last_request.body["tools"][0]["function"]["name"] == "get_weather"


async def test_options_follow_the_rules_of_who_answers(
    api: FakeAPI, other: FakeAPI, caplog: pytest.LogCaptureFixture
) -> None:
    forget_warnings()
    api.fail(503, "down")
    other.reply("yes")
    result = await chain(openai(api), claude(other)).complete("Hi", max_tokens=50, seed=7, stop="END")
    assert result.ok
    assert api.last_request.body["seed"] == 7
    body = other.last_request.body
    assert (body["max_tokens"], body["stop_sequences"]) == (50, ["END"])
    assert "seed" not in body
    assert "seed" in caplog.text
    api.fail(503, "down")
    with pytest.raises(ValueError, match="seed"):
        await chain(openai(api), claude(other)).complete("Hi", seed=7, unsupported="raise")


async def test_structured_output_of_the_second_member(api: FakeAPI, other: FakeAPI) -> None:
    api.fail(500, "down")
    other.reply('{"n": 1}')
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    result = await chain(openai(api), claude(other)).complete("Hi", response_format=schema)
    assert result.parsed == {"n": 1}


# ---------------------------------------------------------------- streams


async def test_a_stream_hands_over_before_its_first_event(api: FakeAPI, other: FakeAPI) -> None:
    api.fail(503, "down")
    other.reply("one two")
    events = [event async for event in chain(openai(api), claude(other)).stream("Count")]
    assert [event.data for event in events if event.type.value == "token"] == ["one", " two"]
    assert [event.type.value for event in events].count("error") == 0
    assert events[-1].type.value == "done"
    assert (events[-1].data.provider, events[-1].data.content) == ("anthropic", "one two")
    assert [attempt.status for attempt in events[-1].data.attempts] == [503, 200]


async def test_a_stream_that_fails_before_it_shows_anything_hands_over(api: FakeAPI, other: FakeAPI) -> None:
    # Claude's first event opens the message, and says no more than how long the question was.
    api.fail_mid_stream(after=1, status=529, message="full")
    other.reply("yes")
    events = [event async for event in chain(claude(api), openai(other)).stream("Hi")]
    assert [event.type.value for event in events] == ["token", "usage", "done"]
    assert events[-1].data.provider == "openai"


async def test_a_stream_that_has_begun_stays_with_its_member(api: FakeAPI, other: FakeAPI) -> None:
    api.fail_mid_stream(after=3, status=500, message="the model broke", reply="one two three four")
    events = [event async for event in chain(openai(api), claude(other)).stream("Count")]
    assert events[0].type.value == "token"
    assert events[-1].type.value == "error"
    assert events[-1].data == {"status": 500, "error": "the model broke"}
    assert not other.requests


async def test_a_streams_mistake_is_not_handed_on(api: FakeAPI, other: FakeAPI) -> None:
    api.fail(400, "no")
    events = [event async for event in chain(openai(api), claude(other)).stream("Hi")]
    assert [event.data for event in events] == [{"status": 400, "error": "no"}]
    assert not other.requests


async def test_when_all_streams_fail_there_is_one_error(api: FakeAPI, other: FakeAPI) -> None:
    api.fail(500, "first")
    other.fail(503, "second")
    events = [event async for event in chain(openai(api), claude(other)).stream("Hi")]
    assert [(event.type.value, event.data) for event in events] == [("error", {"status": 503, "error": "second"})]


async def test_leaving_a_stream_hangs_up(api: FakeAPI, other: FakeAPI) -> None:
    api.fail(503, "down")
    other.reply(Reply("word " * 50, endless=True))
    async with chain(openai(api), claude(other)).stream("Go") as events:
        async for event in events:
            assert event.type.value == "token"
            break
    assert await seam.offload(other.wait_for_hang_up)


async def test_mistakes_raise_where_the_stream_is_asked_for(api: FakeAPI) -> None:
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        chain(openai(api)).stream("Hi", temprature=1)
    assert not api.requests


# ---------------------------------------------------------------- members of all kinds


async def test_custom_members_and_their_exceptions(api: FakeAPI) -> None:
    api.reply("yes")
    result = await chain(Custom(APIError("busy", status=503)), openai(api)).complete("Hi")
    assert (result.content, [attempt.error for attempt in result.attempts]) == ("yes", ["busy", None])
    with pytest.raises(BadRequestError, match="wrong"):
        await chain(Custom(BadRequestError("wrong", status=400)), openai(api)).complete("Hi")
    with pytest.raises(APIError, match="busy"):
        await chain(Custom(APIError("busy", status=503))).complete("Hi")
    api.reply("yes")
    events = [event async for event in chain(Custom(APIError("busy", status=503)), openai(api)).stream("Hi")]
    assert events[-1].data.content == "yes"
    assert [attempt.status for attempt in events[-1].data.attempts] == [503, 200]
    own = Custom(face.CompletionResult(content="mine"))
    own.model = "of-my-own"
    result = await chain(own).complete("Hi")
    assert (result.provider, result.model) == ("Custom", "of-my-own")


async def test_what_failed_answers_cost_is_counted(api: FakeAPI) -> None:
    paid = face.CompletionResult(status=500, error="lost", usage=face.Usage(input_tokens=5, output_tokens=5))
    api.reply(Reply("yes", usage=(10, 2)))
    result = await chain(Custom(paid), openai(api)).complete("Hi")
    assert result.usage.total_tokens == 22


async def test_chains_of_chains_and_agents(api: FakeAPI, other: FakeAPI) -> None:
    api.fail(503, "down", times=2)
    other.reply("yes")
    inner = chain(openai(api), openai(api))
    async with chain(inner, claude(other)) as asked:
        result = await face.Agent(provider=asked).run("Hi")
    assert result.content == "yes"
    assert len(api.requests) == 2


async def test_members_of_the_other_face_are_refused(api: FakeAPI) -> None:
    other_face = import_module("llm_client" if seam.FACE == "llm_client.sync" else "llm_client.sync")
    wrong = other_face.OpenAIProvider(model=OPENAI, base_url="http://127.0.0.1:9/v1", attempts=1)
    with pytest.raises(TypeError, match="belongs to the"):
        await chain(wrong, openai(api)).complete("Hi")
    with pytest.raises(TypeError, match="belongs to the"):
        chain(wrong, openai(api)).stream("Hi")
    assert not api.requests


async def test_embeddings(api: FakeAPI, other: FakeAPI) -> None:
    vectors = {"model": "text-embedding-3-small"}
    api.fail(503, "down")
    other.reply(Reply(embeddings=[[1.0, 2.0]]))
    asked = chain(
        claude(api), openai(api, **vectors), openai(api, model="text-embedding-3-large"), openai(other, **vectors)
    )
    result = await asked.embed("Hi")
    assert result.embedding == [1.0, 2.0]
    assert [attempt.status for attempt in result.attempts] == [503, 200]
    assert len(api.requests) == 1  # other models' vectors are no replacement
    with pytest.raises(NotImplementedError, match="no member"):
        await chain(claude(api)).embed("Hi")
    api.fail(500, "down")
    assert (await chain(openai(api, **vectors)).embed("Hi")).status == 500


async def test_closing_closes_all_members() -> None:
    broken, fine = Custom(OSError("stuck")), Custom(None)
    with pytest.raises(OSError, match="stuck"):
        await chain(broken, fine).close()
    assert (broken.closed, fine.closed) == (1, 1)


@pytest.mark.parametrize(
    ("members", "kind", "words"),
    [
        ([], ValueError, "at least one"),
        ("gpt", TypeError, "list of providers, got str"),
        (face.OpenAIProvider, TypeError, "list of providers"),
        ([face.OpenAIProvider], TypeError, r"providers\[0\].*the class OpenAIProvider"),
        ([5], TypeError, r"providers\[0\].*got int"),
    ],
)
def test_mistakes_in_the_members(members: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        face.providers.FallbackProvider(members)
