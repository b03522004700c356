"""Connections on loopback: a listener, a thread for each connection, and a quick end for all of them."""

from __future__ import annotations

import os
import socket
import struct
import time
import weakref
from collections.abc import Callable

from ._native import Socket, accept, allocate_lock, spawn

_RECEIVE_SIZE = 65536
_BACKLOG = 1024
_STOP_LIMIT = 2.0
_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)


class ConnectionOver(Exception):
    """The connection ended; nothing more can be said on it."""


class ClientHungUp(ConnectionOver):
    """The client closed the connection, or reset it."""


class ServerStopped(ConnectionOver):
    """The server is being stopped, or the test ended the connection."""


class Connection:
    """One client's connection, used by its own thread; only `abort` may be called from another one."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.number = number
        self._socket = sock
        sock.settimeout(None)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # the client is gone already; the first read will say so
        self._incoming = b""
        self._aborted = False
        self.finished = allocate_lock()
        self.finished.acquire()

    def receive(self) -> bytes:
        """Bytes from the client as soon as there are any; b"" when it has closed."""
        if self._incoming:
            data, self._incoming = self._incoming, b""
            return data
        try:
            return self._socket.recv(_RECEIVE_SIZE)
        except OSError:
            return b""

    def unread(self, data: bytes) -> None:
        """Give bytes back that belong to the next request."""
        self._incoming = data + self._incoming

    def send(self, data: bytes) -> None:
        """Send all of it, waiting while the client's buffers are full.

        Raises:
            ConnectionOver: The client or the server ended the connection.
        """
        try:
            self._socket.sendall(data)
        except OSError:
            raise self._over() from None

    def check(self) -> None:
        """Notice, without waiting, that the client has hung up.

        Raises:
            ConnectionOver: The client or the server ended the connection.
        """
        try:
            if _DONT_WAIT:
                data = self._socket.recv(_RECEIVE_SIZE, _DONT_WAIT)
            else:
                self._socket.settimeout(0.0)
                data = self._socket.recv(_RECEIVE_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            raise self._over() from None
        finally:
            if not _DONT_WAIT and self._socket.fileno() != -1:
                self._socket.settimeout(None)
        if not data:
            raise self._over()
        self._incoming += data

    def wait(self, seconds: float | None) -> None:
        """Wait; a client that hangs up, or the server's end, cuts it short.

        Args:
            seconds: How long; None means until the connection is over.

        Raises:
            ConnectionOver: The client or the server ended the connection.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            while True:
                if deadline is not None:
                    rest = deadline - time.monotonic()
                    if rest <= 0:
                        return
                    self._socket.settimeout(rest)
                try:
                    data = self._socket.recv(_RECEIVE_SIZE)
                except TimeoutError:
                    return
                except OSError:
                    raise self._over() from None
                if not data:
                    raise self._over()
                # The next request, sent early: kept, and no sign that the client is gone.
                self._incoming += data
        finally:
            if self._socket.fileno() != -1:
                self._socket.settimeout(None)

    def abort(self) -> None:
        """End the connection from another thread: whatever its own thread waits for ends at once."""
        self._aborted = True
        self._shut_down()

    def close(self, *, reset: bool = False) -> None:
        """Close it, from its own thread.

        Args:
            reset: Send a TCP reset instead of an orderly end.
        """
        if reset:
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                self._shut_down()
        else:
            # A forked child may hold this socket as well: only shutdown tells the client at once.
            self._shut_down()
        self._socket.close()

    def forget(self) -> None:
        """Close this process's handle only; the connection lives on in the process that this one was forked from."""
        self._socket.close()

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already ended by the other side

    def _over(self) -> ConnectionOver:
        return ServerStopped() if self._aborted else ClientHungUp()


class Server:
    """Accepts connections on 127.0.0.1 and runs `serve` for each on a daemon thread.

    Args:
        port: Port to listen on; 0 takes a free one.
        serve: Serves one connection to its end. Its exceptions of the kind ConnectionOver end the connection.
        changed: Called after a connection was opened or closed.
    """

    def __init__(self, port: int, serve: Callable[[Connection], None], changed: Callable[[], None]) -> None:
        self._serve = serve
        self._changed = changed
        self._lock = allocate_lock()
        self._live: set[Connection] = set()
        self._accepted = 0
        self._stopping = False
        self._listening_ended = allocate_lock()
        self._listening_ended.acquire()
        self._listener = Socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("127.0.0.1", port))
            self._listener.listen(_BACKLOG)
            self._listener.settimeout(None)
        except OSError as error:
            self._listener.close()
            raise OSError(error.errno, f"FakeAPI cannot listen on 127.0.0.1:{port}: {error.strerror}") from None
        self.port: int = self._listener.getsockname()[1]
        _servers.add(self)
        spawn(self._listen)

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        with self._lock:
            return len(self._live)

    def stop(self) -> None:
        """Stop listening and end all connections; answers that are being sent are cut off."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            live = list(self._live)
        for connection in live:
            connection.abort()
        self._wake_listener()
        deadline = time.monotonic() + _STOP_LIMIT
        for connection in live:
            # Only a function of the user (on_request) can hold a thread any longer than a moment.
            connection.finished.acquire(timeout=max(0.0, deadline - time.monotonic()))
        _servers.discard(self)

    def end_connections(self) -> None:
        """End all open connections and go on listening."""
        with self._lock:
            live = list(self._live)
        for connection in live:
            connection.abort()

    def forget(self) -> None:
        """Let go of all sockets in a forked child without disturbing the parent's server."""
        self._lock = allocate_lock()  # the parent's threads may have held it at the moment of the fork
        self._stopping = True
        self._listener.close()
        for connection in list(self._live):
            connection.forget()
        self._live.clear()

    def _wake_listener(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept() on Linux
        except OSError:
            pass  # elsewhere a connection of our own wakes it, below
        if not self._listening_ended.acquire(timeout=0.2):
            try:
                with Socket(socket.AF_INET, socket.SOCK_STREAM) as knock:
                    knock.settimeout(1.0)
                    knock.connect(("127.0.0.1", self.port))
            except OSError:
                pass  # nobody listens any more, which is what was wanted
            self._listening_ended.acquire(timeout=1.0)
        self._listener.close()

    def _listen(self) -> None:
        try:
            while True:
                try:
                    sock = accept(self._listener)
                except OSError:
                    if self._stopping:
                        return
                    # Out of file descriptors, or a client that left before it was accepted: try again in a moment.
                    self._listening_ended.acquire(timeout=0.01)
                    continue
                with self._lock:
                    stopping = self._stopping
                    if not stopping:
                        self._accepted += 1
                        connection = Connection(sock, self._accepted)
                        self._live.add(connection)
                if stopping:
                    sock.close()
                    return
                self._changed()
                self._start(connection)
        finally:
            self._listening_ended.release()

    def _start(self, connection: Connection) -> None:
        def run() -> None:
            try:
                self._serve(connection)
            except ConnectionOver:
                pass  # an ordinary end
            finally:
                self._discard(connection)

        try:
            spawn(run)
        except RuntimeError:
            self._discard(connection)  # the process cannot have more threads: the client sees a closed connection

    def _discard(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self._live.discard(connection)
        self._changed()
        connection.finished.release()


_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _forget_in_child() -> None:
    for server in list(_servers):
        server.forget()
    _servers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
