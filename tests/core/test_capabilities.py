"""What each family of models takes and refuses."""

from __future__ import annotations

import dataclasses

import pytest

from llm_client._core.capabilities import (
    UNKNOWN,
    Capabilities,
    capabilities_of,
    is_older_claude,
    plain_name,
    vendor_of,
)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("gpt-5", "gpt-5"),
        (" GPT-5 ", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("openrouter/openai/gpt-5-mini", "gpt-5-mini"),
        ("azure/gpt-4o", "gpt-4o"),
        ("ft:gpt-4o-mini-2024-07-18:my-org::abc123", "gpt-4o-mini-2024-07-18"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5:beta", "claude-sonnet-4-5"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("claude-opus-4-1@20250805", "claude-opus-4-1-20250805"),
        ("claude-4-sonnet-20250514", "claude-sonnet-4-20250514"),
        ("claude-4-5-haiku", "claude-haiku-4-5"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet-latest"),
        ("mistral/mistral-large-2", "mistral-large-2"),
    ],
)
def test_a_dressed_name_is_undressed(given: str, plain: str) -> None:
    assert plain_name(given) == plain


@pytest.mark.parametrize(
    ("model", "vendor"),
    [
        ("gpt-5", "openai"),
        ("o3-mini", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("text-embedding-ada-002", "openai"),
        ("openai/gpt-5.9-foo", "openai"),
        ("eu.anthropic.claude-opus-5-v1:0", "anthropic"),
        ("claude-next", "anthropic"),
        ("gpt-oss-120b", "unknown"),
        ("llama3:8b", "unknown"),
        ("olmo-2", "unknown"),
    ],
)
def test_the_vendor_is_known_by_the_name(model: str, vendor: str) -> None:
    assert vendor_of(model) == vendor


# What recorded calls were answered with status 200, or refused, by the vendors themselves.
@pytest.mark.parametrize(
    ("model", "what", "accepted"),
    [
        ("gpt-3.5-turbo", "sampling", True),
        ("gpt-3.5-turbo-0125", "sampling", True),
        ("gpt-4", "sampling", True),
        ("gpt-4", "stop", True),
        ("gpt-4o", "sampling", True),
        ("gpt-4o", "forced_tool_choice", True),
        ("gpt-4o", "structured_output", True),
        ("gpt-4o", "json_object", True),
        ("gpt-4o", "stop", True),
        ("gpt-4o-2024-08-06", "structured_output", True),
        ("gpt-4o-mini", "sampling", True),
        ("gpt-4o-mini", "stop", True),
        ("gpt-4o-mini", "structured_output", True),
        ("gpt-4.1-mini", "structured_output", True),
        ("gpt-4.1-nano", "sampling", True),
        ("gpt-4-vision-preview", "vision", True),
        ("o1-mini", "stop", False),
        ("gpt-5-mini", "stop", False),
        ("gpt-5-mini", "forced_tool_choice", True),
        ("gpt-5", "forced_tool_choice", True),
        ("gpt-5-nano", "structured_output", True),
        ("gpt-5-pro", "chat_completions", False),
        ("claude-3-haiku-20240307", "forced_tool_choice", True),
        ("claude-3-5-haiku-20241022", "sampling", True),
        ("claude-3-5-haiku-latest", "sampling", True),
        ("claude-haiku-4-5-20251001", "sampling", True),
        ("claude-haiku-4-5-20251001", "assistant_prefill", True),
        ("claude-haiku-4-5", "structured_output", True),
        ("claude-haiku-4-5", "forced_tool_choice", True),
        ("claude-opus-4-6", "sampling", True),
        ("claude-opus-4-6", "forced_tool_choice", True),
        ("claude-opus-4-6", "effort_parameter", True),
        ("claude-opus-4-7", "effort_parameter", True),
        ("claude-sonnet-4-0", "sampling", True),
        ("claude-sonnet-4-0", "forced_tool_choice", True),
        ("claude-sonnet-4-20250514", "sampling", True),
        ("claude-sonnet-4-5", "sampling", True),
        ("claude-sonnet-4-5", "structured_output", True),
        ("claude-sonnet-4-5", "assistant_prefill", True),
        ("claude-sonnet-4-6", "sampling", True),
        ("claude-sonnet-4-6", "structured_output", True),
        ("claude-sonnet-4-6", "forced_tool_choice", True),
    ],
)
def test_what_recorded_calls_were_answered_with(model: str, what: str, accepted: bool) -> None:
    assert getattr(capabilities_of(model), what) is accepted


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("o3-mini", "high"),
        ("o3-mini", "low"),
        ("gpt-5", "high"),
        ("gpt-5", "low"),
        ("gpt-5.4", "medium"),
        ("gpt-5.5", "high"),
        ("claude-opus-4-6", "low"),
        ("claude-opus-4-7", "high"),
    ],
)
def test_efforts_of_recorded_calls_are_accepted(model: str, effort: str) -> None:
    assert capabilities_of(model).accepts_effort(effort)


