"""Anthropic's own SDK."""

from __future__ import annotations

from typing import Any

from comparing.child import Session

MODEL = "claude-sonnet-5"
ASKED: Any = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]}


def anthropic_call(session: Session) -> Any:
    import anthropic

    client = anthropic.AsyncAnthropic(api_key="none", base_url=f"{session.url}/plain")

    async def one() -> None:
        assert (await client.messages.create(**ASKED)).content

    return session.calls(one)


def anthropic_stream(session: Session) -> Any:
    import anthropic

    client = anthropic.AsyncAnthropic(api_key="none", base_url=f"{session.url}/plain")

    async def one() -> None:
        tokens = 0
        async with client.messages.stream(**ASKED) as stream:
            async for event in stream:
                tokens += event.type == "text"
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


IMPORT = "import anthropic"


async def first_call(session: Session) -> None:
    import anthropic

    async with anthropic.AsyncAnthropic(api_key="none", base_url=f"{session.url}/plain") as client:
        assert (await client.messages.create(**ASKED)).content
