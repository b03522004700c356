"""What servers say about their rate limits.

https://platform.openai.com/docs/guides/rate-limits, https://platform.claude.com/docs/en/api/rate-limits
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

DIMENSIONS = ("requests", "tokens", "input_tokens", "output_tokens")
"""What is limited; "tokens" are those of question and answer together."""

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_SECONDS = (86_400.0, 3600.0, 60.0, 1.0, 0.001)


@dataclass(frozen=True, slots=True)
class Announced:
    """What a server says of one limit.

    Args:
        limit: The most in a minute.
        remaining: What is left of it, None where it does not say.
        reset: Seconds until all of it is there again, None where it does not say.
    """

    limit: float
    remaining: float | None = None
    reset: float | None = None


def read_limits(headers: Mapping[str, str], now: float) -> dict[str, Announced]:
    """The limits in an answer's headers, by dimension; what cannot be read is left out.

    Args:
        headers: Names in lower case.
        now: Seconds since the epoch, for times that are dates.
    """
    found: dict[str, Announced] = {}
    for dimension in ("requests", "tokens"):
        limit = _number(headers.get(f"x-ratelimit-limit-{dimension}"))
        if limit:
            found[dimension] = Announced(
                limit,
                _number(headers.get(f"x-ratelimit-remaining-{dimension}")),
                _reset(headers.get(f"x-ratelimit-reset-{dimension}"), now),
            )
    for dimension in ("requests", "input_tokens", "output_tokens"):
        prefix = f"anthropic-ratelimit-{dimension.replace('_', '-')}-"
        limit = _number(headers.get(prefix + "limit"))
        if limit:
            found[dimension] = Announced(
                limit, _number(headers.get(prefix + "remaining")), _reset(headers.get(prefix + "reset"), now)
            )
    return found


def seconds_of(text: str) -> float | None:
    """The seconds of a duration such as "6m0s", "1h2m", "120ms" or "1.5"; None where it is none."""
    number = _number(text)
    if number is not None:
        return number
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        return None
    return sum(float(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)


def _reset(text: str | None, now: float) -> float | None:
    if not text:
        return None
    seconds = seconds_of(text)
    if seconds is not None:
        return seconds
    try:
        # Before Python 3.11 this does not know the Z of RFC 3339.
        date = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
    except ValueError:
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp() - now)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value >= 0 and math.isfinite(value) else None
