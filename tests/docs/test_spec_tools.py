"""The specification's Tool System, as written and in blocking form.

`spec_tools.md` is the specification's text, unchanged.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import json
import sys
from datetime import timezone
from types import SimpleNamespace
from typing import Any

import pytest

from support.blocking_form import blocking_form
from support.snippets import Snippet, snippets

BLOCKS = snippets("tests/docs/spec_tools.md")
DECORATOR, REGISTRY, MANUAL = BLOCKS
FACES = pytest.mark.parametrize("face_name", ["llm_client", "llm_client.sync"])


def shown_schema() -> dict[str, Any]:
    """The JSON that the specification shows under "Generated Schema"."""
    text = DECORATOR.file.read_text(encoding="utf-8")
    shown: dict[str, Any] = json.loads(text.partition("```json\n")[2].partition("```")[0])
    return shown


def wait(value: Any) -> Any:
    async def main() -> Any:
        return await value

    return asyncio.run(main()) if inspect.isawaitable(value) else value


def types(block: Snippet, face_name: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block; returns all variables.

    Args:
        block: One of BLOCKS.
        face_name: The package that it imports from.
        names: What no block imports.
    """
    variables: dict[str, Any] = {"__name__": "__main__", **names}
    tree = ast.parse("\n" * (block.line - 1) + block.code, str(block.file))
    if face_name == "llm_client.sync":
        tree = blocking_form(tree)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    wait(eval(compile(tree, str(block.file), "exec", flags=flags, dont_inherit=True), variables))
    return variables


class Database:
    """Where `search_database` looks, of the colour in which it asks."""

    async def search(self, query: str, limit: int) -> list[str]:
        await asyncio.sleep(0)
        return [f"{query} {number}" for number in range(limit)]


@FACES
def test_the_decorators(face_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    face = importlib.import_module(face_name)
    names = types(DECORATOR, face_name, {"db": Database(), "json": json})
    search, current = names["search_database"], names["get_current_time"]
    assert search.to_dict() == shown_schema()
    assert list(search.to_dict()["parameters"]["properties"]["limit"]) == ["type", "description", "default"]
    assert current.to_dict() == {
        "name": "get_current_time",
        "description": "Get the current time in a timezone.",
        "parameters": {
            "type": "object",
            "properties": {
                "timezone": {
                    "type": "string",
                    "description": 'IANA timezone name (e.g., "America/New_York")',
                    "default": "UTC",
                }
            },
            "required": [],
        },
    }
    monkeypatch.setitem(sys.modules, "pytz", SimpleNamespace(timezone=lambda name: timezone.utc))
    assert current().endswith("+00:00")  # a decorated function stays callable
    assert wait(search("a", limit=2)) == '["a 0", "a 1"]'
    registry = face.ToolRegistry([search, current])
    assert wait(registry.execute("search_database", '{"query": "b", "limit": 1}')).content == '["b 0"]'
    assert wait(registry.execute("get_current_time")).content.endswith("+00:00")


@FACES
def test_the_registry(face_name: str) -> None:
    face = importlib.import_module(face_name)
    tools = types(DECORATOR, face_name, {"db": Database(), "json": json})

    def search(query: str) -> str:
        """Search."""
        return query

    given = {"tool1": tools["search_database"], "tool2": face.tool(search), "tool3": tools["get_current_time"]}
    names = types(REGISTRY, face_name, given)
    registry, result = names["registry"], names["result"]
    assert registry.tools == [given["tool1"], given["tool2"]]
    assert registry.names == ["search_database", "search"]
    assert registry.get("search") is given["tool2"]
    assert result.content == json.dumps([f"python {number}" for number in range(5)])
    assert (result.success, result.error) == (True, None)
    assert result.to_string() == result.content
    assert registry.unregister("tool_name") is False  # the block's last line names a tool that is not there
    assert registry.unregister("search") is True
    failed = wait(registry.execute(name="search_database", arguments="{}"))
    assert (failed.content, failed.success) == (None, False)
    assert "query" in failed.error
    assert failed.to_string() == f"Error: {failed.error}"


@FACES
def test_tools_by_hand(face_name: str) -> None:
    face = importlib.import_module(face_name)

    async def my_async_function(expression: str) -> int:
        await asyncio.sleep(0)
        return len(expression)

    async def get(url: str) -> str:
        return f"content of {url}"

    client = SimpleNamespace(get=get if face_name == "llm_client" else lambda url: f"content of {url}")
    names = types(MANUAL, face_name, {"my_async_function": my_async_function, "httpx": client})
    assert names["tool"].to_dict() == {
        "name": "calculate",
        "description": "Evaluate a mathematical expression",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string", "description": "Math expression to evaluate"}},
            "required": ["expression"],
        },
    }
    by_hand = face.ToolRegistry([names["tool"]])
    assert wait(by_hand.execute("calculate", {"expression": "1 + 1"})).content == 5
    inferred = face.ToolRegistry([names["fetch_tool"], names["calc_tool"]])
    assert names["fetch_tool"].description == "Fetch data from a URL."
    assert names["calc_tool"].parameters["required"] == ["x", "y"]
    assert wait(inferred.execute("fetch_data", {"url": "http://x"})).content == "content of http://x"
    assert wait(inferred.execute("calculate", '{"x": 1, "y": 2.5}')).content == 3.5
