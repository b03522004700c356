"""A very long batch of items that need nothing, in a process of its own: how its memory grows, what it gives."""

from __future__ import annotations

import json
from typing import Any

from .processes import run_python

PROGRAM = """
    import asyncio, gc, json, resource, sys, time
    import llm_client, llm_client.sync
    face, count, file = {arguments!r}

    def rss():
        with open("/proc/self/statm") as status:
            return int(status.read().split()[1]) * resource.getpagesize() / 2**20

    def blocking(item):
        return item

    async def later(item):
        return item

    class Watch:
        def __init__(self):
            self.total, self.seen, self.most = 0, 0, 0.0
            self.start = rss()
        def see(self, index, result):
            assert index == result, (index, result)
            self.total += index
            self.seen += 1
            if self.seen % 10_000 == 0:
                self.most = max(self.most, rss())

    def run_blocking():
        manager = llm_client.sync.BatchManager(10, file)
        list(llm_client.sync.BatchManager(10).process_stream(range(100), blocking))
        watch = Watch()
        for index, result in manager.process_stream(iter(range(count)), blocking):
            watch.see(index, result)
        return watch, manager

    async def run_later():
        manager = llm_client.BatchManager(10, file)
        async for _ in llm_client.BatchManager(10).process_stream(range(100), later):
            pass
        watch = Watch()
        async for index, result in manager.process_stream(iter(range(count)), later):
            watch.see(index, result)
        return watch, manager

    started = time.monotonic()
    watch, manager = asyncio.run(run_later()) if face == "async" else run_blocking()
    assert watch.seen == count and watch.total == count * (count - 1) // 2
    assert manager.summary.done == count
    print(json.dumps({{"growth": round(watch.most - watch.start, 1), "start": round(watch.start, 1),
                      "seconds": round(time.monotonic() - started, 1), "stored": manager.summary.from_checkpoint}}))
"""


def run(face: str, count: int, file: str | None) -> dict[str, Any]:
    """Work on so many items; returns growth and start of the resident memory in MB, seconds, items from the file."""
    said = run_python(PROGRAM.format(arguments=(face, count, file)), timeout=1800.0, strict=False)
    found: dict[str, Any] = json.loads(said)
    return found
