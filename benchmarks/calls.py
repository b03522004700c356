"""What a call, a stream and an agent's run cost beside the raw engines: CPU time of this process, interleaved pairs.

python benchmarks/calls.py [PAIRS]
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import orjson

import llm_client
import llm_client.sync

CALLS = 100
CHUNKS = 96
_ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5.6-luna",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * CHUNKS}},
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": CHUNKS, "total_tokens": 10 + CHUNKS},
    }
)  # fmt: skip


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    value = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + orjson.dumps(value) + b"\n\n"


_STREAM = [_chunk({"content": "word "}) for _ in range(CHUNKS)] + [_chunk({}, "stop"), b"data: [DONE]\n\n"]


def _serve(port_pipe: Any) -> None:
    """Canned bytes: the server must not be what is measured."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port_pipe.send(listener.getsockname()[1])
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_ANSWER) + _ANSWER
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = b""
        with connection:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = connection.recv(65536)
                    if not data:
                        return
                    buffer += data
                headers, _, buffer = buffer.partition(b"\r\n\r\n")
                length = next(
                    int(line[15:]) for line in headers.lower().split(b"\r\n") if line[:15] == b"content-length:"
                )
                while len(buffer) < length:
                    buffer += connection.recv(65536)
                body, buffer = buffer[:length], buffer[length:]
                if b'"stream":true' in body.replace(b" ", b""):
                    connection.sendall(head)
                    for event in _STREAM:
                        connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
                    connection.sendall(b"0\r\n\r\n")
                else:
                    connection.sendall(whole)

    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


BODY = {"model": "gpt-5.6-luna", "messages": [{"role": "user", "content": "Hello"}]}


async def raw_async(url: str, count: int, at_once: int) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            async with session.post(f"{url}/chat/completions", json=BODY) as answer:
                assert json.loads(await answer.read())["choices"]

        for _ in range(count // at_once):
            await asyncio.gather(*(one() for _ in range(at_once)))


async def our_async(url: str, count: int, at_once: int) -> None:
    async with llm_client.OpenAIProvider(model="gpt-5.6-luna", base_url=url) as provider:
        for _ in range(count // at_once):
            results = await asyncio.gather(*(provider.complete("Hello") for _ in range(at_once)))
            assert all(result.ok for result in results)


def raw_blocking(url: str, count: int) -> None:
    with httpx.Client() as client:
        for _ in range(count):
            assert orjson.loads(client.post(f"{url}/chat/completions", json=BODY).content)["choices"]


def our_blocking(url: str, count: int) -> None:
    with llm_client.sync.OpenAIProvider(model="gpt-5.6-luna", base_url=url) as provider:
        for _ in range(count):
            assert provider.complete("Hello").ok


async def raw_async_stream(url: str, count: int) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(count):
            tokens = 0
            async with session.post(f"{url}/chat/completions", json={**BODY, "stream": True}) as answer:
                async for line in answer.content:
                    if line.startswith(b"data: {"):
                        tokens += 1 if json.loads(line[6:])["choices"][0]["delta"].get("content") else 0
            assert tokens == CHUNKS


async def our_async_stream(url: str, count: int) -> None:
    async with llm_client.OpenAIProvider(model="gpt-5.6-luna", base_url=url) as provider:
        for _ in range(count):
            tokens = 0
            async for event in provider.stream("Hello"):
                tokens += event.type is llm_client.StreamEventType.TOKEN
            assert tokens == CHUNKS


def raw_blocking_stream(url: str, count: int) -> None:
    with httpx.Client() as client:
        for _ in range(count):
            tokens = 0
            with client.stream("POST", f"{url}/chat/completions", json={**BODY, "stream": True}) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: {"):
                        tokens += 1 if json.loads(line[6:])["choices"][0]["delta"].get("content") else 0
            assert tokens == CHUNKS


def our_blocking_stream(url: str, count: int) -> None:
    with llm_client.sync.OpenAIProvider(model="gpt-5.6-luna", base_url=url) as provider:
        for _ in range(count):
            tokens = 0
            for event in provider.stream("Hello"):
                tokens += event.type is llm_client.StreamEventType.TOKEN
            assert tokens == CHUNKS


def cpu(function: Callable[[], object]) -> float:
    """Seconds of CPU time, user and system, of all threads of this process."""
    start = time.process_time()
    function()
    return time.process_time() - start


def scenarios(url: str) -> dict[str, tuple[Callable[[], object], Callable[[], object], float]]:
    """Name: raw, ours, and what one unit is counted by."""
    streams = CALLS // 10
    return {
        "async call": (
            lambda: asyncio.run(raw_async(url, CALLS, 1)), lambda: asyncio.run(our_async(url, CALLS, 1)), CALLS,
        ),
        "async, 50 in flight": (
            lambda: asyncio.run(raw_async(url, 2 * CALLS, 50)),
            lambda: asyncio.run(our_async(url, 2 * CALLS, 50)),
            2 * CALLS,
        ),
        "blocking call": (lambda: raw_blocking(url, CALLS), lambda: our_blocking(url, CALLS), CALLS),
        "async stream, per chunk": (
            lambda: asyncio.run(raw_async_stream(url, streams)),
            lambda: asyncio.run(our_async_stream(url, streams)),
            streams * CHUNKS,
        ),
        "blocking stream, per chunk": (
            lambda: raw_blocking_stream(url, streams), lambda: our_blocking_stream(url, streams), streams * CHUNKS,
        ),
    }  # fmt: skip


def main() -> None:
    """Print the table."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    print("| | raw, us | llm-client, us | ratio | spread of the ratio |\n|---|---|---|---|---|")
    for name, (raw, own, units) in scenarios(url).items():
        raw(), own()  # imports and caches
        measured = [(cpu(raw), cpu(own)) for _ in range(pairs)]
        ratios = sorted(b / a for a, b in measured)
        spread = (ratios[-1] - ratios[0]) / statistics.median(ratios)
        shown = f"{statistics.median(ratios):.2f}" if spread <= 0.3 else "not quoted"
        raw_us = statistics.median(a for a, _ in measured) / units * 1e6
        own_us = statistics.median(b for _, b in measured) / units * 1e6
        print(f"| {name} | {raw_us:.1f} | {own_us:.1f} | {shown} | {spread:.0%} |", flush=True)
    server.kill()


if __name__ == "__main__":
    main()
