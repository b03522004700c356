"""OpenAI's own SDK."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from comparing.child import Session, counted_until_now
from comparing.work_raw import MODEL, TOOLS, weather, weather_async

MESSAGES: Any = [{"role": "user", "content": "Hello"}]


def _client(session: Session, kind: str = "plain") -> Any:
    import openai

    return openai.AsyncOpenAI(api_key="none", base_url=f"{session.url}/{kind}/v1")


def _blocking_client(session: Session) -> Any:
    import openai

    return openai.OpenAI(api_key="none", base_url=f"{session.url}/plain/v1")


def _call(session: Session) -> Any:
    client = _client(session)

    async def one() -> None:
        assert (await client.chat.completions.create(model=MODEL, messages=MESSAGES)).choices

    return one


def async_call(session: Session) -> Any:
    return session.calls(_call(session))


def async_50(session: Session) -> Any:
    return session.in_flight(_call(session), 50)


def blocking_call(session: Session) -> Any:
    client = _blocking_client(session)

    def one() -> None:
        assert client.chat.completions.create(model=MODEL, messages=MESSAGES).choices

    return session.blocking(one)


def _async_stream(session: Session, kind: str) -> Any:
    client = _client(session, kind)

    async def one() -> None:
        tokens = 0
        stream = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            tokens += bool(chunk.choices and chunk.choices[0].delta.content)
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


def async_stream(session: Session) -> Any:
    return _async_stream(session, "plain")


def async_packets(session: Session) -> Any:
    return _async_stream(session, "packets")


def blocking_stream(session: Session) -> Any:
    client = _blocking_client(session)

    def one() -> None:
        tokens = 0
        for chunk in client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        ):
            tokens += bool(chunk.choices and chunk.choices[0].delta.content)
        assert tokens == session.chunks

    return session.blocking(one, session.chunks)


def first_token(session: Session) -> Any:
    client = _client(session, "first")

    async def one() -> Any:
        taken = None
        stream = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            if taken is None and chunk.choices and chunk.choices[0].delta.content:
                taken = counted_until_now()
        return taken

    return session.calls(one, own=True)


def agent(session: Session) -> Any:
    client = _client(session)

    async def one() -> None:
        messages: list[Any] = [*MESSAGES]
        while True:
            answer = await client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
            message = answer.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                break
            work = [weather_async(**json.loads(call.function.arguments)) for call in message.tool_calls]
            for call, result in zip(message.tool_calls, await asyncio.gather(*work), strict=True):
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        assert len(messages) == 3 + session.tool_calls

    return session.calls(one)


def agent_blocking(session: Session) -> Any:
    client = _blocking_client(session)

    def one() -> None:
        messages: list[Any] = [*MESSAGES]
        while True:
            answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
            message = answer.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                break
            results: dict[str, str] = {}

            def use(call: Any, results: dict[str, str] = results) -> None:
                results[call.id] = weather(**json.loads(call.function.arguments))

            threads = [threading.Thread(target=use, args=(call,)) for call in message.tool_calls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for call in message.tool_calls:
                messages.append({"role": "tool", "tool_call_id": call.id, "content": results[call.id]})
        assert len(messages) == 3 + session.tool_calls

    return session.blocking(one)


def _embeddings(session: Session, **how: Any) -> Any:
    client = _blocking_client(session)
    texts = [f"text {number}" for number in range(session.vectors)]

    def one() -> None:
        answer = client.embeddings.create(model="text-embedding-3-small", input=texts, **how)
        assert len(answer.data) == session.vectors

    return session.blocking(one)


def embeddings_base64(session: Session) -> Any:
    return _embeddings(session)  # its default, decoded


def embeddings_float(session: Session) -> Any:
    return _embeddings(session, encoding_format="float")


IMPORT = "import openai"


async def first_call(session: Session) -> None:
    import openai

    async with openai.AsyncOpenAI(api_key="none", base_url=f"{session.url}/plain/v1") as client:
        assert (await client.chat.completions.create(model=MODEL, messages=MESSAGES)).choices
