"""The asynchronous half of the seam: all that the twin source may not spell, for code that awaits.

`_sync.py` has the same names with the same parameters. The twin source says `from .._seam import _async as seam`, and
the generator turns that into the other half.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from .._core import files
from . import _colour, _extras, _heartbeat_async, _tasks
from ._beat_async import beating
from ._brake import WrongColour
from ._brake_async import Brake
from ._loops import PerLoop
from ._tasks import Closing, Lock
from ._threads import CallCancelled, CallRefused, CallTimeout, name_of, now, remaining_time
from .pg_patience import connection_class
from .transports import AsyncByteStream as ByteStream
from .transports import AsyncTransport as Transport
from .transports import async_client_endpoint as client_endpoint
from .transports import open_async_transport as open_transport

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from qdrant_client import AsyncQdrantClient
    from redis.asyncio import Redis

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

Thunk: TypeAlias = Callable[[], Awaitable[T]]
"""Work to be started later: a function without arguments, such as `functools.partial(self.method, argument)`."""

Worker: TypeAlias = Callable[..., Awaitable[T]]
"""Work to be done on each item."""

Items: TypeAlias = Iterable[T] | AsyncIterable[T]
"""What there is work on."""

FACE = "llm_client"
"""The package whose code runs on this half."""

_SMALL_FILE = 256 * 1024
_SERVER_SECONDS = 5.0


class Ticket(Protocol):
    """A place in a queue whose turns are computed, not handed on."""

    def delay(self, now: float) -> float:
        """Seconds until its turn by the clock `now()`; 0 or less: now. May change between two questions."""

    def give_back(self) -> None:
        """Free the place: its holder was cancelled before its turn. Must not wait."""


# ---------------------------------------------------------------- waiting


async def sleep(seconds: float) -> None:
    """Wait for some seconds."""
    await asyncio.sleep(max(0.0, seconds))


async def wait_turn(ticket: Ticket) -> None:
    """Wait until a ticket's turn has come, asking again now and then because turns move.

    A turn that moves away (a `retry-after` stops everybody) is always obeyed; one that comes closer is noticed after a
    quarter of the remaining time at the latest.

    Raises:
        BaseException: Whatever interrupts the wait; the place was given back.
    """
    loop = asyncio.get_running_loop()
    try:
        while True:
            asked = loop.time()  # before the question: a moment lost here must not let the next one overtake
            delay = ticket.delay(now())
            if delay <= 0:
                return
            await _sleep_until(loop, asked + min(delay, max(0.25, delay / 4)))
    except BaseException:
        ticket.give_back()
        raise


def run_later(seconds: float, thunk: Thunk[object]) -> None:
    """Do something in the background in a while, on the running loop if that still runs then; errors are logged.

    Args:
        seconds: How long from now.
        thunk: What to do.
    """
    asyncio.get_running_loop().call_later(seconds, _tasks.start_quietly, thunk)


async def _sleep_until(loop: asyncio.AbstractEventLoop, when: float) -> None:
    woken = loop.create_future()
    alarm = loop.call_at(when, _wake, woken)
    try:
        await woken
    finally:
        alarm.cancel()


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def closing(stream: T) -> Closing[T]:
    """Close a stream at the end of a `with` block, by whichever name it calls that; one that cannot close is left."""
    return Closing(stream)


def with_heartbeat(stream: AsyncIterator[T], seconds: float) -> AsyncIterator[T | str]:
    """Pass on a stream's events, and a comment in the form of Server-Sent Events when none has come for a while.

    One task reads the stream, a few events ahead. Closing closes the stream; should that be waiting, it is cancelled.

    Args:
        stream: Its events are no strings.
        seconds: The silence after which a comment, `: ping`, is yielded.
    """
    return _heartbeat_async.with_heartbeat(stream, seconds)


# ---------------------------------------------------------------- calling


async def offload(function: Callable[..., T], *arguments: Any) -> T:
    """Run one of our own short blocking calls (a file, a vocabulary) where it does not stop the event loop."""
    return await asyncio.to_thread(function, *arguments)


async def call(function: Callable[..., Any], kwargs: Mapping[str, Any], timeout: float | None = None) -> Any:
    """Call a user's function of either colour, in a copy of the current context.

    A coroutine function runs as a task and is cancelled when its time is up. A plain function runs on one daemon thread
    of its own, so that it cannot block the event loop; when its time is up it is abandoned, not stopped. What a plain
    function returns is awaited if it can be. Inside, `remaining_time()` tells the seconds left.

    Args:
        function: A function, method, partial or callable object.
        kwargs: Its arguments.
        timeout: Limit in seconds; None for no limit.

    Raises:
        CallTimeout: No answer in time; it knows whether the call may still be running.
        CallCancelled: The call was cancelled from within.
        CallRefused: Too many abandoned calls are still running; the function was not called.
    """
    return await _tasks.call(function, kwargs, timeout)


async def call_each(
    calls: Sequence[tuple[Callable[..., Any], Mapping[str, Any], float | None]], limit: int | None = None
) -> AsyncIterator[tuple[int, Any]]:
    """Call several users' functions at once and yield each `(index, result or error)` as it ends.

    Args:
        calls: For each its function, keyword arguments and time limit in seconds, as `call` takes them.
        limit: How many may run at the same time; None for all.
    """
    if not calls:
        return
    workers = len(calls) if limit is None else min(limit, len(calls))
    async with closing(_tasks.pool(enumerate(calls), _call_second, workers)) as results:
        async for (index, _), outcome in results:
            yield index, outcome


def _call_second(pair: tuple[int, tuple[Callable[..., Any], Mapping[str, Any], float | None]]) -> Awaitable[Any]:
    return _tasks.call(*pair[1])


async def resolve(value: Any, what: str = "the function") -> Any:
    """Return the result of a user's callback, awaited if it can be.

    Args:
        value: What the callback returned.
        what: How an error names the callback.
    """
    return await value if inspect.isawaitable(value) else value


async def gather(thunks: Sequence[Thunk[T]], limit: int | None = None) -> list[T | Exception]:
    """Run several pieces of work at once.

    Args:
        thunks: The work.
        limit: How many may run at the same time; None for all.

    Returns:
        The results in the order of the work, with an error in the place of a result that is missing.

    Raises:
        BaseException: The caller was cancelled, or a piece of work wants to end the program; all others were cancelled
            and have ended.
    """
    outcomes: list[Any] = [None] * len(thunks)
    async with closing(as_done(thunks, limit)) as done:
        async for index, outcome in done:
            outcomes[index] = outcome
    return outcomes


async def as_done(thunks: Sequence[Thunk[T]], limit: int | None = None) -> AsyncIterator[tuple[int, T | Exception]]:
    """Run several pieces of work at once and yield each `(index, result or error)` as it ends.

    Args:
        thunks: The work.
        limit: How many may run at the same time; None for all.
    """
    if not thunks:
        return
    workers = len(thunks) if limit is None else min(limit, len(thunks))
    async with closing(_tasks.pool(enumerate(thunks), _run_second, workers)) as results:
        async for (index, _), outcome in results:
            yield index, outcome


def pool(
    items: Iterable[T] | AsyncIterable[T], worker: Callable[[T], Any], workers: int
) -> AsyncIterator[tuple[T, Any]]:
    """Work on items with a fixed number of workers, and yield each `(item, result or error)` as it ends.

    Never are more than `workers` items taken whose result the reader has not dealt with: the next is taken when the
    reader comes back for more. Closing early cancels what runs.

    Args:
        items: An iterable or asynchronous iterable.
        worker: Called with one item; plain or asynchronous.
        workers: How many items may be worked on at the same time, at least 1.
    """
    return _tasks.pool(items, worker, workers)


def _run_second(pair: tuple[int, Thunk[T]]) -> Awaitable[T]:
    return pair[1]()


async def shared_call(key: Hashable, thunk: Thunk[T]) -> tuple[T, bool]:
    """Make a call, or share the answer of an equal one that is running, in any task, thread and face of this process.

    Cancelling one of those who wait leaves the call running for the others; when the last one goes, it is cancelled. An
    error is shared like an answer. Where waiting could never end (the call runs on a loop that has stopped, or on the
    thread that would wait, or the caller is itself part of the call), the caller makes its own.

    Args:
        key: Equal for calls that may share an answer.
        thunk: Makes the call.

    Returns:
        The answer, one object for all who share it, and whether this caller made the call.

    Raises:
        CallCancelled: The call was cancelled from within.
    """
    return await _tasks.shared_call(key, thunk)


# ---------------------------------------------------------------- one per loop


def per_loop(
    factory: Callable[[], T], close: Callable[[T], Any] | None = None, drop: Callable[[T], Any] | None = None
) -> PerLoop[T]:
    """Keep one thing per event loop (in the blocking face: per process), made at first use, closed when the loop ends.

    Args:
        factory: Makes it, without waiting.
        close: Closes it, and may return something to await. Default: its `aclose()` or `close()`.
        drop: Lets go of it without a loop, where its own was closed without ending its generators.

    Returns:
        An object with `get()` (fast, never waits), `peek()` and `close()`.
    """
    return PerLoop(factory, close, drop)


# ---------------------------------------------------------------- colours


def check_face(function: Callable[..., Any], what: str) -> None:
    """Refuse a function whose definition shows that it belongs to the other face.

    Raises:
        TypeError: It is neither a coroutine function nor an asynchronous generator function.
    """
    if not _colour.makes_async(function):
        raise TypeError(
            f"{what} must be written with `async def`, but {name_of(function)} is a plain function. Make it one, or use"
            " the blocking face: llm_client.sync.OpenAIProvider, llm_client.sync.Agent and the rest."
        )


def check_provider(returned: Awaitable[T], provider: object = None, method: str = "complete") -> Awaitable[T]:
    """Pass on what a provider's method returned, if it suits this face.

    Args:
        returned: What the method returned, not awaited yet.
        provider: Whose method it was, for the error.
        method: Its name, for the error.

    Raises:
        TypeError: It cannot be awaited: the provider belongs to `llm_client.sync`.
    """
    if _colour.can_await(returned):
        return returned
    _colour.discard(returned)
    raise _colour.wants_async(returned, provider, method, "something to await")


def check_stream(returned: AsyncIterator[T], provider: object = None, method: str = "stream") -> AsyncIterator[T]:
    """Pass on what a provider's streaming method returned, if it suits this face.

    Raises:
        TypeError: It is no asynchronous iterator: the provider belongs to `llm_client.sync`, or the method is a
            coroutine that never yields.
    """
    if hasattr(type(returned), "__aiter__"):
        return returned
    _colour.discard(returned)
    if _colour.can_await(returned):
        raise TypeError(
            f"{method}() returned {_colour.describe(returned)} where an asynchronous iterator was expected: write it as"
            " an asynchronous generator, `async def` with `yield`, or as a plain method that returns one."
        )
    raise _colour.wants_async(returned, provider, method, "an asynchronous iterator")


# ---------------------------------------------------------------- files and servers


async def read_file(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file: a small one at once, which is faster than any detour, a large one beside the event loop.

    Raises:
        OSError: It does not exist or cannot be read.
    """
    status = os.stat(path)
    if stat.S_ISREG(status.st_mode) and status.st_size <= _SMALL_FILE:
        return files.read_bytes(path)
    return await offload(files.read_bytes, path)


