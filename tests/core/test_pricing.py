"""Invoices computed by hand: the arithmetic stands beside each payload, in dollars per million tokens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llm_client._core.pricing import Prices, Rates, parse_usage
from llm_client._core.profiles import ModelProfile
from llm_client._core.usage import Usage

MILLION = 1_000_000


def chat(
    prompt: int, completion: int, *, cached: int = 0, written: int = 0, reasoning: int = 0, **more: Any
) -> dict[str, Any]:
    """Usage as Chat Completions sends it."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0, "cache_write_tokens": written},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
        },
        **more,
    }


def responses(
    sent: int, output: int, *, cached: int = 0, short: int = 0, long: int = 0, reasoning: int = 0
) -> dict[str, Any]:
    """Usage as Responses sends it; `short` and `long` were written to the cache for 30 minutes and for 12 hours."""
    return {
        "input_tokens": sent,
        "input_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": short + long,
            "cache_write_tokens_details": {"ttl_30m_tokens": short, "ttl_12h_tokens": long},
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": sent + output,
    }


def claude(sent: int, output: int, *, read: int = 0, short: int = 0, long: int = 0, **more: Any) -> dict[str, Any]:
    """Usage as Messages sends it; `short` and `long` were written to the cache for 5 minutes and for an hour."""
    return {
        "input_tokens": sent,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "not_available",
        **more,
    }


def embedding(tokens: int) -> dict[str, Any]:
    return {"prompt_tokens": tokens, "total_tokens": tokens}


