"""What one process knows of limits that it shares: what it has to tell, and what it was told last."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from . import jsons
from .limit_headers import DIMENSIONS, read_limits
from .limit_learning import SLACK, Limits, refused_dimensions
from .retry import retry_after
from .shared_limit_script import keys_of

_NONE = -1
_MOST_UNTOLD = 10_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script answers.

    Args:
        turns: For each request that was asked for, in order, the seconds until its turn and what was set aside for it,
            in the order of DIMENSIONS.
        hold: Seconds for which a server asked everybody to wait.
        limits: The limits that hold, by dimension.
        workers: How many processes share them now.
    """

    turns: tuple[tuple[float, tuple[float, ...]], ...]
    hold: float
    limits: dict[str, float]
    workers: int


def read_reply(data: bytes) -> Reply:
    """The script's answer as a value."""
    said = jsons.loads(data)
    limits = {name: limit for name, limit in zip(DIMENSIONS, said["limits"], strict=True) if limit != _NONE}
    turns = tuple((turn[0], tuple(turn[1:])) for turn in said["turns"])
    return Reply(turns, said["hold"], limits, said["workers"])


@dataclass(eq=False)
class Reservation:
    """Room that one request has, or waits for.

    Args:
        id: Its name in Redis.
        tokens: Of the question, as far as they are known.
        requests: How many requests there will be.
        delay: Seconds until its turn when that was last asked; None where nobody could tell.
        told: Whether that is the answer to what was asked last.
        amounts: What was set aside for it, in the order of DIMENSIONS.
        sent: When its turn came, by the process's clock.
        answered: When the answer came.
    """

    id: str
    tokens: float
    requests: float
    delay: float | None = None
    told: bool = False
    amounts: tuple[float, ...] = ()
    sent: float = 0.0
    answered: float | None = None


