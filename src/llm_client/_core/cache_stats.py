"""What a provider's cache has done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts since a provider was made; only calls with `cache_response=True` count.

    Args:
        hits: Answers that came from the cache.
        misses: Questions that went to the API.
        coalesced: Answers shared with an equal call in flight.
        errors: Operations of the cache that failed; each was a miss, or an answer not stored.
        saved_cost: Dollars that hits and shared answers would have cost.
        embedding_cost: Dollars that a semantic cache has spent on embeddings.
    """

    hits: int = 0
    misses: int = 0
    coalesced: int = 0
    errors: int = 0
    saved_cost: float = 0.0
    embedding_cost: float = 0.0

    @property
    def hit_rate(self) -> float:
        """The share of questions that did not go to the API, 0 to 1."""
        asked = self.hits + self.misses + self.coalesced
        return (self.hits + self.coalesced) / asked if asked else 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
