"""What tokens cost: the dated table of prices and limits, and a call's usage with its price.

`data/models.json` is the only place with figures; `scripts/build_prices.py` writes it from two published price tables
and stops where they disagree. Ratios such as "a cached token costs a tenth" appear nowhere: they differ by model.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import files, jsons
from .usage import Usage

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars per million tokens.

    Args:
        input: Tokens sent.
        output: Tokens produced.
        cache_read: Tokens read from the vendor's cache; None where the model has no such price: as input.
        cache_write: Tokens written to the cache for the shorter time (Anthropic 5 minutes, OpenAI 30); None: as input.
        cache_write_long: Tokens written for the longer time (Anthropic 1 hour, OpenAI 12); None: as cache_write.
        audio_input: Sound sent, in tokens; None where it has no price.
        audio_output: Sound produced, in tokens; None where it has no price.
    """

    input: float
    output: float = 0.0
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_long: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices of a model.

    Args:
        tiers: By service tier: "default", and "batch", "flex", "priority", "fast", "ultrafast" where they exist.
        long_above: Requests with more input tokens than this cost `long_tiers`, all of their tokens; None: no step.
        long_tiers: By service tier, for long requests.
        regional: By Anthropic's inference_geo, what multiplies the price.
    """

    tiers: Mapping[str, Rates]
    long_above: int | None = None
    long_tiers: Mapping[str, Rates] = field(default_factory=dict)
    regional: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the table.

    Args:
        name: As the vendor writes it.
        vendor: "openai" or "anthropic".
        category: "completions" or "embeddings".
        context_window: Tokens, input and output together, None where nobody says.
        max_input_tokens: Tokens, None where nobody says.
        max_output_tokens: Tokens, None where nobody says.
        output_dimensions: Of an embedding model.
        retires_on: The vendor's announced last day.
        prices: None where there is no published price.
        sources: Where the figures are from: a price table and its version each.
        date: The day on which the figures were read.
        note: What a reader should know, such as where the sources differ.
    """

    name: str
    vendor: str
    category: str
    context_window: int | None
    max_input_tokens: int | None
    max_output_tokens: int | None
    output_dimensions: int | None
    retires_on: datetime.date | None
    prices: Prices | None
    sources: tuple[str, ...]
    date: datetime.date
    note: str | None


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    document: dict[str, Any] = jsons.loads(files.read_bytes(Path(__file__).parent / "data" / "models.json"))
    return document


def table_names() -> tuple[str, ...]:
    """The names of all models in the table."""
    return tuple(_document()["models"])


def aliases() -> Mapping[str, str]:
    """Other names of models in the table, such as "claude-sonnet-4-0"."""
    given: dict[str, str] = _document()["aliases"]
    return given


@lru_cache(maxsize=512)
def entry(name: str) -> Entry | None:
    """What the table says of a model, None where it is not listed."""
    raw = _document()["models"].get(name)
    if raw is None:
        return None
    retires, prices = raw.get("retires_on"), raw.get("prices")
    return Entry(
        name=name,
        vendor=raw["vendor"],
        category=raw["category"],
        context_window=raw.get("context_window"),
        max_input_tokens=raw.get("max_input_tokens"),
        max_output_tokens=raw.get("max_output_tokens"),
        output_dimensions=raw.get("output_dimensions"),
        retires_on=datetime.date.fromisoformat(retires) if retires else None,
        prices=prices_from_dict(prices) if prices else None,
        sources=tuple(raw["sources"]),
        date=datetime.date.fromisoformat(raw["date"]),
        note=raw.get("note"),
    )


def prices_from_dict(value: Mapping[str, Any]) -> Prices:
    """Prices as the data file and `ModelProfile.register` write them.

    Args:
        value: Either one price list, {"input": 1.25, "cache_read": 0.125, "output": 10}, in dollars per million
            tokens, or {"tiers": {"default": {...}, "batch": {...}}, "long_above": 272000, "long_tiers": {...}}.

    Raises:
        ValueError: A name in it is unknown, or the input price is missing.
    """
    if "tiers" not in value:
        return Prices(tiers={DEFAULT: _rates(value)})
    unknown = set(value) - set(Prices.__dataclass_fields__)
    if unknown or DEFAULT not in value["tiers"]:
        raise ValueError(
            f"prices take {sorted(Prices.__dataclass_fields__)} and a 'default' tier, got {sorted(value)} "
            f"with tiers {sorted(value['tiers'])}"
        )
    return Prices(
        tiers={tier: _rates(rates) for tier, rates in value["tiers"].items()},
        long_above=value.get("long_above"),
        long_tiers={tier: _rates(rates) for tier, rates in value.get("long_tiers", {}).items()},
        regional=dict(value.get("regional", {})),
    )


def _rates(value: Mapping[str, Any]) -> Rates:
    unknown = set(value) - set(Rates.__dataclass_fields__)
    if unknown or "input" not in value:
        raise ValueError(
            f"a price list takes {sorted(Rates.__dataclass_fields__)} in dollars per million tokens and needs "
            f"'input', got {sorted(value)}"
        )
    return Rates(**value)


# What the vendors call the tier that everybody gets, and what OpenAI renamed. "scale" (OpenAI) and "priority"
# (Anthropic) are bought in advance: a call has no price of its own there, and none is made up.
_TIER_NAMES: dict[Any, str] = {
    None: DEFAULT, "auto": DEFAULT, "standard": DEFAULT, "standard_only": DEFAULT, "fast": "priority",
}  # fmt: skip


