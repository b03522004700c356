"""Tools: functions that a model may call."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

from .arguments import ToolArgumentError
from .callables import callable_name, is_coroutine_callable
from .tool_context import ToolContext
from .tool_result import ToolResult
from .tool_type import Tool

__all__ = [
    "Tool",
    "ToolArgumentError",
    "ToolContext",
    "ToolResult",
    "as_tool_list",
    "sync_tool",
    "tool",
    "tool_from_function",
]


@overload
def tool(fn: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    timeout: float | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    timeout: float | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function: `@tool` or `@tool(name=..., timeout=...)`; coroutine functions and plain ones.

    The schema comes from the type hints, the descriptions from the docstring. The function stays callable.

    Args:
        fn: The function.
        name: What the model calls it; the function's name by default.
        description: What it does; the docstring's first paragraph by default.
        strict: Have the vendor enforce the schema.
        timeout: Seconds that a call may take, in place of the agent's limit.

    Raises:
        TypeError: The function cannot be a tool (it takes `*args`, is a generator, has a hint that does not exist).
        ValueError: The name is not one that vendors take.
    """
    if fn is None:
        return lambda function: tool_from_function(
            function, name=name, description=description, strict=strict, timeout=timeout
        )
    return tool_from_function(fn, name=name, description=description, strict=strict, timeout=timeout)


@overload
def sync_tool(fn: Callable[..., Any], /) -> Tool: ...


@overload
def sync_tool(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    timeout: float | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...


def sync_tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    timeout: float | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a plain function; as `tool`, but a coroutine function is refused.

    Args:
        fn: The function.
        name: What the model calls it; the function's name by default.
        description: What it does; the docstring's first paragraph by default.
        strict: Have the vendor enforce the schema.
        timeout: Seconds that a call may take, in place of the agent's limit.

    Raises:
        TypeError: The function is a coroutine function, or cannot be a tool.
        ValueError: The name is not one that vendors take.
    """

    def decorate(function: Callable[..., Any]) -> Tool:
        if is_coroutine_callable(function):
            raise TypeError(f"@sync_tool is for plain functions, but {callable_name(function)!r} is async; use @tool")
        return tool_from_function(function, name=name, description=description, strict=strict, timeout=timeout)

    return decorate if fn is None else decorate(fn)


def tool_from_function(
    fn: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    timeout: float | None = None,
) -> Tool:
    """Make a tool of a function, a method of an instance, a partial or a callable object.

    Args:
        fn: Coroutine function or plain one; a Tool gets the given values in place of its own.
        name: What the model calls it; the function's name by default.
        description: What it does; the docstring's first paragraph by default.
        strict: Have the vendor enforce the schema.
        timeout: Seconds that a call may take, in place of the agent's limit.

    Raises:
        TypeError: It is not callable, or cannot be a tool.
        ValueError: The name is not one that vendors take.
    """
    if isinstance(fn, types.MethodType) and isinstance(fn.__func__, Tool):
        fn = fn.__func__.__get__(fn.__self__)  # how `@classmethod` over `@tool` arrives from Python 3.13 on
    if isinstance(fn, Tool):
        given = {"name": name, "description": description, "strict": strict or None, "timeout": timeout}
        changes = {key: value for key, value in given.items() if value is not None}
        return fn.replace(**changes) if changes else fn
    if isinstance(fn, classmethod):
        raise TypeError("@tool goes below @classmethod, next to the function")
    if isinstance(fn, type):
        raise TypeError(f"{fn.__name__} is a class, and a tool is a function; pass an instance that can be called")
    if isinstance(fn, str):
        raise TypeError(f"a tool is made of a function, got the string {fn!r}; a name is given as name={fn!r}")
    if not callable(fn):
        raise TypeError(f"a tool is made of a function, got {type(fn).__name__}")
    return Tool.from_function(fn, name, description, strict, timeout)


def as_tool_list(tools: Iterable[Tool | Callable[..., Any]] | None) -> list[Tool]:
    """The tools that an agent or a registry was given, checked.

    Args:
        tools: Tools, functions, methods of instances, partials and callable objects, in any mixture; None for none.

    Raises:
        TypeError: Something else is among them, or cannot be a tool; says at which position.
        ValueError: Two have the same name, or one has a name or a schema that vendors do not take.
    """
    if tools is None:
        return []
    if isinstance(tools, (Tool, str, bytes, Mapping)) or not isinstance(tools, Iterable):
        raise TypeError(f"tools is a list of tools or functions, got {_described(tools)}; write tools=[...]")
    listed: list[Tool] = []
    positions: dict[str, int] = {}
    for position, item in enumerate(tools):
        if not callable(item):
            hint = "; agent.as_tool(name, description) makes a tool of an agent" if hasattr(item, "as_tool") else ""
            raise TypeError(
                f"tools[{position}] must be a Tool or something that can be called, got {_described(item)}{hint}"
            )
        try:
            made = tool_from_function(item)
            made.check()
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"tools[{position}]: {error}") from error
        if made.name in positions:
            raise ValueError(
                f"tools[{position}] and tools[{positions[made.name]}] are both named {made.name!r}; "
                "give one another name: tool(name=...)"
            )
        positions[made.name] = position
        listed.append(made)
    return listed


def _described(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:80] + '...'}"
