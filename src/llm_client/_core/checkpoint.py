"""The lines of a checkpoint: one JSON object each, first a header that says what it is, then one for every answer.

    {"format":"llm-client-batch","version":1}
    {"index":0,"key":"5d41402abc4b2a76b9719d911017c592","result":{"$type":"CompletionResult","content":"..."}}

A line is complete when its line feed is there. What a killed process left of its last line is cut off; a line in the
middle that is none (a disk that lost a block) is skipped, and its item is asked again. Anything else that is not ours
is refused, and not touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import jsons
from .batch_errors import CheckpointError

FORMAT = "llm-client-batch"
VERSION = 1
_LONGEST_HEADER = 1 << 16
_START = re.compile(rb'\{"index":\d+,"key":"([0-9a-f.]+)",')
HEADER = b'{"format":"%s","version":%d}\n' % (FORMAT.encode(), VERSION)


@dataclass(frozen=True, slots=True)
class Record:
    """One answer in a checkpoint.

    Args:
        key: What its item is known by.
        types: Names of the user's types that it holds.
    """

    key: str
    types: tuple[str, ...] = ()


def format_line(index: int, key: str, payload: bytes) -> bytes:
    """The line of an answer.

    Args:
        index: The item's position in the input; for people who read the file, nothing else.
        key: What it is known by: letters, digits and a dot.
        payload: A JSON object on one line, not empty.
    """
    return b'{"index":%d,"key":"%s",%s\n' % (index, key.encode("ascii"), payload[1:])


def parse_line(line: bytes) -> Record | None:
    """What a line says, without its line feed; None if it is no record."""
    if not line.startswith(b"{") or not line.endswith(b"}"):
        return None
    try:
        value = jsons.loads_wire(line)
    except ValueError:
        return None
    if not isinstance(value, dict) or "result" not in value:
        return None
    key, types = value.get("key"), value.get("types", [])
    if not isinstance(key, str) or not key or not isinstance(types, list):
        return None
    return Record(key, tuple(name for name in types if isinstance(name, str)))


def key_of(line: bytes) -> str | None:
    """The key of a line that was read before; None if it has none."""
    found = _START.match(line)
    if found is not None:  # as we write it: no need to read it all
        return found[1].decode("ascii")
    record = parse_line(line)
    return None if record is None else record.key


class CheckpointScan:
    """Reads a checkpoint in pieces of any size.

    Args:
        name: What errors call the file.
    """

    def __init__(self, name: str) -> None:
        self.damaged = 0
        """Lines that are no records."""
        self.end = 0
        """Where the last complete line ends, counted in bytes from the start."""
        self.types: set[str] = set()
        """Names of the user's types that the records hold."""
        self._name = name
        self._tail: list[bytes] = []
        self._has_header = False

    def feed(self, data: bytes) -> Iterator[tuple[int, Record]]:
        """Read on; yields every record with the position of its line.

        Raises:
            CheckpointError: It is no checkpoint, or of a newer version.
        """
        lines = data.split(b"\n")
        self._tail.append(lines[0])
        if len(lines) > 1:
            lines[0] = b"".join(self._tail)
            self._tail = [lines[-1]]
        for line in lines[:-1]:
            start, self.end = self.end, self.end + len(line) + 1
            if not self._has_header:
                self._check_header(line)
                continue
            record = parse_line(line)
            if record is None:
                self.damaged += 1
            else:
                self.types.update(record.types)
                yield start, record
        if not self._has_header:
            self._check_start(b"".join(self._tail))

    def finish(self) -> Record | None:
        """The data has ended; the record that lacks only its line feed, None where what is left over is to be cut.

        Raises:
            CheckpointError: It is no checkpoint.
        """
        tail = b"".join(self._tail)
        if not self._has_header:
            if not HEADER.startswith(tail):  # else killed while it wrote its first line
                raise self._foreign(tail)
            return None
        record = parse_line(tail)
        if record is not None:
            self.types.update(record.types)
        return record

    @property
    def is_new(self) -> bool:
        """Whether there is no header yet."""
        return not self._has_header

    def _check_start(self, tail: bytes) -> None:
        # At once: a large file of somebody else's, of one line, shall not be read to its end.
        if tail.strip()[:1] not in (b"", b"{") or len(tail) > _LONGEST_HEADER:
            raise self._foreign(tail)

    def _check_header(self, line: bytes) -> None:
        value: Any = None
        try:
            value = jsons.loads(line)
        except ValueError:
            pass  # refused below
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise self._foreign(line)
        version = value.get("version")
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise CheckpointError(
                f"{self._name} is no checkpoint: its version is {version!r}, expected a number from 1"
            )
        if version > VERSION:
            raise CheckpointError(
                f"{self._name} was written by a newer version of this library (format {version}; this one reads up to "
                f"{VERSION}): update llm-client, or name another checkpoint_file. Nothing was changed."
            )
        self._has_header = True

    def _foreign(self, line: bytes) -> CheckpointError:
        return CheckpointError(
            f"{self._name} is no checkpoint of a batch: its first line is {line[:60]!r}. Name another checkpoint_file, "
            "or move that file away. Nothing was changed."
        )
