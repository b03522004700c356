"""The blocking half of the seam: the names and parameters of `_async.py`, for code that blocks its thread.

It makes no event loop. Only a user's coroutine function runs on one, on a thread of its own, and only then is asyncio
imported at all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from .._core import files
from . import _calls, _colour, _crew, _extras, _heartbeat_sync
from ._beat_sync import beating
from ._brake import WrongColour
from ._brake_sync import Brake
from ._fork import ForkLock as Lock
from ._process import PerProcess
from ._process import PerProcess as PerLoop
from ._threads import CallCancelled, CallRefused, CallTimeout, name_of, now, remaining_time
from .pg_patience import connection_class
from .transports import ByteStream, Transport
from .transports import blocking_client_endpoint as client_endpoint
from .transports import open_blocking_transport as open_transport

if TYPE_CHECKING:
    from psycopg import Connection
    from qdrant_client import QdrantClient
    from redis import Redis

__all__ = [
    "FACE",
    "Brake",
    "ByteStream",
    "CallCancelled",
    "CallRefused",
    "CallTimeout",
    "Items",
    "Lock",
    "PerLoop",
    "PgPool",
    "Thunk",
    "Ticket",
    "Transport",
    "Worker",
    "WrongColour",
    "as_done",
    "beating",
    "call",
    "call_each",
    "check_face",
    "check_provider",
    "check_stream",
    "client_endpoint",
    "closing",
    "gather",
    "now",
    "offload",
    "open_transport",
    "per_loop",
    "pg_pool",
    "pool",
    "qdrant_client",
    "read_file",
    "redis_from_url",
    "remaining_time",
    "resolve",
    "run_later",
    "shared_call",
    "sleep",
    "wait_turn",
    "with_heartbeat",
]

T = TypeVar("T")

Thunk: TypeAlias = Callable[[], T]
"""Work to be started later: a function without arguments, such as `functools.partial(self.method, argument)`."""

Worker: TypeAlias = Callable[..., T]
"""Work to be done on each item."""

Items: TypeAlias = Iterable[T]
"""What there is work on."""

FACE = "llm_client.sync"
"""The package whose code runs on this half."""

_SERVER_SECONDS = 5.0


class Ticket(Protocol):
    """A place in a queue whose turns are computed, not handed on."""

    def delay(self, now: float) -> float:
        """Seconds until its turn by the clock `now()`; 0 or less: now. May change between two questions."""

    def give_back(self) -> None:
        """Free the place: its holder was interrupted before its turn. Must not wait."""


# ---------------------------------------------------------------- waiting


def sleep(seconds: float) -> None:
    """Wait for some seconds."""
    time.sleep(max(0.0, seconds))


def wait_turn(ticket: Ticket) -> None:
    """Wait until a ticket's turn has come, asking again now and then because turns move.

    A turn that moves away (a `retry-after` stops everybody) is always obeyed; one that comes closer is noticed after a
    quarter of the remaining time at the latest.

    Raises:
        BaseException: Whatever interrupts the wait; the place was given back.
    """
    try:
        while (delay := ticket.delay(now())) > 0:
            time.sleep(min(delay, max(0.25, delay / 4)))
    except BaseException:
        ticket.give_back()
        raise


def run_later(seconds: float, thunk: Thunk[object]) -> None:
    """Do something in the background in a while, on a daemon thread; errors are logged.

    Args:
        seconds: How long from now.
        thunk: What to do.
    """
    _crew.start_later(seconds, thunk)


class Closing(AbstractContextManager[T]):
    """Closes a stream on the way out, if it can be closed."""

    __slots__ = ("_stream",)

    def __init__(self, stream: T) -> None:
        self._stream = stream

    def __enter__(self) -> T:
        return self._stream

    def __exit__(self, *exc_info: object) -> None:
        close = getattr(self._stream, "close", None)
        if callable(close):
            close()


def closing(stream: T) -> Closing[T]:
    """Close a stream at the end of a `with` block; one that cannot close is left."""
    return Closing(stream)


def with_heartbeat(stream: Iterator[T], seconds: float) -> Iterator[T | str]:
    """Pass on a stream's events, and a comment in the form of Server-Sent Events when none has come for a while.

    One daemon thread reads the stream, a few events ahead, in a copy of the caller's context. Closing does not wait: it
    cuts the connection that the thread is reading from, and the thread closes the stream as soon as it notices. (Over a
    client that the caller made, which has no way in, it notices with the next event.) A comment is yielded in two
    pieces, half a second apart, because a peer that is gone shows only at the second write.

    Args:
        stream: Its events are no strings.
        seconds: The silence after which a comment, `: ping`, is yielded.
    """
    return _heartbeat_sync.with_heartbeat(stream, seconds)


# ---------------------------------------------------------------- calling


def offload(function: Callable[..., T], *arguments: Any) -> T:
    """Run one of our own short blocking calls (a file, a vocabulary)."""
    return function(*arguments)


def call(function: Callable[..., Any], kwargs: Mapping[str, Any], timeout: float | None = None) -> Any:
    """Call a user's function of either colour.

    A plain function runs on the caller's own thread if there is no limit, else on one daemon thread of its own with a
    copy of the context; when its time is up it is abandoned, not stopped. A coroutine function, or whatever can be
    awaited that a plain function returns, runs on the one loop thread of the process and is cancelled when its time is
    up. Inside, `remaining_time()` tells the seconds left.

    Args:
        function: A function, method, partial or callable object.
        kwargs: Its arguments.
        timeout: Limit in seconds; None for no limit.

    Raises:
        CallTimeout: No answer in time; it knows whether the call may still be running.
        CallCancelled: The call was cancelled from within.
        CallRefused: Too many abandoned calls are still running; the function was not called.
        RuntimeError: A coroutine function was called from inside one that runs on the loop thread.
    """
    return _crew.call(function, kwargs, timeout)


def call_each(
    calls: Sequence[tuple[Callable[..., Any], Mapping[str, Any], float | None]], limit: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Call several users' functions at once and yield each `(index, result or error)` as it ends.

    One call alone, and calls under `limit=1`, are made as `call` makes them; otherwise each has one daemon thread.

    Args:
        calls: For each its function, keyword arguments and time limit in seconds, as `call` takes them.
        limit: How many may run at the same time; None for all.
    """
    return _calls.each(calls, limit)


