"""What an agent decides between the model's answers; no I/O, one object for both faces."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .conversation import Conversation
from .events import StreamEvent, StreamEventType
from .exceptions import LLMClientError
from .messages import Message, ToolCall
from .options import check_count, check_number
from .results import CompletionResult
from .structured import INVALID_OUTPUT, TEXT, OutputForm, ask_again, read_output
from .tool_result import ToolResult
from .usage import NO_USAGE, Usage

_SWITCHES = (
    "parallel_tool_execution",
    "stop_on_tool_error",
    "include_tool_errors_in_context",
    "stream_tool_calls",
    "final_answer",
    "cache_response",
)

AgentStatus = Literal["success", "max_turns", "error"]

NOT_EXECUTED = "not executed: more than {limit} tool calls in one turn; call the tool again if it is still needed"
INTERRUPTED = "not answered: the run was interrupted before the tool had ended; its effects are unknown"


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """How an agent works; one config can serve many agents.

    Args:
        max_turns: Answers of the model before the agent stops.
        max_tool_calls_per_turn: Calls executed of one answer; further ones are answered "not executed".
        parallel_tool_execution: Run the calls of one answer at the same time.
        tool_timeout: Seconds for one call; None for no limit. Without one, and with one call at a time, the blocking
            face runs plain tools on the caller's own thread.
        max_tokens: Most tokens of one request, the reserve included.
        reserve_tokens: Of these: kept free for the answer.
        stop_on_tool_error: End the run with status "error" when a tool fails.
        include_tool_errors_in_context: Tell the model what went wrong, not only that a tool failed.
        stream_tool_calls: Pass TOOL_CALL_* events on in `stream()`.
        max_parallel_tools: How many calls may run at the same time; None for all of one answer.
        max_tool_output: Most characters of a tool's result that the model reads; a marker says what was cut.
        final_answer: When the turns are used up, ask the model once more, without tools.
        cache_response: Let the provider answer from its cache, and store what it had to ask.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A number is out of range.
    """

    max_turns: int = 10
    max_tool_calls_per_turn: int = 10
    parallel_tool_execution: bool = True
    tool_timeout: float | None = 30.0
    max_tokens: int | None = None
    reserve_tokens: int = 2000
    stop_on_tool_error: bool = False
    include_tool_errors_in_context: bool = True
    stream_tool_calls: bool = True
    max_parallel_tools: int | None = None
    max_tool_output: int | None = 100_000
    final_answer: bool = False
    cache_response: bool = False

    def __post_init__(self) -> None:
        for name in ("max_turns", "max_tool_calls_per_turn"):
            if getattr(self, name) is None:
                raise TypeError(f"{name} is a whole number, got None")
        for name in ("max_turns", "max_tool_calls_per_turn", "max_tokens", "max_parallel_tools", "max_tool_output"):
            check_count(name, getattr(self, name))
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} is True or False, got {getattr(self, name)!r}")
        if self.reserve_tokens is None:
            raise TypeError("reserve_tokens is a whole number, got None")
        check_number("reserve_tokens", self.reserve_tokens, low=0)
        check_number("tool_timeout", self.tool_timeout, low=0.0)
        if self.tool_timeout is not None and not 0 < self.tool_timeout < math.inf:
            raise ValueError(
                f"tool_timeout is a number of seconds above 0, or None for no limit; got {self.tool_timeout}"
            )


@dataclass(frozen=True, slots=True)
class TurnResult:
    """One answer of the model, and what came of the tools it called.

    Args:
        turn: Its number, from 1.
        completion: The answer.
        tool_calls: The calls it asked for.
        tool_results: Their results, in the order of the calls.
    """

    turn: int
    completion: CompletionResult
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_results: list[ToolResult] = field(default_factory=list)

    @property
    def content(self) -> str:
        """The answer's text."""
        return self.completion.content

    def to_dict(self) -> dict[str, Any]:
        return {
            "turn": self.turn,
            "completion": self.completion.to_dict(),
            "tool_results": [result.to_dict() for result in self.tool_results],
        }


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What came of a run.

    Args:
        content: The final answer; of a run that ended otherwise, the last text there was.
        turns: Every turn.
        conversation: The agent's conversation, ready to go on.
        total_usage: Tokens and cost of all turns, and of summaries between them.
        status: "success", "max_turns" or "error".
        error: What went wrong, None for success.
        output: The final answer as an object, where the agent has an `output_type`.
    """

    content: str
    turns: list[TurnResult]
    conversation: Conversation = field(repr=False)
    total_usage: Usage
    status: AgentStatus = "success"
    error: str | None = None
    output: Any = None

    @property
    def ok(self) -> bool:
        """True if the run came to an answer."""
        return self.status == "success"

    @property
    def num_turns(self) -> int:
        """How many answers the model gave."""
        return len(self.turns)

    @property
    def all_tool_calls(self) -> list[ToolCall]:
        """The tool calls of all turns, in order."""
        return [call for turn in self.turns for call in turn.tool_calls]

    @property
    def usage(self) -> Usage:
        """The same as `total_usage`."""
        return self.total_usage

    def raise_for_error(self) -> AgentResult:
        """The result itself, unless its status is "error".

        Raises:
            APIError: The API, or the way to it, answered with an error.
            LLMClientError: The run ended with another error.
        """
        if self.status == "error":
            if self.turns:
                self.turns[-1].completion.raise_for_error()
            raise LLMClientError(self.error)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Everything but the conversation, as values that JSON can hold."""
        return {**self.to_public_dict(), "turns": [turn.to_dict() for turn in self.turns]}

    def to_public_dict(self, *, full: bool = False) -> dict[str, Any]:
        """What may go to a browser: no conversation, of tool calls the names.

        Args:
            full: Send all turns, and the conversation.
        """
        if full:
            return {**self.to_dict(), "conversation": self.conversation.to_dict()}
        return {
            "content": self.content,
            "usage": self.total_usage.to_dict(),
            "status": self.status,
            "error": self.error,
            "turns": self.num_turns,
            "finish_reason": self.turns[-1].completion.finish_reason if self.turns else None,
            "tool_calls": [call.name for call in self.all_tool_calls],
        }


