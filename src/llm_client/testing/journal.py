"""What the server was asked, and how each answer went; with waits that need no polling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ._native import allocate_lock
from .prompts import Prompt, read_prompt

T = TypeVar("T")

Endpoint = Literal[
    "chat",
    "responses",
    "messages",
    "embeddings",
    "count_tokens",
    "models",
    "files",
    "batches",
    "message_batches",
    "unknown",
]


@dataclass(slots=True, eq=False)
class RecordedRequest:
    """One request that the server received, and what became of its answer.

    Args:
        number: 1 for the first request since the start; the ids in the answer are made from it.
        connection: Number of the connection it came on; two requests with the same one shared a connection.
        endpoint: "chat", "responses", "messages", "embeddings", "count_tokens", "models", "files",
            "batches", "message_batches" or "unknown".
        method: HTTP method.
        path: Path with its query string.
        headers: Header names in lower case.
        body: The decoded JSON body; None when there was none, or when it was not JSON.
        raw: The body's bytes.
        started: When the request had arrived, as `time.time()` tells it.
        finished: When its answer was complete or broken off; None while it is under way.
        status: Status of the answer; None before it starts.
        client_hung_up: True when the client closed the connection before the answer was complete, False when the
            answer ended in any other way, None while it is under way.
        events_sent: Events of a stream that were sent so far.
        error: What went wrong on the server's side, for example inside an `on_request` function.
    """

    number: int
    connection: int
    endpoint: Endpoint
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes
    started: float
    finished: float | None = None
    status: int | None = None
    client_hung_up: bool | None = None
    events_sent: int = 0
    error: str | None = None
    _prompt: Prompt | None = field(default=None, repr=False)

    @property
    def prompt(self) -> Prompt:
        """The request in neutral terms, whichever the dialect."""
        if self._prompt is None:
            self._prompt = read_prompt(self.endpoint, self.body)
        return self._prompt

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return self.prompt.model

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.prompt.stream

    @property
    def text(self) -> str:
        """The text of the last message that the user wrote."""
        return self.prompt.user_text

    @property
    def tools(self) -> list[str]:
        """Names of the tools that the model may call."""
        return [tool.name for tool in self.prompt.tools]

    @property
    def tool_results(self) -> list[tuple[str, str]]:
        """Name and text of the tool results that the request ends with."""
        return list(self.prompt.tool_results)


class Journal:
    """All requests in order of arrival; threads change it, tests read it and wait for it."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._requests: list[RecordedRequest] = []
        self._hung_up: list[RecordedRequest] = []
        self._received = 0
        self._waiters: tuple[threading.Event, ...] = ()

    def add(self, make: Callable[[int], RecordedRequest]) -> RecordedRequest:
        """Record a request that `make` builds from its number."""
        with self._lock:
            self._received += 1
            request = make(self._received)
            self._requests.append(request)
        self.notify()
        return request

    def finish(self, request: RecordedRequest, *, client_hung_up: bool) -> None:
        """Record the end of a request's answer; a hang-up during its very last bytes still counts."""
        with self._lock:
            if request.finished is not None and (request.client_hung_up or not client_hung_up):
                return
            request.client_hung_up = client_hung_up
            request.finished = time.time()
            if client_hung_up:
                self._hung_up.append(request)
        self.notify()

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in order of arrival."""
        with self._lock:
            return list(self._requests)

    @property
    def hung_up(self) -> list[RecordedRequest]:
        """The requests that the client hung up on, in the order in which it did."""
        with self._lock:
            return list(self._hung_up)

    def clear(self) -> None:
        """Forget all requests; numbers go on."""
        with self._lock:
            self._requests.clear()
            self._hung_up.clear()

    def take_finished(self) -> list[RecordedRequest]:
        """Remove the requests that have ended and return them."""
        with self._lock:
            ended = [request for request in self._requests if request.finished is not None]
            self._requests = [request for request in self._requests if request.finished is None]
            self._hung_up.clear()
        return ended

    def notify(self) -> None:
        """Tell all waiters that something has changed."""
        for waiter in self._waiters:
            waiter.set()

    def wait(self, found: Callable[[], T | None], timeout: float, missing: Callable[[], str]) -> T:
        """Wait until `found` returns something; it is asked again after every change.

        Args:
            found: Returns what is waited for, or None.
            timeout: Seconds to wait.
            missing: Says in one sentence what did not come.

        Raises:
            TimeoutError: It did not come in time.
        """
        deadline = time.monotonic() + timeout
        # Made here and not once: after monkey patching it must be gevent's, so that other greenlets run meanwhile.
        waiter = threading.Event()
        with self._lock:
            self._waiters = (*self._waiters, waiter)
        try:
            while True:
                waiter.clear()
                value = found()
                if value is not None:
                    return value
                rest = deadline - time.monotonic()
                if rest <= 0 or not waiter.wait(rest):
                    value = found()
                    if value is not None:
                        return value
                    raise TimeoutError(f"{missing()} (waited {timeout:g} s)")
        finally:
            with self._lock:
                self._waiters = tuple(other for other in self._waiters if other is not waiter)
