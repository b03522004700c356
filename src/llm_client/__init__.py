"""llm-client: one library for language models in real software, with two faces.

This package is the asynchronous face; `llm_client.sync` has the same names, blocking. Importing it loads none of what
it needs later: every name is loaded when it is first used.
"""

from ._dotenv import load_dotenv as _load_dotenv
from ._names import HOMES as _HOMES
from ._names import MODULES as _MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    __version__: str
    from ._async.agent import (
        Agent as Agent,
    )
    from ._async.agent import (
        quick_agent as quick_agent,
    )
    from ._async.batch import (
        BatchManager as BatchManager,
    )
    from ._async.batch import (
        RequestManager as RequestManager,
    )
    from ._async.cache.fs import FSCache as FSCache
    from ._async.cache.pg_redis import HybridRedisPostgreSQLCache as HybridRedisPostgreSQLCache
    from ._async.cache.qdrant import QdrantCache as QdrantCache
    from ._async.client import OpenAIClient as OpenAIClient
    from ._async.providers.anthropic import (
        ANTHROPIC_AVAILABLE as ANTHROPIC_AVAILABLE,
    )
    from ._async.providers.anthropic import (
        AnthropicProvider as AnthropicProvider,
    )
    from ._async.providers.base import (
        BaseProvider as BaseProvider,
    )
    from ._async.providers.base import (
        Provider as Provider,
    )
    from ._async.providers.openai import OpenAIProvider as OpenAIProvider
    from ._async.pusher import PusherStreamer as PusherStreamer
    from ._async.rate_limit import (
        Limiter as Limiter,
    )
    from ._async.streaming import (
        BufferingAdapter as BufferingAdapter,
    )
    from ._async.streaming import (
        CallbackAdapter as CallbackAdapter,
    )
    from ._async.streaming import (
        SSEAdapter as SSEAdapter,
    )
    from ._async.streaming import (
        collect_stream as collect_stream,
    )
    from ._async.streaming import (
        stream_to_string as stream_to_string,
    )
    from ._async.token_bucket import TokenBucket as TokenBucket
    from ._async.tools import ToolRegistry as ToolRegistry
    from ._core.agent import (
        AgentConfig as AgentConfig,
    )
    from ._core.agent import (
        AgentResult as AgentResult,
    )
    from ._core.agent import (
        TurnResult as TurnResult,
    )
    from ._core.conversation import (
        Conversation as Conversation,
    )
    from ._core.conversation import (
        ConversationConfig as ConversationConfig,
    )
    from ._core.events import (
        StreamEvent as StreamEvent,
    )
    from ._core.events import (
        StreamEventType as StreamEventType,
    )
    from ._core.exceptions import ResponseTimeoutError as ResponseTimeoutError
    from ._core.messages import (
        Message as Message,
    )
    from ._core.messages import (
        MessageInput as MessageInput,
    )
    from ._core.messages import (
        Role as Role,
    )
    from ._core.messages import (
        ToolCall as ToolCall,
    )
    from ._core.messages import (
        ToolCallDelta as ToolCallDelta,
    )
    from ._core.messages import (
        normalize_messages as normalize_messages,
    )
    from ._core.profiles import ModelProfile as ModelProfile
    from ._core.profiles_openai import (
        GPT5 as GPT5,
    )
    from ._core.profiles_openai import (
        GPT5Mini as GPT5Mini,
    )
    from ._core.profiles_openai import (
        GPT5Nano as GPT5Nano,
    )
    from ._core.profiles_openai import (
        GPT5Point1 as GPT5Point1,
    )
    from ._core.profiles_openai import (
        GPT5Point2 as GPT5Point2,
    )
    from ._core.profiles_openai import (
        TextEmbedding3Large as TextEmbedding3Large,
    )
    from ._core.profiles_openai import (
        TextEmbedding3Small as TextEmbedding3Small,
    )
    from ._core.results import (
        CompletionResult as CompletionResult,
    )
    from ._core.results import (
        EmbeddingResult as EmbeddingResult,
    )
    from ._core.sse_format import format_sse_event as format_sse_event
    from ._core.tool_result import ToolResult as ToolResult
    from ._core.tools import (
        Tool as Tool,
    )
    from ._core.tools import (
        sync_tool as sync_tool,
    )
    from ._core.tools import (
        tool as tool,
    )
    from ._core.tools import (
        tool_from_function as tool_from_function,
    )
    from ._core.usage import Usage as Usage

__all__ = [
    "ANTHROPIC_AVAILABLE",
    "GPT5",
    "Agent",
    "AgentConfig",
    "AgentResult",
    "AnthropicProvider",
    "BaseProvider",
    "BatchManager",
    "BufferingAdapter",
    "CallbackAdapter",
    "CompletionResult",
    "Conversation",
    "ConversationConfig",
    "EmbeddingResult",
    "FSCache",
    "GPT5Mini",
    "GPT5Nano",
    "GPT5Point1",
    "GPT5Point2",
    "HybridRedisPostgreSQLCache",
    "Limiter",
    "Message",
    "MessageInput",
    "ModelProfile",
    "OpenAIClient",
    "OpenAIProvider",
    "Provider",
    "PusherStreamer",
    "QdrantCache",
    "RequestManager",
    "ResponseTimeoutError",
    "Role",
    "SSEAdapter",
    "StreamEvent",
    "StreamEventType",
    "TextEmbedding3Large",
    "TextEmbedding3Small",
    "TokenBucket",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolRegistry",
    "ToolResult",
    "TurnResult",
    "Usage",
    "collect_stream",
    "format_sse_event",
    "normalize_messages",
    "quick_agent",
    "stream_to_string",
    "sync_tool",
    "tool",
    "tool_from_function",
]

if not TYPE_CHECKING:  # else a type checker would accept every misspelt name

    def __getattr__(name):
        from importlib import import_module

        home = _HOMES.get(name)
        if home is not None:
            value = getattr(import_module(f"{__name__}.{home.format(face='_async')}"), name)
            globals()[name] = value
            return value
        if name in _MODULES or name == "sync":
            return import_module(f"{__name__}.{name}")
        if name == "__version__":
            return import_module("llm_client._core.version").VERSION
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES, "sync", "testing"})


_load_dotenv()
