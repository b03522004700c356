"""The specification's Agent Framework, as written and in blocking form, against the fake API.

`spec_agents.md` is the specification's text, unchanged. Blocks build on the ones before them.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_client.testing import FakeAPI, Reply
from support.blocking_form import blocking_form
from support.snippets import Snippet, snippets

BLOCKS = snippets("tests/docs/spec_agents.md")
CREATING, CONFIG, RUNNING, STREAMING, SESSION = BLOCKS


def search(query: str) -> str:
    """Search for something."""
    return f"found {query}"


async def count(words: list[str]) -> int:
    """Count words."""
    await asyncio.sleep(0)
    return len(words)


class Reader:
    """Types blocks in, one after the other, in one event loop.

    Args:
        face_name: The package that the blocks import from.
        capsys: Takes what they print.
    """

    def __init__(self, face_name: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.face: Any = importlib.import_module(face_name)
        self._blocking = face_name == "llm_client.sync"
        self._capsys = capsys
        self._runner = asyncio.new_event_loop()
        self.names: dict[str, Any] = {
            "__name__": "__main__",
            "tool1": self.face.tool(search),
            "tool2": self.face.tool(count),
            "my_tool": self.face.tool(search),
            "OpenAIProvider": self.face.OpenAIProvider,
            "StreamEventType": self.face.StreamEventType,
        }

    def types(self, block: Snippet) -> str:
        """Run a block; returns what it printed."""
        self._capsys.readouterr()
        tree = ast.parse("\n" * (block.line - 1) + block.code, str(block.file))
        if self._blocking:
            tree = blocking_form(tree)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        waiting = eval(compile(tree, str(block.file), "exec", flags=flags, dont_inherit=True), self.names)
        self.wait(waiting)
        return self._capsys.readouterr().out

    def wait(self, value: Any) -> Any:
        """The value, waited for where the face is the asynchronous one."""
        return self._runner.run_until_complete(value) if inspect.isawaitable(value) else value

    def close(self) -> None:
        for name in ("agent", "loaded_agent"):
            if name in self.names:
                self.wait(self.names[name].provider.close())
        self._runner.close()


@pytest.fixture(params=["llm_client", "llm_client.sync"])
def reader(
    request: pytest.FixtureRequest, api: FakeAPI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Reader]:
    for name, value in api.environment.items():
        monkeypatch.setenv(name, value)
    reader = Reader(request.param, capsys)
    yield reader
    reader.close()


def value_of(block: Snippet, expression: str, names: dict[str, Any]) -> Any:
    """The value of a line that the block shows; fails if the block has no such line."""
    assert expression in [line.partition("#")[0].strip() for line in block.code.splitlines()]
    return eval(expression, names)


def test_creating_agents(reader: Reader) -> None:
    reader.types(CREATING)
    agent = reader.names["agent"]
    assert agent.tools.names == ["search", "count"]
    assert agent.system_message == "You are helpful."
    assert agent.config == reader.face.AgentConfig()
    assert (agent.config.max_turns, agent.config.max_tokens) == (10, None)


def test_the_configuration_shows_the_defaults(reader: Reader) -> None:
    reader.types(CONFIG)
    assert reader.names["config"] == reader.face.AgentConfig()
    (call,) = [node for node in ast.walk(ast.parse(CONFIG.code)) if isinstance(node, ast.Call)]
    assert len(call.keywords) == 9


def test_running_agents(reader: Reader, api: FakeAPI) -> None:
    reader.types(CREATING)
    api.reply(
        Reply(
            "I shall search.",
            tool_calls=[("search", {"query": "qubits"}), ("count", {"words": ["a", "b"]})],
            usage=(100, 20),
        )
    )
    api.reply(Reply("Quantum computing is young.", usage=(200, 30)))
    api.reply("Hello to you.")
    api.reply("There is more to tell.")
    reader.types(RUNNING)
    names = reader.names
    assert value_of(RUNNING, "result.content", names) == "Quantum computing is young."
    assert [turn.turn for turn in value_of(RUNNING, "result.turns", names)] == [1, 2]
    assert value_of(RUNNING, "result.num_turns", names) == 2
    assert [call.name for call in value_of(RUNNING, "result.all_tool_calls", names)] == ["search", "count"]
    assert value_of(RUNNING, "result.conversation", names) is names["agent"].conversation
    usage = value_of(RUNNING, "result.total_usage", names)
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (300, 50, 350)
    assert value_of(RUNNING, "result.status", names) == "success"
    assert value_of(RUNNING, "result.error", names) is None
    assert names["response"] == "Hello to you."
    assert names["result2"].content == "There is more to tell."
    # `chat` and the second `run` went on with the conversation, until `reset`.
    last = api.last_request.body["messages"]
    assert [message["role"] for message in last] == [
        *("system", "user", "assistant", "tool", "tool", "assistant", "user", "assistant", "user")
    ]
    assert [message["content"] for message in last if message["role"] == "tool"] == ["found qubits", "2"]
    assert len(names["agent"].conversation) == 0
    assert names["agent"].system_message == "You are helpful."
    forked = names["forked_agent"]
    assert forked.conversation is not names["agent"].conversation
    assert forked.system_message == "You are helpful."


def test_streaming_agents(reader: Reader, api: FakeAPI) -> None:
    reader.types(CREATING)
    api.reply(Reply(tool_calls=[("search", {"query": "Python tutorials"})]))
    api.reply("Here is one.")
    printed = reader.types(STREAMING)
    assert printed == (
        "\n--- Turn 1 ---\n"
        "\n> Calling search...\n"
        "\n[Tool: search]\n"
        "Result: found Python tutorials...\n"
        "\n--- Turn 2 ---\n"
        "Here is one."
        "\n\nStatus: success\n"
        "Turns: 2\n"
    )
    assert reader.names["agent_result"].content == "Here is one."


def test_session_persistence(reader: Reader, api: FakeAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = reader.names
    names["Agent"] = reader.face.Agent
    names["agent"] = reader.face.Agent(
        names["OpenAIProvider"](model="gpt-5"), tools=[names["my_tool"]], system_message="Be kind.", max_turns=4
    )
    api.reply(Reply(tool_calls=[("search", {"query": "x"})]))
    api.reply("Found.")
    reader.wait(names["agent"].run("Find x"))
    api.reply("Gladly.")
    reader.types(SESSION)
    loaded = names["loaded_agent"]
    assert names["result"].content == "Gladly."
    assert loaded.config == names["agent"].config
    assert loaded.config.max_turns == 4
    assert loaded.system_message == "Be kind."
    assert list(loaded.conversation)[:4] == list(names["agent"].conversation)
    assert api.last_request.text == "Continue our conversation"
    saved = json.loads((tmp_path / "session.json").read_text())
    assert saved["tools"] == ["search"]
    assert api.environment["OPENAI_API_KEY"] not in (tmp_path / "session.json").read_text()