def parse_usage(payload: Any, prices: Prices | None, service_tier: str | None = None) -> Usage:
    """A vendor's usage, with its price.

    Args:
        payload: The usage of Chat Completions, Responses, embeddings or Anthropic Messages, or a whole answer that
            holds one; a dict or an SDK's object.
        prices: The model's, None where there are none: the costs are None then.
        service_tier: The tier that served the call, where the usage itself does not say: "batch", "flex", "priority".

    Raises:
        TypeError: The payload is no usage.
    """
    if type(payload) is not dict:
        if isinstance(payload, Usage):
            return payload
        payload = _mapping(payload)
    inner = payload.get("usage")
    if inner is not None:
        service_tier = service_tier or payload.get("service_tier")
        payload = inner if type(inner) is dict else _mapping(inner)

    write = write_long = cached = audio_in = audio_out = reasoning = 0
    if "prompt_tokens" in payload:
        # Chat Completions and embeddings.
        total_in = payload["prompt_tokens"] or 0
        output = payload.get("completion_tokens") or 0
        details = payload.get("prompt_tokens_details")
        out_details = payload.get("completion_tokens_details")
    elif "input_tokens" in payload or "output_tokens" in payload:
        # Responses and Anthropic Messages; the latter counts cached tokens beside the input, not in it.
        total_in = payload.get("input_tokens") or 0
        output = payload.get("output_tokens") or 0
        details = payload.get("input_tokens_details")
        out_details = payload.get("output_tokens_details")
        cached = payload.get("cache_read_input_tokens") or 0
        write = payload.get("cache_creation_input_tokens") or 0
        creation = payload.get("cache_creation")
        if creation is not None:
            creation = creation if type(creation) is dict else _mapping(creation)
            write_long = creation.get("ephemeral_1h_input_tokens") or 0
            write = max(write, write_long + (creation.get("ephemeral_5m_input_tokens") or 0))
        total_in += cached + write
    else:
        raise TypeError(
            "usage is a vendor's usage object with prompt_tokens or input_tokens, such as {'prompt_tokens': 10, "
            f"'completion_tokens': 5}}, got one with {sorted(map(str, payload))}"
        )
    if details is not None:
        details = details if type(details) is dict else _mapping(details)
        cached += details.get("cached_tokens") or 0
        audio_in = details.get("audio_tokens") or 0
        write += details.get("cache_write_tokens") or 0
        split = details.get("cache_write_tokens_details")
        if split is not None:
            write_long += (split if type(split) is dict else _mapping(split)).get("ttl_12h_tokens") or 0
    if out_details is not None:
        out_details = out_details if type(out_details) is dict else _mapping(out_details)
        reasoning = out_details.get("reasoning_tokens") or out_details.get("thinking_tokens") or 0
        audio_out = out_details.get("audio_tokens") or 0

    input_cost = output_cost = total_cost = None
    if prices is not None:
        factor = 1.0
        tier: Any = payload.get("service_tier") or service_tier
        tier = _TIER_NAMES.get(tier, tier)
        if tier == DEFAULT and service_tier is not None:
            # "standard" in the usage says nothing of a batch whose results are read from a file.
            tier = _TIER_NAMES.get(service_tier, service_tier)
        speed = payload.get("speed")
        if speed is not None and speed != "standard":
            # No price is published for a fast call in another tier.
            tier = speed if tier == DEFAULT else None
        if prices.regional:
            factor = prices.regional.get(str(payload.get("inference_geo")), 1.0)
        above = prices.long_above
        rates = (prices.tiers if above is None or total_in <= above else prices.long_tiers).get(tier)
        if rates is not None:
            input_cost, output_cost = _cost(
                rates, total_in, output, cached, write, write_long, audio_in, audio_out, factor
            )
            if input_cost is not None and output_cost is not None:
                total_cost = input_cost + output_cost
    return Usage(total_in, output, total_in + output, cached, input_cost, output_cost, total_cost, write, reasoning)


def _cost(
    rates: Rates,
    total_in: int,
    output: int,
    cached: int,
    write: int,
    write_long: int,
    audio_in: int,
    audio_out: int,
    factor: float,
) -> tuple[float | None, float | None]:
    price_in = rates.input
    plain = total_in - cached - write
    spent = 0.0
    if cached:
        spent += cached * (price_in if rates.cache_read is None else rates.cache_read)
    if write:
        price_write = price_in if rates.cache_write is None else rates.cache_write
        price_long = price_write if rates.cache_write_long is None else rates.cache_write_long
        spent += (write - write_long) * price_write + write_long * price_long
    if audio_in:
        if rates.audio_input is None:
            return None, None
        # Which of the cached tokens were sound is not said: text is taken to be cached first.
        sound = min(audio_in, max(plain, 0))
        plain -= sound
        spent += sound * rates.audio_input
    if plain > 0:
        spent += plain * price_in
    if audio_out:
        if rates.audio_output is None:
            return spent * factor / 1e6, None
        return spent * factor / 1e6, ((output - audio_out) * rates.output + audio_out * rates.audio_output) / 1e6
    return spent * factor / 1e6, output * rates.output * factor / 1e6


def _mapping(value: Any) -> Mapping[str, Any]:
    """An SDK's object as a mapping, without its validation or dumping machinery."""
    if isinstance(value, Mapping):
        return value
    attributes = getattr(value, "__dict__", None)
    if attributes is None or isinstance(value, type):
        raise TypeError(f"usage is a dict or an SDK's usage object, got {type(value).__name__}")
    # A field newer than the installed SDK stands among pydantic's extra ones.
    extra = getattr(value, "__pydantic_extra__", None)
    return {**attributes, **extra} if extra else attributes
