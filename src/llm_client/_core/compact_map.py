"""A map from evenly spread numbers to numbers: 9 to 16 bytes a place, where a dict takes a hundred and more."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any, Literal

_Type = Literal["B", "I", "Q"]
_FIRST_SIZE = 1024
_FULL = 0.8
_BYTES = {"B": 1, "I": 4, "Q": 8}
_PRIVATE: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}


def _zeros(typecode: _Type, size: int) -> memoryview[int]:
    # Pages of its own, and no array: what an array frees while it grows stays with the process, in pieces nobody uses.
    return memoryview(mmap.mmap(-1, _BYTES[typecode] * size, **_PRIVATE)).cast(typecode)


class CompactMap:
    """Open addressing with linear probing; several values may stand under one key. Nothing is ever removed.

    Args:
        keys: How much of a key is kept: "Q" for 64 bit, "I" for its lowest 32, where values can be checked.
        values: How much a value takes: "Q" for 64 bit, "I" for 32, "B" for 8.
    """

    __slots__ = ("_count", "_key_type", "_keys", "_limit", "_many", "_mask", "_most", "_size", "_value_type", "_values")

    def __init__(self, keys: _Type = "Q", values: _Type = "Q") -> None:
        self._key_type: _Type = keys
        self._value_type: _Type = values
        self._mask = (1 << 8 * _BYTES[keys]) - 1
        self._most = (1 << 8 * _BYTES[values]) - 1
        self._many: dict[int, int] = {}
        self._count = 0
        self._allocate(_FIRST_SIZE)

    def __len__(self) -> int:
        return self._count

    def _allocate(self, size: int) -> None:
        self._size = size
        self._limit = int(size * _FULL)
        self._keys = _zeros(self._key_type, size)
        self._values = _zeros(self._value_type, size)

    def add(self, key: int, value: int) -> None:
        """Put a value under a key, beside those that stand there.

        Args:
            key: Evenly spread, such as a part of a digest; 64 bit.
            value: A number that the typecode can hold.
        """
        if self._count >= self._limit:
            self._grow()
        keys, size, key = self._keys, self._size, key & self._mask or 1  # 0 marks a free place
        place = key % size
        while keys[place]:
            place = place + 1 if place + 1 < size else 0
        keys[place] = key
        self._values[place] = value
        self._count += 1

    def find(self, key: int) -> Iterator[int]:
        """The values under a key; where 32 bit of it are kept, also a few of other keys."""
        keys, size, key = self._keys, self._size, key & self._mask or 1
        place = key % size
        while found := keys[place]:
            if found == key:
                yield self._values[place]
            place = place + 1 if place + 1 < size else 0

    def count(self, key: int) -> int:
        """How often this was called for a key before; for maps that nothing was added to."""
        keys, size, key = self._keys, self._size, key & self._mask or 1
        place = key % size
        while found := keys[place]:
            if found == key:
                before = self._values[place]
                if before < self._most:
                    self._values[place] = before + 1
                else:  # few keys can be as frequent as that
                    before = self._many.get(key, before)
                    self._many[key] = before + 1
                return before
            place = place + 1 if place + 1 < size else 0
        self.add(key, 1)
        return 0

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        # By a third, odd sizes: doubling would need thrice the memory in the moment of growth.
        self._allocate((self._size + self._size // 3) | 1)
        new_keys, new_values, size = self._keys, self._values, self._size
        for old, key in enumerate(keys):
            if key:  # as in `add`: a call for each would take most of the time of a long batch's map
                place = key % size
                while new_keys[place]:
                    place = place + 1 if place + 1 < size else 0
                new_keys[place] = key
                new_values[place] = values[old]
