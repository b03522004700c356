"""Limits that many processes share through Redis: a turn for each request, and word of what became of it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from .._core.log import logger
from .._core.shared_limit_script import SCRIPT, SHA
from .._core.shared_limits import Ledger, Reservation, read_reply
from .._seam import _async as seam
from .._seam._extras import require
from .._seam.layer import Layer

_now = seam.now
_log = logger("limiter")

_PAUSE = 2.0
_SHORTEST_SLEEP = 0.25
_ABOUT_NOW, _MOST_ABOUT_NOW = 1 / 200, 0.05
_LONGEST_UNTOLD = 1.0
_MOST_AT_ONCE = 200


class RedisLink:
    """One Redis or Valkey server, for any number of shared limits.

    While it is away nobody waits for it: one caller tries it now and then.

    Args:
        url: redis://, rediss:// or unix://.
        timeout: Longest wait for it in seconds.

    Raises:
        ImportError: redis is not installed.
    """

    def __init__(self, url: str, timeout: float) -> None:
        require("redis", "redis")
        self._layer = Layer("Redis", _PAUSE, "limiter")
        self._ledgers: list[Ledger] = []
        self._clients: Any = seam.per_loop(partial(seam.redis_from_url, url, timeout), partial(_end, self._ledgers))

    def add(self, ledger: Ledger) -> None:
        """Take care that what a ledger has to tell is told before the connections are closed."""
        self._ledgers.append(ledger)

    def is_open(self) -> bool:
        """Whether the current loop or process has connections."""
        return self._clients.peek() is not None

    def is_away(self) -> bool:
        """Whether nobody is to wait for it, not even in line behind the one who tries it."""
        return self._layer.is_away()

    def is_up(self) -> bool:
        """Whether to ask it now."""
        return self._layer.is_up()

    async def ask(self, ledger: Ledger, wanted: Sequence[Reservation]) -> bool:
        """Tell what there is to tell, and ask for turns; False where the server fails.

        Args:
            ledger: Of which endpoint, key and model.
            wanted: The requests that are to have a turn, or have one.
        """
        question, told = ledger.ask(wanted, _now())
        try:
            reply = read_reply(await _run(self._clients.get(), ledger, question))
        except BaseException as error:
            ledger.keep(told)
            if not isinstance(error, Exception):
                raise
            self._layer.failed(error)
            return False
        self._layer.worked()
        ledger.heard(wanted, reply, _now())
        return True

    async def close(self) -> None:
        """Tell what there is to tell, and close the connections of the current loop or process."""
        await self._clients.close()


class _Desk:
    """Where the requests of one loop or process ask for turns: one round trip at a time, for all who came meanwhile.

    That keeps them in order, and a crowd from asking one by one.
    """

    def __init__(self) -> None:
        self.lock = seam.Lock()
        self.waiting: list[Reservation] = []
        self.beating = False

    def forget(self, reservation: Reservation) -> None:
        """Take one out, unless somebody has."""
        try:
            self.waiting.remove(reservation)
        except ValueError:
            return

    def close(self) -> None:
        """Whoever still waits asks again."""


async def _run(client: Any, ledger: Ledger, question: bytes) -> Any:
    keys = ledger.keys
    try:
        return await client.evalsha(SHA, len(keys), *keys, question)
    except Exception as error:
        if type(error).__name__ != "NoScriptError":
            raise
    return await client.eval(SCRIPT, len(keys), *keys, question)


async def _end(ledgers: list[Ledger], client: Any) -> None:
    try:
        for ledger in list(ledgers):
            if ledger.untold:
                await _run(client, ledger, ledger.ask((), _now())[0])
    except Exception as error:
        _log.debug("Redis was not told what became of the last requests, and goes by their leases: %r", error)
    finally:
        await client.aclose()


class SharedLimits:
    """The limits of one endpoint, key and model, shared by all processes that use the same Redis.

    Args:
        link: The server.
        ledger: What this process knows of them.
    """

    def __init__(self, link: RedisLink, ledger: Ledger) -> None:
        self._link = link
        self.ledger = ledger
        self._process = 0
        self._names: dict[int, str] = {}
        self._desks = seam.per_loop(_Desk)
        link.add(ledger)

    async def enter(self, tokens: float, requests: float, patience: float) -> SharedPass | None:
        """Wait for room; None where the server is away.

        Args:
            tokens: Tokens of the question, as far as they are known.
            requests: How many requests there will be.
            patience: Seconds; a server that asks for a longer pause ends the wait.
        """
        if self._link.is_away():
            return None
        ledger = self.ledger
        reservation = self._reserve(tokens, requests)
        try:
            delay = await self._ask(reservation)
            self._start_beating()
            while delay and ledger.held_until - _now() <= patience:
                if delay <= min(ledger.length * _ABOUT_NOW, _MOST_ABOUT_NOW):
                    await seam.sleep(delay)
                    break
                await seam.sleep(min(delay, max(_SHORTEST_SLEEP, delay / 2), ledger.lease / 3))
                delay = await self._ask(reservation)
        except BaseException:
            ledger.give_back(reservation)
            raise
        if delay is None:
            ledger.give_back(reservation)
            return None
        reservation.sent = _now()
        return SharedPass(ledger, reservation)

    async def tell(self) -> None:
        """Let all others know now what this process has learned."""
        if self.ledger.untold and not self._link.is_away():
            async with self._desks.get().lock:
                if self.ledger.untold and self._link.is_up():
                    await self._link.ask(self.ledger, ())

    def _reserve(self, tokens: float, requests: float) -> Reservation:
        process = os.getpid()
        if process != self._process:  # also in a forked child
            self.ledger.start_as(self._names.setdefault(process, uuid.uuid4().hex))
            self._process = process
        return self.ledger.reserve(tokens, requests)

    async def _ask(self, reservation: Reservation) -> float | None:
        """Seconds until a reservation's turn, None where the server is away."""
        if self._link.is_away():
            return None
        desk = self._desks.get()
        reservation.told = False
        desk.waiting.append(reservation)
        try:
            async with desk.lock:
                while not reservation.told:
                    await self._ask_for_all(desk)
        finally:
            desk.forget(reservation)
        return reservation.delay

    async def _ask_for_all(self, desk: _Desk) -> None:
        batch = desk.waiting[:_MOST_AT_ONCE]
        if not (self._link.is_up() and await self._link.ask(self.ledger, batch)):
            for one in batch:
                one.delay, one.told = None, True
        for one in batch:
            desk.forget(one)

    def _start_beating(self) -> None:
        desk = self._desks.get()
        if not desk.beating:
            desk.beating = True
            seam.run_later(min(_LONGEST_UNTOLD, self.ledger.lease / 3), partial(self._beat, desk))

    async def _beat(self, desk: _Desk) -> None:
        """Keep the lease while requests are on their way, and tell what no later request took along."""
        desk.beating = False
        if not self._link.is_open():
            return  # it was closed, and what there was to tell was told then
        ledger = self.ledger
        silent = _now() - ledger.heard_at >= ledger.lease / 3
        answered = False
        if (ledger.untold or (ledger.open and silent)) and self._link.is_up():
            answered = await self._link.ask(ledger, ())
        if ledger.open or (ledger.untold and answered):
            self._start_beating()


class SharedPass:
    """Leave to make one call; nothing here ever waits."""

    __slots__ = ("_landed", "_ledger", "_reservation")

    def __init__(self, ledger: Ledger, reservation: Reservation) -> None:
        self._ledger = ledger
        self._reservation = reservation
        self._landed = False

    def answered(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """The server has answered, or nobody did.

        Args:
            status: HTTP status, or 503 / 408 where no answer came.
            headers: Names in lower case.
            body: Of a refusal.
        """
        if not self._landed:
            self._landed = True
            self._ledger.answered(self._reservation, _now(), time.time(), status, headers, body)

    def used(self, input_tokens: float | None, output_tokens: float | None) -> None:
        """What the call turned out to be; once."""
        self._ledger.used(self._reservation, _now(), input_tokens, output_tokens)

    def give_back(self) -> None:
        """The call was not made."""
        if not self._landed:
            self._landed = True
            self._ledger.give_back(self._reservation)

    def abandoned(self) -> None:
        """The call was interrupted; it counts as made, because nobody knows."""
        self.answered(0, {})
