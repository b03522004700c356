"""The limiter that providers, and everybody else who calls a model, share."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NoReturn

from .._core.limit_checks import check_amount, check_rate
from .._core.limit_headers import DIMENSIONS
from .._core.limit_learning import (
    Limits,
    Outcome,
    Used,
    forget_all_waiters,
    limits_for,
    refused_dimensions,
)
from .._core.profiles import ModelProfile
from .._core.shared_limits import Ledger, lend
from .._core.turns import Turn
from .._seam import _async as seam
from .._seam._fork import ForkLock, on_fork
from .shared_limits import RedisLink, SharedLimits, SharedPass

_now = seam.now
on_fork(forget_all_waiters)


class Limiter:
    """Limits of requests and tokens a minute, for calls of any kind; first come, first served.

    It learns from what servers say where calls go through a provider. Numbers given here are never exceeded, even where
    a server would allow more; without them a limiter starts without limits. Estimates are taken before a call, what it
    really used is settled after it, which never delays an answer.

    With `redis_url` all processes and machines that name the same Redis (or Valkey) server share their limits: the
    numbers given here, which should be the same everywhere, what any of them learns, and every `retry-after`. They
    are served in the order in which they come, by the server's clock. Given to providers, such a limiter keeps one
    state for each endpoint, key and model; used by itself, one for each `name`. A request costs one round trip, or
    one more now and then while it waits. What a process held that died comes back when its lease ends. While Redis
    is away the process goes on with limits of its own, says so once, and shares again when it is back.

    Args:
        model_profile: Brings its `rpm`, `tpm`, `input_tpm` and `output_tpm` along, where it has any.
        rpm: Requests a minute.
        tpm: Tokens a minute, of questions and answers together.
        input_tpm: Tokens of questions a minute.
        output_tpm: Tokens of answers a minute.
        window: Seconds that take the place of the minute.
        redis_url: redis://, rediss:// or unix:// of the server that shares the limits. Default: none, whatever
            REDIS_URL says.
        redis_timeout: Longest wait for that server in seconds; after one it is left alone for 2 s.
        lease: Seconds after which what a silent process has reserved goes back to the others.
        name: Sets fleets apart that use one Redis server but have no limits in common.
        model_specs: The same as `model_profile`, under its older name.

    Raises:
        TypeError: An argument is no number.
        ValueError: An argument is not above 0.
        ImportError: `redis_url` is given and redis is not installed.
    """

    _link: RedisLink | None = None
    _shared: SharedLimits | None = None

    def __init__(
        self,
        model_profile: str | type[ModelProfile] | None = None,
        *,
        rpm: float | None = None,
        tpm: float | None = None,
        input_tpm: float | None = None,
        output_tpm: float | None = None,
        window: float = 60.0,
        redis_url: str | None = None,
        redis_timeout: float = 0.5,
        lease: float = 10.0,
        name: str = "default",
        model_specs: str | type[ModelProfile] | None = None,
    ) -> None:
        model_profile = model_profile or model_specs
        given = {"rpm": rpm, "tpm": tpm, "input_tpm": input_tpm, "output_tpm": output_tpm}
        profile = None if model_profile is None else ModelProfile.resolve(model_profile)
        caps: dict[str, float | None] = {}
        for rate, dimension in _DIMENSION_OF.items():
            value = given[rate] if given[rate] is not None else getattr(profile, rate, None)
            caps[dimension] = None if value is None else check_rate(rate, value)
        self.model_profile = profile
        self._limits = Limits(ForkLock(), caps, check_rate("window", window))
        if redis_url is not None:
            self._link = RedisLink(redis_url, check_rate("redis_timeout", redis_timeout))
            self._lease = check_rate("lease", lease)
            self._name = name
            self._parts: dict[tuple[str, str | None, str], Limiter] = {}
            self._share(("", None, ""))

    @classmethod
    def shared(cls, base_url: str, api_key: str | None, model: str) -> Limiter:
        """The limiter of all providers of this process, of either face, for one endpoint, key and model."""
        limiter = cls.__new__(cls)
        limiter.model_profile = None
        limiter._limits = limits_for((base_url, api_key, model), lambda: Limits(ForkLock(), {}, 60.0))
        return limiter

    @classmethod
    def choose(cls, given: Any, base_url: str, api_key: str | None, model: str) -> Limiter | None:
        """The limiter that a provider's `limiter` argument stands for.

        Args:
            given: None for the shared one, False for none, or a Limiter.
            base_url: Of the provider, like the rest.
            api_key: Its key.
            model: Its model.

        Raises:
            TypeError: It is none of these, or belongs to the other face.
        """
        if given is None:
            return cls.shared(base_url, api_key, model)
        if given is False:
            return None
        if isinstance(given, cls):
            return given._part(base_url, api_key, model)
        raise TypeError(
            f"limiter is a {seam.FACE}.Limiter, None for the one that providers of one key and model share, or False "
            f"for none, got {type(given).__module__}.{type(given).__name__}"
        )

    def _share(self, endpoint: tuple[str, str | None, str]) -> None:
        assert self._link is not None
        caps = dict(zip(DIMENSIONS, self._limits.caps, strict=True))
        self._shared = SharedLimits(self._link, Ledger(endpoint, self._name, caps, self._limits.length, self._lease))

    def _part(self, base_url: str, api_key: str | None, model: str) -> Limiter:
        """The limiter for one endpoint, key and model: of those that are shared, each has one of its own."""
        if self._link is None:
            return self
        endpoint = (base_url, api_key, model)
        found = self._parts.get(endpoint)
        if found is not None:
            return found
        part = type(self).__new__(type(self))
        part.model_profile, part._link, part._parts = self.model_profile, self._link, {}
        part._lease, part._name = self._lease, self._name
        caps = dict(zip(DIMENSIONS, self._limits.caps, strict=True))
        part._limits = Limits(ForkLock(), caps, self._limits.length)
        part._share(endpoint)
        return self._parts.setdefault(endpoint, part)

    def limit(self, tokens: float = 1000, requests: float = 1) -> Limited:
        """Wait for room, as a context manager around a call.

        Args:
            tokens: Tokens of the question, as far as they are known.
            requests: How many requests the block makes.

        Returns:
            A context whose `output_tokens`, and `input_tokens` if the estimate was wrong, the block sets.

        Raises:
            TypeError: An argument is no number.
            ValueError: An argument is negative.
        """
        return Limited(self, check_amount("tokens", tokens), check_amount("requests", requests))

    async def enter(self, tokens: float, requests: float = 1, *, patience: float = math.inf) -> Pass | SharedPass:
        """Wait for room; for callers that tell themselves what became of the call.

        Args:
            tokens: Tokens of the question, as far as they are known.
            requests: How many requests there will be.
            patience: Seconds; a server that asks for a longer pause ends the wait, and `held` tells the pause.
        """
        if self._shared is not None:
            leave = await self._shared.enter(tokens, requests, patience)
            if leave is not None:
                return leave
            lend(self._shared.ledger, self._limits, _now())
        turn = self._limits.begin(tokens, requests, _now())
        if not turn.taken:
            turn.patience = patience
            await seam.wait_turn(turn)
        return Pass(self._limits, turn)

    async def tell(self) -> None:
        """Let all processes that share these limits know at once what this one has learned; else nothing."""
        if self._shared is not None:
            await self._shared.tell()

    async def close(self) -> None:
        """Close the connections to Redis of the current loop or process; a closed limiter that is used opens anew."""
        if self._link is not None:
            await self._link.close()

    def held(self) -> float:
        """Seconds for which the server asked to be left alone, 0 where it did not."""
        held = self._limits.held(_now())
        return held if self._shared is None else max(held, self._shared.ledger.held_until - _now())

    @property
    def limits(self) -> dict[str, float]:
        """The limits that hold now, as far as there are any: "requests", "tokens", "input_tokens", "output_tokens"."""
        if self._shared is None:
            return self._limits.limits(_now())
        found = dict(self._shared.ledger.limits)
        for part in list(self._parts.values()):
            for name, value in part.limits.items():
                found[name] = min(value, found.get(name, value))
        return found or self._limits.limits(_now())

    def __repr__(self) -> str:
        return f"Limiter({', '.join(f'{name}={value:g}' for name, value in self.limits.items())})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("Limiter cannot be pickled or copied: it holds a lock. Make one where it is used.")


_DIMENSION_OF = {"rpm": "requests", "tpm": "tokens", "input_tpm": "input_tokens", "output_tpm": "output_tokens"}


class Pass:
    """Leave to make one call; nothing here ever waits."""

    __slots__ = ("_landed", "_limits", "_sent", "_turn")

    def __init__(self, limits: Limits, turn: Turn) -> None:
        self._limits = limits
        self._turn = turn
        self._landed = False
        self._sent = _now()

    def answered(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """The server has answered, or nobody did.

        Args:
            status: HTTP status, or 503 / 408 where no answer came.
            headers: Names in lower case.
            body: Of a refusal.
        """
        if not self._landed:
            self._landed = True
            outcome = Outcome(self._turn, _now(), self._sent, status, headers, time.time())
            if status == 429:
                outcome.about = refused_dimensions(body)
            self._limits.returned.append(outcome)

    def used(self, input_tokens: float | None, output_tokens: float | None) -> None:
        """What the call turned out to be; once."""
        self._limits.returned.append(Used(self._turn, _now(), input_tokens, output_tokens))

    def give_back(self) -> None:
        """The call was not made."""
        if not self._landed:
            self._landed = True
            self._turn.give_back()

    def abandoned(self) -> None:
        """The call was interrupted; it counts as made, because nobody knows."""
        if not self._landed:
            self._landed = True
            self._limits.returned.append(Outcome(self._turn, _now(), self._sent))


class Limited:
    """What `async with limiter.limit(...)` gives.

    Attributes:
        tokens: The estimate that was taken.
        input_tokens: Set it where the estimate was wrong.
        output_tokens: Set it to the tokens of the answer.
    """

    def __init__(self, limiter: Limiter, tokens: float, requests: float) -> None:
        self.tokens = tokens
        self.input_tokens: float | None = None
        self.output_tokens: float | None = None
        self._limiter = limiter
        self._requests = requests
        self._passes: list[Pass | SharedPass] = []

    async def __aenter__(self) -> Limited:
        self._passes.append(await self._limiter.enter(self.tokens, self._requests))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave = self._passes.pop()
        leave.abandoned()
        leave.used(self.input_tokens, self.output_tokens)
