"""The agent's loop: ask the model, run the tools it wants, and again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from .._core.agent import AgentRun, check_completion, reserve_of
from .._core.compaction import apply_summary, plan_compaction
from .._core.events import StreamEvent, StreamEventType
from .._core.log import logger
from .._core.messages import Message, ToolCall
from .._core.profiles import profile_of
from .._core.results import CompletionResult
from .._core.tool_context import ToolContext
from .._core.tools import Tool
from .._seam import _async as seam
from .compacting import ask_for_summary
from .tools import ToolRegistry

_log = logger("agent")
_OF_EVERY_CALL = ("attempts", "backoff", "timeout", "extra_headers")
_TOOL_EVENTS = (
    StreamEventType.TOOL_CALL_START,
    StreamEventType.TOOL_CALL_DELTA,
    StreamEventType.TOOL_CALL_END,
)


class AgentLoop:
    """Drives one run: what is to be done the run decides, the waiting is done here.

    Args:
        run: The state of the run.
        provider: Asks the model.
        tools: What the model may call.
        deps: Handed to tools.
        hooks: The user's callbacks by name.
        options: Handed to the provider with each request.
    """

    def __init__(
        self,
        run: AgentRun,
        *,
        provider: Any,
        tools: ToolRegistry,
        deps: Any,
        hooks: Mapping[str, Callable[[Any], Any] | None],
        options: dict[str, Any],
    ) -> None:
        self._run = run
        self._provider = provider
        self._tools = tools
        self._deps = deps
        self._hooks = hooks
        self._options = options
        self._may_compact = True

    async def turns(self, *, streaming: bool) -> AsyncIterator[StreamEvent]:
        """All turns, as events; whatever ends them, the conversation is left valid."""
        run = self._run
        try:
            while run.wants_turn:
                yield run.begin_turn()
                await self._tell("on_turn_start", run.turn)
                calls: list[ToolCall] = []
                async with seam.closing(self._ask(streaming)) as answer:
                    async for event in answer:
                        if event.type is not StreamEventType.DONE:
                            yield event
                        else:
                            calls = run.answered(event.data)
                async with seam.closing(self._execute(calls)) as ended:
                    async for event in ended:
                        yield event
                yield run.end_turn()
                await self._tell("on_turn_end", run.turn)
        finally:
            run.close()

    async def _ask(self, streaming: bool) -> AsyncIterator[StreamEvent]:
        # Ends with exactly one DONE, which carries the completion, ok or not.
        await self._compact()
        request = self._request()
        if not streaming:
            result = await seam.check_provider(self._provider.complete(**request), self._provider)
            yield StreamEvent(StreamEventType.DONE, check_completion(result, "complete()"))
            return
        run = self._run
        last: CompletionResult | None = None
        stream = seam.check_stream(self._provider.stream(**request), self._provider)
        async with seam.closing(stream) as events:
            async for event in events:
                kind = event.type
                if kind is StreamEventType.TOKEN:
                    run.heard(event.data)
                elif kind is StreamEventType.USAGE:
                    run.heard_usage(event.data)
                elif kind is StreamEventType.DONE:
                    last = check_completion(event.data, "the DONE event of stream()")
                    break
                elif kind is StreamEventType.ERROR:
                    last = run.broken_off(event.data["status"], event.data["error"])
                    break
                if kind not in _TOOL_EVENTS or run.config.stream_tool_calls:
                    yield event
        if last is None:
            last = run.broken_off(502, "the provider's stream ended without a DONE or ERROR event")
        yield StreamEvent(StreamEventType.DONE, last)

    def _request(self) -> dict[str, Any]:
        tools = self._tools.tools
        request = {"messages": self._window(tools), **self._options}
        if self._run.config.cache_response:
            # Only then: providers of others need not know the argument.
            request.setdefault("cache_response", True)
        if tools:
            request["tools"] = tools
            if self._run.is_last_word:
                request["tool_choice"] = "none"
        return request

    def _window(self, tools: list[Tool]) -> list[Message]:
        return self._run.conversation.window(**self._limits(tools), user_first=True)

    def _limits(self, tools: list[Tool]) -> dict[str, Any]:
        conversation, config = self._run.conversation, self._run.config
        return {
            "model": profile_of(self._provider),
            "max_tokens": config.max_tokens,
            "reserve_tokens": reserve_of(config, conversation),
            "tools": tools,
        }

    async def _compact(self) -> None:
        """Put a summary in place of old messages where the next request would not fit otherwise."""
        conversation = self._run.conversation
        if conversation.truncation_strategy != "summarize" or not self._may_compact:
            return
        plan = plan_compaction(conversation, **self._limits(self._tools.tools))
        if plan is None:
            return
        options = {name: self._options[name] for name in _OF_EVERY_CALL if name in self._options}
        result = await ask_for_summary(plan, self._provider, options)
        self._run.spent(result.usage)
        if result.ok and result.content.strip():
            apply_summary(conversation, plan, result.content)
            _log.info("conversation %s: %d old messages were summarised", conversation.session_id, len(plan.old))
        else:
            # The request goes out all the same, without the messages in the middle.
            self._may_compact = False
            _log.warning("the conversation could not be summarised: %s", result.error or "the model wrote nothing")

    async def _execute(self, calls: list[ToolCall]) -> AsyncIterator[StreamEvent]:
        if not calls:
            return
        for call in calls:
            await self._tell("on_tool_call", call)
        config = self._run.config
        limit = config.max_parallel_tools if config.parallel_tool_execution else 1
        each = self._tools.execute_each(
            calls,
            [self._context(call) for call in calls],
            limit=limit,
            timeout=config.tool_timeout,
            max_output=config.max_tool_output,
        )
        async with seam.closing(each) as ended:
            async for index, result in ended:
                event = self._run.tool_ended(index, result)
                await self._tell("on_tool_result", result)
                yield event

    def _context(self, call: ToolCall) -> ToolContext[Any]:
        return ToolContext(
            conversation=self._run.conversation,
            call_id=call.id,
            tool_name=call.name,
            deps=self._deps,
            turn=self._run.turn,
            remaining=seam.remaining_time,
        )

    async def _tell(self, hook: str, value: Any) -> None:
        callback = self._hooks[hook]
        if callback is not None:
            await seam.resolve(callback(value), hook)
