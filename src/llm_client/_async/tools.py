"""A set of tools that can be called by name."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from .._core import jsons
from .._core.messages import ToolCall
from .._core.options import check_count
from .._core.tool_calls import ReadyCall, outcome, ready
from .._core.tool_context import ToolContext
from .._core.tool_result import ToolResult
from .._core.tools import Tool, as_tool_list
from .._seam import _async as seam


class ToolRegistry:
    """Tools by name.

    Args:
        tools: Tool objects, or functions to make tools of.

    Raises:
        TypeError: Something is no tool and cannot be called.
        ValueError: Two tools have the same name.
    """

    def __init__(self, tools: Iterable[Any] | None = None) -> None:
        self._tools: dict[str, Tool] = {}
        if tools is not None:
            for tool in as_tool_list(tools):
                self.register(tool)

    @property
    def tools(self) -> list[Tool]:
        """All tools, in the order in which they were registered."""
        return list(self._tools.values())

    @property
    def names(self) -> list[str]:
        """The names of all tools."""
        return list(self._tools)

    def get(self, name: str) -> Tool | None:
        """The tool of that name, None where there is none."""
        return self._tools.get(name)

    def register(self, tool: Any) -> Tool:
        """Add a tool, or a function to make one of.

        Raises:
            TypeError: It is no tool and cannot be called.
            ValueError: There is one of that name already.
        """
        (made,) = as_tool_list([tool])
        if made.name in self._tools:
            raise ValueError(f"there is a tool {made.name!r} already; unregister it first, or choose another name")
        self._tools[made.name] = made
        return made

    def unregister(self, name: str) -> bool:
        """Remove a tool; False where there is none of that name."""
        return self._tools.pop(name, None) is not None

    def __len__(self) -> int:
        return len(self._tools)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools)

    def __repr__(self) -> str:
        return f"ToolRegistry({self.names})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a ToolRegistry cannot be pickled: its tools' functions may not be; pickle a list of the tools")

    async def execute(
        self,
        name: str,
        arguments: str | Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        context: ToolContext[Any] | None = None,
        max_output: int | None = None,
    ) -> ToolResult:
        """Call a tool; whatever goes wrong is a failed result, never an exception.

        Args:
            name: The tool's name.
            arguments: A JSON object as text, as the model wrote it, or a dict.
            timeout: Seconds, unless the tool has its own limit; None for no limit.
            context: Handed to a parameter annotated ToolContext.
            max_output: Most characters of the result's text.
        """
        call_id = context.call_id if context is not None else ""
        try:
            call = ToolCall(id=call_id, name=name, arguments=_text(arguments))
        except (TypeError, ValueError) as error:
            return ToolResult.error_result(
                f"the arguments are no JSON object: {error}", name=name, tool_call_id=call_id
            )
        return await self._execute(call, timeout, context, max_output)

    async def execute_json(self, name: str, arguments: str | Mapping[str, Any] | None = None, **options: Any) -> str:
        """As `execute`, with the result as JSON text: {"success": ..., "content": ..., "error": ...}."""
        result = await self.execute(name, arguments, **options)
        shown = result.to_dict()
        return jsons.dumps_text({key: shown[key] for key in ("success", "content", "error")})

    async def execute_parallel(
        self,
        calls: Sequence[ToolCall],
        *,
        limit: int | None = None,
        timeout: float | None = None,
        max_output: int | None = None,
    ) -> list[ToolResult]:
        """Call several tools at the same time; the results come in the order of the calls.

        Args:
            calls: The calls.
            limit: How many may run at the same time; None for all.
            timeout: Seconds for each call, unless its tool has its own limit.
            max_output: Most characters of each result's text.

        Raises:
            TypeError: The limit is no whole number.
            ValueError: It is below 1.
        """
        results: dict[int, ToolResult] = {}
        contexts = [ToolContext(call_id=call.id, tool_name=call.name) for call in calls]
        async with seam.closing(
            self.execute_each(calls, contexts, limit=limit, timeout=timeout, max_output=max_output)
        ) as ended:
            async for index, result in ended:
                results[index] = result
        return [results[index] for index in range(len(calls))]

    async def execute_each(
        self,
        calls: Sequence[ToolCall],
        contexts: Sequence[ToolContext[Any]],
        *,
        limit: int | None = None,
        timeout: float | None = None,
        max_output: int | None = None,
    ) -> AsyncIterator[tuple[int, ToolResult]]:
        """Call several tools at the same time and yield each `(index, result)` as it ends.

        Args:
            calls: The calls.
            contexts: One for each call.
            limit: How many may run at the same time; None for all.
            timeout: Seconds for each call, unless its tool has its own limit.
            max_output: Most characters of each result's text.

        Raises:
            TypeError: The limit is no whole number.
            ValueError: It is below 1.
        """
        check_count("limit", limit)
        prepared: list[tuple[int, ReadyCall]] = []
        for index, (call, context) in enumerate(zip(calls, contexts, strict=True)):
            checked = self._ready(call, timeout, context, max_output)
            if isinstance(checked, ToolResult):
                yield index, checked
            else:
                prepared.append((index, checked))
        # As many begin now as may; the next, in order, whenever the reader comes back for more.
        begun = [time.monotonic()] * (len(prepared) if limit is None else limit)
        async with seam.closing(seam.call_each([item.work for _, item in prepared], limit)) as ended:
            async for position, value in ended:
                index, item = prepared[position]
                duration = time.monotonic() - begun[position]
                yield index, outcome(item, value, duration=duration, max_chars=max_output)
                begun.append(time.monotonic())

    async def _execute(
        self, call: ToolCall, timeout: float | None, context: ToolContext[Any] | None, max_output: int | None
    ) -> ToolResult:
        checked = self._ready(call, timeout, context, max_output)
        if isinstance(checked, ToolResult):
            return checked
        started = time.monotonic()
        value: Any
        try:
            value = await seam.call(*checked.work)
        except Exception as error:
            value = error
        return outcome(checked, value, duration=time.monotonic() - started, max_chars=max_output)

    def _ready(
        self, call: ToolCall, timeout: float | None, context: ToolContext[Any] | None, max_output: int | None
    ) -> ReadyCall | ToolResult:
        tool = self._tools.get(call.name)
        return ready(call, tool, known=self.names, timeout=timeout, context=context, max_chars=max_output)


def _text(arguments: str | Mapping[str, Any] | None) -> str:
    if arguments is None:
        return "{}"
    if isinstance(arguments, str):
        return arguments
    if not isinstance(arguments, Mapping):
        raise TypeError(f"they are a dict or the text of one, got {type(arguments).__name__}")
    return jsons.dumps_text(dict(arguments))