# (model, payload, service tier given beside it, input in millionths of a dollar, output in millionths of a dollar)
INVOICES: list[tuple[str, dict[str, Any], str | None, float, float]] = [
    # --- Chat Completions, plain and cached: cached tokens are among the prompt's
    ("gpt-5", chat(1000, 500), None, 1000 * 1.25, 500 * 10),
    ("gpt-5", chat(2006, 300, cached=1920), None, 86 * 1.25 + 1920 * 0.125, 300 * 10),
    ("gpt-5", chat(1000, 900, reasoning=832), None, 1000 * 1.25, 900 * 10),
    ("gpt-5-mini", chat(10_000, 2000, cached=9984), None, 16 * 0.25 + 9984 * 0.025, 2000 * 2),
    ("gpt-5-nano", chat(123_456, 7890), None, 123_456 * 0.05, 7890 * 0.4),
    ("gpt-5-nano", chat(4096, 1, cached=4096), None, 4096 * 0.005, 1 * 0.4),
    ("gpt-5.1", chat(1, 1), None, 1 * 1.25, 1 * 10),
    ("gpt-5.2", chat(5000, 1200, cached=1024), None, 3976 * 1.75 + 1024 * 0.175, 1200 * 14),
    ("gpt-5-2025-08-07", chat(1000, 500), None, 1000 * 1.25, 500 * 10),
    ("gpt-4o", chat(1500, 250, cached=1024), None, 476 * 2.5 + 1024 * 1.25, 250 * 10),
    ("gpt-4o-2024-05-13", chat(1500, 250), None, 1500 * 5, 250 * 15),
    ("gpt-4o-mini", chat(77, 21), None, 77 * 0.15, 21 * 0.6),
    ("gpt-4.1", chat(2000, 100, cached=1024), None, 976 * 2 + 1024 * 0.5, 100 * 8),
    ("gpt-4.1-nano", chat(140, 30), None, 140 * 0.1, 30 * 0.4),
    ("gpt-3.5-turbo", chat(60, 40), None, 60 * 0.5, 40 * 1.5),
    ("o3", chat(800, 4000, reasoning=3900), None, 800 * 2, 4000 * 8),
    ("o4-mini", chat(2000, 1000, cached=1536), None, 464 * 1.1 + 1536 * 0.275, 1000 * 4.4),
    ("o3-mini", chat(133, 400, reasoning=320), None, 133 * 1.1, 400 * 4.4),
    # --- service tiers: in the answer, or given beside the usage
    ("gpt-5", chat(1000, 500, cached=200), "flex", 800 * 0.625 + 200 * 0.0625, 500 * 5),
    ("gpt-5", chat(1000, 500, cached=200), "batch", 800 * 0.625 + 200 * 0.0625, 500 * 5),
    ("gpt-5", chat(1000, 500, cached=200), "priority", 800 * 2.5 + 200 * 0.25, 500 * 20),
    ("gpt-5", chat(1000, 500, cached=200), "fast", 800 * 2.5 + 200 * 0.25, 500 * 20),
    ("gpt-5", chat(1000, 500), "default", 1000 * 1.25, 500 * 10),
    ("gpt-5", chat(1000, 500), "auto", 1000 * 1.25, 500 * 10),
    ("gpt-5-mini", chat(1000, 500, cached=400), "priority", 600 * 0.45 + 400 * 0.045, 500 * 3.6),
    ("gpt-4o", chat(1000, 500), "batch", 1000 * 1.25, 500 * 5),
    # The batch list of gpt-4.1 has no price for cached tokens: the batch's discount is all there is.
    ("gpt-4.1", chat(2000, 100, cached=1024), "batch", 2000 * 1, 100 * 4),
    ("o3", chat(1000, 500), "flex", 1000 * 1, 500 * 4),
    ("gpt-5.4", chat(1000, 500, cached=400), "flex", 600 * 1.25 + 400 * 0.13, 500 * 7.5),
    # --- Responses
    ("gpt-5", responses(1000, 500, cached=512, reasoning=448), None, 488 * 1.25 + 512 * 0.125, 500 * 10),
    ("gpt-5.5", responses(3000, 700, cached=2048), None, 952 * 5 + 2048 * 0.5, 700 * 30),
    ("gpt-5.4-mini", responses(4000, 90), None, 4000 * 0.75, 90 * 4.5),
    ("gpt-6-luna", responses(10_000, 1000, cached=8192), None, 1808 * 0.1 + 8192 * 0.01, 1000 * 0.5),
    ("gpt-5.2", responses(1000, 500), "flex", 1000 * 0.875, 500 * 7),
    # --- OpenAI's cache writes since gpt-5.6: 30 minutes and 12 hours
    ("gpt-5.6-sol", responses(5000, 100, short=4096), None, 904 * 4 + 4096 * 5, 100 * 20),
    ("gpt-5.6-sol", responses(5000, 100, long=4096), None, 904 * 4 + 4096 * 10, 100 * 20),
    (
        "gpt-5.6-sol",
        responses(9000, 100, cached=4000, short=2000, long=1000),
        None,
        2000 * 4 + 4000 * 0.4 + 2000 * 5 + 1000 * 10,
        100 * 20,
    ),
    ("gpt-5.6-terra", chat(4024, 4, cached=1000, written=3000), None, 24 * 2 + 1000 * 0.2 + 3000 * 2.5, 4 * 12),
    ("gpt-6-astra", responses(2000, 10, short=1500), "batch", 500 * 5 + 1500 * 6.25, 10 * 25),
    ("gpt-6.1-terra", responses(2000, 10, cached=1500), None, 500 * 1 + 1500 * 0.05, 10 * 5),
    ("gpt-6.1-sol", responses(2000, 10, cached=1500), "ultrafast", 500 * 12 + 1500 * 0.6, 10 * 60),
    # Before 5.6 writing costs nothing of its own: an ordinary input token.
    ("gpt-5", responses(2000, 10, short=1500), None, 2000 * 1.25, 10 * 10),
    # --- the step above 272,000 input tokens: the whole request is dearer, cached tokens count towards it
    ("gpt-5.4", responses(272_000, 1000), None, 272_000 * 2.5, 1000 * 15),
    ("gpt-5.4", responses(272_001, 1000), None, 272_001 * 5, 1000 * 22.5),
    ("gpt-5.4", chat(300_000, 1000, cached=280_000), None, 20_000 * 5 + 280_000 * 0.5, 1000 * 22.5),
    ("gpt-5.4", chat(300_000, 1000), "batch", 300_000 * 2.5, 1000 * 11.25),
    ("gpt-5.6-sol", responses(400_000, 10, short=100_000), None, 300_000 * 8 + 100_000 * 10, 10 * 30),
    ("gpt-5.6-sol", responses(400_000, 10, long=100_000), None, 300_000 * 8 + 100_000 * 20, 10 * 30),
    ("gpt-6-sol", responses(500_000, 2000, cached=400_000), "flex", 100_000 * 2 + 400_000 * 0.2, 2000 * 7.5),
    # gpt-5 has no such step.
    ("gpt-5", chat(272_001, 1000), None, 272_001 * 1.25, 1000 * 10),
    # --- Anthropic: cached tokens are counted beside the input
    ("claude-haiku-4-5", claude(1000, 500), None, 1000 * 1, 500 * 5),
    ("claude-haiku-4-5-20251001", claude(10, 500, short=7351), None, 10 * 1 + 7351 * 1.25, 500 * 5),
    ("claude-sonnet-4-5", claude(3, 200, read=1217), None, 3 * 3 + 1217 * 0.3, 200 * 15),
    ("claude-sonnet-4-5", claude(3, 200, long=1217), None, 3 * 3 + 1217 * 6, 200 * 15),
    (
        "claude-sonnet-4-5",
        claude(100, 200, read=1000, short=300, long=70),
        None,
        100 * 3 + 1000 * 0.3 + 300 * 3.75 + 70 * 6,
        200 * 15,
    ),
    # A million tokens of a model whose window ends at 200,000 has no step (see the entry's note).
    ("claude-sonnet-4-5", claude(250_000, 1000), None, 250_000 * 3, 1000 * 15),
    ("claude-sonnet-4-6", claude(500_000, 1000), None, 500_000 * 3, 1000 * 15),
    ("claude-opus-4-6", claude(1000, 100, read=50_000), None, 1000 * 5 + 50_000 * 0.5, 100 * 25),
    # Reading from the cache is a tenth of the price on some models, a twentieth or a fortieth on others.
    ("claude-sonnet-5", claude(0, 10, read=10_000), None, 10_000 * 0.2, 10 * 10),
    ("claude-sonnet-5-5", claude(0, 10, read=10_000), None, 10_000 * 0.1, 10 * 10),
    ("claude-opus-5-5", claude(7, 10, read=10_000, short=500), None, 7 * 4 + 10_000 * 0.2 + 500 * 5, 10 * 20),
    ("claude-fable-5-1", claude(7, 10, read=10_000), None, 7 * 10 + 10_000 * 0.25, 10 * 50),
    ("claude-fable-5-2", claude(7, 10, long=1000), None, 7 * 8 + 1000 * 16, 10 * 40),
    # The step of haiku 5.5 at 100,000, cached tokens included.
    ("claude-haiku-5-5", claude(40_000, 100, read=60_000), None, 40_000 * 0.1 + 60_000 * 0.01, 100 * 0.5),
    ("claude-haiku-5-5", claude(40_001, 100, read=60_000), None, 40_001 * 0.5 + 60_000 * 0.05, 100 * 2.5),
    ("claude-haiku-5-5", claude(150_000, 100, long=1000), None, 150_000 * 0.5 + 1000 * 1, 100 * 2.5),
    # Batches say so themselves, or the caller does.
    ("claude-opus-4-5", claude(1000, 100, service_tier="batch"), None, 1000 * 2.5, 100 * 12.5),
    ("claude-opus-4-5", claude(1000, 100), "batch", 1000 * 2.5, 100 * 12.5),
    (
        "claude-sonnet-5",
        claude(1000, 100, read=400, short=200, long=50, service_tier="batch"),
        None,
        1000 * 1 + 400 * 0.1 + 200 * 1.25 + 50 * 2,
        100 * 5,
    ),
    # Fast mode is twice the price; inference in the US only costs a tenth more.
    ("claude-opus-5", claude(1000, 100, speed="standard"), None, 1000 * 5, 100 * 25),
    ("claude-opus-5", claude(1000, 100, speed="fast"), None, 1000 * 10, 100 * 50),
    ("claude-opus-4-8", claude(10, 100, read=1000, speed="fast"), None, 10 * 10 + 1000 * 1, 100 * 50),
    ("claude-opus-5", claude(1000, 100, inference_geo="us"), None, 1000 * 5 * 1.1, 100 * 25 * 1.1),
    ("claude-opus-5", claude(1000, 100, inference_geo="global"), None, 1000 * 5, 100 * 25),
    ("claude-haiku-4-5", claude(1000, 100, inference_geo="us"), None, 1000 * 1, 100 * 5),
    # --- older models
    ("claude-3-haiku-20240307", {"input_tokens": 14, "output_tokens": 12}, None, 14 * 0.25, 12 * 1.25),
    ("claude-3-5-haiku-latest", claude(12, 8), None, 12 * 0.8, 8 * 4),
    ("claude-3-opus-20240229", claude(17, 60), None, 17 * 15, 60 * 75),
    ("claude-sonnet-4-20250514", claude(18, 100, short=2055), None, 18 * 3 + 2055 * 3.75, 100 * 15),
    # --- embeddings
    ("text-embedding-3-small", embedding(8), None, 8 * 0.02, 0),
    ("text-embedding-3-large", embedding(250_000), None, 250_000 * 0.13, 0),
    ("text-embedding-3-large", embedding(250_000), "batch", 250_000 * 0.065, 0),
    ("text-embedding-ada-002", embedding(5), None, 5 * 0.1, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "payload", "tier", "sent", "produced"),
    INVOICES,
    ids=[f"{number}-{invoice[0]}-{invoice[2] or 'default'}" for number, invoice in enumerate(INVOICES)],
)
def test_invoice(model: str, payload: dict[str, Any], tier: str | None, sent: float, produced: float) -> None:
    usage = ModelProfile.get(model).parse_usage(payload, service_tier=tier)
    assert usage.input_cost == pytest.approx(sent / MILLION, abs=1e-9, rel=1e-12)
    assert usage.output_cost == pytest.approx(produced / MILLION, abs=1e-9, rel=1e-12)
    assert usage.total_cost == pytest.approx((sent + produced) / MILLION, abs=1e-9, rel=1e-12)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_there_are_sixty_invoices() -> None:
    assert len(INVOICES) >= 60


