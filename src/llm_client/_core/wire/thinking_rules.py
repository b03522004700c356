"""Anthropic's thinking parameter, and the nearest form of it that a model takes.

https://platform.claude.com/docs/en/build-with-claude/thinking
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUDGETS = {"none": 0, "minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}
"""Thinking tokens for an effort, for models that take a budget and no effort."""

_STYLES = ("enabled", "adaptive", "between_tools", "disabled")
_LEAST_BUDGET = 1024


def check(thinking: Mapping[str, Any]) -> None:
    """Refuse what is no thinking parameter.

    Raises:
        TypeError: It is no dict.
        ValueError: Its type is unknown, or its budget is missing or too small.
    """
    if not isinstance(thinking, Mapping):
        raise TypeError(f'thinking is a dict such as {{"type": "adaptive"}}, got {type(thinking).__name__}')
    style = thinking.get("type")
    if style not in _STYLES:
        raise ValueError(f"thinking has a 'type' that is one of {', '.join(map(repr, _STYLES))}, got {style!r}")
    if style == "enabled":
        budget = thinking.get("budget_tokens")
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < _LEAST_BUDGET:
            raise ValueError(f"enabled thinking has 'budget_tokens' of at least {_LEAST_BUDGET}, got {budget!r}")


def is_on(thinking: Mapping[str, Any] | None) -> bool:
    """True if the request asks for thinking."""
    return thinking is not None and thinking.get("type") != "disabled"


def from_effort(effort: str) -> dict[str, Any] | None:
    """A thinking budget for an effort; None for no thinking at all."""
    budget = BUDGETS[effort]
    return {"type": "enabled", "budget_tokens": budget} if budget else None


def nearest(thinking: Mapping[str, Any], accepted: tuple[str, ...], effort: str | None) -> dict[str, Any] | None:
    """The accepted form that comes nearest to a form that is not accepted; None for leaving it out.

    Args:
        thinking: What the caller wants.
        accepted: The types that the model takes.
        effort: The effort that the caller wants, where there is one.
    """
    if thinking["type"] == "disabled":
        return None
    display = {"display": thinking["display"]} if "display" in thinking else {}
    if "adaptive" in accepted:
        return {"type": "adaptive", **display}
    if "enabled" in accepted:
        budget = BUDGETS.get(effort or "medium", 0) or BUDGETS["medium"]
        return {"type": "enabled", "budget_tokens": budget, **display}
    return None


def explain(model: str, wanted: Mapping[str, Any], accepted: Mapping[str, Any] | None) -> str:
    """One sentence about what was made of a form that the model does not take."""
    style = wanted["type"]
    if accepted is None:
        what = "it was left out"
    elif accepted["type"] == "enabled":
        what = f"it went out with a budget of {accepted['budget_tokens']} tokens"
    else:
        what = f"it went out as {accepted['type']!r}"
    return f"{model} does not take thinking of type {style!r}: {what}"
