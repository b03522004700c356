"""Hanging up on behalf of a thread that is blocked in a read.

A thread that waits for a server cannot be told that nobody wants the answer any more. What can be done from outside is
to shut its socket down: the read ends, and the thread goes on to notice. The blocking engine notes here which
connections such a thread is using; nothing here waits or takes a lock, because a finalizer may do it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Interrupted(BaseException):
    """The thread's work is no longer wanted; not an error, and nothing that a retry could mend."""


class Line(Protocol):
    """A connection that can be cut from another thread."""

    def interrupt(self) -> None:
        """Let a read or write that is under way end at once; does not wait."""


class Interruption:
    """The connections that one thread is using, and whether it should stop."""

    __slots__ = ("_lines", "stopped")

    def __init__(self) -> None:
        self.stopped = False
        self._lines: dict[int, Line] = {}

    def watch(self, line: Line) -> None:
        """The thread is about to use a connection.

        Raises:
            Interrupted: It should stop instead.
        """
        self._lines[id(line)] = line
        if self.stopped:
            self._lines.pop(id(line), None)
            raise Interrupted

    def release(self, line: Line) -> bool:
        """The thread has finished with a connection; False where it is being cut, and must not be used again."""
        # Whoever takes it out of the dictionary, which is atomic, decides over it: a connection that has gone back to
        # the pool, and may carry another's answer by now, is never cut.
        return self._lines.pop(id(line), None) is not None

    def stop(self) -> None:
        """Cut all connections, and refuse further ones."""
        self.stopped = True
        while self._lines:
            try:
                _, line = self._lines.popitem()
            except KeyError:
                return  # released in the same moment
            line.interrupt()


current: ContextVar[Interruption | None] = ContextVar("llm_client_interruption", default=None)
"""Whose connections are being noted; None for threads that nobody interrupts."""
