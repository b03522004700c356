"""Answers in a wanted form, on both vendors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from llm_client.testing import FakeAPI, Reply
from support._async import face

PROVIDERS = ["openai", "anthropic"]


class City(BaseModel):
    name: str
    inhabitants: int = Field(ge=0)
    size: Literal["small", "large"] = "large"


@dataclass
class Point:
    x: int
    y: int


def provider(api: FakeAPI, vendor: str = "openai") -> Any:
    if vendor == "anthropic":
        return face.AnthropicProvider(model="claude-haiku-4-5", base_url=api.anthropic_url, backoff=0.0)
    return face.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url, backoff=0.0)


GOOD = '{"name": "Tokyo", "inhabitants": 14000000, "size": "large"}'
BAD = '{"name": "Tokyo", "inhabitants": -1, "size": "large"}'


@pytest.mark.parametrize("vendor", PROVIDERS)
async def test_a_model_class(api: FakeAPI, vendor: str) -> None:
    api.reply(GOOD)
    result = await provider(api, vendor).complete("Tell me of Tokyo", response_format=City)
    assert result.parsed == City(name="Tokyo", inhabitants=14000000)
    assert (result.content, result.ok) == (GOOD, True)
    body = api.last_request.body
    if vendor == "openai":
        sent = body["response_format"]["json_schema"]
        assert (sent["name"], sent["strict"]) == ("City", True)
        assert sent["schema"]["additionalProperties"] is False
        assert sent["schema"]["required"] == ["name", "inhabitants", "size"]
    else:
        assert body["output_config"]["format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("wanted", "answer", "expected"),
    [
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (list[City], f'{{"value": [{GOOD}]}}', [City(name="Tokyo", inhabitants=14000000)]),
        ("json_object", '{"any": ["thing"]}', {"any": ["thing"]}),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, '{"a": 1}', {"a": 1}),
        (City, f"```json\n{GOOD}\n```", City(name="Tokyo", inhabitants=14000000)),
    ],
)
async def test_other_forms(api: FakeAPI, wanted: Any, answer: str, expected: Any) -> None:
    api.reply(answer)
    result = await provider(api).complete("Give me JSON", response_format=wanted)
    assert result.parsed == expected
    assert result.ok


@pytest.mark.parametrize("vendor", PROVIDERS)
async def test_an_answer_that_does_not_fit_is_asked_for_again(api: FakeAPI, vendor: str) -> None:
    api.reply(Reply(BAD, usage=(10, 5)))
    api.reply(Reply(GOOD, usage=(20, 5)))
    result = await provider(api, vendor).complete("Tell me of Tokyo", response_format=City)
    assert result.parsed == City(name="Tokyo", inhabitants=14000000)
    assert (result.usage.input_tokens, result.usage.output_tokens) == (30, 10)
    assert [attempt.status for attempt in result.attempts] == [200, 200]
    messages = api.last_request.body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert "inhabitants" in str(messages[-1]["content"])


async def test_an_answer_that_never_fits_is_an_error_that_says_why(api: FakeAPI) -> None:
    api.reply(BAD, times=3)
    result = await provider(api).complete("Tell me of Tokyo", response_format=City, output_retries=2)
    assert not result.ok
    assert result.parsed is None
    assert "inhabitants" in result.error
    assert result.content == BAD
    api.reply("no JSON at all")
    result = await provider(api).complete("Tell me of Tokyo", response_format=City, output_retries=0)
    assert not result.ok
    assert len(api.requests) == 4


async def test_a_schema_as_a_dict_is_the_vendors_to_enforce(api: FakeAPI) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    api.reply("no JSON")
    result = await provider(api).complete("Hi", response_format=schema)
    assert (result.ok, result.content, result.parsed) == (True, "no JSON", None)
    api.reply("no JSON")
    api.reply('{"a": 1}')
    result = await provider(api).complete("Hi", response_format=schema, output_retries=1)
    assert result.parsed == {"a": 1}


async def test_an_answer_cut_off_by_its_length_is_not_asked_for_again(api: FakeAPI) -> None:
    api.reply(Reply('{"name": "Tok', finish_reason="length"))
    result = await provider(api).complete("Tell me of Tokyo", response_format=City, max_tokens=5)
    assert "max_tokens" in result.error
    assert result.finish_reason == "length"


async def test_a_refusal_is_no_answer_in_the_wanted_form(api: FakeAPI) -> None:
    api.reply(Reply(refusal="I will not."))
    result = await provider(api).complete("Tell me of Tokyo", response_format=City)
    assert (result.refusal, result.content, result.parsed) == ("I will not.", "I will not.", None)


async def test_a_stream_carries_the_object_too(api: FakeAPI) -> None:
    api.reply(GOOD)
    async for event in provider(api).stream("Tell me of Tokyo", response_format=City):
        last = event
    assert last.data.parsed == City(name="Tokyo", inhabitants=14000000)


async def test_json_mode_says_the_word_that_openai_demands(api: FakeAPI) -> None:
    asked = provider(api)
    api.reply("{}")
    await asked.complete("Tell me of Tokyo", response_format="json_object")
    assert "JSON" in api.last_request.body["messages"][0]["content"]
    api.reply("{}")
    await asked.complete("Tell me of Tokyo in json", response_format="json_object")
    assert len(api.last_request.body["messages"]) == 1


async def test_a_type_that_strict_mode_cannot_express_says_which_path(api: FakeAPI) -> None:
    with pytest.raises(ValueError, match="numbers"):
        await provider(api).complete("Hi", response_format=WithFreeKeys)
    assert not api.requests


class WithFreeKeys(BaseModel):
    numbers: dict[str, int]


class Careless(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _look_up(cls, value: str) -> str:
        return {"known": "known"}[value]


async def test_a_validator_that_raises_anything_loses_no_answer(api: FakeAPI) -> None:
    api.reply('{"name": "unknown"}')
    result = await provider(api).complete("Hi", response_format=Careless, output_retries=0)
    assert (result.ok, result.content) == (False, '{"name": "unknown"}')
    assert "KeyError" in result.error


async def test_an_agents_schema_binds_too(api: FakeAPI) -> None:
    agent = face.Agent(provider(api), output_type={"type": "object", "properties": {"a": {"type": "integer"}}})
    api.reply("no JSON")
    api.reply('{"a": 1}')
    assert (await agent.run("Hi")).output == {"a": 1}
    api.reply(Reply(refusal="I will not."))
    refused = await agent.run("Hi")
    assert refused.status == "error"
    assert "I will not." in refused.error
