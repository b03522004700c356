"""A run of three turns with parallel tools, of which the slow ones wait for the reader: never twinned."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from llm_client._core.messages import ToolCall
from llm_client._core.results import CompletionResult
from llm_client.testing import Reply
from support.leaks import assert_valid

FIRST = [("slow", {"turn": 1}), ("quick", {"turn": 1}), ("slow_later", {"turn": 1})]
SECOND = [("slow_later", {"turn": 2}), ("fail", {"turn": 2})]
LAST = "All of it is done."
DIALECTS = ("chat", "responses", "messages")


class Left(Exception):
    """What a reader raises."""


class Play:
    """The tools of one run, and the gates at which the slow ones wait.

    Args:
        open_gates: The slow tools wait for nobody, as they must where calls run one after the other.
    """

    def __init__(self, *, open_gates: bool = False) -> None:
        self.gates = {1: threading.Event(), 2: threading.Event()}
        self.tools = [self.slow, self.quick, self.slow_later, self.fail]
        self.entered = threading.Semaphore(0)
        if open_gates:
            self.open()

    def open(self) -> None:
        """Let everything end that still runs."""
        for gate in self.gates.values():
            gate.set()

    def seen(self, event: Any) -> None:
        """The reader goes on after an event: once the quick tool of a turn has been told, the slow ones may end."""
        if event.type.value == "meta" and event.data.get("tool_name") in ("quick", "fail"):
            self.gates[event.data["turn"]].set()

    def slow(self, turn: int) -> str:
        """Wait at the turn's gate."""
        self.entered.release()
        assert self.gates[turn].wait(60)
        return f"slow {turn}"

    async def slow_later(self, turn: int) -> str:
        """Wait at the turn's gate, asynchronously."""
        self.entered.release()
        while not self.gates[turn].is_set():
            await asyncio.sleep(0.001)
        return f"slow_later {turn}"

    def quick(self, turn: int) -> str:
        """Answer at once."""
        return f"quick {turn}"

    def fail(self, turn: int) -> str:
        """Fail."""
        raise ValueError(f"the disk is full in turn {turn}")


def scripted_answers() -> list[Any]:
    """The three answers for a ScriptedProvider; those with calls say something, too."""
    return [_calling("Let me see.", 1, FIRST), _calling("And once more.", 2, SECOND), LAST]


def _calling(text: str, number: int, calls: list[Any]) -> CompletionResult:
    made = [ToolCall(f"call_{number}_{place}", name, given) for place, (name, given) in enumerate(calls)]
    return CompletionResult(content=text, tool_calls=made, model="scripted", finish_reason="tool_calls")


def answer(request: Any) -> Reply:
    """The same three answers, given by a server; every later question is answered "It goes on."."""
    if request.text != "Go":
        return Reply("It goes on.")
    told = [name for name, _ in request.tool_results]
    if not told:
        return Reply("Let me see.", tool_calls=FIRST)
    return Reply("And once more.", tool_calls=SECOND) if "slow" in told else Reply(LAST)


def provider_for(face: Any, api: Any, dialect: str) -> Any:
    """A provider of a face for one of the three dialects of a server."""
    if dialect == "messages":
        return face.AnthropicProvider(
            model="claude-haiku-4-5", base_url=api.anthropic_url, api_key="k", attempts=1, max_tokens=500
        )
    responses = dialect == "responses"
    return face.OpenAIProvider(
        model="gpt-5.6-luna", base_url=api.openai_url, api_key="k", attempts=1, use_responses_api=responses
    )


def assert_answered(conversation: Any, *, finished: bool = False) -> None:
    """The history is valid, nothing that was said or done before the interruption is lost or told twice.

    Args:
        conversation: What the run left behind.
        finished: Whether the run came to its end.
    """
    messages = list(conversation)
    if not messages and not finished:
        return  # the run had not begun
    assert_valid(conversation)
    said = [message.text for message in messages if message.role.value == "assistant" and message.text]
    whole = ["Let me see.", "And once more.", LAST]
    for place, text in enumerate(said):
        assert whole[place].startswith(text), messages
        assert place == len(said) - 1 or text == whole[place], messages
    calls = [call.id for message in messages for call in message.tool_calls or ()]
    answered = [message.tool_call_id for message in messages if message.role.value == "tool"]
    assert calls == answered, messages
    if finished:
        assert said == whole
        assert len(calls) == len(FIRST) + len(SECOND)


def assert_accepted(api: Any) -> None:
    """The strict server refused nothing."""
    for request in api.requests:
        assert request.status in (200, None), (request.status, request.error, request.body)
