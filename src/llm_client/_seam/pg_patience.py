"""PostgreSQL connections that give up on a server that does not answer.

libpq has a limit for connecting and none for the answer to a query; limits kept by the server are of no use where the
server itself stands still. psycopg drives each operation as a generator that it wakes ten times a second.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from typing import Any

from . import _extras
from ._threads import now


@lru_cache(maxsize=16)
def connection_class(name: str, seconds: float) -> Any:
    """psycopg's connection of one colour, with a limit.

    Args:
        name: "Connection" or that of the other colour.
        seconds: Longest time for one operation.

    Raises:
        ImportError: psycopg is not installed.
    """
    psycopg = _extras.load("psycopg", "postgres")
    base = getattr(psycopg, name)

    def wait(self: Any, operation: Any, *arguments: Any, **options: Any) -> Any:
        return base.wait(self, _bounded(operation, seconds, psycopg.OperationalError), *arguments, **options)

    return type(f"Patient{name}", (base,), {"wait": wait, "__slots__": ()})


def _bounded(operation: Any, seconds: float, error: type[Exception]) -> Generator[Any, Any, Any]:
    end = now() + seconds
    try:
        state = next(operation)
        while True:
            ready = yield state
            if now() > end:
                operation.close()
                raise error(f"PostgreSQL did not answer within {seconds:g} s")
            state = operation.send(ready)
    except StopIteration as stop:
        return stop.value