def test_counts_of_chat_completions() -> None:
    usage = ModelProfile.get("gpt-5.6-sol").parse_usage(chat(2000, 300, cached=1024, written=512, reasoning=256))
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (2000, 300, 2300)
    assert (usage.input_tokens_cached, usage.cache_write_tokens, usage.reasoning_tokens) == (1024, 512, 256)


def test_counts_of_responses() -> None:
    usage = ModelProfile.get("gpt-5.6-sol").parse_usage(
        responses(2000, 300, cached=1000, short=200, long=50, reasoning=9)
    )
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (2000, 300, 2300)
    assert (usage.input_tokens_cached, usage.cache_write_tokens, usage.reasoning_tokens) == (1000, 250, 9)


def test_the_input_of_anthropic_includes_cached_tokens_like_everybodys() -> None:
    payload = claude(100, 50, read=1000, short=300, long=70, output_tokens_details={"thinking_tokens": 33})
    usage = ModelProfile.get("claude-opus-5").parse_usage(payload)
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1470, 50, 1520)
    assert (usage.input_tokens_cached, usage.cache_write_tokens, usage.reasoning_tokens) == (1000, 370, 33)


def test_writes_without_a_split_were_for_the_shorter_time() -> None:
    payload = {"input_tokens": 1, "output_tokens": 0, "cache_creation_input_tokens": 1000, "cache_creation": None}
    usage = ModelProfile.get("claude-sonnet-4-5").parse_usage(payload)
    assert usage.input_cost == pytest.approx((1 * 3 + 1000 * 3.75) / MILLION, abs=1e-12)


