"""Rate limits: a bucket of tokens, and the limiter that providers and everybody else who calls a model share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NoReturn

from .._core.bucket import EPSILON, Bucket
from .._core.limit_checks import check_amount, check_rate
from .._core.limit_learning import (
    Limits,
    Outcome,
    Used,
    forget_all_waiters,
    limits_for,
    refused_dimensions,
)
from .._core.profiles import ModelProfile
from .._core.turns import Turn, Turns
from .._seam import _async as seam
from .._seam._fork import ForkLock, on_fork

_now = seam.now
on_fork(forget_all_waiters)


class TokenBucket:
    """A bucket of tokens that refills steadily; first come, first served.

    All arithmetic is exact, waiting takes no background work, and one bucket serves any number of tasks and threads. An
    amount above the capacity waits for a full bucket and goes into debt. Who is cancelled while waiting gives back.

    Args:
        capacity: The most it holds; it is full at the start.
        refill_rate: Tokens a second. Default: the whole capacity in a minute.

    Raises:
        TypeError: An argument is no number.
        ValueError: An argument is not above 0.
    """

    def __init__(self, capacity: float = 10_000, refill_rate: float | None = None) -> None:
        self.capacity = check_rate("capacity", capacity)
        self.refill_rate = capacity / 60.0 if refill_rate is None else check_rate("refill_rate", refill_rate)
        self._bucket = Bucket(float(capacity), self.refill_rate, _now())
        self._lock = ForkLock()
        self._turns = Turns([self._bucket], self._lock)

    async def acquire(self, n: float = 1) -> None:
        """Take tokens, waiting for them if need be.

        Args:
            n: How many; 0 or more.

        Raises:
            TypeError: It is no number.
            ValueError: It is negative.
        """
        if not self.try_acquire(n):
            turn = self._turns.enter((n,), _now())
            if not turn.taken:
                await seam.wait_turn(turn)

    def try_acquire(self, n: float = 1) -> bool:
        """Take tokens if they are there now and nobody waits; never waits.

        Returns:
            Whether they were taken.

        Raises:
            TypeError: It is no number.
            ValueError: It is negative.
        """
        if n.__class__ is not int or n < 0:
            check_amount("n", n)
        turns, bucket = self._turns, self._bucket
        with self._lock.inner:  # the inner one: entering the outer one costs as much as all the rest
            now = _now()
            if turns.pending or turns.returned:
                return turns.try_enter_locked((n,), now) is not None
            passed = now - bucket.at
            level = bucket.level
            if passed > 0:
                level += passed * bucket.rate
                if level > bucket.capacity:
                    level = bucket.capacity
                bucket.level = level
                bucket.at = now
            if level + EPSILON < n and level + EPSILON < bucket.capacity:
                return False
            bucket.level = level - n
            return True

    async def consume(self, n: float = 1) -> None:
        """The same as `acquire`, under its older name."""
        await self.acquire(n)

    @property
    def tokens(self) -> float:
        """What is there now; negative while a debt is being paid."""
        with self._lock:
            self._bucket.refill(_now())
            return self._bucket.level

    def __repr__(self) -> str:
        return f"TokenBucket(capacity={self.capacity!r}, refill_rate={self.refill_rate!r})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("TokenBucket cannot be pickled or copied: it holds a lock. Make one where it is used.")


class Limiter:
    """Limits of requests and tokens a minute, for calls of any kind; first come, first served.

    It learns from what servers say where calls go through a provider. Numbers given here are never exceeded, even where
    a server would allow more; without them a limiter starts without limits. Estimates are taken before a call, what it
    really used is settled after it, which never delays an answer.

    Args:
        model_profile: Brings its `rpm`, `tpm`, `input_tpm` and `output_tpm` along, where it has any.
        rpm: Requests a minute.
        tpm: Tokens a minute, of questions and answers together.
        input_tpm: Tokens of questions a minute.
        output_tpm: Tokens of answers a minute.
        window: Seconds that take the place of the minute.

    Raises:
        TypeError: An argument is no number.
        ValueError: An argument is not above 0.
    """

    def __init__(
        self,
        model_profile: str | type[ModelProfile] | None = None,
        *,
        rpm: float | None = None,
        tpm: float | None = None,
        input_tpm: float | None = None,
        output_tpm: float | None = None,
        window: float = 60.0,
    ) -> None:
        given = {"rpm": rpm, "tpm": tpm, "input_tpm": input_tpm, "output_tpm": output_tpm}
        profile = None if model_profile is None else ModelProfile.resolve(model_profile)
        caps: dict[str, float | None] = {}
        for name, dimension in _DIMENSION_OF.items():
            value = given[name] if given[name] is not None else getattr(profile, name, None)
            caps[dimension] = None if value is None else check_rate(name, value)
        self.model_profile = profile
        self._limits = Limits(ForkLock(), caps, check_rate("window", window))

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
            return given
        raise TypeError(
            f"limiter is a {seam.FACE}.Limiter, None for the one that providers of one key and model share, or False "
            f"for none, got {type(given).__module__}.{type(given).__name__}"
        )

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

    async def enter(self, tokens: float, requests: float = 1) -> Pass:
        """Wait for room; for callers that tell themselves what became of the call.

        Args:
            tokens: Tokens of the question, as far as they are known.
            requests: How many requests there will be.
        """
        turn = self._limits.begin(tokens, requests, _now())
        if not turn.taken:
            await seam.wait_turn(turn)
        return Pass(self._limits, turn)

    def held(self) -> float:
        """Seconds for which the server asked to be left alone, 0 where it did not."""
        return self._limits.held(_now())

    @property
    def limits(self) -> dict[str, float]:
        """The limits that hold now, as far as there are any: "requests", "tokens", "input_tokens", "output_tokens"."""
        return self._limits.limits(_now())

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
        self._passes: list[Pass] = []

    async def __aenter__(self) -> Limited:
        self._passes.append(await self._limiter.enter(self.tokens, self._requests))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave = self._passes.pop()
        leave.abandoned()
        leave.used(self.input_tokens, self.output_tokens)
