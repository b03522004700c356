"""From functions to tools."""

from ..._core.tools import sync_tool, tool, tool_from_function

__all__ = ["sync_tool", "tool", "tool_from_function"]
