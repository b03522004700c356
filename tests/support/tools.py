"""Functions of both colours, as users write them, for tests of either face: never twinned."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

COLOUR: ContextVar[str] = ContextVar("test_colour", default="unset")


def plain_add(a: int, b: int = 1) -> int:
    return a + b


async def async_add(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


def returns_awaitable(a: int, b: int = 1) -> Any:
    return async_add(a, b)


class PlainCallable:
    def __call__(self, a: int, b: int = 1) -> int:
        return a + b

    def method(self, a: int, b: int = 1) -> int:
        return a + b


class CallableWithTasks:
    async def __call__(self, a: int, b: int = 1) -> int:
        return await async_add(a, b)

    async def method(self, a: int, b: int = 1) -> int:
        return await async_add(a, b)


def plain_fail() -> None:
    raise ValueError("plain")


async def async_fail() -> None:
    raise ValueError("async")


def plain_cancelled() -> None:
    raise asyncio.CancelledError


async def async_cancelled() -> None:
    raise asyncio.CancelledError


def plain_exit() -> None:
    raise SystemExit(3)


async def async_exit() -> None:
    raise SystemExit(3)


def plain_context() -> str:
    before = COLOUR.get()
    COLOUR.set("changed inside")
    return before


async def async_context() -> str:
    return plain_context()


class Hanging:
    """Calls that hang until `release` is set, and tell what became of them."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = threading.Event()
        self.cancelled = threading.Event()

    def plain(self) -> str:
        self.entered.set()
        self.release.wait(60)
        return "late"

    async def asynchronous(self) -> str:
        self.entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "late"

    async def stubborn(self) -> str:
        """Ignores its cancellation until released."""
        self.entered.set()
        while not self.release.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                self.cancelled.set()
        return "late"


async def stream_of(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


def plain_stream_of(*items: Any) -> Iterator[Any]:
    yield from items
