"""An agent behind a Django view, read by a browser as it answers: the blocking face, in one file.

    pip install django gunicorn
    gunicorn --chdir examples --threads 8 django_view:application       or: python examples/django_view.py

The view is what a project needs of this; the settings stand here so that the file runs by itself. Each open stream
occupies one thread of the server. Tools run on threads of their own, with database connections of their own; a tool
that needs the request's (its transaction) wants `AgentConfig(tool_timeout=None, parallel_tool_execution=False)` and
`SSEAdapter(heartbeat=None)`. Run as a program without OPENAI_API_KEY, it asks a fake API on this machine.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.urls import path

from llm_client.sync import Agent, OpenAIProvider, SSEAdapter, tool
from llm_client.testing import FakeAPI

MODEL = os.environ.get("LLM_CLIENT_DEMO_MODEL", "gpt-5.6-luna")

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


def page(request: HttpRequest) -> FileResponse:
    """The page that asks."""
    return FileResponse(Path(__file__).with_name("page.html").open("rb"), content_type="text/html")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """The answer, as Server-Sent Events; an agent for each question."""
    agent = Agent(provider(), tools=[get_weather])
    lines = adapter.transform(agent.stream(request.GET["prompt"]))
    return StreamingHttpResponse(lines, content_type=adapter.media_type, headers=adapter.headers)


urlpatterns = [path("", page), path("stream", stream)]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "only for this example"),
)
application = get_wsgi_application()


def main() -> None:
    """Serve, with a fake API where there is no key."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer, make_server

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    port = int(os.environ.get("PORT", "8000"))
    server = make_server("127.0.0.1", port, application, Server)
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        server.serve_forever()
        return
    with FakeAPI(chunk_delay=0.1) as fake:
        os.environ.update(fake.environment)
        print(f"no OPENAI_API_KEY: asking a fake API on this machine; open http://127.0.0.1:{port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
