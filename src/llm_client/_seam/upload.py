"""A body that aiohttp sends in slices, each within the time limit."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import aiohttp

_SLICE = 1 << 18


class Upload(aiohttp.Payload):
    """A large body.

    aiohttp warns about large bodies given as bytes, writes them in one piece, and waits without limit for a server
    that does not take them.

    Args:
        body: The bytes.
        limit: Longest time in seconds that a slice may take, or None.
    """

    SMALL: ClassVar[int] = 1 << 16
    """Bodies up to this size fit into the transport's buffer: writing one never waits."""

    def __init__(self, body: bytes, limit: float | None) -> None:
        super().__init__(body, content_type="application/octet-stream")
        self._size = len(body)
        self._body = body
        self._limit = limit
        self.stalled = False
        """Whether the connection was given up because a slice took too long."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._body.decode(encoding, errors)

    async def write(self, writer: Any) -> None:
        view = memoryview(self._body)
        loop = asyncio.get_running_loop()
        for start in range(0, len(view), _SLICE):
            timer = None if self._limit is None else loop.call_later(self._limit, self._give_up, writer)
            try:
                await writer.write(view[start : start + _SLICE])
            finally:
                if timer is not None:
                    timer.cancel()

    def _give_up(self, writer: Any) -> None:
        self.stalled = True
        if writer.transport is not None:
            writer.transport.abort()
