"""What a programmer writes without any library: aiohttp, or httpx, and a JSON library. The measure of all ratios."""

from __future__ import annotations

import array
import asyncio
import base64
import json
import threading
from typing import Any

from comparing.child import Session, counted_until_now

MODEL = "gpt-5.6-luna"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of some days.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city", "days"],
            },
        },
    }
]


def weather(city: str, days: int) -> str:
    """The weather of some days."""
    return f"{city}: sun for {days} days"


async def weather_async(city: str, days: int) -> str:
    """The weather of some days."""
    return weather(city, days)


def _client(session: Session) -> Any:
    import aiohttp

    async def make() -> Any:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    return session.run(make())


def async_call(session: Session) -> Any:
    client = _client(session)
    url = f"{session.url}/plain/v1/chat/completions"

    async def one() -> None:
        async with client.post(url, json=BODY) as answer:
            assert json.loads(await answer.read())["choices"]

    return session.calls(one)


def async_50(session: Session) -> Any:
    client = _client(session)
    url = f"{session.url}/plain/v1/chat/completions"

    async def one() -> None:
        async with client.post(url, json=BODY) as answer:
            assert json.loads(await answer.read())["choices"]

    return session.in_flight(one, 50)


def blocking_call(session: Session) -> Any:
    import httpx
    import orjson

    client = httpx.Client()
    url = f"{session.url}/plain/v1/chat/completions"

    def one() -> None:
        assert orjson.loads(client.post(url, json=BODY).content)["choices"]

    return session.blocking(one)


def _async_stream(session: Session, kind: str) -> Any:
    client = _client(session)
    url = f"{session.url}/{kind}/v1/chat/completions"
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}

    async def one() -> None:
        tokens = 0
        async with client.post(url, json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    tokens += 1 if json.loads(line[6:])["choices"][0]["delta"].get("content") else 0
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


def async_stream(session: Session) -> Any:
    return _async_stream(session, "plain")


def async_packets(session: Session) -> Any:
    return _async_stream(session, "packets")


def blocking_stream(session: Session) -> Any:
    import httpx

    client = httpx.Client()
    url = f"{session.url}/plain/v1/chat/completions"
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}

    def one() -> None:
        tokens = 0
        with client.stream("POST", url, json=body) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    tokens += 1 if json.loads(line[6:])["choices"][0]["delta"].get("content") else 0
        assert tokens == session.chunks

    return session.blocking(one, session.chunks)


def first_token(session: Session) -> Any:
    client = _client(session)
    url = f"{session.url}/first/v1/chat/completions"
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}

    async def one() -> Any:
        taken = None
        async with client.post(url, json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {") and taken is None:
                    assert json.loads(line[6:])["choices"][0]["delta"]["content"]
                    taken = counted_until_now()
        return taken

    return session.calls(one, own=True)


def agent(session: Session) -> Any:
    client = _client(session)
    url = f"{session.url}/plain/v1/chat/completions"

    async def ask(messages: list[Any]) -> Any:
        async with client.post(url, json={"model": MODEL, "messages": messages, "tools": TOOLS}) as answer:
            return json.loads(await answer.read())["choices"][0]["message"]

    async def one() -> None:
        messages: list[Any] = [{"role": "user", "content": "Hello"}]
        while True:
            message = await ask(messages)
            messages.append(message)
            calls = message.get("tool_calls")
            if not calls:
                break
            work = [weather_async(**json.loads(call["function"]["arguments"])) for call in calls]
            for call, result in zip(calls, await asyncio.gather(*work), strict=True):
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        assert len(messages) == 3 + session.tool_calls

    return session.calls(one)


def agent_blocking(session: Session) -> Any:
    import httpx

    client = httpx.Client()
    url = f"{session.url}/plain/v1/chat/completions"

    def one() -> None:
        messages: list[Any] = [{"role": "user", "content": "Hello"}]
        while True:
            body = {"model": MODEL, "messages": messages, "tools": TOOLS}
            message = json.loads(client.post(url, json=body).content)["choices"][0]["message"]
            messages.append(message)
            calls = message.get("tool_calls")
            if not calls:
                break
            results: dict[str, str] = {}

            def use(call: Any, results: dict[str, str] = results) -> None:
                results[call["id"]] = weather(**json.loads(call["function"]["arguments"]))

            threads = [threading.Thread(target=use, args=(call,)) for call in calls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for call in calls:
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": results[call["id"]]})
        assert len(messages) == 3 + session.tool_calls

    return session.blocking(one)


def _embeddings(session: Session, encoding: str) -> Any:
    import httpx

    client = httpx.Client()
    url = f"{session.url}/plain/v1/embeddings"
    texts = [f"text {number}" for number in range(session.vectors)]
    body = {"model": "text-embedding-3-small", "input": texts, "encoding_format": encoding}

    def one() -> None:
        data = json.loads(client.post(url, json=body).content)["data"]
        if encoding == "base64":
            vectors = [array.array("f", base64.b64decode(item["embedding"])).tolist() for item in data]
        else:
            vectors = [item["embedding"] for item in data]
        assert len(vectors) == session.vectors

    return session.blocking(one)


def embeddings_base64(session: Session) -> Any:
    return _embeddings(session, "base64")


def embeddings_float(session: Session) -> Any:
    return _embeddings(session, "float")


_MESSAGE = {"model": "claude-sonnet-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]}


def anthropic_call(session: Session) -> Any:
    client = _client(session)
    url = f"{session.url}/plain/v1/messages"

    async def one() -> None:
        async with client.post(url, json=_MESSAGE) as answer:
            assert json.loads(await answer.read())["content"]

    return session.calls(one)


def anthropic_stream(session: Session) -> Any:
    client = _client(session)
    url = f"{session.url}/plain/v1/messages"

    async def one() -> None:
        tokens = 0
        async with client.post(url, json={**_MESSAGE, "stream": True}) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    tokens += json.loads(line[6:])["type"] == "content_block_delta"
        assert tokens == session.chunks

    return session.calls(one, session.chunks)


def tool_schema(session: Session) -> Any:
    import inspect

    kinds = {str: "string", int: "integer"}

    def one() -> None:
        def weather(city: str, days: int = 1, units: str = "metric") -> str:
            """The weather of some days.

            Args:
                city: Where.
                days: How many, from today on.
                units: "metric" or "imperial".
            """
            return f"{city}: sun for {days} days, {units}"

        properties, required = {}, []
        for name, parameter in inspect.signature(weather, eval_str=True).parameters.items():
            properties[name] = {"type": kinds[parameter.annotation]}
            if parameter.default is parameter.empty:
                required.append(name)
        assert required == ["city"]

    return session.blocking(one)


IMPORT = "import aiohttp"


async def first_call(session: Session) -> None:
    import aiohttp

    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{session.url}/plain/v1/chat/completions", json=BODY) as answer,
    ):
        assert json.loads(await answer.read())["choices"]
