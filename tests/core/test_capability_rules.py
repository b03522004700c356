"""What is left out of requests, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.messages import Message, ProviderItems, Role, ToolCall, normalize_messages
from llm_client._core.profiles import ModelProfile
from llm_client._core.tools import Tool
from llm_client._core.wire.capability_rules import Note, apply_capabilities
from llm_client._core.wire.request import CompletionRequest, ResponseFormat
from support.anthropic_wire import BUDGET_MODEL, OLD_MODEL, STRICT_MODEL

CHAT, RESPONSES, ANTHROPIC = "openai-chat", "openai-responses", "anthropic-messages"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


async def _handler(**given: Any) -> str:
    return str(given)


TOOL = Tool(name="look", description="d", parameters=SCHEMA, handler=_handler)


def request(model: str, messages: Any = "Hi", **given: Any) -> CompletionRequest:
    return CompletionRequest(
        model=model, profile=ModelProfile.resolve(model), messages=normalize_messages(messages), **given
    )


def apply(model: str, dialect: str, messages: Any = "Hi", **given: Any) -> tuple[CompletionRequest, tuple[Note, ...]]:
    return apply_capabilities(request(model, messages, **given), dialect)


def parameters(notes: tuple[Note, ...]) -> list[str]:
    return [note.parameter for note in notes]


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES])
def test_the_specifications_own_call(dialect: str) -> None:
    applied, notes = apply("gpt-5", dialect, temperature=0.7, max_tokens=1000, reasoning_effort="medium")
    assert applied.temperature is None
    assert (applied.max_tokens, applied.reasoning_effort) == (1000, "medium")
    assert notes == (Note("temperature", "gpt-5 does not take temperature=0.7: it was left out"),)


def test_nothing_to_change_changes_nothing() -> None:
    asked = request("gpt-4.1", temperature=0.7, top_p=0.5, stop=["x"], tools=[TOOL], tool_choice="required")
    assert apply_capabilities(asked, CHAT) == (asked, ())


def test_the_one_temperature_that_is_taken() -> None:
    applied, notes = apply("gpt-5", CHAT, temperature=1.0)
    assert (applied.temperature, notes) == (1.0, ())


def test_raise() -> None:
    with pytest.raises(ValueError, match=r"temperature=0\.7.*unsupported=\"drop\""):
        apply("gpt-5", CHAT, temperature=0.7, unsupported="raise")
    assert apply("gpt-5", CHAT, temperature=1.0, unsupported="raise")[1] == ()


def test_send() -> None:
    asked = request("gpt-5", temperature=0.7, reasoning_effort="much", stop=["x"], unsupported="send")
    assert apply_capabilities(asked, CHAT) == (asked, ())


@pytest.mark.parametrize(
    ("model", "dialect", "effort"),
    [("gpt-5", CHAT, "much"), ("gpt-5", RESPONSES, "xhigh"), (STRICT_MODEL, ANTHROPIC, "minimal"),
     (BUDGET_MODEL, ANTHROPIC, "much")],
)  # fmt: skip
@pytest.mark.parametrize("unsupported", ["drop", "raise"])
def test_an_unknown_effort_is_an_error(model: str, dialect: str, effort: str, unsupported: Any) -> None:
    with pytest.raises(ValueError, match=f"reasoning_effort='{effort}'; expected one of: .*'low', 'medium', 'high'"):
        apply(model, dialect, reasoning_effort=effort, unsupported=unsupported)


def test_models_that_nobody_knows_get_everything() -> None:
    given = {"temperature": 0.3, "top_p": 0.5, "reasoning_effort": "odd", "stop": ["x"]}
    assert apply("house-model", CHAT, **given)[1] == ()
    assert apply("house-model", ANTHROPIC, **given, thinking={"type": "between_tools"})[1] == ()


def test_openai_leaves_out_what_is_not_its_own() -> None:
    applied, notes = apply("gpt-4.1", CHAT, thinking={"type": "adaptive"}, reasoning_effort="low")
    assert (applied.thinking, applied.reasoning_effort) == (None, None)
    assert parameters(notes) == ["thinking", "reasoning_effort"]


def test_stop_and_seed_by_dialect() -> None:
    assert parameters(apply("gpt-4.1", RESPONSES, stop=["x"], seed=1)[1]) == ["stop", "seed"]
    assert parameters(apply("gpt-4.1", CHAT, stop=["x"], seed=1)[1]) == []
    assert parameters(apply("gpt-5", CHAT, stop=["x"], seed=1)[1]) == ["stop"]
    assert parameters(apply(OLD_MODEL, ANTHROPIC, stop=["x"], seed=1)[1]) == ["seed"]


def test_parallel_calls_where_there_is_no_switch() -> None:
    assert parameters(apply("o3-mini", CHAT, tools=[TOOL], parallel_tool_calls=False)[1]) == ["parallel_tool_calls"]
    assert apply("o3-mini", CHAT, parallel_tool_calls=False)[1] == ()


def test_tools_that_a_model_does_not_take() -> None:
    with pytest.raises(ValueError, match="o1-mini takes no tools"):
        apply("o1-mini", CHAT, tools=[TOOL])


def test_schemas_in_words_for_openais_older_models() -> None:
    wanted = ResponseFormat("json_schema", schema=SCHEMA)
    applied, notes = apply("gpt-3.5-turbo", CHAT, [Message.system("s"), Message.user("u")], response_format=wanted)
    assert applied.response_format == ResponseFormat("json_object")
    assert [message.role for message in applied.messages] == [Role.SYSTEM, Role.SYSTEM, Role.USER]
    assert '"type":"object"' in applied.messages[1].text
    assert parameters(notes) == ["response_format"]
    old, notes = apply("gpt-4", CHAT, response_format=ResponseFormat("json_object"))
    assert (old.response_format, parameters(notes)) == (None, ["response_format"])


# --- Anthropic


def test_anthropic_leaves_out_openais_own() -> None:
    applied, notes = apply(OLD_MODEL, ANTHROPIC, seed=1, store=False, prompt_cache_key="k", user="u")
    assert (applied.seed, applied.store, applied.prompt_cache_key, applied.user) == (None, None, None, "u")
    assert parameters(notes) == ["seed", "store", "prompt_cache_key"]


def test_sampling() -> None:
    assert apply(OLD_MODEL, ANTHROPIC, temperature=0.3)[1] == ()
    assert parameters(apply(STRICT_MODEL, ANTHROPIC, temperature=0.3, top_p=0.5)[1]) == ["temperature", "top_p"]
    applied, notes = apply(BUDGET_MODEL, ANTHROPIC, temperature=0.3, top_p=0.5)
    assert (applied.temperature, applied.top_p, parameters(notes)) == (0.3, None, ["top_p"])


def test_sampling_while_thinking() -> None:
    on = {"type": "enabled", "budget_tokens": 1024}
    applied, notes = apply(BUDGET_MODEL, ANTHROPIC, temperature=0.3, thinking=on, max_tokens=4096)
    assert (applied.temperature, parameters(notes)) == (None, ["temperature"])
    assert apply(BUDGET_MODEL, ANTHROPIC, temperature=1.0, thinking=on)[1] == ()
    assert parameters(apply(BUDGET_MODEL, ANTHROPIC, top_p=0.5, thinking=on)[1]) == ["top_p"]
    assert apply(BUDGET_MODEL, ANTHROPIC, top_p=0.95, thinking=on)[1] == ()
    assert apply(BUDGET_MODEL, ANTHROPIC, temperature=0.3, thinking={"type": "disabled"})[1] == ()


def test_effort_where_the_model_has_it() -> None:
    applied, notes = apply(STRICT_MODEL, ANTHROPIC, reasoning_effort="max")
    assert (applied.reasoning_effort, applied.thinking, notes) == ("max", None, ())


def test_effort_becomes_a_budget() -> None:
    applied, notes = apply(BUDGET_MODEL, ANTHROPIC, reasoning_effort="low", max_tokens=5000)
    assert applied.thinking == {"type": "enabled", "budget_tokens": 2048}
    assert (applied.reasoning_effort, notes) == (None, ())
    assert apply(BUDGET_MODEL, ANTHROPIC, reasoning_effort="none")[0].thinking is None
    given = {"type": "enabled", "budget_tokens": 1500}
    applied, notes = apply(BUDGET_MODEL, ANTHROPIC, reasoning_effort="low", thinking=given)
    assert (applied.thinking, applied.reasoning_effort, parameters(notes)) == (given, None, ["reasoning_effort"])


def test_effort_without_any_thinking() -> None:
    applied, notes = apply(OLD_MODEL, ANTHROPIC, reasoning_effort="low", thinking={"type": "adaptive"})
    assert (applied.thinking, applied.reasoning_effort) == (None, None)
    assert parameters(notes) == ["reasoning_effort", "thinking"]


@pytest.mark.parametrize(
    ("model", "wanted", "sent"),
    [
        (STRICT_MODEL, {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
         {"type": "adaptive", "display": "omitted"}),
        (STRICT_MODEL, {"type": "disabled"}, None),
        (BUDGET_MODEL, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 8192}),
        (BUDGET_MODEL, {"type": "between_tools"}, {"type": "enabled", "budget_tokens": 8192}),
        ("claude-opus-4-7", {"type": "between_tools"}, {"type": "adaptive"}),
    ],
)  # fmt: skip
def test_the_nearest_form_of_thinking(model: str, wanted: dict[str, Any], sent: Any) -> None:
    applied, notes = apply(model, ANTHROPIC, thinking=wanted, max_tokens=10_000)
    assert applied.thinking == sent
    assert parameters(notes) == ["thinking"]
    assert repr(wanted["type"]) in notes[0].message
    with pytest.raises(ValueError, match="does not take thinking"):
        apply(model, ANTHROPIC, thinking=wanted, unsupported="raise")


def test_the_effort_of_a_converted_form() -> None:
    applied, notes = apply(BUDGET_MODEL, ANTHROPIC, thinking={"type": "adaptive"}, reasoning_effort="high",
                           max_tokens=20_000)  # fmt: skip
    assert applied.thinking == {"type": "enabled", "budget_tokens": 16384}
    assert (applied.reasoning_effort, parameters(notes)) == (None, ["thinking"])


@pytest.mark.parametrize(
    ("thinking", "error", "words"),
    [
        ("adaptive", TypeError, "thinking is a dict"),
        ({}, ValueError, "'type' that is one of 'enabled'"),
        ({"type": "deep"}, ValueError, "got 'deep'"),
        ({"type": "enabled"}, ValueError, "'budget_tokens' of at least 1024, got None"),
        ({"type": "enabled", "budget_tokens": 5}, ValueError, "got 5"),
    ],
)
def test_what_is_no_thinking_parameter(thinking: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        apply(BUDGET_MODEL, ANTHROPIC, thinking=thinking)


@pytest.mark.parametrize(("max_tokens", "raised"), [(None, 14_096), (1000, 11_000), (10_000, 20_000), (60_000, 60_000)])
def test_a_budget_raises_max_tokens(max_tokens: int | None, raised: int) -> None:
    thinking = {"type": "enabled", "budget_tokens": 10_000}
    applied, notes = apply(BUDGET_MODEL, ANTHROPIC, thinking=thinking, max_tokens=max_tokens)
    assert applied.max_tokens == raised
    assert parameters(notes) == ([] if raised == max_tokens else ["max_tokens"])


def test_a_budget_beyond_the_model() -> None:
    near = {"type": "enabled", "budget_tokens": 63_000}
    assert apply(BUDGET_MODEL, ANTHROPIC, thinking=near)[0].max_tokens == 64_000
    with pytest.raises(ValueError, match="produces at most 64000"):
        apply(BUDGET_MODEL, ANTHROPIC, thinking={"type": "enabled", "budget_tokens": 64_000})


def test_forced_tools() -> None:
    on = {"type": "enabled", "budget_tokens": 1024}
    given = {"tools": [TOOL], "tool_choice": "look"}
    assert apply(BUDGET_MODEL, ANTHROPIC, **given)[0].tool_choice == "look"
    assert apply(BUDGET_MODEL, ANTHROPIC, **given, thinking={"type": "disabled"})[0].tool_choice == "look"
    assert apply("claude-opus-4-7", ANTHROPIC, **given, thinking={"type": "adaptive"})[0].tool_choice == "look"
    for model, thinking in ((STRICT_MODEL, None), (BUDGET_MODEL, on)):
        applied, notes = apply(model, ANTHROPIC, **given, thinking=thinking)
        assert (applied.tool_choice, parameters(notes)) == ("auto", ["tool_choice"])
    assert apply(STRICT_MODEL, ANTHROPIC, tools=[TOOL], tool_choice="none")[0].tool_choice == "none"


def test_blank_stop_sequences() -> None:
    applied, notes = apply(OLD_MODEL, ANTHROPIC, stop=["\n", "END"])
    assert (applied.stop, parameters(notes)) == (["END"], ["stop"])
    assert apply(OLD_MODEL, ANTHROPIC, stop=["\n"])[0].stop is None


THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}


def tool_loop(*items: dict[str, Any]) -> list[Message]:
    call = ToolCall("t1", "look", "{}")
    own = ProviderItems(ANTHROPIC, (*items, {"type": "tool_use", "id": "t1", "name": "look", "input": {}}))
    asked = Message(Role.ASSISTANT, None, [call], provider_items=own if items else None)
    later = Message(Role.ASSISTANT, None, [ToolCall("t2", "look", "{}")])
    return [Message.user("Hi"), asked, Message.tool_result("t1", "x"), later, Message.tool_result("t2", "y")]


def test_a_turn_begun_without_thinking_ends_without() -> None:
    on = {"type": "enabled", "budget_tokens": 1024}
    applied, notes = apply(BUDGET_MODEL, ANTHROPIC, tool_loop(), thinking=on)
    assert (applied.thinking, parameters(notes)) == (None, ["thinking"])
    assert apply(BUDGET_MODEL, ANTHROPIC, tool_loop(THINKING), thinking=on)[0].thinking == on
    assert apply(BUDGET_MODEL, ANTHROPIC, [*tool_loop(), Message.user("Go on")], thinking=on)[0].thinking == on
    adaptive = {"type": "adaptive"}
    assert apply("claude-opus-4-7", ANTHROPIC, tool_loop(), thinking=adaptive)[0].thinking == adaptive


def test_a_prefill_that_the_model_does_not_take() -> None:
    begun = [Message.user("Hi"), Message.assistant("{")]
    assert apply(OLD_MODEL, ANTHROPIC, begun)[0].messages == begun
    applied, notes = apply(STRICT_MODEL, ANTHROPIC, begun)
    assert applied.messages == [*begun, Message.user("Continue.")]
    assert parameters(notes) == ["messages"]
    wanted = ResponseFormat("json_schema", schema=SCHEMA)
    assert len(apply(BUDGET_MODEL, ANTHROPIC, begun, response_format=wanted)[0].messages) == 3


def test_a_paused_turn_is_no_prefill() -> None:
    paused = Message(Role.ASSISTANT, "", provider_items=ProviderItems(ANTHROPIC, (THINKING,)))
    assert apply(STRICT_MODEL, ANTHROPIC, [Message.user("Hi"), paused])[1] == ()
