"""What a tool may know about the call that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    DepsT = TypeVar("DepsT", default=Any)
else:  # a default needs typing_extensions, or Python 3.13, at run time
    from typing import TypeVar

    DepsT = TypeVar("DepsT")


@dataclass(frozen=True, slots=True)
class ToolContext(Generic[DepsT]):
    """What a tool may know about its call; injected into a parameter annotated `ToolContext`.

    The parameter is no part of the schema: the model does not see it and cannot set it.
    `ToolContext[MyDeps]` tells a type checker what `deps` is.

    Args:
        conversation: The agent's conversation, None outside an agent.
        call_id: The vendor's id of the call.
        tool_name: The name under which the model called the tool.
        deps: What the agent was given as `deps`.
        turn: The agent's turn, counted from 1; 0 outside an agent.
        remaining: Tells the seconds left for the running call, None without a limit.
    """

    conversation: Any = None
    call_id: str = ""
    tool_name: str = ""
    deps: DepsT = None  # type: ignore[assignment]  # None is what an agent without deps hands over
    turn: int = 0
    remaining: Callable[[], float | None] | None = None

    def remaining_time(self) -> float | None:
        """Seconds until the agent stops waiting for this call, at least 0.0; None without a limit."""
        return None if self.remaining is None else self.remaining()
