"""The FastAPI example, and beside it how many tasks its event loop has."""

from __future__ import annotations

import asyncio
import gc

from fastapi_sse import app


@app.get("/tasks")
async def tasks() -> list[str]:
    """The names of all tasks but this one."""
    gc.collect()
    return [repr(task.get_coro()) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
