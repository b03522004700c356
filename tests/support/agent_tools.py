"""Tools of both colours for tests of agents and registries, as users write them: never twinned."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

from llm_client._core.tool_context import ToolContext

REQUEST: ContextVar[str] = ContextVar("test_request", default="none")


def add(a: int, b: int = 1) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


async def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    await asyncio.sleep(0)
    return a * b


def fail() -> str:
    """Fail."""
    raise ValueError("the disk is full")


async def fail_later() -> str:
    """Fail, asynchronously."""
    await asyncio.sleep(0)
    raise LookupError("no such row")


def fail_without_words() -> str:
    """Fail and say nothing."""
    raise RuntimeError


async def hang() -> str:
    """Wait for what never comes."""
    await asyncio.Event().wait()
    return "never"


def nothing() -> None:
    """Return nothing."""


def unreadable() -> Any:
    """Return what no text can be made of."""
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


def request() -> str:
    """Tell which request this is."""
    return REQUEST.get()


async def request_later() -> str:
    """Tell which request this is."""
    return REQUEST.get()


def who(question: str, context: ToolContext[Any]) -> str:
    """Tell what is known of the call."""
    left = context.remaining_time()
    limit = "none" if left is None else "some" if 0 < left <= 30 else f"wrong: {left}"
    known = [message.role.value for message in context.conversation or ()]
    return f"{question} {context.tool_name} {context.call_id} {context.deps} {context.turn} {limit} {known}"


async def who_later(question: str, context: ToolContext[Any]) -> str:
    """Tell what is known of the call."""
    return who(question, context)


class Meeting:
    """Tools that end only when all of them are running at the same time, and end in the reverse order of their calls.

    Args:
        parties: How many have to come.
    """

    def __init__(self, parties: int) -> None:
        self._barrier = threading.Barrier(parties)
        self._ended = [threading.Event() for _ in range(parties + 1)]
        self._ended[parties].set()
        self.order: list[int] = []

    def plain(self, number: int) -> str:
        """Wait for the others."""
        self._barrier.wait(10)
        assert self._ended[number + 1].wait(10)
        self.order.append(number)
        self._ended[number].set()
        return f"met {number}"

    async def asynchronous(self, number: int) -> str:
        """Wait for the others."""
        return await asyncio.to_thread(self.plain, number)


class AtMost:
    """A tool that counts how many of its calls run at the same time.

    Args:
        parties: How many there should be: each call waits until so many are there.
    """

    def __init__(self, parties: int) -> None:
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(parties)
        self._now = 0
        self.most = 0

    def plain(self) -> str:
        """Count."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._barrier.wait(10)
        with self._lock:
            self._now -= 1
        return "counted"