def resolve(value: Any, what: str = "the function") -> Any:
    """Return the result of a user's callback.

    Args:
        value: What the callback returned.
        what: How an error names the callback.

    Raises:
        TypeError: It is something to await, or an asynchronous iterator: the callback belongs to `llm_client`.
    """
    return _crew.resolve(value, what)


def gather(thunks: Sequence[Thunk[T]], limit: int | None = None) -> list[T | Exception]:
    """Run several pieces of work at once; a single one, or all with a limit of 1, on the caller's own thread.

    Args:
        thunks: The work.
        limit: How many may run at the same time; None for all.

    Returns:
        The results in the order of the work, with an error in the place of a result that is missing.

    Raises:
        BaseException: The caller was interrupted, or a piece of work wants to end the program; no other is started.
    """
    outcomes: list[Any] = [None] * len(thunks)
    with closing(as_done(thunks, limit)) as done:
        for index, outcome in done:
            outcomes[index] = outcome
    return outcomes


def as_done(thunks: Sequence[Thunk[T]], limit: int | None = None) -> Iterator[tuple[int, T | Exception]]:
    """Run several pieces of work at once and yield each `(index, result or error)` as it ends.

    Args:
        thunks: The work.
        limit: How many may run at the same time; None for all.
    """
    if not thunks:
        return
    workers = len(thunks) if limit is None else min(limit, len(thunks))
    with closing(_crew.pool(enumerate(thunks), _run_second, workers)) as results:
        for (index, _), outcome in results:
            yield index, outcome


def pool(items: Iterable[T], worker: Callable[[T], Any], workers: int) -> Iterator[tuple[T, Any]]:
    """Work on items with a fixed number of workers, and yield each `(item, result or error)` as it ends.

    Never are more than `workers` items taken whose result the reader has not dealt with: the next is taken, on the
    reader's own thread, when the reader comes back for more. Closing early lets the workers end with what they are
    doing. One worker works on the reader's own thread.

    Args:
        items: An iterable.
        worker: Called with one item; a plain function.
        workers: How many items may be worked on at the same time, at least 1.
    """
    return _crew.pool(items, worker, workers)


def _run_second(pair: tuple[int, Thunk[T]]) -> T:
    return pair[1]()


def shared_call(key: Hashable, thunk: Thunk[T]) -> tuple[T, bool]:
    """Make a call, or share the answer of an equal one that is running, in any task, thread and face of this process.

    Interrupting one of those who wait leaves the call running for the others; if the one who makes it is interrupted,
    another makes it anew. An error is shared like an answer. Where waiting could never end (the call runs on a loop
    that has stopped, or on the thread that would wait, or the caller is itself part of it), the caller makes its own.

    Args:
        key: Equal for calls that may share an answer.
        thunk: Makes the call.

    Returns:
        The answer, one object for all who share it, and whether this caller made the call.
    """
    return _crew.shared_call(key, thunk)


# ---------------------------------------------------------------- one per process


def per_loop(
    factory: Callable[[], T], close: Callable[[T], Any] | None = None, drop: Callable[[T], Any] | None = None
) -> PerProcess[T]:
    """Keep one thing per process (in the asynchronous face: per event loop), made at first use, closed at its end.

    Args:
        factory: Makes it.
        close: Closes it. Default: its `close()`.
        drop: Not needed in this face.

    Returns:
        An object with `get()` (fast), `peek()` and `close()`.
    """
    return PerProcess(factory, close, drop)