class AgentRun:
    """The state of one run: which turn it is, what is to be done next, what came of it.

    Args:
        conversation: Grows with the run.
        config: The agent's.
        max_turns: Answers of the model before the run ends.
        form: What the final answer must look like.
        output_retries: How often a final answer that does not is asked for again.
    """

    def __init__(
        self,
        conversation: Conversation,
        config: AgentConfig,
        max_turns: int,
        form: OutputForm = TEXT,
        output_retries: int = 1,
    ) -> None:
        self.conversation = conversation
        self.config = config
        self.max_turns = max_turns
        self.turn = 0
        self.turns: list[TurnResult] = []
        self.status: AgentStatus | None = None
        self.error: str | None = None
        self.error_status = 500
        self.output: Any = None
        self._form = form
        self._output_retries = output_retries
        self._usage = NO_USAGE
        self._failed: ToolResult | None = None
        self._pieces: list[str] = []
        self._completion: CompletionResult | None = None
        self._results: dict[int, ToolResult] = {}
        self._besides: list[Usage] = []

    @property
    def wants_turn(self) -> bool:
        """Whether the model is to be asked (again)."""
        return self.status is None

    @property
    def is_last_word(self) -> bool:
        """Whether this turn is the one beyond the limit, in which no tools are called."""
        return self.turn > self.max_turns

    def begin_turn(self) -> StreamEvent:
        """A new turn; the event that says so."""
        self.turn += 1
        self._usage = NO_USAGE
        self._failed = None
        self._pieces = []
        self._completion = None
        self._results = {}
        return self.meta("turn_start")

    def meta(self, event: str, **data: Any) -> StreamEvent:
        """A META event of this turn."""
        return StreamEvent(StreamEventType.META, {"event": event, "turn": self.turn, **data})

    def heard(self, piece: str) -> None:
        """A piece of the answer's text came; kept should the stream break off."""
        self._pieces.append(piece)

    def spent(self, usage: Usage) -> None:
        """Tokens were spent on something other than a turn, such as a summary."""
        self._besides.append(usage)

    def heard_usage(self, usage: Usage) -> None:
        """The stream said what was spent; it counts even if the answer breaks off."""
        self._usage = usage

    def broken_off(self, status: int, error: str) -> CompletionResult:
        """The answer's stream ended before its time: a failed completion with the text that had come.

        Args:
            status: What the stream said, or a status of our own.
            error: What went wrong.
        """
        return CompletionResult(content="".join(self._pieces), status=status, error=error, usage=self._usage)

    def answered(self, completion: CompletionResult) -> list[ToolCall]:
        """The model's answer came; returns the calls to execute, none where the run is over."""
        if self._form.read is not None and completion.error_code == INVALID_OUTPUT:
            completion = replace(completion, error=None, error_code=None)  # judged below, for every provider alike
        if not completion.ok:
            # The pieces stay: what was said until then is kept in the conversation when the run is closed.
            self._completion = completion
            self._record_turn()
            self.fail(completion.status, completion.error or "the model gave no answer")
            return []
        self._pieces = []
        self._completion = completion
        if completion.content or completion.tool_calls or completion.provider_items:
            self.conversation.add_message(completion.to_message())
        calls = completion.tool_calls or []
        if not calls:
            self._record_turn()
            if self.is_last_word:
                self._out_of_turns()
            else:
                self._judge(completion)
            return []
        limit = 0 if self.is_last_word else self.config.max_tool_calls_per_turn
        for index, call in enumerate(calls[limit:], start=limit):
            reason = NOT_EXECUTED.format(limit=limit)
            self._results[index] = ToolResult.error_result(reason, name=call.name, tool_call_id=call.id)
        return calls[:limit]

    def _judge(self, completion: CompletionResult) -> None:
        parsed, problem = completion.parsed, None
        if self._form.read is not None and completion.refusal is not None:
            self.fail(200, f"the model refused: {completion.refusal}")
            return
        if self._form.read is not None and parsed is None:
            parsed, problem = read_output(self._form, completion)
        if problem is None:
            self.output = parsed
            self.status = "success"
        elif self._output_retries > 0 and self.turn < self.max_turns:
            self._output_retries -= 1
            self.conversation.add_message(Message.user(ask_again(problem)))
        else:
            self.fail(200, problem)

    def tool_ended(self, index: int, result: ToolResult) -> StreamEvent:
        """A tool gave its result; the event that says so.

        Args:
            index: Which of the answer's calls.
            result: What came of it.
        """
        self._results[index] = result
        if not result.success and self._failed is None:
            self._failed = result
        return self.meta(
            "tool_result",
            tool_name=result.name,
            tool_call_id=result.tool_call_id,
            content=self._message(result).text,
            success=result.success,
            error=result.error if self.config.include_tool_errors_in_context else None,
        )

    def end_turn(self) -> StreamEvent:
        """The turn is over, all of its tools have ended; the event that says so, and `status` where the run is too."""
        self._settle()
        failed = self._failed
        if self.status is None and failed is not None and self.config.stop_on_tool_error:
            self.fail(500, f"the tool {failed.name!r} failed: {failed.error}")
        if self.status is None and self.turn >= self.max_turns and not self._may_have_last_word():
            self._out_of_turns()
        return self.meta("turn_end", usage=self.turns[-1].completion.usage.to_dict() if self.turns else None)

    def _out_of_turns(self) -> None:
        self.status = "max_turns"
        self.error = f"no final answer within {self.max_turns} turns"

    def _may_have_last_word(self) -> bool:
        return self.config.final_answer and not self.is_last_word

    def fail(self, status: int, error: str) -> None:
        """The run ends with an error."""
        self.status = "error"
        self.error_status = status
        self.error = error

    def close(self) -> None:
        """Leave the conversation valid, however the run ended: nothing waits here."""
        text = "".join(self._pieces).rstrip()  # Anthropic refuses white space at the end of a half answer
        self._pieces = []
        if text:
            self.conversation.add_message(Message.assistant(text))
        if self._completion is not None:
            self._settle()

    def _settle(self) -> None:
        # Every call of the turn gets its answer, in the order of the calls.
        if self._completion is None or not self._completion.ok:
            return
        calls = self._completion.tool_calls or []
        for index, call in enumerate(calls):
            result = self._results.get(index)
            if result is None:
                result = ToolResult.error_result(INTERRUPTED, name=call.name, tool_call_id=call.id)
                self._results[index] = result
            self.conversation.add_message(self._message(result))
        if calls:
            self._record_turn()
        self._completion = None

    def _message(self, result: ToolResult) -> Message:
        return result.to_message(include_error=self.config.include_tool_errors_in_context)

    def _record_turn(self) -> None:
        completion = self._completion
        if completion is None:
            return
        calls = list(completion.tool_calls or []) if completion.ok else []
        results = [self._results[index] for index in sorted(self._results)]
        self.turns.append(TurnResult(self.turn, completion, calls, results))
        if not calls:
            self._completion = None

    def result(self) -> AgentResult:
        """What came of the run so far."""
        return AgentResult(
            content=next((turn.content for turn in reversed(self.turns) if turn.content), ""),
            turns=list(self.turns),
            conversation=self.conversation,
            total_usage=Usage.sum((*(turn.completion.usage for turn in self.turns), *self._besides)),
            status=self.status or "error",
            error=self.error,
            output=self.output,
        )

    def last_event(self) -> StreamEvent:
        """DONE with the result, or ERROR."""
        if self.status == "error":
            return StreamEvent(StreamEventType.ERROR, {"status": self.error_status, "error": self.error})
        return StreamEvent(StreamEventType.DONE, self.result())


def reserve_of(config: AgentConfig, conversation: Conversation) -> int:
    """Tokens kept free for the answer: what config and conversation ask for, but of a small window never over half.

    Args:
        config: The agent's, whose default is made for the windows of models.
        conversation: May have a window of its own.
    """
    limits = [limit for limit in (config.max_tokens, conversation.max_tokens) if limit is not None]
    reserve = min([config.reserve_tokens, *(limit // 2 for limit in limits)])
    return max(reserve, conversation.reserve_tokens)


def check_completion(value: Any, source: str) -> CompletionResult:
    """What a provider gave, if it is a completion.

    Raises:
        TypeError: It is something else, as a custom provider may give.
    """
    if not isinstance(value, CompletionResult):
        raise TypeError(f"a provider's {source} gives a CompletionResult, got {type(value).__name__}: {value!r:.80}")
    return value
