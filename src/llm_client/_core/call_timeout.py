"""The error of a call that exceeded its time."""

from __future__ import annotations


class CallTimeout(TimeoutError):
    """A called function gave no answer in time.

    Args:
        seconds: The limit that was exceeded.
        still_running: Whether the call could not be stopped and may still have effects.
    """

    def __init__(self, seconds: float, still_running: bool) -> None:
        ending = "the call may still be running" if still_running else "the call was cancelled"
        super().__init__(f"no answer within {seconds:g} s; {ending}")
        self.seconds = seconds
        self.still_running = still_running

    def __reduce__(self) -> tuple[type[CallTimeout], tuple[float, bool]]:
        return (type(self), (self.seconds, self.still_running))
