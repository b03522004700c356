"""Agents: a model, tools, and the conversation between them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any, NoReturn

from .._core import session
from .._core.agent import AgentConfig, AgentResult, AgentRun
from .._core.conversation import Conversation
from .._core.events import StreamEvent
from .._core.exceptions import AgentBusyError, LLMClientError
from .._core.messages import Message, MessageInput, ToolCall, normalize_messages
from .._core.profiles import ModelProfile
from .._core.structured import output_form
from .._core.tools import Tool, tool_from_function
from .._seam import _async as seam
from .agent_loop import AgentLoop
from .providers.openai import OpenAIProvider
from .stream import EventStream
from .tools import ToolRegistry


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
        output_type: A type that pydantic can describe, or a JSON schema: the final answer must have that form, and
            `result.output` holds the object.
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
        output_type: Any = None,
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
        self.output_type = output_type
        form = output_form(output_type)
        # Whatever it was given as, the final answer must have this form.
        self._form = form if form.read is None else replace(form, checked=True)
        self._hooks = {
            "on_turn_start": on_turn_start,
            "on_tool_call": on_tool_call,
            "on_tool_result": on_tool_result,
            "on_turn_end": on_turn_end,
        }
        for name, hook in self._hooks.items():
            if hook is not None and not callable(hook):
                raise TypeError(f"{name} is a function, got {type(hook).__name__}")
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
        async with seam.closing(self._events(run, messages, options, streaming=False)) as events:
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
        return EventStream(self._events(self._new_run(max_turns), messages, options, streaming=True))

    async def chat(self, message: MessageInput, **options: Any) -> str:
        """As `run`, for those who want the text alone.

        Raises:
            APIError: The API, or the way to it, answered with an error.
            LLMClientError: The run ended with another error.
        """
        result = await self.run(message, **options)
        result.raise_for_error()
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
            output_type=self.output_type,
        )
        forked._hooks = dict(self._hooks)
        return forked

    def as_tool(self, name: str, description: str) -> Tool:
        """This agent as a tool of another: each call asks a fork of it, with a conversation of its own.

        Args:
            name: The tool's name.
            description: What the agent can be asked, for the model.
        """

        async def ask(prompt: str) -> str:
            result = await self.fork().run(prompt)
            result.raise_for_error()
            if result.status == "max_turns" and result.turns[-1].tool_calls:
                # It stopped in the middle of its work: what it last said is no answer.
                raise LLMClientError(result.error)
            return result.content

        return tool_from_function(ask, name=name, description=description)

    def save_session(self, path: str | os.PathLike[str]) -> None:
        """Write conversation, config and the names of the tools to a file, atomically; never a key.

        Args:
            path: Where to; missing folders are made.

        Raises:
            OSError: The file cannot be written; what stood there is untouched.
        """
        session.save(session.Session(self.conversation, self.config, self.tools.names), path)

    @classmethod
    def load_session(
        cls,
        path: str | os.PathLike[str],
        provider: Any,
        tools: Iterable[Any] | ToolRegistry | None = None,
        **arguments: Any,
    ) -> Agent:
        """An agent that goes on where a saved one stopped.

        Args:
            path: What `save_session` wrote; the file is left as it is.
            provider: Asks the model.
            tools: All tools of the saved agent, and more if you like.
            **arguments: Further arguments of Agent, such as `deps`; they override what was saved.

        Raises:
            FileNotFoundError: There is no such file.
            SessionFileError: It is damaged, of another kind, or of a newer version.
            ValueError: Tools of the saved agent are missing; names all of them.
        """
        registry = tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools)
        loaded = session.load(path, registry.names)
        return cls(provider, registry, **{"conversation": loaded.conversation, "config": loaded.config, **arguments})

    def _read_prompt(self, prompt: MessageInput | None) -> list[Message]:
        return [] if prompt is None else normalize_messages(prompt)

    def _new_run(self, max_turns: int | None) -> AgentRun:
        config = self.config if max_turns is None else replace(self.config, max_turns=max_turns)
        return AgentRun(self.conversation, config, config.max_turns, self._form)

    def _take(self) -> None:
        try:
            self._idle.pop()
        except IndexError:
            raise AgentBusyError(
                "this agent is already running: an agent is one conversation. "
                "Use agent.fork() for a second one at the same time."
            ) from None

    async def _events(
        self, run: AgentRun, messages: list[Message], options: dict[str, Any], *, streaming: bool
    ) -> AsyncIterator[StreamEvent]:
        self._take()
        try:
            self.conversation.extend(messages)
            loop = AgentLoop(
                run,
                provider=self.provider,
                tools=self.tools,
                deps=self.deps,
                hooks=self._hooks,
                options=options if self.output_type is None else {**self._output_options(), **options},
            )
            async with seam.closing(loop.turns(streaming=streaming)) as events:
                async for event in events:
                    yield event
        finally:
            self._idle.append(True)
        # The agent is free again by now: a reader may stop here and go on with another run.
        yield run.last_event()

    def _output_options(self) -> dict[str, Any]:
        # The run itself asks again where the answer lacks the form, so that streams do it too.
        return {"response_format": self.output_type, "output_retries": 0}


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
