"""Rebuild src/llm_client/_core/data/models.json from two published price tables; stop where they disagree.

The tables are the PyPI packages genai-prices and litellm. Neither is a dependency of this project, so run this in a
throw-away environment:

    python -m venv /tmp/prices
    /tmp/prices/bin/pip install genai-prices
    /tmp/prices/bin/pip install --no-deps litellm        # only its JSON file is read
    /tmp/prices/bin/python scripts/build_prices.py       # --check: compare with the file, write nothing

A figure that both tables hold must be the same in both, or stand in DECISIONS with the reason for the choice;
otherwise nothing is written and the exit status is 1. A figure that only one table holds is taken from it, and the
entry's `note` says so. Retirement dates come from litellm and from the lists inside the vendors' own SDKs.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "llm_client" / "_core" / "data" / "models.json"

# (model, what) -> (which table, why)
DECISIONS: dict[tuple[str, str], tuple[str, str]] = {
    ("claude-sonnet-4-5", "long"): (
        "litellm",
        "genai-prices lists a step above 200K input tokens (6 / 22.5), litellm none; the model's window ends at 200K",
    ),
    ("claude-sonnet-4-0", "long"): (
        "litellm",
        "genai-prices lists a step above 200K input tokens, litellm none; the model's window ends at 200K",
    ),
}

# Limits that differ, where the greater figure is the vendor's published one. Otherwise the smaller one is taken: a
# limit that is too high loses calls, one that is too low only some room.
CONTEXT: dict[str, tuple[int, str]] = {
    "gpt-4.1": (1_047_576, "genai-prices rounds the context window to 1000000"),
    "gpt-4.1-mini": (1_047_576, "genai-prices rounds the context window to 1000000"),
    "gpt-4.1-nano": (1_047_576, "genai-prices rounds the context window to 1000000"),
}

# Of models that litellm has dropped, by Anthropic's overview of models
# (https://platform.claude.com/docs/en/about-claude/models/overview).
MAX_OUTPUT: dict[str, int] = {
    "claude-3-haiku": 4096,
    "claude-3-sonnet": 4096,
    "claude-3-opus": 4096,
    "claude-3-5-haiku": 8192,
    "claude-3-5-sonnet": 8192,
    "claude-3-7-sonnet": 64_000,
    "claude-sonnet-4-0": 64_000,
    "claude-opus-4-0": 32_000,
    "claude-opus-4-1": 32_000,
}

# Shutdown dates that the vendors' SDKs carry and litellm lacks (models that it has dropped, undated names).
OPENAI_SDK = "openai 3.54.0, types/shared/chat_model.py"
ANTHROPIC_SDK = "anthropic 2.12.0, resources/messages/messages.py"
RETIREMENTS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini"), ("2027-01-14", OPENAI_SDK)),
    **dict.fromkeys(("gpt-4o-search-preview", "gpt-4o-mini-search-preview"), ("2026-07-23", OPENAI_SDK)),
    **dict.fromkeys(("gpt-4o-audio-preview", "gpt-4o-mini-audio-preview"), ("2026-05-07", OPENAI_SDK)),
    **dict.fromkeys(("gpt-4-32k",), ("2025-06-06", OPENAI_SDK)),
    **dict.fromkeys(("gpt-3.5-turbo-0613", "gpt-3.5-turbo-16k"), ("2024-09-13", OPENAI_SDK)),
    "o1-preview": ("2025-07-28", OPENAI_SDK),
    "o1-mini": ("2025-10-27", OPENAI_SDK),
    "chatgpt-4o-latest": ("2026-02-17", OPENAI_SDK),
    "codex-mini-latest": ("2026-02-12", OPENAI_SDK),
    "gpt-4-vision-preview": ("2024-12-06", OPENAI_SDK),
    "claude-3-sonnet": ("2025-07-21", ANTHROPIC_SDK),
    "claude-3-opus": ("2026-01-05", ANTHROPIC_SDK),
    "claude-2": ("2025-07-21", ANTHROPIC_SDK),
    "claude-3-7-sonnet": ("2026-02-19", ANTHROPIC_SDK),
    "claude-3-5-haiku": ("2026-02-19", ANTHROPIC_SDK),
    "claude-opus-4-0": ("2026-06-15", ANTHROPIC_SDK),
    "claude-sonnet-4-0": ("2026-06-15", ANTHROPIC_SDK),
}

ALIASES = {
    "claude-sonnet-4": "claude-sonnet-4-0",
    "claude-opus-4": "claude-opus-4-0",
    "gpt-4-turbo-preview": "gpt-4-turbo",
}

# Only models that the library can call: chat, Responses, embeddings.
_WANTED = re.compile(r"(gpt-[3-9]|gpt-audio|o\d|chatgpt-|codex-|text-embedding-|claude-)")
_UNWANTED = re.compile(
    r"image|realtime|transcribe|tts|:|\.ft-|gpt-3\.5-0301|^gpt-5\.3$|instruct|gpt-oss|claude-v1|ada-002-v2|cyber|rosalind|-law$"
)
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")

_FIELDS = {
    "input": ("input_cost_per_token", "input_mtok"),
    "cache_read": ("cache_read_input_token_cost", "cache_read_mtok"),
    "cache_write": ("cache_creation_input_token_cost", "cache_write_mtok"),
    "cache_write_long": (("cache_creation_input_token_cost_above_1hr", "cache_creation_input_token_cost_above_12hr"),
                         "cache_write_1h_mtok"),
    "output": ("output_cost_per_token", "output_mtok"),
    "audio_input": ("input_cost_per_audio_token", "input_audio_mtok"),
    "audio_output": ("output_cost_per_audio_token", "output_audio_mtok"),
}  # fmt: skip
_TIERS = {"default": "", "batch": "_batches", "flex": "_flex", "priority": "_priority", "ultrafast": "_ultrafast"}

Figures = dict[tuple[str, str, str], float]
"""(tier, "" or "long", field) -> dollars per million tokens."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Rebuild the table of prices and limits.")
    parser.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    parser.add_argument("--date", default=None, help="the day to write into new and changed entries (default: today)")
    arguments = parser.parse_args()
    today = arguments.date or datetime.date.today().isoformat()

    tables = {"litellm": _version("litellm"), "genai-prices": _version("genai-prices")}
    litellm, genai = _read_litellm(), _read_genai()
    names = sorted(
        {_key(name) for name in (*litellm, *genai.names) if _WANTED.match(name) and not _UNWANTED.search(name)}
    )
    models: dict[str, Any] = {}
    problems: list[str] = []
    old = json.loads(TARGET.read_text("utf-8")) if TARGET.exists() else {"models": {}}
    for name in names:
        entry, found = _merge(name, litellm, genai, tables)
        problems += found
        if entry is not None:
            models[name] = entry
    for name in [name for name in models if _DATED.search(name)]:
        if _facts(models.get(_DATED.sub("", name))) == _facts(models[name]):
            del models[name]
    for name, entry in models.items():
        before = dict(old["models"].get(name, {}))
        date = before.pop("date", today)
        entry["date"] = date if before == entry else today
    if problems:
        print("\n".join(problems))
        print(f"{len(problems)} figures differ between the tables; decide each in DECISIONS, with the reason")
        return 1
    text = json.dumps(
        {
            "about": "Dollars per million tokens; limits in tokens. Written by scripts/build_prices.py.",
            "tables": tables,
            "aliases": ALIASES,
            "models": models,
        },
        indent=1,
    )
    text = _compact(text) + "\n"
    if arguments.check:
        same = TARGET.exists() and TARGET.read_text("utf-8") == text
        print("up to date" if same else "the file differs from what the tables say now")
        return 0 if same else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, "utf-8")
    print(f"{len(models)} models written")
    return 0