@pytest.mark.parametrize("model", ["gpt-6.2-astra", "gpt-6.2-sol", "gpt-5.9-foo", "llama3:8b", "openai/gpt-5"])
def test_what_nobody_priced_costs_none_and_not_nothing(model: str) -> None:
    usage = ModelProfile.resolve(model).parse_usage(chat(1000, 500, cached=10))
    assert (usage.input_cost, usage.output_cost, usage.total_cost) == (None, None, None)
    assert (usage.input_tokens, usage.output_tokens, usage.input_tokens_cached) == (1000, 500, 10)


@pytest.mark.parametrize(
    ("model", "payload", "tier"),
    [
        ("gpt-5", chat(10, 5), "scale"),
        ("gpt-5", chat(10, 5), "tomorrow"),
        ("gpt-5-nano", chat(10, 5), "priority"),
        ("gpt-5.4", chat(300_000, 5), "priority"),
        ("claude-opus-5", claude(10, 5, service_tier="priority"), None),
        ("claude-opus-5", claude(10, 5, speed="fast", service_tier="batch"), None),
        ("claude-sonnet-5", claude(10, 5, speed="fast"), None),
        ("claude-opus-5", claude(10, 5, speed="ludicrous"), None),
    ],
)
def test_tiers_without_a_published_price_cost_none(model: str, payload: dict[str, Any], tier: str | None) -> None:
    usage = ModelProfile.get(model).parse_usage(payload, service_tier=tier)
    assert (usage.input_cost, usage.output_cost, usage.total_cost) == (None, None, None)
    assert usage.output_tokens == 5


def test_sound_has_a_price_of_its_own() -> None:
    prices = Prices({"default": Rates(input=2.5, output=10, audio_input=32, audio_output=64)})
    payload = {
        "prompt_tokens": 100,
        "completion_tokens": 80,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 60, "text_tokens": 40},
        "completion_tokens_details": {"audio_tokens": 50, "text_tokens": 30},
    }
    usage = parse_usage(payload, prices)
    assert usage.input_cost == pytest.approx((40 * 2.5 + 60 * 32) / MILLION, abs=1e-12)
    assert usage.output_cost == pytest.approx((30 * 10 + 50 * 64) / MILLION, abs=1e-12)


