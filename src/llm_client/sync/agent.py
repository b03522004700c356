"""Agents."""

from .._core.agent import AgentConfig, AgentResult, AgentRun, TurnResult
from .._sync.agent import Agent, quick_agent

__all__ = ["Agent", "AgentConfig", "AgentResult", "AgentRun", "TurnResult", "quick_agent"]
