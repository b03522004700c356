"""Where each public name lives; `{face}` stands for `_async` or `_sync`. Nothing is imported until it is asked for."""

from __future__ import annotations

HOMES = {
    "ANTHROPIC_AVAILABLE": "{face}.providers.anthropic",
    "Agent": "{face}.agent",
    "AgentConfig": "_core.agent",
    "AgentResult": "_core.agent",
    "AnthropicProvider": "{face}.providers.anthropic",
    "BaseProvider": "{face}.providers.base",
    "CompletionResult": "_core.results",
    "Conversation": "_core.conversation",
    "ConversationConfig": "_core.conversation",
    "EmbeddingResult": "_core.results",
    "GPT5": "_core.profiles_openai",
    "GPT5Mini": "_core.profiles_openai",
    "GPT5Nano": "_core.profiles_openai",
    "GPT5Point1": "_core.profiles_openai",
    "GPT5Point2": "_core.profiles_openai",
    "Message": "_core.messages",
    "MessageInput": "_core.messages",
    "ModelProfile": "_core.profiles",
    "OpenAIProvider": "{face}.providers.openai",
    "Provider": "{face}.providers.base",
    "ResponseTimeoutError": "_core.exceptions",
    "Role": "_core.messages",
    "StreamEvent": "_core.events",
    "StreamEventType": "_core.events",
    "TextEmbedding3Large": "_core.profiles_openai",
    "TextEmbedding3Small": "_core.profiles_openai",
    "Tool": "_core.tools",
    "ToolCall": "_core.messages",
    "ToolCallDelta": "_core.messages",
    "ToolRegistry": "{face}.tools",
    "ToolResult": "_core.tool_result",
    "TurnResult": "_core.agent",
    "Usage": "_core.usage",
    "format_sse_event": "_core.sse_format",
    "normalize_messages": "_core.messages",
    "quick_agent": "{face}.agent",
    "sync_tool": "_core.tools",
    "tool": "_core.tools",
    "tool_from_function": "_core.tools",
}

MODULES = ("agent", "conversation", "exceptions", "models", "providers", "streaming", "testing", "tools")
"""The public modules below the package, in either face."""
