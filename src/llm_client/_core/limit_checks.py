"""Numbers that limiters and buckets are given."""

from __future__ import annotations

import math
from typing import Any


def check_rate(name: str, value: Any) -> float:
    """A number above 0.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number, got {type(value).__name__}")
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is a number above 0, got {value!r}")
    return value


def check_amount(name: str, value: Any) -> float:
    """A number of 0 or more.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number, got {type(value).__name__}")
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} is a number of at least 0, got {value!r}")
    return value
