"""A circuit breaker: when a server has failed for a while, one request at a time finds out whether it is back."""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "open", "probing"]


class Breaker:
    """Opens on sustained failure; then, now and then, lets one request through.

    Failure is what the server or the way to it is to blame for: 5xx, a failed connection, a time-out. A refusal for
    too many requests is none. Counting needs no lock: a count that is off by one under a race of threads does no harm.

    Args:
        failures: So many in a row, without a success between them,
        seconds: over at least so many seconds, open the circuit.
        pause: Seconds until the first probe; each one that fails doubles the pause.
        longest_pause: Where the doubling ends.
    """

    __slots__ = (
        "_count",
        "_pause",
        "_probe_until",
        "_since",
        "_until",
        "failures",
        "longest_pause",
        "pause",
        "seconds",
    )

    def __init__(
        self, failures: int = 10, seconds: float = 1.0, pause: float = 0.5, longest_pause: float = 1.0
    ) -> None:
        self.failures = failures
        self.seconds = seconds
        self.pause = pause
        self.longest_pause = longest_pause
        self._count = 0
        self._since = 0.0
        self._pause = pause
        self._until: float | None = None
        self._probe_until = 0.0

    def state(self, now: float) -> State:
        """ "closed": requests pass. "open": none does. "probing": one is on its way.

        Args:
            now: Seconds of a monotonic clock.
        """
        if self._until is None:
            return "closed"
        return "probing" if now < self._probe_until else "open"

    def allow(self, now: float, patience: float = 60.0) -> bool:
        """Whether a request may be sent; of an open circuit this is the probe.

        Args:
            now: Seconds of a monotonic clock.
            patience: Seconds after which a probe without an answer counts as lost, so that another may go.
        """
        until = self._until
        if until is None:
            return True
        if now < until or now < self._probe_until:
            return False
        self._probe_until = now + patience
        return True

    def wait(self, now: float) -> float:
        """Seconds until the next probe."""
        return 0.0 if self._until is None else max(0.0, max(self._until, self._probe_until) - now)

    def note(self, status: int, now: float) -> State | None:
        """A request has ended; tells the new state if it changed.

        Args:
            status: HTTP status, or 503 / 408 where no answer came; 0 where nobody knows, for a request that was
                abandoned.
            now: Seconds of a monotonic clock.
        """
        if status == 0:
            self._probe_until = 0.0
            return None
        if status < 500 and status != 408:
            self._count = 0
            if self._until is None:
                return None
            self._until = None
            self._pause = self.pause
            self._probe_until = 0.0
            return "closed"
        if self._count == 0:
            self._since = now
        self._count += 1
        if self._until is not None:
            if self._probe_until > 0.0:  # the probe, or one sent before the circuit opened, which tells the same
                self._probe_until = 0.0
                self._pause = min(self._pause * 2, self.longest_pause)
                self._until = now + self._pause
            return None
        if self._count >= self.failures and now - self._since >= self.seconds:
            self._until = now + self._pause
            return "open"
        return None


_breakers: dict[str, Breaker] = {}


def breaker_for(base_url: str) -> Breaker:
    """The breaker that all providers of this process share for one endpoint."""
    return _breakers.setdefault(base_url, Breaker())
