"""What a cache is, and a start for custom ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from types import TracebackType
from typing import Any, NoReturn, Protocol, TypeVar, runtime_checkable

from ..._core.cache_key import SemanticQuestion

_Self = TypeVar("_Self", bound="BaseCache")


@runtime_checkable
class Cache(Protocol):
    """What a provider needs of a cache: any object with these two methods will do.

    Both may raise whatever they like: the provider takes that for a miss, counts it and logs one warning. What else
    `BaseCache` has is used where it is there.
    """

    async def get(self, collection: str, key: str) -> bytes | None:
        """The value stored under a key, None where there is none.

        Args:
            collection: Any text but none; equal keys in two collections are two entries.
            key: 64 hexadecimal digits.
        """
        ...

    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value, in the place of an older one.

        Args:
            collection: As in `get`.
            key: As in `get`.
            value: Any bytes, a few hundred to some million; `get` must return the very same or None.
        """
        ...


class BaseCache(ABC):
    """A start for custom caches: write `get()` and `set()`, and what else the store can do.

    Subclasses need no constructor arguments and need not call `super().__init__()`.
    """

    identity: str | None = None
    """Equal for cache objects, of either face, that look into the same store: their equal questions in flight share one
    call. None: each object is a store of its own."""

    @abstractmethod
    async def get(self, collection: str, key: str) -> bytes | None:
        """The value stored under a key, None where there is none."""

    @abstractmethod
    async def set(self, collection: str, key: str, value: bytes) -> None:
        """Store a value, in the place of an older one."""

    async def delete(self, collection: str, key: str) -> bool:
        """Remove an entry; tells whether it was there.

        Raises:
            NotImplementedError: This cache cannot.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot remove entries")

    async def purge(self, collection: str | None = None, *, older_than: float | timedelta | None = None) -> int:
        """Remove many entries.

        Args:
            collection: Which; None for all.
            older_than: Age in seconds, or a timedelta; None for all ages.

        Returns:
            How many were removed.

        Raises:
            NotImplementedError: This cache cannot.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot remove entries")

    async def warm(self, collection: str) -> int:
        """Bring entries to where they are found fastest; returns how many, 0 where there is nothing to do."""
        return 0

    async def find(self, collection: str, question: SemanticQuestion) -> tuple[bytes, float] | None:
        """The value stored for a similar question, and how similar it is (0 to 1); None where there is none.

        Called when `get` has found nothing, and only in caches that override it.

        Args:
            collection: As in `get`.
            question: Only entries of the same fingerprint may answer.
        """
        return None

    async def keep(self, collection: str, key: str, value: bytes, question: SemanticQuestion) -> None:
        """As `set`, where the cache overrides `find` and the question can be taken apart."""
        await self.set(collection, key, value)

    async def close(self) -> None:  # noqa: B027  # nothing to close is the usual case for custom caches
        """Close what the cache opened; nothing here."""

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied: it may hold connections. Make one where it is used."
        )


def seconds_of(age: float | timedelta | None) -> float | None:
    """An age in seconds.

    Raises:
        TypeError: It is neither a number nor a timedelta.
        ValueError: It is negative.
    """
    if isinstance(age, timedelta):
        age = age.total_seconds()
    if age is None:
        return None
    if isinstance(age, bool) or not isinstance(age, (int, float)):
        raise TypeError(f"older_than is a number of seconds or a timedelta, got {type(age).__name__}")
    if not age >= 0:
        raise ValueError(f"older_than is at least 0, got {age!r}")
    return float(age)
