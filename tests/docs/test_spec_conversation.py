"""The specification's Conversation Management, Model Profiles and Types Reference, as written and in blocking form.

`spec_conversation.md` is the specification's text, unchanged. Blocks build on the ones before them.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.blocking_form import blocking_form
from support.snippets import Snippet, snippets

BLOCKS = snippets("tests/docs/spec_conversation.md")
BASIC, WINDOW, STORAGE, PROFILES, MESSAGE, CALL, USAGE, RESULT, EVENT = BLOCKS
FACES = pytest.mark.parametrize("face_name", ["llm_client", "llm_client.sync"])


def types(block: Snippet, face_name: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a block; returns all variables.

    Args:
        block: One of BLOCKS.
        face_name: The package that it imports from.
        names: What earlier blocks left behind, and what no block imports.
    """
    variables: dict[str, Any] = {"__name__": "__main__", **(names or {})}
    tree = ast.parse("\n" * (block.line - 1) + block.code, str(block.file))
    if face_name == "llm_client.sync":
        tree = blocking_form(tree)
    exec(compile(tree, str(block.file), "exec", dont_inherit=True), variables)
    return variables


def value_of(block: Snippet, expression: str, names: dict[str, Any]) -> Any:
    """The value of a line that the block shows; fails if the block has no such line."""
    assert expression in [line.partition("#")[0].strip() for line in block.code.splitlines()]
    return eval(expression, names)


@FACES
def test_basic_usage(face_name: str) -> None:
    names = types(BASIC, face_name)
    role = names["Role"]
    assert value_of(BASIC, "len(conv)", names) == 5
    assert value_of(BASIC, "conv[0]", names) == names["Message"].user("What is Python?")
    assert value_of(BASIC, "conv.get_last_message()", names).tool_call_id == "call_1"
    assert value_of(BASIC, "conv.get_last_user_message()", names).content == "Show me an example"
    assert value_of(BASIC, "conv.get_last_assistant_message()", names).tool_calls[0].name == "search"
    assert [message.role for message in names["messages"]] == [
        role.SYSTEM, role.USER, role.ASSISTANT, role.USER, role.ASSISTANT, role.TOOL
    ]  # fmt: skip
    assert names["messages_dict"][4:] == [
        {
            "role": "assistant",
            "content": "Let me search for that.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q": "python"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Found 10 results..."},
    ]


@FACES
def test_context_window(face_name: str) -> None:
    names = types(WINDOW, face_name)
    assert [message.content for message in names["messages"]] == ["You are helpful."]
    assert 0 < names["token_count"] < 20
    conversation = names["conv"]
    for number in range(2000):
        conversation.add_user(f"This is message number {number} of very many.")
    profile = names["GPT5"]
    kept = conversation.get_messages(model=profile)
    assert kept[-1] == conversation[-1]
    assert 0.9 * 6000 < profile.count_tokens(kept) <= 6000


@FACES
def test_serialization(face_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    before = types(BASIC, face_name)["conv"]
    names = types(STORAGE, face_name, {"conv": before, "Conversation": type(before)})
    assert names["data"] == before.to_dict()
    loaded = type(before).load(tmp_path / "conversation.json")
    assert list(loaded) == list(before)
    assert loaded.system_message == "You are a helpful assistant."
    assert list(names["forked"]) == list(before)
    assert names["forked"].session_id != before.session_id == loaded.session_id
    assert list(names["branched"]) == before[:3]
    assert len(names["conv"]) == 0
    assert names["conv"].system_message == "You are a helpful assistant."
    assert capsys.readouterr().out == "\n"


@FACES
def test_model_profiles(face_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    face = importlib.import_module(face_name)
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    names = types(
        PROFILES,
        face_name,
        {"OpenAIProvider": face.OpenAIProvider, "api_response": SimpleNamespace(usage=SimpleNamespace(**usage))},
    )
    assert names["model"] is names["GPT5"]
    assert names["provider"].model == "gpt-5"
    assert value_of(PROFILES, "GPT5.model_name", names) == "gpt-5"
    assert value_of(PROFILES, "GPT5.category", names) == "completions"
    assert value_of(PROFILES, "GPT5.context_window", names) == 128_000
    assert value_of(PROFILES, "GPT5.reasoning_model", names) is True
    assert value_of(PROFILES, "GPT5.reasoning_efforts", names) == ["low", "medium", "high"]
    assert 3 <= names["count"] <= 5
    assert (names["usage"].input_tokens, names["usage"].output_tokens) == (1000, 100)
    assert names["usage"].total_cost == pytest.approx(1000 * 1.25e-6 + 100 * 10e-6, abs=1e-9)
    closed = names["provider"].close()
    if closed is not None:
        asyncio.run(closed)


@FACES
def test_the_table_of_models(face_name: str) -> None:
    face = importlib.import_module(face_name)
    rows = [line.split("|")[1:-1] for line in BASIC.file.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) == 7
    for cells in rows:
        key, name, category, context, reasoning = (cell.strip().strip("`") for cell in cells)
        profile = face.ModelProfile.get(key)
        assert profile is getattr(face, name)
        assert profile.category == category
        assert profile.context_window // 1000 == int(context.removesuffix("K"))
        assert profile.reasoning_model is (reasoning == "✓")


@FACES
def test_message_and_tool_call(face_name: str) -> None:
    names = types(MESSAGE, face_name)
    assert names["msg"] == names["Message"].user("Hello")
    assert names["d"] == {"role": "user", "content": "Hello"}
    assert value_of(MESSAGE, "msg.role", names) is names["Role"].USER
    assert value_of(MESSAGE, "msg.content", names) == "Hello"
    assert value_of(MESSAGE, "msg.tool_calls", names) is None
    assert value_of(MESSAGE, "msg.tool_call_id", names) is None
    assert value_of(MESSAGE, "msg.name", names) is None
    assert types(CALL, face_name)["args"] == {"query": "python"}


@FACES
def test_usage(face_name: str) -> None:
    names = types(USAGE, face_name)
    assert names["d"].items() >= {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}.items()
    assert names["usage"] == names["Usage"].from_dict(names["d"])
    assert names["usage"].total_cost == 0.003


@FACES
def test_completion_result(face_name: str) -> None:
    usage = importlib.import_module(face_name).Usage
    names = types(RESULT, face_name, {"Usage": lambda placeholder: usage(input_tokens=3, output_tokens=2)})
    assert value_of(RESULT, "result.ok", names) is True
    assert value_of(RESULT, "result.has_tool_calls", names) is False
    assert value_of(RESULT, "result.to_message()", names).content == "Hello!"
    assert value_of(RESULT, "result.to_dict()", names)["model"] == "gpt-5"
    assert names["result"].usage.total_tokens == 5


@FACES
def test_stream_event(face_name: str) -> None:
    names = types(EVENT, face_name, {"time": importlib.import_module("time")})
    assert value_of(EVENT, "event.to_sse()", names) == "event: token\ndata: Hello\n\n"
