"""Agents: a model, tools, and the conversation between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any, NoReturn

from .._core.agent import AgentConfig, AgentResult, AgentRun, unexpected_end
from .._core.conversation import Conversation
from .._core.events import StreamEvent, StreamEventType
from .._core.exceptions import AgentBusyError, LLMClientError
from .._core.messages import Message, MessageInput, ToolCall, normalize_messages
from .._core.profiles import ModelProfile
from .._core.results import CompletionResult
from .._core.tool_context import ToolContext
from .._seam import _async as seam
from .providers.openai import OpenAIProvider
from .stream import EventStream
from .tools import ToolRegistry

_TOOL_EVENTS = (
    StreamEventType.TOOL_CALL_START,
    StreamEventType.TOOL_CALL_DELTA,
    StreamEventType.TOOL_CALL_END,
)


class Agent:
    """A model that calls tools until it has an answer; an agent is one conversation.

    Args:
        provider: Asks the model; any object with `complete()` and `stream()` of this face.
        tools: Tool objects, functions to make tools of, or a ToolRegistry.
        system_message: Instructions; they replace those of a given conversation.
        conversation: What was said before; the agent goes on with this very object.
        config: How the agent works.
        max_turns: Answers of the model before a run stops; overrides the config.
        max_tokens: Most tokens of one request; overrides the config.
        deps: Anything that tools need; they get it as `ToolContext.deps`.
        on_turn_start: Called with the turn's number.
        on_tool_call: Called with each ToolCall before the tools run.
        on_tool_result: Called with each ToolResult as its tool ends.
        on_turn_end: Called with the turn's number.

    Raises:
        TypeError: The provider is none, or a tool cannot be called.
        ValueError: Two tools have the same name, or a number is out of range.
    """

    def __init__(
        self,
        provider: Any,
        tools: Iterable[Any] | ToolRegistry | None = None,
        system_message: str | None = None,
        conversation: Conversation | None = None,
        config: AgentConfig | None = None,
        *,
        max_turns: int | None = None,
        max_tokens: int | None = None,
        deps: Any = None,
        on_turn_start: Callable[[int], Any] | None = None,
        on_tool_call: Callable[[ToolCall], Any] | None = None,
        on_tool_result: Callable[[Any], Any] | None = None,
        on_turn_end: Callable[[int], Any] | None = None,
    ) -> None:
        if isinstance(provider, type) or not (hasattr(provider, "complete") and hasattr(provider, "stream")):
            raise TypeError(
                "provider is an object with complete() and stream(), such as OpenAIProvider(model=...); "
                f"got {provider!r}"
            )
        if conversation is not None and not isinstance(conversation, Conversation):
            raise TypeError(f"conversation is a Conversation, got {type(conversation).__name__}")
        if config is not None and not isinstance(config, AgentConfig):
            raise TypeError(f"config is an AgentConfig, got {type(config).__name__}")
        self.provider = provider
        self.tools = tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools)
        self.conversation = Conversation(system_message) if conversation is None else conversation
        if conversation is not None and system_message is not None:
            conversation.system_message = system_message
        given = {"max_turns": max_turns, "max_tokens": max_tokens}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self.config = replace(config or AgentConfig(), **changes)
        self.deps = deps
        self._hooks = {
            "on_turn_start": on_turn_start,
            "on_tool_call": on_tool_call,
            "on_tool_result": on_tool_result,
            "on_turn_end": on_turn_end,
        }
        # Taken by a run and put back by it: taking from a list is atomic, and putting back never waits.
        self._idle = [True]

    @property
    def system_message(self) -> str | None:
        """The instructions above the conversation."""
        return self.conversation.system_message

    def __repr__(self) -> str:
        return f"Agent(provider={self.provider!r}, tools={self.tools.names}, messages={len(self.conversation)})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("an Agent cannot be pickled or copied: use agent.fork(), or save its conversation")

    async def run(
        self, prompt: MessageInput | None = None, max_turns: int | None = None, **options: Any
    ) -> AgentResult:
        """Ask the model, call the tools it wants, and so on until it has an answer.

        Args:
            prompt: What the user says; None goes on with the conversation as it stands.
            max_turns: Overrides the config for this run.
            **options: Handed to the provider with each request: temperature, max_tokens, ...

        Returns:
            The answer, or a result of status "max_turns" or "error"; what was done so far is in it either way.

        Raises:
            AgentBusyError: The agent is already running.
            TypeError: The provider belongs to the other face, or an argument has the wrong type.
            ValueError: An argument is out of range.
        """
        messages = self._read_prompt(prompt)
        run = self._new_run(max_turns)
        async with seam.closing(self._turns(run, messages, options, streaming=False)) as events:
            async for _ in events:
                pass
        return run.result()

    def stream(self, prompt: MessageInput | None = None, max_turns: int | None = None, **options: Any) -> EventStream:
        """As `run`, in pieces: the provider's events, META events for turns and tool results, at last DONE or ERROR.

        Args:
            prompt: What the user says; None goes on with the conversation as it stands.
            max_turns: Overrides the config for this run.
            **options: Handed to the provider with each request.

        Returns:
            An iterator over StreamEvent, whose DONE carries the AgentResult; also usable as a context manager.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range.
        """
        messages = self._read_prompt(prompt)
        return EventStream(self._turns(self._new_run(max_turns), messages, options, streaming=True))

    async def chat(self, message: MessageInput, **options: Any) -> str:
        """As `run`, for those who want the text alone.

        Raises:
            APIError: The API, or the way to it, answered with an error.
            LLMClientError: The run ended with another error.
        """
        result = await self.run(message, **options)
        if result.status == "error":
            if result.turns:
                result.turns[-1].completion.raise_for_error()
            raise LLMClientError(result.error)
        return result.content

    def reset(self) -> None:
        """Forget the conversation, except for the system message.

        Raises:
            AgentBusyError: The agent is running.
        """
        self._take()
        try:
            self.conversation.clear()
        finally:
            self._idle.append(True)

    def fork(self) -> Agent:
        """A copy with its own conversation, which can run at the same time."""
        forked = Agent(
            self.provider,
            ToolRegistry(self.tools.tools),
            conversation=self.conversation.fork(),
            config=self.config,
            deps=self.deps,
        )
        forked._hooks = dict(self._hooks)
        return forked

    def _read_prompt(self, prompt: MessageInput | None) -> list[Message]:
        return [] if prompt is None else normalize_messages(prompt)

    def _new_run(self, max_turns: int | None) -> AgentRun:
        config = self.config if max_turns is None else replace(self.config, max_turns=max_turns)
        return AgentRun(self.conversation, config, config.max_turns)

    def _take(self) -> None:
        try:
            self._idle.pop()
        except IndexError:
            raise AgentBusyError(
                "this agent is already running: an agent is one conversation. "
                "Use agent.fork() for a second one at the same time."
            ) from None

    async def _turns(
        self, run: AgentRun, messages: list[Message], options: dict[str, Any], *, streaming: bool
    ) -> AsyncIterator[StreamEvent]:
        self._take()
        try:
            self.conversation.extend(messages)
            while run.wants_turn:
                yield run.begin_turn()
                await self._tell("on_turn_start", run.turn)
                async with seam.closing(self._ask(run, options, streaming)) as answer:
                    async for event in answer:
                        if event.type is not StreamEventType.DONE:
                            yield event
                        else:
                            calls = run.answered(event.data)
                async with seam.closing(self._execute(run, calls)) as ended:
                    async for event in ended:
                        yield event
                yield run.end_turn()
                await self._tell("on_turn_end", run.turn)
        finally:
            run.close()
            self._idle.append(True)
        # The agent is free again by now: a reader may stop here and go on with another run.
        yield run.last_event()

    async def _ask(self, run: AgentRun, options: dict[str, Any], streaming: bool) -> AsyncIterator[StreamEvent]:
        # Ends with exactly one DONE, which carries the completion, ok or not.
        request = self._request(run, options)
        if not streaming:
            result = await seam.check_provider(self.provider.complete(**request), self.provider)
            yield StreamEvent(StreamEventType.DONE, result)
            return
        last: CompletionResult | None = None
        pieces: list[str] = []
        stream = seam.check_stream(self.provider.stream(**request), self.provider)
        async with seam.closing(stream) as events:
            async for event in events:
                kind = event.type
                if kind is StreamEventType.TOKEN:
                    run.heard(event.data)
                    pieces.append(event.data)
                elif kind is StreamEventType.DONE:
                    last = event.data
                    break
                elif kind is StreamEventType.ERROR:
                    last = CompletionResult(
                        content="".join(pieces), status=event.data["status"], error=event.data["error"]
                    )
                    break
                if kind not in _TOOL_EVENTS or run.config.stream_tool_calls:
                    yield event
        yield StreamEvent(StreamEventType.DONE, unexpected_end(pieces) if last is None else last)

    def _request(self, run: AgentRun, options: dict[str, Any]) -> dict[str, Any]:
        tools = self.tools.tools
        request = {"messages": self._window(run, tools), **options}
        if tools:
            request["tools"] = tools
            if run.is_last_word:
                request["tool_choice"] = "none"
        return request

    def _window(self, run: AgentRun, tools: list[Any]) -> list[Message]:
        profile = self._profile()
        config = run.config
        return self.conversation.window(
            model=profile,
            max_tokens=config.max_tokens,
            reserve_tokens=max(config.reserve_tokens, self.conversation.reserve_tokens),
            overhead_tokens=0 if profile is None or not tools else _schema_tokens(profile, tools),
            user_first=True,
        )

    def _profile(self) -> type[ModelProfile] | None:
        profile = getattr(self.provider, "profile", None)
        return profile if isinstance(profile, type) and issubclass(profile, ModelProfile) else None

    async def _execute(self, run: AgentRun, calls: list[ToolCall]) -> AsyncIterator[StreamEvent]:
        if not calls:
            return
        for call in calls:
            await self._tell("on_tool_call", call)
        config = run.config
        contexts = [self._context(run, call) for call in calls]
        limit = config.max_parallel_tools if config.parallel_tool_execution else 1
        async with seam.closing(
            self.tools.execute_each(
                calls, contexts, limit=limit, timeout=config.tool_timeout, max_output=config.max_tool_output
            )
        ) as ended:
            async for index, result in ended:
                event = run.tool_ended(index, result)
                await self._tell("on_tool_result", result)
                yield event

    def _context(self, run: AgentRun, call: ToolCall) -> ToolContext[Any]:
        timeout = run.config.tool_timeout
        return ToolContext(
            conversation=self.conversation,
            call_id=call.id,
            tool_name=call.name,
            deps=self.deps,
            turn=run.turn,
            deadline=None if timeout is None else seam.now() + timeout,
            clock=seam.now,
        )

    async def _tell(self, hook: str, value: Any) -> None:
        callback = self._hooks[hook]
        if callback is not None:
            await seam.resolve(callback(value), hook)


def _schema_tokens(profile: type[ModelProfile], tools: list[Any]) -> int:
    return profile.count_tokens("", tools) - profile.count_tokens("")


async def quick_agent(
    prompt: MessageInput,
    *,
    provider: Any = None,
    model: str | type[ModelProfile] = "gpt-5.6-luna",
    tools: Iterable[Any] | None = None,
    system_message: str | None = None,
    **run: Any,
) -> str:
    """Ask once, with tools, and return the text.

    Args:
        prompt: What the user says.
        provider: Who asks the model; without one an OpenAIProvider is made, and closed at the end.
        model: The model of that provider.
        tools: Tool objects, or functions to make tools of.
        system_message: Instructions.
        **run: Handed to `Agent.run`.

    Raises:
        APIError: The run ended with an error.
        ConfigurationError: There is no key.
    """
    asking = OpenAIProvider(model=model) if provider is None else provider
    try:
        return await Agent(asking, tools, system_message).chat(prompt, **run)
    finally:
        if provider is None:
            await asking.close()
