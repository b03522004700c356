"""Waiting for batches that take hours: looking now and then, and through the vendor's bad minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from .._core.exceptions import APIError
from .._core.log import logger
from .._core.retry import is_retryable
from .._core.vendor_batch import BatchHandle, BatchStatus, check_poll_interval
from .._seam import _async as seam

_log = logger("batch")

_FIRST_POLL = 5.0
_LONGEST_POLL = 60.0
_SLOWER = 1.5
_HOUR = 3600.0
_AT_ONCE = 100


async def pause_every(count: int) -> None:
    """Let others run now and then, in a loop over very many requests.

    Args:
        count: How many it has dealt with.
    """
    if count % _AT_ONCE == 0:
        await seam.sleep(0.0)


async def wait_for(
    look: Callable[[BatchHandle], Any],
    handles: Sequence[BatchHandle],
    poll_interval: float | None,
    on_status: Callable[[BatchStatus], Any] | None,
    until: float | None,
    sleep: Callable[[float], Any] = seam.sleep,
    stopped: Callable[[], bool] = bool,
) -> list[BatchStatus]:
    """Look at batches until all have ended; the statuses in the order of the handles.

    Args:
        look: Asks the vendor for one batch.
        handles: The batches.
        poll_interval: Seconds between two looks; None for 5, growing to 60.
        on_status: Called with every status that is not the end.
        until: When to stop, on the clock of `time.time()`.
        sleep: Waits.
        stopped: Says that somebody wants it to stop.

    Raises:
        APIError: The vendor refuses to say, or could not be asked for an hour.
        TypeError: poll_interval is no number.
        ValueError: poll_interval is not above 0.
    """
    check_poll_interval(poll_interval)
    seen = {handle.id: BatchStatus(handle.id, "running", "unknown") for handle in handles}
    pause = poll_interval or _FIRST_POLL
    # Counted in time, not in looks: one bad minute of many batches is many failed looks.
    failing_since: float | None = None
    while True:
        for handle in handles:
            if seen[handle.id].done:
                continue
            try:
                status = seen[handle.id] = await look(handle)
            except APIError as error:
                now = seam.now()
                if failing_since is None:
                    failing_since = now
                if now - failing_since >= _HOUR or not is_retryable(error.status or 500, {}):
                    raise
                _log.warning("batch %s could not be looked at, which is tried again: %s", handle.id, error)
                continue
            failing_since = None
            if not status.done and on_status is not None:
                await seam.resolve(on_status(status), "on_status")
        clock = time.time()
        if all(status.done for status in seen.values()) or (until is not None and clock >= until) or stopped():
            return [seen[handle.id] for handle in handles]
        await sleep(pause if until is None else max(min(pause, until - clock), 0.0))
        if poll_interval is None:
            pause = min(pause * _SLOWER, _LONGEST_POLL)
