"""`FakeAPI`: a language model API on loopback, for tests of code that calls one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, TypeVar

from .answering import Answering
from .batches import Batches
from .journal import RecordedRequest
from .judging import Judge
from .limits import RateLimits
from .replies import Answer, Failure, Interruption, RawAnswer, Reply, Wire, as_answer
from .script import On, Step, load_script
from .server import Server
from .service import Handler, Service, Validator

T = TypeVar("T")


class FakeAPI:
    """A loopback server that speaks OpenAI Chat Completions, Responses, embeddings and batches, and Anthropic Messages.

    It runs on threads of its own, so one and the same server serves async tests, blocking tests, programs in other
    processes and greenlets (started before or after gevent's monkey patching). Answers come from, in this order: the
    `on_request` function, the queue that `reply`, `fail` and their kin fill, `by_default`, and a built-in agent that
    repeats the user's message, calls every tool it is offered once, and then reports the tools' results. Ids, dates,
    token counts and embeddings are the same in every run.

        with FakeAPI() as api:
            api.reply("Hello")
            api.reply(tool_calls=[("get_weather", {"city": "Tokyo"})])
            api.fail(429, "slow down", headers={"retry-after": "0"})
            ...

    As a pytest fixture:

        @pytest.fixture
        def api():
            with FakeAPI(strict=True) as api:
                yield api

    The waiting methods block their thread; in async tests run them on another one:
    `await asyncio.to_thread(api.wait_for_hang_up)`. A forked child cannot use its parent's server, and does it no harm.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one.
        strict: Answer 500 instead of the built-in answer when nothing was scripted, and raise an AssertionError at
            the end of the `with` block when scripted answers were left over.
        default: What to answer when nothing was scripted; see `by_default`.
        api_key: The key that requests must carry; by default any key, or none, will do.
        latency: Seconds before each answer.
        chunk_delay: Seconds between two events of a stream.
        wire: How answers are cut up on the wire.
        requests_per_minute: The limit that the rate-limit headers announce, for each key and model; None leaves
            these headers out.
        tokens_per_minute: The same for tokens.
        enforce_limits: Refuse with a 429 what goes beyond the limits.
        strict_rules: Refuse, with a 400 in the vendor's words, what the vendors' own servers refuse: tool calls
            without results and results without calls, results that stand in the wrong place, empty content, a first
            message that is not the user's (Anthropic), signatures and items that are not those of an earlier answer
            of this server or that were changed since. Answers sent with `raw` are not remembered.
        validate: Judges each request before it is answered; a `Failure`, or a message for a 400, refuses it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        strict: bool = False,
        default: Answer | str | None = None,
        api_key: str | None = None,
        latency: float = 0.0,
        chunk_delay: float = 0.0,
        wire: Wire | None = None,
        requests_per_minute: int | None = 30_000,
        tokens_per_minute: int = 150_000_000,
        enforce_limits: bool = False,
        strict_rules: bool = False,
        validate: Validator | None = None,
    ) -> None:
        self._port = port
        judge = Judge() if strict_rules else None
        self._service = Service(
            Answering(latency, chunk_delay, wire or Wire(), None if judge is None else judge.remember),
            strict=strict,
            default=None if default is None else as_answer(default, "default"),
            api_key=api_key,
            limits=(
                None
                if requests_per_minute is None
                else RateLimits(requests_per_minute, tokens_per_minute, enforce_limits)
            ),
            judge=judge,
            validate=validate,
        )
        self._server: Server | None = None
        self._process = os.getpid()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> FakeAPI:
        """Start listening; return the server itself.

        Raises:
            RuntimeError: It runs already.
            OSError: The port is taken.
        """
        if self._server is not None:
            raise RuntimeError("This FakeAPI runs already: call stop() first.")
        self._process = os.getpid()
        self._server = Server(self._port, self._service.serve, self._service.journal.notify)
        return self

    def stop(self) -> None:
        """Stop at once; answers that are being sent, held or stalled are cut off. Calling it again does nothing."""
        server, self._server = self._server, None
        if server is not None and self._process == os.getpid():
            server.stop()

    def __enter__(self) -> FakeAPI:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._service.strict and kind is None and self.pending:
            raise AssertionError(f"{self.pending} scripted answer(s) of this strict FakeAPI were never asked for.")

    # -- addresses ----------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        if self._server is None:
            raise RuntimeError("This FakeAPI is not running: use it in a with statement, or call start().")
        return self._server.port

    @property
    def openai_url(self) -> str:
        """What goes into `base_url` or OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        """What goes into `base_url` or ANTHROPIC_BASE_URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that send both vendors' SDKs, and this library, to the server."""
        key = self._service.api_key or "test-key"
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": key,
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": key,
        }

    @property
    def batches(self) -> Batches:
        """The vendors' Batch APIs: what becomes of batches, and what was answered in them."""
        return self._service.batches

    # -- what to answer -----------------------------------------------------------------------------------------

    def reply(self, answer: Answer | str | None = None, *, times: int = 1, on: On = None, **fields: Any) -> None:
        """Queue an answer.

        Args:
            answer: The text, a `Reply`, or any other answer.
            times: How many requests get it.
            on: Only for this endpoint ("chat", "responses", "messages", "embeddings", "count_tokens", "models",
                "files", "batches", "message_batches"), or for requests for which this function returns true. By
                default the first model request that comes.
            fields: Fields of `Reply`: `api.reply(tool_calls=["ping"], delay=0.1)`.
        """
        if fields:
            if not isinstance(answer, (str, type(None))):
                raise TypeError("Give either a Reply or its fields, not both.")
            answer = Reply(answer, **fields)
        self._service.script.add(Step(Reply() if answer is None else as_answer(answer, "reply()"), on), times)

    def fail(
        self,
        status: int = 500,
        message: str | None = None,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay: float | None = None,
        times: int = 1,
        on: On = None,
    ) -> None:
        """Queue an error in the vendor's shape; see `Failure` for the arguments, `reply` for `times` and `on`."""
        failure = Failure(
            status, message, type=type, code=code, param=param, headers=headers or {}, delay=delay
        )  # fmt: skip
        self._service.script.add(Step(failure, on), times)

    def fail_mid_stream(
        self,
        after: int = 1,
        message: str | None = None,
        *,
        status: int = 500,
        type: str | None = None,
        code: str | None = None,
        reply: Reply | str | None = None,
        event: Literal["error", "response.failed"] = "error",
        times: int = 1,
        on: On = None,
    ) -> None:
        """Queue a stream that breaks off with the vendor's error event; a plain request gets the error as its answer.

        Args:
            after: Events before the error.
            message: The error's message.
            status: The status that decides the error's type, and that a plain request gets.
            type: The error's type.
            code: The error's code (OpenAI only).
            reply: What is said until then; by default the built-in answer.
            event: For Responses streams, which of the vendor's two events tells of the error.
            times: As for `reply`.
            on: As for `reply`.
        """
        failure = Failure(status, message, type=type, code=code)
        self._interrupt(Interruption("error", after_events=after, failure=failure, event=event), reply, times, on)

    def hang_up(
        self,
        after_events: int | None = None,
        *,
        reset: bool = False,
        reply: Reply | str | None = None,
        times: int = 1,
        on: On = None,
    ) -> None:
        """Queue an answer that the server breaks off by closing the connection.

        Args:
            after_events: Events before it, or half of a plain body; None means before the headers.
            reset: Send a TCP reset instead of an orderly end.
            reply: What is said until then; by default the built-in answer.
            times: As for `reply`.
            on: As for `reply`.
        """
        self._interrupt(Interruption("hang_up", after_events=after_events, reset=reset), reply, times, on)

    def stall(
        self,
        after_events: int | None = None,
        *,
        seconds: float | None = None,
        reply: Reply | str | None = None,
        times: int = 1,
        on: On = None,
    ) -> None:
        """Queue an answer that falls silent.

        Args:
            after_events: Events before it, or half of a plain body; None means before the headers.
            seconds: When the answer goes on; None means never: it ends when the client hangs up or the server stops.
            reply: What is said; by default the built-in answer.
            times: As for `reply`.
            on: As for `reply`.
        """
        self._interrupt(Interruption("stall", after_events=after_events, seconds=seconds), reply, times, on)

    def raw(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | Sequence[bytes] = b"",
        *,
        delay: float | None = None,
        piece_delay: float = 0.0,
        times: int = 1,
        on: On = None,
    ) -> None:
        """Queue an answer that is sent byte for byte.

        Args:
            status: HTTP status.
            headers: All headers; `content-length` is added unless a framing header is among them, in which case the
                connection is closed after the body.
            body: The body, or its pieces, each sent in a write of its own.
            delay: Seconds before the answer.
            piece_delay: Seconds between two pieces.
            times: As for `reply`.
            on: As for `reply`.
        """
        whole = body.encode() if isinstance(body, str) else body
        pieces = (whole,) if isinstance(whole, bytes) else tuple(whole)
        answer = RawAnswer(status, headers or {}, pieces, delay, piece_delay)
        self._service.script.add(Step(answer, on), times)

    def load_script(self, steps: Sequence[Any]) -> None:
        """Queue the steps of a script as it is decoded from JSON: strings and objects such as `{"fail": 429}`.

        Raises:
            ValueError: A step has another form; nothing is queued then.
        """
        for step, times in load_script(steps):
            self._service.script.add(step, times)

    def on_request(self, handler: Handler) -> Handler:
        """Ask a function for each answer; also usable as a decorator. A later function replaces an earlier one.

        Args:
            handler: Gets the `RecordedRequest`, on a thread of the server; returns an answer, a string, or None to
                leave the request to the queue. What it raises becomes a 500 with the traceback in `request.error`.
        """
        self._service.handler = handler
        return handler

    def by_default(self, answer: Answer | str | None) -> None:
        """Give this answer whenever nothing was scripted; None brings the built-in answers back."""
        self._service.default = None if answer is None else as_answer(answer, "by_default()")

    def hold(self) -> None:
        """Hold back all answers, from now until `release`; requests are still received."""
        self._service.held = True

    def release(self) -> None:
        """Let the answers go that `hold` has held back."""
        self._service.held = False

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold back all answers for the length of a `with` block."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    @property
    def pending(self) -> int:
        """Scripted answers that nobody has asked for yet."""
        return len(self._service.script)

    def clear(self) -> None:
        """Forget the queue, the `on_request` function and the recorded requests; numbers go on."""
        self._service.script.clear()
        self._service.handler = None
        self._service.journal.clear()

    # -- what was asked -----------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in order of arrival."""
        return self._service.journal.requests

    @property
    def last_request(self) -> RecordedRequest:
        """The latest request.

        Raises:
            LookupError: There was none.
        """
        requests = self._service.journal.requests
        if not requests:
            raise LookupError("FakeAPI has not received any request.")
        return requests[-1]

    def take_finished(self) -> list[RecordedRequest]:
        """The requests whose answers have ended, which are then forgotten: for servers that run long."""
        return self._service.journal.take_finished()

    @property
    def open_connections(self) -> int:
        """Connections that are open now, idle ones included."""
        return 0 if self._server is None else self._server.open_connections

    def close_connections(self) -> None:
        """Close all connections, idle ones included, and go on listening: what a server's restart looks like."""
        if self._server is not None:
            self._server.end_connections()

    def wait_until(self, condition: Callable[[], T], timeout: float = 5.0) -> T:
        """Wait until a condition holds; it is asked again after every change on the server, without polling.

        Args:
            condition: Returns something true when the wait is over, for example
                `lambda: api.last_request.events_sent >= 3`.
            timeout: Seconds to wait.

        Returns:
            What the condition returned.

        Raises:
            TimeoutError: It did not come true in time.
        """
        return self._service.journal.wait(
            lambda: condition() or None, timeout, lambda: f"The condition did not come true; {self._summary()}."
        )

    def wait_for_requests(self, count: int = 1, timeout: float = 5.0) -> list[RecordedRequest]:
        """Wait until at least so many requests have arrived; return all of them.

        Raises:
            TimeoutError: They did not come in time.
        """
        return self._service.journal.wait(
            lambda: requests if len(requests := self._service.journal.requests) >= count else None,
            timeout,
            lambda: f"Expected {count} request(s); {self._summary()}.",
        )

    def wait_for_hang_up(self, timeout: float = 5.0, *, count: int = 1) -> RecordedRequest:
        """Wait until a client has hung up before its answer was complete; return that request.

        Args:
            timeout: Seconds to wait.
            count: Which hang-up to wait for, counted from the start or the last `clear`.

        Raises:
            TimeoutError: Nobody hung up in time.
        """
        return self._service.journal.wait(
            lambda: hung_up[count - 1] if len(hung_up := self._service.journal.hung_up) >= count else None,
            timeout,
            lambda: f"Expected the client to hang up {count} time(s); {self._summary()}.",
        )

    def wait_for_connections(self, count: int, timeout: float = 5.0) -> None:
        """Wait until exactly so many connections are open; 0 proves that nothing leaks.

        Raises:
            TimeoutError: There were more or fewer all the time.
        """
        self._service.journal.wait(
            lambda: True if self.open_connections == count else None,
            timeout,
            lambda: f"Expected {count} open connection(s); {self._summary()}.",
        )

    # -- inside -------------------------------------------------------------------------------------------------

    def _interrupt(self, cut: Interruption, reply: Reply | str | None, times: int, on: On) -> None:
        spoken = Reply(reply) if isinstance(reply, str) else reply
        answer = Interruption(
            cut.kind, after_events=cut.after_events, reply=spoken, failure=cut.failure, seconds=cut.seconds,
            reset=cut.reset, event=cut.event,
        )  # fmt: skip
        self._service.script.add(Step(answer, on), times)

    def _summary(self) -> str:
        requests = self._service.journal.requests
        going = sum(request.finished is None for request in requests)
        return (
            f"there were {len(requests)} request(s), {going} of them under way, "
            f"{len(self._service.journal.hung_up)} hang-up(s) "
            f"and {self.open_connections} open connection(s)"
        )
