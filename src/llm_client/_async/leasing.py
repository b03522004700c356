"""One upstream call for equal questions of several processes: whoever holds the lease asks, the others wait."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from .._seam import _async as seam

LEASE_SECONDS = 5.0
"""How long others wait for a holder that has died."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_TICK = 0.25


async def under_lease(
    backend: Any, collection: str, key: str, find: Callable[[], Any], fetch: Callable[[], Any]
) -> Any:
    """A stored answer, waited for if another process is about to store it, else a new one.

    Args:
        backend: A cache with `acquire`, `renew` and `release`.
        collection: Where the answer will be stored.
        key: The question's.
        find: Looks into the cache, and returns None where nothing is there.
        fetch: Asks the model and stores the answer.
    """
    token = uuid.uuid4().hex
    pause = _FIRST_PAUSE
    while not await backend.acquire(collection, key, token, LEASE_SECONDS):
        await seam.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        found = await find()
        if found is not None:
            return found
    try:
        # The holder before may have stored its answer after this process had looked.
        found = await find()
        if found is not None:
            return found
        return await _renewed(partial(backend.renew, collection, key, token, LEASE_SECONDS), fetch)
    finally:
        await backend.release(collection, key, token)


async def _renewed(renew: Callable[[], Any], fetch: Callable[[], Any]) -> Any:
    ended: list[bool] = []
    work: list[Callable[[], Any]] = [fetch, partial(_keep_renewing, renew, ended)]
    outcome: Any = None
    async with seam.closing(seam.as_done(work)) as outcomes:
        async for index, result in outcomes:
            if index == 0:
                ended.append(True)
                outcome = result
                break
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _keep_renewing(renew: Callable[[], Any], ended: list[bool]) -> None:
    waited = 0.0
    while not ended:
        await seam.sleep(_TICK)
        waited += _TICK
        if waited >= LEASE_SECONDS / 3 and not ended:
            await renew()
            waited = 0.0
