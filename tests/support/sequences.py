"""What may happen to a conversation, at random: messages come, agents run and are interrupted, vendors change.

A walk yields runs, which a test carries out on the face and the server of its choice; everything else it does itself.
`watched` checks each window that a request is made of.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from llm_client._core.agent import AgentConfig
from llm_client._core.compaction import apply_summary, plan_compaction
from llm_client._core.conversation import Conversation
from llm_client._core.message_counts import count_schemas, counter_for, limit_of
from llm_client._core.messages import Message, Role, ToolCall
from llm_client._core.parts import ImagePart, TextPart
from llm_client._core.tools import Tool, tool_from_function
from llm_client._core.truncation import STRATEGIES
from llm_client.testing import Call, Failure, Interruption, Reply

IMAGE = ImagePart(data="iVBORw0KGgo=", media_type="image/png")
TEXTS = (
    "hello",
    "What is it?",
    "grüß dich",
    "日本語のテキスト",
    "one two three " * 12,
    "<|endoftext|>",
    "ends with space ",
)
ODD_TEXTS = ("", " ", "\n\n")
ENABLED = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}


@dataclass(frozen=True, slots=True)
class Target:
    """A model, the API that it is asked through, and how."""

    api: str
    model: str
    options: dict[str, Any] = field(default_factory=dict)


TARGETS = (
    Target("chat", "gpt-5.2"),
    Target("chat", "gpt-4o"),
    Target("responses", "gpt-5.2"),
    Target("responses", "gpt-5.2", {"store": False}),
    Target("messages", "claude-sonnet-4-5"),
    Target("messages", "claude-sonnet-4-5", ENABLED),
    Target("messages", "claude-sonnet-4-6", ADAPTIVE),
    Target("messages", "claude-opus-4-7", ADAPTIVE),
    Target("messages", "claude-sonnet-5"),
)


class Halted(BaseException):
    """What a tool raises that ends the whole run, as Ctrl-C would."""


def look(place: str = "here") -> str:
    """Look somewhere."""
    return f"nothing {place}"


def fail() -> str:
    """Always fail."""
    raise ValueError("it never works")


def halt() -> str:
    """End the run at once."""
    raise Halted


def tools() -> list[Tool]:
    """Tools that the models of these tests call."""
    return [tool_from_function(function) for function in (look, fail, halt)]


@dataclass(slots=True)
class Run:
    """One run of an agent, to be carried out.

    Args:
        conversation: What it goes on with.
        target: Who is asked.
        prompt: What the user says.
        config: The agent's.
        streaming: Whether to stream.
        stop_after: Leave after so many events, or cancel after so many steps of the loop; None for never.
    """

    conversation: Conversation
    target: Target
    prompt: str | None
    config: AgentConfig
    streaming: bool
    stop_after: int | None


class Answers:
    """Random answers of a model; also broken-off ones, empty ones, and errors.

    Args:
        rng: Where chance comes from.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def __call__(self, request: Any) -> Reply | Interruption | Failure:
        rng = self.rng
        kind = rng.random()
        reply = self._reply(request)
        if kind < 0.06:
            return Failure(rng.choice((404, 500)))
        if kind < 0.16:
            return Interruption("hang_up", after_events=rng.randrange(1, 8), reply=reply)
        return reply

    def _reply(self, request: Any) -> Reply:
        rng = self.rng
        reasoning = rng.choice((None, None, f"I think {rng.random()}.", ""))
        if request.tools and rng.random() < 0.5:
            names = [rng.choice(("look", "look", "fail", "halt", "unknown")) for _ in range(rng.randrange(1, 4))]
            # Some servers of the chat dialect count their calls anew in every answer.
            ids = [f"call_{n}" for n in range(3)] if request.endpoint == "chat" and rng.random() < 0.2 else [None] * 3
            calls = [Call(name, self._arguments(name), id) for name, id in zip(names, ids, strict=False)]
            return Reply(rng.choice((None, "I shall look.")), reasoning=reasoning, tool_calls=calls)
        kind = rng.random()
        if kind < 0.1:
            return Reply("", reasoning=reasoning, finish_reason="length")
        if kind < 0.15:
            return Reply(refusal="I will not.")
        return Reply(rng.choice(TEXTS), reasoning=reasoning, finish_reason="length" if kind > 0.9 else None)

    def _arguments(self, name: str) -> Any:
        if name != "look":
            return {}
        return self.rng.choice(({"place": "there"}, {}, '{"place": "th', "null", "[1]"))