class PgPool:
    """A psycopg connection pool that opens at first use.

    Args:
        dsn: What to connect to.
        max_size: Most connections at the same time.
        timeout: Longest wait for a connection, and for the answer to a query, in seconds.
    """

    def __init__(self, dsn: str, max_size: int = 4, timeout: float = _SERVER_SECONDS) -> None:
        module = _extras.load("psycopg_pool", "postgres")
        kind = module.AsyncConnectionPool
        self._dsn = dsn
        self._kind = connection_class("AsyncConnection", timeout)
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

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """Borrow a connection, in autocommit mode.

        Raises:
            psycopg.Error: There is none to be had in time, or the server refuses.
        """
        await self._pool.open()
        async with self._pool.connection() as connection:
            yield connection

    async def probe(self) -> None:
        """Connect once beside the pool, which would keep to itself why it cannot.

        Raises:
            psycopg.OperationalError: The server is away, or refuses; says why, without the password.
            psycopg.ProgrammingError: The DSN cannot be read; says why, perhaps with a part of it.
        """
        connection = await self._kind.connect(self._dsn, **self._options)
        await connection.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close(timeout=1.0)


def pg_pool(dsn: str, max_size: int = 4, timeout: float = _SERVER_SECONDS) -> PgPool:
    """Make a pool of PostgreSQL connections; it opens at first use. One belongs to one event loop: see `per_loop`.

    Raises:
        ImportError: psycopg is not installed.
    """
    return PgPool(dsn, max_size, timeout)


def redis_from_url(url: str, timeout: float = _SERVER_SECONDS) -> Redis:
    """Make a client for Redis or Valkey; it connects at first use. One belongs to one event loop: see `per_loop`.

    Args:
        url: redis://, rediss:// or unix://.
        timeout: Longest wait for a connection and for an answer, in seconds.

    Raises:
        ImportError: redis is not installed.
    """
    client: Redis = _extras.load("redis.asyncio", "redis").from_url(
        url,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=_extras.redis_retry("redis.asyncio.retry"),
    )
    return client


def qdrant_client(url: str, api_key: str | None = None, timeout: float = _SERVER_SECONDS) -> AsyncQdrantClient:
    """Make a Qdrant client. One belongs to one event loop: see `per_loop`.

    Args:
        url: http:// or https:// of a server; ":memory:" or the path of a folder for the client's own local engine.
        api_key: Key of the server.
        timeout: Longest wait for an answer, in seconds.

    Raises:
        ImportError: qdrant-client is not installed.
    """
    kind = _extras.load("qdrant_client", "qdrant").AsyncQdrantClient
    client: AsyncQdrantClient = kind(**_extras.qdrant_arguments(url, api_key, timeout))
    return client
