"""Agents."""

from ._async.agent import Agent, quick_agent
from ._core.agent import AgentConfig, AgentResult, AgentRun, TurnResult

__all__ = ["Agent", "AgentConfig", "AgentResult", "AgentRun", "TurnResult", "quick_agent"]