class Walk:
    """One sequence of happenings; iterate over it for the runs.

    Args:
        rng: Where chance comes from.
        targets: Who may be asked.
        steps: How many happenings.
        folder: Where conversations are saved; None keeps to JSON text.
        runs: How likely a happening is a run of an agent.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        targets: Sequence[Target] = TARGETS,
        steps: int = 8,
        folder: Path | None = None,
        runs: float = 0.35,
    ) -> None:
        self.rng = rng
        self._targets = targets
        self._steps = steps
        self._folder = folder
        self._runs = runs
        self._number = 0

    def __iter__(self) -> Iterator[Run]:
        rng = self.rng
        conversation = Conversation(
            rng.choice((None, "Be kind.", " ")),
            truncation_strategy=rng.choice(STRATEGIES),  # type: ignore[arg-type]
            max_tokens=rng.choice((None, None, 1000, 300, 60)),
            reserve_tokens=rng.choice((0, 0, 20, 500)),
        )
        target = rng.choice(self._targets)
        changes = (self._say, self._say, self._truncate, self._copy, self._store, self._summarise)
        for step in range(self._steps):
            if step == self._steps - 1 or rng.random() < self._runs:
                if rng.random() < 0.5:
                    target = rng.choice(self._targets)
                yield self._run(conversation, target)
            else:
                conversation = rng.choice(changes)(conversation)

    def _text(self) -> str:
        self._number += 1
        text: str = self.rng.choice(ODD_TEXTS if self.rng.random() < 0.1 else TEXTS)
        return f"{self._number}: {text}" if text.strip() else text

    def _run(self, conversation: Conversation, target: Target) -> Run:
        rng = self.rng
        prompt = None if conversation.get_last_user_message() is not None and rng.random() < 0.2 else self._text()
        config = AgentConfig(
            max_turns=rng.randrange(1, 4),
            max_tool_calls_per_turn=rng.choice((1, 10)),
            parallel_tool_execution=False,
            tool_timeout=None,
            reserve_tokens=0,
            max_tokens=rng.choice((None, None, None, 400)),
            final_answer=rng.random() < 0.2,
        )
        stop_after = rng.randrange(0, 14) if rng.random() < 0.3 else None
        return Run(conversation, target, prompt, config, rng.random() < 0.5, stop_after)

    def _say(self, conversation: Conversation) -> Conversation:
        rng = self.rng
        kind = rng.randrange(8)
        if kind < 3:
            conversation.add_user(self._text())
        elif kind == 3:
            conversation.add_user([TextPart(self._text()), IMAGE])
        elif kind == 4:
            conversation.add_assistant(self._text())
        elif kind == 5:
            conversation.add_tool_result(f"call_{rng.randrange(3)}", "out of the blue", "look")
        else:
            calls = [
                ToolCall(f"call_{n}", rng.choice(("look", "get weather")), "{}") for n in range(rng.randrange(1, 4))
            ]
            conversation.add_assistant_with_tools(rng.choice((None, "Let me look.")), calls)
            # All of them answered, or some: whoever wrote this was interrupted.
            for call in rng.sample(calls, rng.randrange(len(calls) + 1)):
                conversation.add_tool_result(call.id, rng.choice(("found", "", {"n": 1})), call.name)
            if rng.random() < 0.2:
                conversation.add_message(rng.choice(conversation.messages))
        return conversation

    def _truncate(self, conversation: Conversation) -> Conversation:
        conversation.max_tokens = self.rng.choice((None, 4, 40, 80, 150, 300, 1000))
        conversation.truncation_strategy = self.rng.choice(STRATEGIES)  # type: ignore[assignment]
        return conversation

    def _copy(self, conversation: Conversation) -> Conversation:
        if self.rng.random() < 0.3:
            return conversation.fork()
        return conversation.branch(self.rng.randrange(len(conversation) + 1))

    def _store(self, conversation: Conversation) -> Conversation:
        if self._folder is None:
            return Conversation.from_json(conversation.to_json())
        conversation.save(self._folder / "conversation.json")
        return Conversation.load(self._folder / "conversation.json")

    def _summarise(self, conversation: Conversation) -> Conversation:
        if self.rng.random() < 0.3:
            plan = plan_compaction(conversation, force=True)
            if plan is not None:
                apply_summary(conversation, plan, "What was said before.")
        elif self.rng.random() < 0.3:
            conversation.repair()
        return conversation


@contextmanager
def watched() -> Iterator[list[str]]:
    """Check every window of every conversation; yields the list of what was wrong, which is empty if all is well."""
    problems: list[str] = []
    window = Conversation.window

    def checked(self: Conversation, **given: Any) -> list[Message]:
        found = window(self, **given)
        problems.extend(_wrong_with(self, found, **given))
        return found

    with mock.patch.object(Conversation, "window", checked):
        yield problems


def _wrong_with(
    conversation: Conversation,
    window: list[Message],
    *,
    model: Any = None,
    max_tokens: int | None = None,
    reserve_tokens: int | None = None,
    tools: Sequence[Tool] = (),
    user_first: bool = False,
) -> Iterator[str]:
    last = conversation.get_last_user_message()
    if last is not None and not any(_is(message, last) for message in window):
        yield f"the last user message {last!r} is not in the window {window!r}"
    limits = [limit for limit in (conversation.max_tokens, max_tokens, limit_of(model)) if limit is not None]
    if not limits:
        return
    reserve = conversation.reserve_tokens if reserve_tokens is None else reserve_tokens
    limit = min(limits)
    limit -= reserve if reserve < limit else limit // 2
    units = [message for message in window if message.role is not Role.SYSTEM]
    if len(units) < 2 or limit > 100_000:  # the question alone may be too long; and nobody says so much here
        return
    counter = counter_for(model)
    tokens = counter.base + sum(counter.count(message) for message in window) + count_schemas(model, tools)
    if tokens > limit:
        yield f"{tokens} tokens of {limit}, and yet more than the question is in the window {window!r}"


def _is(message: Message, last: Message) -> bool:
    if message is last or message == last:
        return True
    left_out = "characters left out" in message.text or "attachment left out" in message.text
    return message.role is Role.USER and (left_out or message.text == last.text)
