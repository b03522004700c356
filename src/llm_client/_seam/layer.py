"""A server that may be away: asked while it works, left alone for a while when it does not."""

from __future__ import annotations

from .._core.log import logger
from ._threads import now


class Layer:
    """Whether a server is worth asking.

    A failure leaves it alone for some seconds; then one caller tries it while the others still go without, so that a
    server that stands still holds up one call and not all. One warning is logged for each outage.

    Args:
        name: How messages call it.
        pause: Seconds without a try after a failure.
        user: Who goes on without it, and whose logger is told.
    """

    __slots__ = ("_log", "_name", "_pause", "_until", "_user", "errors")

    def __init__(self, name: str, pause: float, user: str = "cache") -> None:
        self._log = logger(user)
        self._user = user
        self._name = name
        self._pause = pause
        self._until: float | None = None
        self.errors = 0

    def is_away(self) -> bool:
        """Whether it has failed and is not to be tried now, or is being tried by somebody else."""
        return self._until is not None and now() < self._until

    def is_up(self) -> bool:
        """Whether to ask it now."""
        until = self._until
        if until is None:
            return True
        if now() < until:
            return False
        self._until = now() + self._pause
        return True

    def failed(self, error: Exception) -> None:
        """Take note of a failure."""
        self.errors += 1
        first, self._until = self._until is None, now() + self._pause
        if first:
            self._log.warning(
                "the %s goes on without %s, which failed: %s: %s", self._user, self._name, type(error).__name__, error
            )

    def worked(self) -> None:
        """Take note of an answer."""
        if self._until is not None:
            self._until = None
            self._log.info("the %s uses %s again", self._user, self._name)
