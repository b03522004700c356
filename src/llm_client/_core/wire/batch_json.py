"""What the vendors' Batch APIs have in common on the wire."""

from __future__ import annotations

from typing import Any, Protocol

from .. import jsons
from ..vendor_batch import BatchStatus


class StatusReader(Protocol):
    """The vendor's module, as far as it knows its batches' form."""

    def status_of(self, value: Any, /) -> BatchStatus | None:
        """The batch in a decoded object, None where it holds none."""
        ...


def read_status(wire: StatusReader, body: bytes) -> BatchStatus | None:
    """The batch in an answer, None where it holds none."""
    return wire.status_of(object_of(body))


def read_page(wire: StatusReader, body: bytes) -> tuple[list[BatchStatus], str | None] | None:
    """The batches of a list, newest first, and where the next page begins; None where the answer is no list."""
    value = object_of(body)
    data = value.get("data")
    if not isinstance(data, list):
        return None
    found = [status for each in data if (status := wire.status_of(each)) is not None]
    return found, found[-1].id if found and value.get("has_more") is True else None


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object that an answer is; an empty one where it is something else."""
    try:
        value = jsons.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def count_of(value: Any) -> int:
    """A number of requests; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
