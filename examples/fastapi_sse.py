"""An agent behind a FastAPI endpoint, read by a browser as it answers.

    pip install fastapi uvicorn
    uvicorn --app-dir examples fastapi_sse:app         or: python examples/fastapi_sse.py

Run as a program without OPENAI_API_KEY, it asks a fake API on this machine, which needs no key.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse

from llm_client import Agent, OpenAIProvider, SSEAdapter, tool
from llm_client.testing import FakeAPI

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")


@tool
async def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: Name of the city.
    """
    return f"Weather in {city}: sunny, 22 degrees"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One provider for the life of the server: its connections are used again."""
    async with OpenAIProvider(model=MODEL) as provider:
        app.state.provider = provider
        yield


app = FastAPI(lifespan=lifespan)
adapter = SSEAdapter()


@app.get("/")
async def page() -> FileResponse:
    """The page that asks."""
    return FileResponse(Path(__file__).with_name("page.html"))


@app.get("/stream")
async def stream(prompt: str) -> StreamingResponse:
    """The answer, as Server-Sent Events; an agent for each question."""
    agent = Agent(app.state.provider, tools=[get_weather])
    return StreamingResponse(
        adapter.transform(agent.stream(prompt)), media_type=adapter.media_type, headers=adapter.headers
    )


def main() -> None:
    """Serve, with a fake API where there is no key."""
    import uvicorn

    port = int(os.environ.get("PORT", "8000"))
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        uvicorn.run(app, port=port)
        return
    with FakeAPI(chunk_delay=0.1) as fake:
        os.environ.update(fake.environment)
        print(f"no OPENAI_API_KEY: asking a fake API on this machine; open http://127.0.0.1:{port}", flush=True)
        uvicorn.run(app, port=port)


if __name__ == "__main__":
    main()
