"""`llm-client models`: the models that are known, with limits, prices and last days."""

# ruff: noqa: T201 (a program prints)

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from .._core import jsons, pricing
from .._core.profiles import WARN_DAYS_BEFORE_RETIREMENT, ModelProfile
from .screen import note, print_table

_TITLES = ("model", "vendor", "tokens in", "out", "$ in", "cached", "$ out", "retires")
_NUMBERS = frozenset({2, 3, 4, 5, 6})


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "models", help="list models with prices and last days",
        description="List the models that are known; all others work too. Prices are dollars for a million tokens.",
    )  # fmt: skip
    parser.add_argument("part", nargs="?", default="", help="only models whose name, or vendor, holds this")
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each model")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List; 1 where nothing fits."""
    part = options.part.lower()
    found = [
        profile
        for profile in map(ModelProfile.get, sorted(pricing.table_names()))
        if part in profile.key or part == profile.vendor
    ]
    if not found:
        note(f"llm-client: no model's name holds {options.part!r}")
        return 1
    today = date.today()
    if options.json:
        for profile in found:
            print(jsons.dumps_text(_described(profile)))
        return 0
    print_table(_TITLES, [_row(profile, today) for profile in found], right=_NUMBERS)
    dates = [entry.date for entry in map(pricing.entry, pricing.table_names()) if entry is not None]
    note(f"{len(found)} models; figures of {max(dates)}")
    return 0


def _described(profile: type[ModelProfile]) -> dict[str, Any]:
    rates = profile.prices.tiers[pricing.DEFAULT] if profile.prices else None
    return {
        "model": profile.key,
        "vendor": profile.vendor,
        "category": profile.category,
        "max_input_tokens": profile.max_input_tokens,
        "max_output_tokens": profile.max_output_tokens,
        "input": rates.input if rates else None,
        "cached_input": rates.cache_read if rates else None,
        "output": rates.output if rates else None,
        "retires_on": profile.retires_on.isoformat() if profile.retires_on else None,
    }


def _row(profile: type[ModelProfile], today: date) -> list[str]:
    known = _described(profile)
    return [
        profile.key,
        profile.vendor,
        _count(known["max_input_tokens"]),
        _count(known["max_output_tokens"]),
        _price(known["input"]),
        _price(known["cached_input"]),
        "" if profile.category == "embeddings" else _price(known["output"]),
        _last_day(profile.retires_on, today),
    ]


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _price(dollars: float | None) -> str:
    return "" if dollars is None else f"{dollars:g}"


def _last_day(retires: date | None, today: date) -> str:
    if retires is None:
        return ""
    if retires < today:
        return f"{retires} gone"
    return f"{retires} soon" if (retires - today).days <= WARN_DAYS_BEFORE_RETIREMENT else str(retires)
