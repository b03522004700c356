"""Test doubles for code that talks to language models: no network, no keys, no bill.

`FakeAPI` is a loopback server that speaks the OpenAI and Anthropic dialects over real sockets::

    from llm_client.testing import FakeAPI

    def test_greeting():
        with FakeAPI() as api:
            api.reply("Hello")
            ...  # call your code with base_url=api.openai_url or api.anthropic_url
            assert api.last_request.text == "Say hello"

Nothing here imports asyncio, so plain blocking tests stay plain. `python -m llm_client.testing` runs the server as a
program of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._async.scripted import ScriptedProvider, ScriptedRequest
    from .fake_api import FakeAPI
    from .journal import RecordedRequest
    from .replies import Answer, Call, Failure, Interruption, RawAnswer, Reply, TokenCounts, Wire

__all__ = [
    "Answer",
    "Call",
    "Failure",
    "FakeAPI",
    "Interruption",
    "RawAnswer",
    "RecordedRequest",
    "Reply",
    "ScriptedProvider",
    "ScriptedRequest",
    "TokenCounts",
    "Wire",
]

_HOMES = {
    "Answer": "replies",
    "Call": "replies",
    "Failure": "replies",
    "FakeAPI": "fake_api",
    "Interruption": "replies",
    "RawAnswer": "replies",
    "RecordedRequest": "journal",
    "Reply": "replies",
    "ScriptedProvider": "_async.scripted",
    "ScriptedRequest": "_async.scripted",
    "TokenCounts": "replies",
    "Wire": "replies",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        package = "llm_client" if home.startswith("_") else __name__
        value = getattr(import_module(f"{package}.{home}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
