"""An agent behind a Flask endpoint, read by a browser as it answers: the blocking face, no event loop.

    pip install flask gunicorn
    gunicorn --chdir examples --threads 8 flask_sse:app       or: python examples/flask_sse.py

Each open stream occupies one thread of the server. Run as a program without OPENAI_API_KEY, it asks a fake API on this
machine, which needs no key.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from flask import Flask, Response, request, send_file

from llm_client.sync import Agent, OpenAIProvider, SSEAdapter, tool
from llm_client.testing import FakeAPI

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")

app = Flask(__name__)
adapter = SSEAdapter()


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: Name of the city.
    """
    return f"Weather in {city}: sunny, 22 degrees"


@cache
def provider() -> OpenAIProvider:
    """One provider for all threads: its connections are used again."""
    return OpenAIProvider(model=MODEL)


@app.get("/")
def page() -> Response:
    """The page that asks."""
    return send_file(Path(__file__).with_name("page.html"))


@app.get("/stream")
def stream() -> Response:
    """The answer, as Server-Sent Events; an agent for each question."""
    agent = Agent(provider(), tools=[get_weather])
    lines = adapter.transform(agent.stream(request.args["prompt"]))
    return Response(lines, content_type=adapter.media_type, headers=adapter.headers)


def main() -> None:
    """Serve, with a fake API where there is no key."""
    port = int(os.environ.get("PORT", "8000"))
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        app.run(port=port, threaded=True)
        return
    with FakeAPI(chunk_delay=0.1) as fake:
        os.environ.update(fake.environment)
        print(f"no OPENAI_API_KEY: asking a fake API on this machine; open http://127.0.0.1:{port}", flush=True)
        app.run(port=port, threaded=True)


if __name__ == "__main__":
    main()
