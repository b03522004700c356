"""Tokens and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call or of several, and their price in dollars; an unknown price is None, never 0.

    Args:
        input_tokens: All tokens sent, those read from the vendor's cache included, for every vendor.
        output_tokens: All tokens produced, reasoning included.
        total_tokens: Input plus output.
        input_tokens_cached: Of the input: read from the vendor's cache.
        input_cost: Dollars.
        output_cost: Dollars.
        total_cost: Dollars.
        cache_write_tokens: Of the input: written to the vendor's cache.
        reasoning_tokens: Of the output: spent on reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int | None = None
    input_tokens_cached: int = 0
    input_cost: float | None = None
    output_cost: float | None = None
    total_cost: float | None = None
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __post_init__(self) -> None:
        if self.total_tokens is None:
            object.__setattr__(self, "total_tokens", self.input_tokens + self.output_tokens)

    def __add__(self, other: Usage) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage.sum((self, other))

    @classmethod
    def sum(cls, usages: Iterable[Usage]) -> Usage:
        """All of them together; one unknown price makes the sum's price unknown, none at all makes it 0."""
        totals: dict[str, Any] = dict.fromkeys(_FIELDS, 0)
        for name in _COSTS:
            totals[name] = 0.0
        for usage in usages:
            for name in _FIELDS:
                value = getattr(usage, name)
                totals[name] = None if value is None or totals[name] is None else totals[name] + value
        return cls(**totals)

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Usage:
        """From `to_dict`'s form; unknown keys are left out."""
        return cls(**{name: value[name] for name in _FIELDS if name in value})


_FIELDS = tuple(field.name for field in fields(Usage))
_COSTS = ("input_cost", "output_cost", "total_cost")

NO_USAGE = Usage()
"""What a result carries where the API did not say."""