def test_sound_without_a_price_costs_none() -> None:
    payload = {"prompt_tokens": 100, "completion_tokens": 8, "prompt_tokens_details": {"audio_tokens": 60}}
    usage = ModelProfile.get("gpt-4o").parse_usage(payload)
    assert (usage.input_cost, usage.total_cost) == (None, None)


def test_sound_of_recorded_models_is_priced() -> None:
    payload = {"prompt_tokens": 53, "completion_tokens": 8, "prompt_tokens_details": {"audio_tokens": 40}}
    usage = ModelProfile.get("gpt-audio-mini").parse_usage(payload)
    assert usage.input_cost == pytest.approx((13 * 0.6 + 40 * 10) / MILLION, abs=1e-12)


def test_the_objects_of_the_sdks_are_read_like_dicts() -> None:
    from anthropic.types import Usage as AnthropicUsage
    from openai.types import CompletionUsage
    from openai.types.create_embedding_response import Usage as EmbeddingUsage
    from openai.types.responses import ResponseUsage

    gpt, opus, small = (ModelProfile.get(name) for name in ("gpt-5.6-sol", "claude-opus-5", "text-embedding-3-small"))
    for profile, kind, payload in (
        (gpt, CompletionUsage, chat(2000, 300, cached=1024, written=512, reasoning=256)),
        (gpt, ResponseUsage, responses(2000, 300, cached=1000, short=200, long=50, reasoning=9)),
        (opus, AnthropicUsage, claude(100, 50, read=1000, short=300, long=70, speed="fast")),
        (small, EmbeddingUsage, embedding(77)),
    ):
        parsed = kind.model_validate(payload)  # type: ignore[attr-defined]
        assert profile.parse_usage(parsed) == profile.parse_usage(payload), kind


def test_fields_newer_than_the_installed_sdk_are_read() -> None:
    from pydantic import BaseModel, ConfigDict

    class OldUsage(BaseModel):
        model_config = ConfigDict(extra="allow")
        input_tokens: int
        output_tokens: int

    payload = claude(100, 50, read=1000, short=300, long=70)
    profile = ModelProfile.get("claude-opus-5")
    assert profile.parse_usage(OldUsage.model_validate(payload)) == profile.parse_usage(payload)


def test_plain_objects_are_read_too() -> None:
    usage = ModelProfile.get("gpt-5").parse_usage(SimpleNamespace(prompt_tokens=1000, completion_tokens=None))
    assert (usage.input_tokens, usage.output_tokens) == (1000, 0)
    assert usage.total_cost == pytest.approx(1000 * 1.25 / MILLION)


def test_a_whole_answer_names_its_tier() -> None:
    answer = {"id": "chatcmpl-1", "service_tier": "flex", "usage": chat(1000, 500)}
    usage = ModelProfile.get("gpt-5").parse_usage(answer)
    assert usage.total_cost == pytest.approx((1000 * 0.625 + 500 * 5) / MILLION)
    wrapped = SimpleNamespace(service_tier="flex", usage=SimpleNamespace(**chat(1000, 500)))
    assert ModelProfile.get("gpt-5").parse_usage(wrapped) == usage


def test_parsed_usage_stays_as_it_is() -> None:
    usage = Usage(input_tokens=3, output_tokens=4, total_cost=0.5)
    assert ModelProfile.get("gpt-5").parse_usage(usage) is usage


@pytest.mark.parametrize("payload", [None, 5, "usage", [1], {}, {"tokens": 5}, Usage])
def test_what_is_no_usage_is_a_type_error(payload: Any) -> None:
    with pytest.raises(TypeError, match="usage is"):
        ModelProfile.get("gpt-5").parse_usage(payload)


def test_counts_that_contradict_each_other_never_cost_less_than_nothing() -> None:
    usage = ModelProfile.get("gpt-5").parse_usage(chat(10, 0, cached=500))
    assert usage.input_cost == pytest.approx(500 * 0.125 / MILLION)


def test_missing_and_null_fields_count_as_nothing() -> None:
    payload = {"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None}
    assert ModelProfile.get("gpt-5").parse_usage(payload).total_tokens == 0
    payload = {"output_tokens": 5, "cache_read_input_tokens": None, "cache_creation_input_tokens": None}
    assert ModelProfile.get("claude-opus-5").parse_usage(payload).output_tokens == 5
