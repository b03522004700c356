"""A map from 64-bit numbers to numbers that takes 12 or 16 bytes an entry, where a dict takes a hundred and more."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

_FIRST_SIZE = 1024
_FULL = 0.8


class CompactMap:
    """Open addressing with linear probing; several values may stand under one key. Nothing is ever removed.

    Args:
        typecode: Of the values, as `array` knows them: "Q" for 64 bit, "I" for 32.
    """

    __slots__ = ("_count", "_keys", "_limit", "_size", "_typecode", "_values")

    def __init__(self, typecode: str = "Q") -> None:
        self._typecode = typecode
        self._count = 0
        self._allocate(_FIRST_SIZE)

    def __len__(self) -> int:
        return self._count

    def _allocate(self, size: int) -> None:
        self._size = size
        self._limit = int(size * _FULL)
        self._keys = array("Q", bytes(8 * size))
        self._values = array(self._typecode, bytes(array(self._typecode).itemsize * size))

    def add(self, key: int, value: int) -> None:
        """Put a value under a key, beside those that stand there.

        Args:
            key: Evenly spread, such as a part of a digest; 64 bit.
            value: A number that the typecode can hold.
        """
        if self._count >= self._limit:
            self._grow()
        keys, size, key = self._keys, self._size, key or 1  # 0 marks a free place
        place = key % size
        while keys[place]:
            place = place + 1 if place + 1 < size else 0
        keys[place] = key
        self._values[place] = value
        self._count += 1

    def find(self, key: int) -> Iterator[int]:
        """The values under a key."""
        keys, size, key = self._keys, self._size, key or 1
        place = key % size
        while found := keys[place]:
            if found == key:
                yield self._values[place]
            place = place + 1 if place + 1 < size else 0

    def count(self, key: int) -> int:
        """How often this was called for a key before; for maps in which one value stands under each key."""
        keys, size, key = self._keys, self._size, key or 1
        place = key % size
        while found := keys[place]:
            if found == key:
                before = self._values[place]
                self._values[place] = before + 1
                return before
            place = place + 1 if place + 1 < size else 0
        self.add(key, 1)
        return 0

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        # By a half, odd sizes: doubling would need thrice the memory in the moment of growth.
        self._allocate((self._size + self._size // 2) | 1)
        self._count = 0
        for place, key in enumerate(keys):
            if key:
                self.add(key, values[place])
