"""Rate limits as the vendors count and announce them: a bucket of requests and one of tokens for each key and model."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from ._native import allocate_lock
from .render_errors import Vendor
from .replies import Failure


@dataclass(slots=True)
class _Bucket:
    per_minute: int
    level: float
    updated: float

    def refill(self, now: float) -> None:
        self.level = min(self.per_minute, self.level + (now - self.updated) * self.per_minute / 60)
        self.updated = now

    def seconds_until(self, level: float) -> float:
        return max(0.0, (min(level, self.per_minute) - self.level) * 60 / self.per_minute)


class RateLimits:
    """Counts requests and tokens, writes the headers, and refuses what is too much if told to.

    Args:
        requests: Requests a minute.
        tokens: Tokens a minute.
        enforce: Refuse with a 429 what goes beyond.
    """

    def __init__(self, requests: int, tokens: int, enforce: bool) -> None:
        for name, value in (("requests_per_minute", requests), ("tokens_per_minute", tokens)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}; requests_per_minute=None turns limits off.")
        self._per_minute = (requests, tokens)
        self._enforce = enforce
        self._lock = allocate_lock()
        self._buckets: dict[tuple[str, str], tuple[_Bucket, _Bucket]] = {}

    def take(self, vendor: Vendor, key: tuple[str, str], tokens: int) -> tuple[dict[str, str], Failure | None]:
        """Count one request; give the headers for its answer and, when it is too much, the refusal.

        Args:
            vendor: Whose headers to write.
            key: API key and model.
            tokens: Estimated size of the prompt.
        """
        now = time.monotonic()
        with self._lock:
            if key not in self._buckets:
                requests_limit, tokens_limit = self._per_minute
                self._buckets[key] = (
                    _Bucket(requests_limit, requests_limit, now),
                    _Bucket(tokens_limit, tokens_limit, now),
                )
            buckets = self._buckets[key]
            amounts = (1, min(tokens, buckets[1].per_minute))
            for bucket in buckets:
                bucket.refill(now)
            wait = max(bucket.seconds_until(amount) for bucket, amount in zip(buckets, amounts, strict=True))
            refused = self._enforce and wait > 0
            if not refused:
                for bucket, amount in zip(buckets, amounts, strict=True):
                    bucket.level = max(0.0, bucket.level - amount)
            headers = _openai_headers(*buckets) if vendor == "openai" else _anthropic_headers(*buckets)
        if not refused:
            return headers, None
        waits = {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(wait * 1000))}
        if vendor == "anthropic":
            del waits["retry-after-ms"]
        return headers, Failure(429, f"Rate limit reached. Please try again in {wait:.3f}s.", headers=waits)


def _openai_headers(requests: _Bucket, tokens: _Bucket) -> dict[str, str]:
    headers = {}
    for name, bucket in (("requests", requests), ("tokens", tokens)):
        headers[f"x-ratelimit-limit-{name}"] = str(bucket.per_minute)
        headers[f"x-ratelimit-remaining-{name}"] = str(int(bucket.level))
        headers[f"x-ratelimit-reset-{name}"] = duration(bucket.seconds_until(bucket.per_minute))
    return headers


def _anthropic_headers(requests: _Bucket, tokens: _Bucket) -> dict[str, str]:
    headers = {}
    named = (("requests", requests), ("tokens", tokens), ("input-tokens", tokens), ("output-tokens", tokens))
    for name, bucket in named:
        reset = time.gmtime(time.time() + math.ceil(bucket.seconds_until(bucket.per_minute)))
        headers[f"anthropic-ratelimit-{name}-limit"] = str(bucket.per_minute)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(int(bucket.level))
        headers[f"anthropic-ratelimit-{name}-reset"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", reset)
    return headers


def duration(seconds: float) -> str:
    """A duration as OpenAI writes it: "120ms", "1.5s", "6m0s"."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:g}s"
    return f"{minutes}m{text}" if minutes else text