@pytest.mark.parametrize(
    ("model", "style"),
    [
        ("claude-sonnet-4-0", "enabled"),
        ("claude-sonnet-4-5", "enabled"),
        ("claude-sonnet-4-6", "enabled"),
        ("claude-opus-4-6", "adaptive"),
    ],
)
def test_thinking_of_recorded_calls_is_accepted(model: str, style: str) -> None:
    assert style in capabilities_of(model).thinking


def test_adaptive_thinking_goes_with_forced_tools_and_a_fixed_budget_does_not() -> None:
    assert capabilities_of("claude-opus-4-6").thinking_with_forced_tools == ("adaptive", "disabled")


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.2", "gpt-5.6-sol", "gpt-6-luna", "o4-mini"])
def test_reasoning_models_take_the_default_temperature_only(model: str) -> None:
    found = capabilities_of(model)
    assert not found.sampling
    assert found.accepts_temperature(1)
    assert found.accepts_temperature(1.0)
    assert not found.accepts_temperature(0.7)
    assert found.max_tokens_name == "max_completion_tokens"


@pytest.mark.parametrize(
    "model",
    ["claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5", "claude-opus-5", "claude-fable-5", "claude-haiku-5-5"],
)
def test_newer_claudes_refuse_sampling_and_prefill(model: str) -> None:
    found = capabilities_of(model)
    assert not found.sampling
    assert not found.accepts_temperature(1.0)
    assert not found.assistant_prefill
    assert "enabled" not in found.thinking


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5", "claude-fable-5-2"])
def test_models_that_always_think_cannot_be_forced_to_call(model: str) -> None:
    found = capabilities_of(model)
    assert found.thinking_always
    assert not found.forced_tool_choice
    assert "disabled" not in found.thinking


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-5", ("minimal", "low", "medium", "high")),
        ("gpt-5-nano", ("minimal", "low", "medium", "high")),
        ("gpt-5-pro", ("high",)),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.2", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.5", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-6-astra", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-6.1-sol", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-6-sol", ("none", "low", "medium", "high", "xhigh", "max")),
        ("o3", ("low", "medium", "high")),
        ("o1-mini", ()),
        ("gpt-4o", ()),
        ("gpt-5-chat-latest", ()),
        ("claude-sonnet-4-5", ()),
        ("claude-opus-4-5", ("low", "medium", "high")),
        ("claude-opus-4-6", ("low", "medium", "high", "max")),
        ("claude-opus-4-7", ("low", "medium", "high", "xhigh", "max")),
        ("claude-haiku-5-5", ("low", "medium", "high", "xhigh", "max")),
    ],
)
def test_accepted_efforts(model: str, efforts: tuple[str, ...]) -> None:
    assert capabilities_of(model).efforts == efforts


@pytest.mark.parametrize(
    ("unlisted", "relative"),
    [
        ("gpt-5.9-foo", "gpt-5.6-sol"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("gpt-7-quasar", "gpt-6-astra"),
        ("o9-mini", "o4-mini"),
        ("claude-sonnet-5-20260301", "claude-sonnet-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic/claude-opus-4.6", "claude-opus-4-6"),
        ("claude-4-sonnet-20250514", "claude-sonnet-4-0"),
        ("claude-opus-4@20250514", "claude-opus-4-0"),
        ("ft:gpt-4o-mini-2024-07-18:my-org::abc123", "gpt-4o-mini"),
        ("claude-saga-6", "claude-sonnet-5-5"),
    ],
)
def test_a_name_that_no_rule_lists_is_taken_for_its_family(unlisted: str, relative: str) -> None:
    assert capabilities_of(unlisted) == capabilities_of(relative)


def test_an_unknown_model_is_sent_everything() -> None:
    found = capabilities_of("mixtral-8x22b")
    assert found is UNKNOWN
    assert found.efforts is None
    assert found.accepts_effort("whatever")
    assert found.max_tokens_name == "max_tokens"
    refused = [name for name in Capabilities.__dataclass_fields__ if getattr(found, name) is False]
    assert refused == ["thinking_always", "reasoning"]


def test_only_third_generation_embeddings_can_be_shortened() -> None:
    assert capabilities_of("text-embedding-3-small").dimensions
    assert not capabilities_of("text-embedding-ada-002").dimensions


def test_capabilities_are_values() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        capabilities_of("gpt-5").sampling = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("model", "older"),
    [
        ("claude-3-opus-latest", True),
        ("claude-3-5-haiku-20241022", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4-1-20250805", True),
        ("claude-sonnet-4-6", True),
        ("claude-opus-4-7", False),
        ("claude-opus-4-8-20260601", False),
        ("claude-sonnet-5", False),
        ("claude-sonnet-5-5", False),
        ("claude-fable-5", False),
    ],
)
def test_the_older_tokenizer_ends_with_opus_4_7(model: str, older: bool) -> None:
    assert is_older_claude(model) is older
