"""The two faces offer the same: names, modules, signatures; values are one class, what does I/O is twinned."""

from __future__ import annotations

import inspect
import pickle
import re
import typing
from importlib import import_module
from pathlib import Path

import pytest

import llm_client
import llm_client.sync
from llm_client._names import HOMES, MODULES

TWINNED = {name for name, home in HOMES.items() if "{face}" in home} - {"ANTHROPIC_AVAILABLE"}
SUBMODULES = [
    "providers.base",
    "providers.openai",
    "providers.anthropic",
    "providers.fallback",
    "providers.types",
    "tools.base",
    "tools.decorators",
]


def test_both_faces_export_the_same_names() -> None:
    assert llm_client.__all__ == llm_client.sync.__all__
    assert sorted(llm_client.__all__) == sorted(HOMES)
    for name in llm_client.__all__:
        assert getattr(llm_client, name) is not None
        assert getattr(llm_client.sync, name) is not None


def test_every_exported_name_is_in_the_specifications_list() -> None:
    assert set(llm_client.__all__) <= set(SPECIFIED)
    assert len(SPECIFIED) == 53


@pytest.mark.parametrize("name", sorted(set(HOMES) - TWINNED))
def test_values_are_one_object(name: str) -> None:
    assert getattr(llm_client, name) is getattr(llm_client.sync, name)


@pytest.mark.parametrize("name", sorted(TWINNED))
def test_what_does_io_is_twinned(name: str) -> None:
    assert getattr(llm_client, name) is not getattr(llm_client.sync, name)


def _public_callables(thing: object) -> dict[str, object]:
    if inspect.isclass(thing):
        names = [name for name in dir(thing) if not name.startswith("_") or name == "__init__"]
        return {name: inspect.getattr_static(thing, name) for name in names}
    return {"": thing}


_RENAMED = {"aclose": "close"}


def _shape(function: object) -> str:
    if isinstance(function, (staticmethod, classmethod)):
        function = function.__func__
    if isinstance(function, property):
        function = function.fget
    if not callable(function):
        return "value"
    text = str(inspect.signature(function))
    return re.sub(
        r"AsyncIterator|_async", lambda found: {"AsyncIterator": "Iterator", "_async": "_sync"}[found[0]], text
    )


@pytest.mark.parametrize("name", sorted(TWINNED))
def test_signatures_are_equal(name: str) -> None:
    ours = _public_callables(getattr(llm_client, name))
    theirs = _public_callables(getattr(llm_client.sync, name))
    assert {_RENAMED.get(member, member) for member in ours} == set(theirs)
    for member, function in ours.items():
        assert _shape(function) == _shape(theirs[_RENAMED.get(member, member)]), f"{name}.{member}"


@pytest.mark.parametrize("module", [*MODULES, *SUBMODULES])
def test_public_modules_have_the_same_names(module: str) -> None:
    ours, theirs = import_module(f"llm_client.{module}"), import_module(f"llm_client.sync.{module}")
    assert ours.__all__ == theirs.__all__
    for name in ours.__all__:
        assert getattr(ours, name) is not None
        assert getattr(theirs, name) is not None


@pytest.mark.parametrize("name", sorted(HOMES))
@pytest.mark.parametrize("package", [llm_client, llm_client.sync])
def test_type_hints_resolve(package: object, name: str) -> None:
    thing = getattr(package, name)
    if inspect.isclass(thing):
        typing.get_type_hints(thing)
        for member in vars(thing).values():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if inspect.isfunction(function) and function.__module__.startswith("llm_client"):
                typing.get_type_hints(function)
    elif inspect.isfunction(thing):
        assert "return" in typing.get_type_hints(thing)


def test_the_twin_holds_nothing_asynchronous() -> None:
    files = sorted(Path(llm_client.__file__).parent.joinpath("_sync").rglob("*.py"))
    assert len(files) > 5
    for file in files:
        code = re.sub(r'"""(?s:.*?)"""|#.*', "", file.read_text())
        assert not re.search(r"\b(async|await|asyncio|aiohttp|Async[A-Z]\w*|__a(iter|next|enter|exit)__)\b", code), file


@pytest.mark.parametrize(
    "value",
    [
        llm_client.Message.user("hi"),
        llm_client.ToolCall("1", "f", '{"a": 1}'),
        llm_client.Usage(1, 2),
        llm_client.CompletionResult(content="hi"),
        llm_client.StreamEvent(llm_client.StreamEventType.TOKEN, "hi"),
        llm_client.AgentConfig(),
        llm_client.GPT5,
    ],
)
def test_values_pickle(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize("package", [llm_client, llm_client.sync])
def test_what_holds_connections_refuses_to_pickle(package: typing.Any) -> None:
    provider = package.OpenAIProvider(base_url="http://127.0.0.1:9", model="gpt-5")
    for thing in (provider, package.Agent(provider), package.ToolRegistry()):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(thing)


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Agentt"):
        _ = llm_client.Agentt
    with pytest.raises(ImportError):
        exec("from llm_client.sync import Agentt")


# fmt: off
SPECIFIED = [
    "Provider", "BaseProvider", "OpenAIProvider", "AnthropicProvider", "ANTHROPIC_AVAILABLE", "Agent",
    "AgentConfig", "AgentResult", "TurnResult", "quick_agent", "Conversation", "ConversationConfig", "Tool",
    "ToolResult", "ToolRegistry", "tool", "sync_tool", "tool_from_function", "Message", "Role", "ToolCall",
    "ToolCallDelta", "Usage", "CompletionResult", "EmbeddingResult", "StreamEvent", "StreamEventType",
    "MessageInput", "normalize_messages", "SSEAdapter", "CallbackAdapter", "BufferingAdapter", "PusherStreamer",
    "format_sse_event", "collect_stream", "stream_to_string", "ModelProfile", "GPT5", "GPT5Mini", "GPT5Nano",
    "GPT5Point1", "GPT5Point2", "TextEmbedding3Large", "TextEmbedding3Small", "FSCache", "QdrantCache",
    "HybridRedisPostgreSQLCache", "Limiter", "TokenBucket", "BatchManager", "RequestManager",
    "ResponseTimeoutError", "OpenAIClient",
]