class Ledger:
    """The limits of one endpoint, key and model, as one process sees them; no call of it waits or takes a lock.

    Args:
        endpoint: Base URL, API key and model.
        name: Sets fleets apart that share a server but no limits.
        caps: Numbers that the user gave, by dimension.
        length: Seconds in which limits count.
        lease: Seconds after which a process that says nothing is taken for dead.
    """

    def __init__(
        self,
        endpoint: tuple[str, str | None, str],
        name: str,
        caps: Mapping[str, float | None],
        length: float,
        lease: float,
    ) -> None:
        self.keys = keys_of(*endpoint, name, length)
        self.length = length
        self.lease = lease
        self.untold: deque[dict[str, Any]] = deque(maxlen=_MOST_UNTOLD)
        self.open: WeakSet[Reservation] = WeakSet()
        self.limits: dict[str, float] = {}
        self.workers = 1
        self.held_until = 0.0
        self.heard_at = -1e9
        self.lent = False
        self.worker = ""
        self._caps = [_NONE if caps.get(name) is None else caps[name] for name in DIMENSIONS]
        self._numbers = itertools.count()

    def start_as(self, worker: str) -> None:
        """Begin with a name that no other process has; what another process was to tell is its own business."""
        if self.worker == worker:
            return
        if self.worker:
            self.untold.clear()
            self.open = WeakSet()
        self.worker = worker

    def reserve(self, tokens: float, requests: float) -> Reservation:
        """Room to be asked for."""
        reservation = Reservation(f"{self.worker}:{next(self._numbers)}", tokens, requests)
        self.open.add(reservation)
        return reservation

    def ask(self, wanted: Sequence[Reservation], now: float) -> tuple[bytes, list[dict[str, Any]]]:
        """The script's argument, with all that is to be told, and the latter by itself in case it does not arrive.

        Args:
            wanted: Room to ask for, or about, in the order of coming.
            now: Seconds of the process's clock.
        """
        told: list[dict[str, Any]] = []
        while self.untold:
            try:
                told.append(self.untold.popleft())
            except IndexError:  # another thread was faster
                break
        question: dict[str, Any] = {
            "worker": self.worker,
            "length": self.length,
            "lease": self.lease,
            "caps": self._caps,
            "told": [_aged(item, now) for item in told],
            "wants": [{"id": one.id, "tokens": one.tokens, "requests": one.requests} for one in wanted],
        }
        return jsons.dumps(question), told

    def keep(self, told: list[dict[str, Any]]) -> None:
        """What could not be told is told later."""
        self.untold.extendleft(reversed(told))

    def heard(self, wanted: Sequence[Reservation], reply: Reply, now: float) -> None:
        """Take note of what holds for all, and of the turns of those who asked."""
        for one, (delay, amounts) in zip(wanted, reply.turns, strict=True):
            one.delay, one.amounts, one.told = delay, amounts, True
        self.limits = reply.limits
        self.workers = reply.workers
        self.held_until = now + reply.hold
        self.heard_at = now
        self.lent = False

    def answered(
        self,
        reservation: Reservation,
        now: float,
        wall: float,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> float | None:
        """A server has answered, or nobody did.

        Args:
            reservation: For which request.
            now: Seconds of the process's clock.
            wall: The same moment in seconds since the epoch.
            status: HTTP status, or 503 / 408 where no answer came; 0 where nobody looked.
            headers: Names in lower case.
            body: Of a refusal.

        Returns:
            The seconds for which the server asks to be left alone, None where it does not.
        """
        reservation.answered = now
        self.open.discard(reservation)
        asked = retry_after(status, headers, now=wall)
        if asked is not None:
            self.held_until = max(self.held_until, now + asked)
        said = read_limits(headers, wall) if headers else {}
        for name, one in said.items():
            if name not in self.limits:  # what all make of it comes with the next word from Redis
                self.limits = {**self.limits, name: one.limit - math.floor(one.limit * SLACK)}
        self.untold.append(
            {
                "kind": "answered",
                "id": reservation.id,
                "age": now,
                "sent": reservation.sent,
                "status": status,
                "amounts": reservation.amounts,
                "asked": _NONE if asked is None else asked,
                "about": [dimension + 1 for dimension in refused_dimensions(body)] if status == 429 else (),
                "said": [
                    (DIMENSIONS.index(name) + 1, one.limit, _NONE if one.remaining is None else one.remaining)
                    for name, one in said.items()
                ],
            }
        )
        return asked

    def used(
        self, reservation: Reservation, now: float, input_tokens: float | None, output_tokens: float | None
    ) -> None:
        """What a request turned out to be.

        Args:
            reservation: For which request.
            now: Seconds of the process's clock.
            input_tokens: Tokens of the question, None where they are not known.
            output_tokens: Tokens of the answer, None where they are not known.
        """
        if input_tokens is None and output_tokens is None:
            return
        self.untold.append(
            {
                "kind": "used",
                # The script dates an answered request in the same way.
                "age": min(
                    now if reservation.answered is None else reservation.answered, reservation.sent + self.length / 50
                ),
                "amounts": reservation.amounts,
                "input": _NONE if input_tokens is None else input_tokens,
                "output": _NONE if output_tokens is None else output_tokens,
            }
        )

    def give_back(self, reservation: Reservation) -> None:
        """A request was not made; a finalizer may say so."""
        self.open.discard(reservation)
        self.untold.append({"kind": "unused", "id": reservation.id})


def _aged(item: dict[str, Any], now: float) -> dict[str, Any]:
    """Times as seconds ago: clocks of different machines have nothing in common."""
    return {key: max(0.0, now - value) if key in ("age", "sent") else value for key, value in item.items()}


def lend(ledger: Ledger, limits: Limits, now: float) -> None:
    """Let a process go on by itself: with its share of what all knew last.

    Args:
        ledger: What was known.
        limits: The process's own.
        now: Seconds of the process's clock.
    """
    if ledger.lent:
        return
    ledger.lent = True

    def change() -> None:
        for dimension, name in enumerate(DIMENSIONS):
            known = ledger.limits.get(name)
            if known is not None:
                limits.found[dimension] = max(1.0, known / max(1, ledger.workers))
                limits._apply(dimension)
        limits.hold = max(limits.hold, ledger.held_until)

    limits.change(change, now)
