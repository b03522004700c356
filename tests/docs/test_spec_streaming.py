"""The specification's blocks of Streaming, as they stand there and in their blocking form, against the fake API."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import re
import time
from typing import Any

import httpx
import pytest

from llm_client.testing import FakeAPI, Reply
from support.snippets import Snippet, snippets

BLOCKS = snippets("tests/docs/spec_streaming.md")
FACES = ["llm_client", "llm_client.sync"]
ANSWER = "Hello\nthere, 世界."
PROMPT = "Say hello"


def written_for(face: str, code: str) -> str:
    """A block as a user of a face writes it."""
    if face == "llm_client":
        return code
    code = re.sub(r"^from llm_client import", "from llm_client.sync import", code, flags=re.MULTILINE)
    return re.sub(r"\b(async|await) ", "", code)


async def run(block: Snippet, face: str, names: dict[str, Any]) -> None:
    """Run a block, which may wait for things, with the names that earlier ones left."""
    program = "\n" * (block.line - 1) + written_for(face, block.code)
    code = compile(program, str(block.file), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(code, names)
    if inspect.isawaitable(outcome):
        await outcome


def block_with(mark: str) -> Snippet:
    (found,) = [block for block in BLOCKS if mark in block.code]
    return found


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def names(face: str, api: FakeAPI) -> dict[str, Any]:
    """What the blocks take for granted: a provider, a prompt, an event, and what the first block imports."""
    module = importlib.import_module(face)
    return {
        "provider": module.OpenAIProvider(model="gpt-5.6-luna", base_url=api.openai_url),
        "prompt": PROMPT,
        "time": time,
        "event": module.StreamEvent(module.StreamEventType.TOKEN, "Hello"),
        "StreamEvent": module.StreamEvent,
        "StreamEventType": module.StreamEventType,
    }


def test_every_block_is_run_here() -> None:
    marks = [
        "# Event types",
        "stream_endpoint",
        "CallbackAdapter(",
        "BufferingAdapter()",
        "collect_stream",
        "time.time()",
    ]
    assert [block_with(mark) for mark in marks] == BLOCKS
    assert "await adapter.consume" in block_with("CallbackAdapter(").code
    assert "await" not in written_for("llm_client.sync", block_with("CallbackAdapter(").code)


def test_stream_events(face: str, names: dict[str, Any]) -> None:
    asyncio.run(run(block_with("# Event types"), face, names))
    assert names["sse_string"] == "event: token\ndata: Hello\n\n"


def test_one_event(face: str, names: dict[str, Any]) -> None:
    asyncio.run(run(block_with("time.time()"), face, names))
    assert names["event"].to_sse() == "event: token\ndata: Hello\n\n"


def test_sse_adapter(face: str, names: dict[str, Any], api: FakeAPI) -> None:
    api.reply(ANSWER, times=2)

    async def main() -> tuple[list[str], httpx.Response]:
        await run(block_with("stream_endpoint"), face, names)
        lines = names["stream_response"]()
        text = [line async for line in lines] if hasattr(lines, "__aiter__") else list(lines)
        transport = httpx.ASGITransport(app=names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return text, await client.get("/stream", params={"prompt": PROMPT})

    lines, response = asyncio.run(main())
    assert lines[0] == "event: token\ndata: Hello\n\n"
    assert lines[1].startswith("event: token\ndata: \ndata: there")
    assert lines[-1].startswith("event: done\ndata: {")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [line for line in response.text.split("\n") if line.startswith("event: ")][-1] == "event: done"
    assert api.last_request.text == PROMPT


def test_callback_adapter(face: str, names: dict[str, Any], api: FakeAPI, capsys: pytest.CaptureFixture[str]) -> None:
    api.reply(Reply(ANSWER, tool_calls=["search"], usage=(7, 3)))
    asyncio.run(run(block_with("CallbackAdapter("), face, names))
    printed = capsys.readouterr().out
    assert printed.startswith("Hello\nthere, 世界.")
    assert "Calling: search" in printed
    assert "Tool done: search" in printed
    assert "Done! Usage(input_tokens=7, output_tokens=3, total_tokens=10" in printed
    assert "Error" not in printed


def test_buffering_adapter(face: str, names: dict[str, Any], api: FakeAPI, capsys: pytest.CaptureFixture[str]) -> None:
    api.reply(Reply(ANSWER, tool_calls=["search"], usage=(7, 3)))
    asyncio.run(run(block_with("BufferingAdapter()"), face, names))
    lines = capsys.readouterr().out
    assert lines.startswith(ANSWER + ANSWER)
    result = names["result"]
    assert (result.content, result.usage.total_tokens, result.ok) == (ANSWER, 10, True)
    assert [call.name for call in names["buffer"].tool_calls] == ["search"]


def test_utility_functions(face: str, names: dict[str, Any], api: FakeAPI) -> None:
    api.reply(ANSWER, times=2)
    asyncio.run(run(block_with("collect_stream"), face, names))
    assert (names["result"].content, names["text"]) == (ANSWER, ANSWER)
    assert names["sse"] == "event: token\ndata: Hello\n\n"
