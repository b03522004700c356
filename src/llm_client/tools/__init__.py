"""Tools."""

from .._async.tools import ToolRegistry
from .._core.tool_context import ToolContext
from .._core.tool_result import ToolResult
from .._core.tools import Tool, sync_tool, tool, tool_from_function

__all__ = ["Tool", "ToolContext", "ToolRegistry", "ToolResult", "sync_tool", "tool", "tool_from_function"]