# ---------------------------------------------------------------- colours


def check_face(function: Callable[..., Any], what: str) -> None:
    """Refuse a function whose definition shows that it belongs to the other face.

    Raises:
        TypeError: It is a coroutine function or an asynchronous generator function.
    """
    if _colour.makes_async(function):
        raise TypeError(
            f"{what} must be a plain function in the blocking face, but {name_of(function)} was written with"
            " `async def`. Use llm_client.sync.OpenAIProvider and its kin here, or the asynchronous face, llm_client."
        )


def check_provider(returned: T, provider: object = None, method: str = "complete") -> T:
    """Pass on what a provider's method returned, if it suits this face.

    Args:
        returned: What the method returned.
        provider: Whose method it was, for the error.
        method: Its name, for the error.

    Raises:
        TypeError: It has to be awaited: the provider belongs to `llm_client`.
    """
    if _colour.is_async_value(returned):
        _colour.discard(returned)
        raise _colour.wants_blocking(returned, provider, method)
    return returned


def check_stream(returned: Iterator[T], provider: object = None, method: str = "stream") -> Iterator[T]:
    """Pass on what a provider's streaming method returned, if it suits this face.

    Raises:
        TypeError: It is an asynchronous iterator or something to await: the provider belongs to `llm_client`; or it is
            no iterator at all.
    """
    if _colour.is_async_value(returned):
        _colour.discard(returned)
        raise _colour.wants_blocking(returned, provider, method)
    if not hasattr(type(returned), "__iter__"):
        raise TypeError(
            f"{method}() returned {_colour.describe(returned)} where an iterator was expected: write it as a generator,"
            " or as a method that returns one."
        )
    return returned


# ---------------------------------------------------------------- files and servers


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file.

    Raises:
        OSError: It does not exist or cannot be read.
    """
    return files.read_bytes(path)


class PgPool:
    """A psycopg connection pool that opens at first use.

    Args:
        dsn: What to connect to.
        max_size: Most connections at the same time.
        timeout: Longest wait for a connection, and for the answer to a query, in seconds.
    """

    def __init__(self, dsn: str, max_size: int = 4, timeout: float = _SERVER_SECONDS) -> None:
        module = _extras.load("psycopg_pool", "postgres")
        kind = module.ConnectionPool
        self._dsn = dsn
        self._kind = connection_class("Connection", timeout)
        self._options = {"autocommit": True, "connect_timeout": max(1, round(timeout))}
        self._pool = kind(
            dsn,
            connection_class=self._kind,
            min_size=0,
            max_size=max_size,
            timeout=timeout,
            open=False,
            check=kind.check_connection,
            kwargs=self._options,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection[tuple[Any, ...]]]:
        """Borrow a connection, in autocommit mode.

        Raises:
            psycopg.Error: There is none to be had in time, or the server refuses.
        """
        self._pool.open()
        with self._pool.connection() as connection:
            yield connection

    def probe(self) -> None:
        """Connect once beside the pool, which would keep to itself why it cannot.

        Raises:
            psycopg.OperationalError: The server is away, or refuses; says why, without the password.
            psycopg.ProgrammingError: The DSN cannot be read; says why, perhaps with a part of it.
        """
        connection = self._kind.connect(self._dsn, **self._options)
        connection.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close(timeout=1.0)


def pg_pool(dsn: str, max_size: int = 4, timeout: float = _SERVER_SECONDS) -> PgPool:
    """Make a pool of PostgreSQL connections; it opens at first use. One belongs to one process: see `per_loop`.

    Raises:
        ImportError: psycopg is not installed.
    """
    return PgPool(dsn, max_size, timeout)


def redis_from_url(url: str, timeout: float = _SERVER_SECONDS) -> Redis:
    """Make a client for Redis or Valkey; it connects at first use. One belongs to one process: see `per_loop`.

    Args:
        url: redis://, rediss:// or unix://.
        timeout: Longest wait for a connection and for an answer, in seconds.

    Raises:
        ImportError: redis is not installed.
    """
    client: Redis = _extras.load("redis", "redis").from_url(
        url, socket_connect_timeout=timeout, socket_timeout=timeout, retry=_extras.redis_retry("redis.retry")
    )
    return client


def qdrant_client(url: str, api_key: str | None = None, timeout: float = _SERVER_SECONDS) -> QdrantClient:
    """Make a Qdrant client. One belongs to one process: see `per_loop`.

    Args:
        url: http:// or https:// of a server; ":memory:" or the path of a folder for the client's own local engine.
        api_key: Key of the server.
        timeout: Longest wait for an answer, in seconds.

    Raises:
        ImportError: qdrant-client is not installed.
    """
    kind = _extras.load("qdrant_client", "qdrant").QdrantClient
    client: QdrantClient = kind(**_extras.qdrant_arguments(url, api_key, timeout))
    return client
