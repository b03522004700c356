"""Tools."""

from ..._core.tool_context import ToolContext
from ..._core.tool_result import ToolResult
from ..._core.tools import Tool
from ..._sync.tools import ToolRegistry

__all__ = ["Tool", "ToolContext", "ToolRegistry", "ToolResult"]
