"""Tools at the top of a module, for pickling, forward references and hints that only type checkers see."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_client._core.tools import Tool, ToolContext, sync_tool, tool

if TYPE_CHECKING:
    from decimal import Decimal

    from llm_client._core import tools as hidden


@tool
async def search(query: str, limit: int = 3) -> str:
    """Search."""
    return f"{query} {limit}"


@sync_tool(timeout=2.5)
def plain(when: Later, other: Later | None = None) -> str:
    """Uses a class that is defined further down."""
    return repr(when)


@tool
def unknown(amount: Decimal) -> str:
    """Has a hint that does not exist at run time."""
    return str(amount)


@tool
def returns_unknown(amount: int) -> Decimal:
    """What comes back needs no schema."""
    return amount  # type: ignore[return-value]


@tool
def with_hidden_context(amount: int, context: hidden.ToolContext | None = None) -> str:
    """The context's type was imported for type checkers alone."""
    return f"{amount} {context is not None}"


def undecorated(a: int, /, b: str = "x", *, c: bool = False) -> str:
    """Not decorated."""
    return f"{a}{b}{c}"


def make_tool() -> Tool:
    def inner(a: int) -> int:
        return a

    return tool(inner)


@dataclass
class Later:
    x: int
    next: Later | None = None


@dataclass
class Weather:
    unit: str = "C"

    @dataclass
    class Place:
        name: str

    @tool
    async def get(self, city: str, days: int = 1) -> str:
        """Get the weather.

        Args:
            city: Where.
        """
        return f"{city} {days} {self.unit}"

    @tool
    def at(self, place: Place, context: ToolContext) -> str:
        """Get the weather at a place."""
        return f"{place.name} {self.unit} {context.tool_name}"

    @staticmethod
    @tool
    def static(a: int) -> int:
        """Static."""
        return a

    @classmethod
    @tool
    def of_class(cls, a: int) -> str:
        """Of the class."""
        return f"{cls.__name__} {a}"

    def undecorated(self, city: str) -> str:
        """Undecorated."""
        return city + self.unit

    def __call__(self, town: str) -> str:
        """Call it."""
        return town + self.unit


def logged(function):  # type: ignore[no-untyped-def]
    @functools.wraps(function)
    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        return function(*args, **kwargs)

    return wrapper


@tool
@logged
def decorated(when: Later, times: int = 2) -> int:
    """Decorated twice."""
    return when.x * times
