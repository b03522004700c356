"""The specification's blocks from Quick Start to Provider Protocol, as written and in blocking form.

`spec_first_part.md` is the specification's text, unchanged. Blocks build on the ones before them, as for a reader who
types them in one after the other.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest

from llm_client.testing import FakeAPI, Reply
from support.blocking_form import blocking_form
from support.snippets import snippets

BLOCKS = snippets("tests/docs/spec_first_part.md")
(
    SIMPLE,
    AGENT,
    STREAM,
    CLAUDE,
    OPENAI_PROVIDER,
    OPENAI_COMPLETION,
    OPENAI_STREAM,
    EMBEDDINGS,
    CLAUDE_PROVIDER,
    CLAUDE_COMPLETION,
    CLAUDE_STREAM,
    PROTOCOL,
) = BLOCKS
# What the later blocks use and only other blocks, or none, import.
NAMES = "from collections.abc import AsyncIterator\nfrom llm_client import EmbeddingResult, StreamEventType\n"


class Reader:
    """Types blocks in, one after the other.

    Args:
        blocking: Whether in their blocking form.
        capsys: Takes what they print.
    """

    def __init__(self, *, blocking: bool, capsys: pytest.CaptureFixture[str]) -> None:
        self.blocking = blocking
        self.face: Any = importlib.import_module("llm_client.sync" if blocking else "llm_client")
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self._capsys = capsys
        self._run(NAMES, "names")

    def types(self, block: Any) -> str:
        """Run a block; returns what it printed."""
        self._capsys.readouterr()
        self._run("\n" * (block.line - 1) + block.code, str(block.file))
        return self._capsys.readouterr().out

    def result_of(self, value: Any) -> Any:
        """What a call of this face comes to in the end."""
        return value if self.blocking else asyncio.run(_waited_for(value))

    def _run(self, code: str, file: str) -> None:
        tree = ast.parse(code, file)
        if self.blocking:
            exec(compile(blocking_form(tree), file, "exec", dont_inherit=True), self.names)
            return
        program = compile(tree, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        waiting = eval(program, self.names)
        if waiting is not None:
            asyncio.run(waiting)


async def _waited_for(value: Any) -> Any:
    if hasattr(value, "__aiter__"):
        return [item async for item in value]
    return await value


@pytest.fixture
def server(api: FakeAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeAPI:
    """The environment of a user whose vendors are the fake server."""
    monkeypatch.chdir(tmp_path)
    for name, value in api.environment.items():
        monkeypatch.setenv(name, value)
    return api


@pytest.fixture(params=["as written", "blocking"])
def reader(request: pytest.FixtureRequest, server: FakeAPI, capsys: pytest.CaptureFixture[str]) -> Reader:
    return Reader(blocking=request.param == "blocking", capsys=capsys)


def test_simple_completion(server: FakeAPI, reader: Reader) -> None:
    server.reply(Reply("Hello to you.", usage=(9, 4)))
    assert reader.types(SIMPLE) == "Hello to you.\nTokens: 13\n"
    request = server.last_request
    assert request.path == "/v1/chat/completions"
    assert request.body == {"model": "gpt-5-nano", "messages": [{"role": "user", "content": "Hello, world!"}]}


def test_agent_with_tools(server: FakeAPI, reader: Reader) -> None:
    server.reply(Reply(tool_calls=[("get_weather", {"city": "Tokyo"})]))
    server.reply("It is sunny in Tokyo.")
    assert reader.types(AGENT) == "It is sunny in Tokyo.\nTool calls: ['get_weather']\n"
    first, second = (request.body for request in server.requests)
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert first["messages"][0]["content"] == "You are a helpful assistant with access to tools."
    functions = [tool["function"] for tool in first["tools"]]
    assert [(function["name"], function["description"]) for function in functions] == [
        ("get_weather", "Get weather for a city."),
        ("search_web", "Search the web for information."),
    ]
    assert functions[1]["parameters"]["properties"] == {"query": {"type": "string"}}
    assert second["messages"][-1]["role"] == "tool"
    assert second["messages"][-1]["content"] == "Weather in Tokyo: Sunny, 72°F"


def test_streaming(server: FakeAPI, reader: Reader) -> None:
    server.reply(Reply("Loops within loops,\nall of them end.", reasoning="Five", usage=(7, 20)))
    printed = reader.types(STREAM)
    assert printed == "[Thinking: Five]Loops within loops,\nall of them end.\n\nTokens: 27\n"
    assert server.last_request.body["stream"] is True
    assert server.last_request.body["messages"] == [{"role": "user", "content": "Write a haiku about coding"}]


def test_using_anthropic(server: FakeAPI, reader: Reader) -> None:
    server.reply("Two particles share one state.")
    assert reader.types(CLAUDE) == "Two particles share one state.\n"
    request = server.last_request
    assert request.path == "/v1/messages"
    assert (request.body["model"], request.body["max_tokens"]) == ("claude-3-5-sonnet-20241022", 1024)


def test_openai_provider(server: FakeAPI, reader: Reader, tmp_path: Path) -> None:
    reader.types(OPENAI_PROVIDER)
    provider = reader.names["provider"]
    assert isinstance(provider, reader.face.OpenAIProvider)
    assert isinstance(provider, reader.face.Provider)
    assert provider.model == "gpt-5"
    assert provider.profile is reader.face.GPT5
    assert list(tmp_path.iterdir()) == []  # nothing is created before the first answer is stored
    assert not server.requests


def test_openai_completion(server: FakeAPI, reader: Reader, tmp_path: Path) -> None:
    server.reply(Reply("Hello to you.", usage=(1000, 100)))
    reader.types(OPENAI_PROVIDER)
    reader.types(OPENAI_COMPLETION)
    result = reader.names["result"]
    assert isinstance(result, reader.face.CompletionResult)
    assert (result.content, result.model, result.finish_reason, result.status) == (
        "Hello to you.", "gpt-5", "stop", 200,
    )  # fmt: skip
    assert (result.ok, result.error, result.has_tool_calls, bool(result.tool_calls)) == (True, None, False, False)
    assert result.usage.total_tokens == 1100
    # 1.25 and 10 dollars for a million tokens.
    assert result.usage.total_cost == pytest.approx(1000 * 1.25e-6 + 100 * 10e-6)
    # gpt-5 takes no temperature, and its limit has another name.
    assert server.last_request.body == {
        "model": "gpt-5",
        "messages": [{"role": "user", "content": "Hello!"}],
        "max_completion_tokens": 1000,
        "reasoning_effort": "medium",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert any(path.is_file() for path in (tmp_path / "cache").rglob("*"))
    # Once more: the answer is in the cache now, and costs nothing.
    reader.types(OPENAI_COMPLETION)
    again = reader.names["result"]
    assert len(server.requests) == 1
    assert (again.content, again.cached, again.usage.total_tokens, again.usage.total_cost) == (
        "Hello to you.", True, 1100, 0.0,
    )  # fmt: skip


def test_openai_completion_with_tool_calls(server: FakeAPI, reader: Reader) -> None:
    server.reply(Reply(None, tool_calls=[("look", {"where": "up"})], reasoning="Up is best."))
    reader.types(OPENAI_PROVIDER)
    reader.types(OPENAI_COMPLETION)
    result = reader.names["result"]
    assert (result.has_tool_calls, result.finish_reason, result.reasoning) == (True, "tool_calls", "Up is best.")
    assert [(call.name, call.parse_arguments()) for call in result.tool_calls] == [("look", {"where": "up"})]


def test_openai_completion_that_fails(server: FakeAPI, reader: Reader) -> None:
    server.fail(401, "no such key")
    reader.types(OPENAI_PROVIDER)
    reader.types(OPENAI_COMPLETION)
    result = reader.names["result"]
    assert (result.ok, result.status, result.error, result.content) == (False, 401, "no such key", "")
    # A failure is not kept.
    server.reply("Hello to you.")
    reader.types(OPENAI_COMPLETION)
    assert reader.names["result"].content == "Hello to you."


def test_openai_streaming(server: FakeAPI, reader: Reader) -> None:
    server.reply(Reply("Once upon", reasoning="Begin", tool_calls=[("look", {"where": "up"}, "call_1")], usage=(5, 3)))
    reader.types(OPENAI_PROVIDER)
    printed = reader.types(OPENAI_STREAM)
    assert printed.startswith("[Think: Begin]\nOnce upon")
    assert printed.count("Calling: look\n") == 1
    # In this order, each once: the whole call, the usage, the result.
    positions = [printed.index(words) for words in ("Tool: ToolCall(", "Tokens: Usage(", "Result: CompletionResult(")]
    assert positions == sorted(positions)
    assert "total_tokens=8" in printed[positions[1] : positions[2]]
    assert '\'{"where":"up"}\'' in printed[positions[0] : positions[1]]
    assert "Error" not in printed
    body = server.last_request.body
    assert (body["model"], body["max_completion_tokens"]) == ("gpt-5", 1000)
    assert not {"temperature", "tools", "tool_choice", "reasoning_effort"} & body.keys()
    server.fail(400, "not like this")
    assert reader.types(OPENAI_STREAM) == "Error: {'status': 400, 'error': 'not like this'}\n"


def test_embeddings(server: FakeAPI, reader: Reader) -> None:
    vector = [0.25, -0.5] * 768
    server.reply(Reply(embeddings=[vector], usage=(3, 0)))
    reader.types(OPENAI_PROVIDER)
    reader.types(EMBEDDINGS)
    result = reader.names["result"]
    assert isinstance(result, reader.face.EmbeddingResult)
    assert (result.ok, result.embedding, result.embeddings) == (True, vector, [vector])
    assert (result.usage.input_tokens, result.usage.total_tokens) == (3, 3)
    body = server.last_request.body
    assert (body["model"], body["encoding_format"], body["dimensions"]) == ("text-embedding-3-large", "base64", 1536)
    assert body["input"] in ("Text to embed", ["Text to embed"])


def test_anthropic_provider(server: FakeAPI, reader: Reader) -> None:
    reader.types(CLAUDE_PROVIDER)
    provider = reader.names["provider"]
    assert isinstance(provider, reader.face.AnthropicProvider)
    assert (provider.model, provider.max_tokens, provider.default_temperature) == (
        "claude-3-5-sonnet-20241022", 4096, None,
    )  # fmt: skip
    with pytest.raises(NotImplementedError, match="OpenAIProvider"):
        reader.result_of(provider.embed("Text to embed"))


def test_anthropic_provider_without_the_package(server: FakeAPI, reader: Reader) -> None:
    head, check, rest = CLAUDE_PROVIDER.code.partition("if not ANTHROPIC_AVAILABLE")
    with pytest.raises(ImportError, match=r"pip install llm-client\[anthropic\]"):
        reader._run(f"{head}ANTHROPIC_AVAILABLE = False\n{check}{rest}", "without the package")
    assert not server.requests


def test_anthropic_completion(server: FakeAPI, reader: Reader) -> None:
    server.reply(Reply("See recursion.", usage=(8, 3)))
    reader.types(CLAUDE_PROVIDER)
    reader.types(CLAUDE_COMPLETION)
    result = reader.names["result"]
    assert (result.content, result.ok, result.finish_reason, result.provider) == (
        "See recursion.", True, "stop", "anthropic",
    )  # fmt: skip
    assert result.usage.total_tokens == 11
    body = server.last_request.body
    assert (body["temperature"], body["max_tokens"]) == (0.7, 1000)
    assert not {"tools", "tool_choice"} & body.keys()


def test_anthropic_streaming(server: FakeAPI, reader: Reader) -> None:
    server.reply(Reply("Roses are red", reasoning="Rhyme"))
    reader.types(CLAUDE_PROVIDER)
    printed = reader.types(CLAUDE_STREAM)
    assert printed == "[Thinking: Rhyme]\nRoses are red"
    assert server.last_request.body["max_tokens"] == 4096


def test_provider_protocol(reader: Reader) -> None:
    reader.types(PROTOCOL)
    provider = reader.names["MyProvider"]()
    assert isinstance(provider, reader.face.Provider)
    assert isinstance(provider, reader.face.BaseProvider)
    stream = provider.stream("Hi")
    events = list(stream) if reader.blocking else reader.result_of(stream)
    assert events == [reader.face.StreamEvent(reader.face.StreamEventType.TOKEN, "Hello")]
    with pytest.raises(NotImplementedError, match="Embeddings not supported"):
        reader.result_of(provider.embed("Hi"))


def test_the_text_is_whole() -> None:
    assert len(BLOCKS) == 12
    text = BLOCKS[0].file.read_text(encoding="utf-8")
    assert text.startswith("## Quick Start\n")
    assert text.count("```") == 24
    headings = [line for line in text.splitlines() if line.startswith("#") and not line.startswith("# ")]
    assert headings[0] == "## Quick Start"
    assert headings[-1] == "### Provider Protocol"