def _facts(entry: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (entry or {}).items() if key not in ("sources", "note")}


def _compact(text: str) -> str:
    """One line for each list of prices, so that a change reads well in a diff."""
    return re.sub(r"\{\s*(\"(?:input|us)\": [^{}]*?)\s*\}", lambda m: "{" + re.sub(r"\s*\n\s*", " ", m[1]) + "}", text)


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _key(name: str) -> str:
    return name.removesuffix("-latest") if name.startswith("claude-") else name


def _read_litellm() -> dict[str, dict[str, Any]]:
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("litellm is not installed here; see the head of this script")
    path = Path(spec.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"
    table = json.loads(path.read_text("utf-8"))
    return {
        name: row
        for name, row in table.items()
        if row.get("litellm_provider") in ("openai", "anthropic")
        and row.get("mode") in ("chat", "responses", "embedding")
    }


class _Genai:
    def __init__(self) -> None:
        providers = importlib.import_module("genai_prices.data").providers
        self.providers = {p.id: p for p in providers if p.id in ("openai", "anthropic")}
        self.names = [_key(model.id) for p in self.providers.values() for model in p.models]

    def find(self, name: str) -> tuple[str | None, Any]:
        for vendor, provider in self.providers.items():
            if (vendor == "anthropic") == name.startswith("claude-"):
                return vendor, provider.find_model(name) or provider.find_model(f"{name}-latest")
        return None, None


def _read_genai() -> _Genai:
    return _Genai()


def _litellm_figures(row: dict[str, Any]) -> tuple[Figures, int | None]:
    figures: Figures = {}
    steps = {int(m[1]) for key in row if (m := re.search(r"_above_(\d+)k_tokens", key))}
    if len(steps) > 1:
        sys.exit(f"more than one step in a price: {sorted(steps)}")
    step = steps.pop() if steps else None
    for tier, ending in _TIERS.items():
        for field, (names, _) in _FIELDS.items():
            for name in (names,) if isinstance(names, str) else names:
                for length, middle in (("", ""), ("long", f"_above_{step}k_tokens")):
                    value = row.get(f"{name}{middle}{ending}")
                    if value is not None and (step is not None or not length):
                        figures[tier, length, field] = _round(value * 1e6)
    fast = (row.get("provider_specific_entry") or {}).get("fast")
    if fast:
        figures |= {("fast", length, field): _round(value * fast)
                    for (tier, length, field), value in figures.items() if tier == "default"}  # fmt: skip
    if row["mode"] == "embedding":
        figures = {place: value for place, value in figures.items() if place[2] == "input"}
    return figures, step * 1000 if step else None


def _genai_figures(model: Any) -> tuple[Figures, int | None]:
    figures: Figures = {}
    step: int | None = None
    base = model.prices[-1].prices if isinstance(model.prices, list) else model.prices
    lists = [("default", base)]
    for variant in model.price_variants or ():
        tier = variant.when.get("processing") or variant.when.get("service_tier") or variant.when.get("speed")
        # "fast" as a service tier is OpenAI's new word for "priority".
        if len(variant.when) == 1 and tier != "default" and not (tier == "fast" and "service_tier" in variant.when):
            lists.append((tier, variant.prices))
    for tier, prices in lists:
        for field, (_, name) in _FIELDS.items():
            value = getattr(prices, name, None)
            if value is None:
                continue
            if hasattr(value, "tiers"):
                (above,) = value.tiers
                step = above.start
                figures[tier, "long", field] = _round(float(above.price))
                value = value.base
            figures[tier, "", field] = _round(float(value))
    return figures, step


def _round(value: float) -> float:
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _merge(
    name: str, litellm: dict[str, dict[str, Any]], genai: _Genai, tables: dict[str, str]
) -> tuple[dict[str, Any] | None, list[str]]:
    row = litellm.get(name) or litellm.get(f"{name}-latest")
    _, model = genai.find(name)
    if row is None and model is None:
        return None, []
    notes: list[str] = []
    problems: list[str] = []
    first, first_step = _litellm_figures(row) if row else ({}, None)
    second, second_step = _genai_figures(model) if model else ({}, None)
    if row and model:
        problems += _settle_long(name, first, first_step, second, second_step, notes)
    figures: Figures = {}
    for place in sorted({*first, *second}):
        one, other = first.get(place), second.get(place)
        if one is not None and other is not None and one != other:
            what = "/".join(filter(None, place))
            decision = DECISIONS.get((_DATED.sub("", name), what))
            if decision is None:
                problems.append(f"{name} {what}: litellm {one}, genai-prices {other}")
                continue
            notes.append(f"{what}: {decision[1]}")
            figures[place] = one if decision[0] == "litellm" else other
        else:
            figures[place] = one if one is not None else other  # type: ignore[assignment]  # one of the two is there
    if row and model:
        notes += _alone(first, second)
    vendor = "anthropic" if name.startswith("claude-") else "openai"
    entry: dict[str, Any] = {
        "vendor": vendor,
        "category": "embeddings" if name.startswith("text-embedding-") else "completions",
        **_limits(name, row, model, notes),
    }
    sources = [
        f"{table} {version}" for (table, version), there in zip(tables.items(), (row, model), strict=True) if there
    ]
    retires, source = (row or {}).get("deprecation_date"), None
    if name in RETIREMENTS and not retires:
        retires, source = RETIREMENTS[name]
        sources.append(source)
    if retires:
        entry["retires_on"] = retires
    step = first_step or second_step
    prices = _nested(name, figures, step if any(length for _, length, _ in figures) else None)
    regional = {k: v for k, v in ((row or {}).get("provider_specific_entry") or {}).items() if k == "us"}
    if prices and regional and vendor == "anthropic":
        prices["regional"] = regional
    if prices:
        entry["prices"] = prices
    entry["sources"] = sources
    if notes:
        entry["note"] = "; ".join(notes)
    return entry, problems


def _settle_long(
    name: str, first: Figures, first_step: int | None, second: Figures, second_step: int | None, notes: list[str]
) -> list[str]:
    """The step for long requests must be the same in both tables, or decided."""
    if first_step == second_step:
        return []
    decision = DECISIONS.get((_DATED.sub("", name), "long"))
    if decision is None:
        return [f"{name}: litellm has a step at {first_step}, genai-prices at {second_step}"]
    notes.append(decision[1])
    loser = second if decision[0] == "litellm" else first
    for place in [place for place in loser if place[1]]:
        del loser[place]
    return []


def _alone(first: Figures, second: Figures) -> list[str]:
    """Which prices stand in one table only."""
    notes = []
    for table, mine, other in (("litellm", first, second), ("genai-prices", second, first)):
        only: dict[str, None] = {}
        for tier, _, field in (place for place in sorted(mine) if place not in other):
            only[f"{tier} {field}"] = None
        if only:
            notes.append(f"only in {table}: {', '.join(only)}")
    return notes


def _limits(name: str, row: dict[str, Any] | None, model: Any, notes: list[str]) -> dict[str, Any]:
    row = row or {}
    context = getattr(model, "context_window", None)
    most_in, most_out = row.get("max_input_tokens"), row.get("max_output_tokens", MAX_OUTPUT.get(name))
    if row.get("mode") == "embedding":
        embedding = {"context_window": context or most_in, "max_input_tokens": most_in}
        size = row.get("output_vector_size")
        return {**embedding, "output_dimensions": size} if size else embedding
    shared = bool(re.match(r"gpt-[5-9](?!.*chat)", name))
    total = (
        most_in + most_out
        if shared and most_in and most_out and most_in not in (context, 400_000, 1_050_000)
        else most_in
    )
    undated = _DATED.sub("", name)
    if undated in CONTEXT:
        context, why = CONTEXT[undated]
        notes.append(why)
    elif context and total and context != total:
        notes.append(f"context window: litellm {total}, genai-prices {context}; the smaller is taken")
        context = min(context, total)
    context = context or total
    if shared and context and most_in and most_out and most_in + most_out > context:
        # OpenAI's reasoning models share the window between input and output.
        most_in = context - most_out
    if context is not None and most_in is None:
        most_in = context
    given = {"context_window": context, "max_input_tokens": most_in, "max_output_tokens": most_out}
    return {key: value for key, value in given.items() if value is not None}


def _nested(name: str, figures: Figures, step: int | None) -> dict[str, Any] | None:
    order = list(_FIELDS)
    tiers: dict[str, dict[str, dict[str, float]]] = {"": {}, "long": {}}
    for (tier, length, field), value in sorted(figures.items(), key=lambda item: order.index(item[0][2])):
        tiers[length].setdefault(tier, {})[field] = value
    # A tier that names some fields only would price the others as input: take a complete list or none. Where a batch
    # list names no price for cached tokens, the batch discount is all there is (OpenAI's page on prompt caching).
    whole = set(tiers[""].get("default", {}))
    for lists in tiers.values():
        for tier in [tier for tier, rates in lists.items() if "input" not in rates or whole - set(rates) - _OPTIONAL]:
            if tier == "batch" and whole - set(lists[tier]) - _OPTIONAL == {"cache_read"}:
                continue
            print(f"{name}: incomplete price list left out: {tier} {sorted(lists[tier])}", file=sys.stderr)
            del lists[tier]
    if "default" not in tiers[""]:
        return None
    nested: dict[str, Any] = {"tiers": {tier: tiers[""][tier] for tier in sorted(tiers[""], key=_tier_order)}}
    if step and tiers["long"]:
        nested |= {
            "long_above": step,
            "long_tiers": {t: tiers["long"][t] for t in sorted(tiers["long"], key=_tier_order)},
        }
    return nested


_OPTIONAL = {"audio_input", "audio_output", "cache_write_long"}


def _tier_order(tier: str) -> int:
    return (*_TIERS, "fast").index(tier)


if __name__ == "__main__":
    sys.exit(main())
