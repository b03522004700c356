"""The heartbeat of a batch that several processes share, on an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ._threads import DRAIN_SECONDS

_log = logging.getLogger("llm_client.batch")


@asynccontextmanager
async def beating(beat: Callable[[], Awaitable[None]], seconds: float | None) -> AsyncIterator[None]:
    """Call a function every so many seconds while a block runs; what it raises is logged.

    Args:
        beat: What to call.
        seconds: None calls nothing.
    """
    if seconds is None:
        yield
        return
    task = asyncio.ensure_future(_beat(beat, seconds))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,), timeout=DRAIN_SECONDS)


async def _beat(beat: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await beat()
        except Exception as error:
            _log.warning("a heartbeat failed: %s: %s", type(error).__name__, error)
