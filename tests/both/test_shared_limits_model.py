"""The arithmetic of the script in a real Redis, at times that the test names, against a plain model of its meaning."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client._core import jsons
from llm_client._core.shared_limit_script import SCRIPT, keys_of
from llm_client._core.shared_limits import read_reply
from llm_client._seam import _sync as seam

LIMIT = 100.0
LENGTH = 10.0
SLOT = LENGTH / 200
HASTE = 1.2
BEGIN = 1000.0

_names = itertools.count()

steps = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.001, 0.3, 2.0, 7.0, 25.0]), st.sampled_from([1.0, 5.0, 30.0, 60.0, 100.0])),
    min_size=1,
    max_size=25,
)


class Script:
    """One state in Redis, asked at times that the caller names."""

    def __init__(self, client: Any, **caps: float) -> None:
        self._client = client
        self._keys = keys_of("http://model", None, "model", f"{id(self)}-{next(_names)}", LENGTH)
        self._caps = [caps.get(name, -1) for name in ("requests", "tokens", "input_tokens", "output_tokens")]
        self.now = BEGIN

    def ask(self, wants: dict[str, float] | None = None, told: Any = (), worker: str = "w", lease: float = 1e6) -> Any:
        """The script's answer."""
        question = {
            "worker": worker, "length": LENGTH, "lease": lease, "caps": self._caps, "told": list(told), "at": self.now,
            "wants": [{"id": name, "tokens": tokens, "requests": 1} for name, tokens in (wants or {}).items()],
        }  # fmt: skip
        return read_reply(self._client.eval(SCRIPT, len(self._keys), *self._keys, jsons.dumps(question)))

    def turns(self, wants: dict[str, float], **options: Any) -> list[float]:
        """When each may go."""
        return [self.now + delay for delay, _ in self.ask(wants, **options).turns]

    def forget(self) -> None:
        """Leave nothing in the server."""
        self._client.delete(*self._keys)


@pytest.fixture(scope="module")
def client(redis_url: str) -> Any:
    client = seam.redis_from_url(redis_url, 15.0)
    yield client
    client.close()


def earliest(start: float, amount: float, taken: list[tuple[float, float]]) -> float:
    """When an amount fits into the window that ends then, from `start` on."""
    for at in [start, *sorted(turn + LENGTH for turn, _ in taken if turn + LENGTH > start)]:
        if sum(size for turn, size in taken if turn > at - LENGTH + 1e-6) + amount <= LIMIT + 1e-6:
            return at
    raise AssertionError("an empty window holds everything here")


@settings(max_examples=60, deadline=None)
@given(steps)
def test_turns_are_as_early_as_the_window_allows_and_in_order(client: Any, steps: list[tuple[float, float]]) -> None:
    script = Script(client, tokens=LIMIT)
    taken: list[tuple[float, float]] = []
    for number, (pause, amount) in enumerate(steps):
        script.now += pause
        [turn] = script.turns({f"w:{number}": amount})
        start = script.now
        if any(earlier > script.now for earlier, _ in taken):  # behind those who wait, at a little more than the pace
            last, size = taken[-1]
            start = max(start, last + size / LIMIT * LENGTH / HASTE)
        expected = earliest(start, amount, taken)
        assert expected - 1e-4 <= turn <= expected + 2 * SLOT + 1e-4
        assert not taken or turn >= taken[-1][0] - 1e-4
        taken.append((turn, amount))
    script.forget()


@settings(max_examples=40, deadline=None)
@given(steps, st.data())
def test_what_is_given_back_lets_others_go_and_never_too_many(
    client: Any, steps: list[tuple[float, float]], data: st.DataObject
) -> None:
    script = Script(client, tokens=LIMIT)
    amounts: dict[str, float] = {}
    gone_at: dict[str, float] = {}
    known: dict[str, float] = {}
    for number, (pause, amount) in enumerate(steps):
        script.now += pause
        gone_at.update({name: turn for name, turn in known.items() if turn <= script.now})
        amounts[f"w:{number}"] = amount
        waiting = {name: size for name, size in amounts.items() if name not in gone_at}
        known = dict(zip(waiting, script.turns(waiting), strict=True))
        gone_at.update({name: turn for name, turn in known.items() if turn <= script.now})
        held = [name for name in amounts if gone_at.get(name, script.now) > script.now - LENGTH / 2]
        if held and data.draw(st.booleans()):
            back = data.draw(st.sampled_from(held))
            before = {name: size for name, size in amounts.items() if name not in gone_at and name != back}
            turns = script.turns(before)
            script.ask(told=[{"kind": "unused", "id": back}])
            amounts.pop(back)
            gone_at.pop(back, None)
            known = dict(zip(before, script.turns(before), strict=True))
            for earlier, later in zip(turns, known.values(), strict=True):
                assert later <= earlier + 2 * SLOT + 1e-4  # nobody waits longer for it
        for at in gone_at.values():
            window = sum(amounts[name] for name, gone in gone_at.items() if at - LENGTH + 2 * SLOT < gone <= at)
            assert window <= LIMIT + 1e-6
    script.forget()


def test_more_than_the_limit_is_paid_for_by_those_who_come_later(client: Any) -> None:
    script = Script(client, tokens=LIMIT)
    assert script.turns({"w:1": 250.0}) == [BEGIN]
    [turn] = script.turns({"w:2": 100.0})
    assert BEGIN + 3 * LENGTH <= turn <= BEGIN + 3 * LENGTH + 5 * SLOT
    script.forget()


def test_a_dead_worker_gives_back_what_it_held_and_what_it_waited_for(client: Any) -> None:
    script = Script(client, tokens=LIMIT)
    script.turns({"dead:1": 100.0, "dead:2": 100.0}, worker="dead", lease=3.0)
    script.now += 1.0
    [turn] = script.turns({"w:1": 100.0})
    assert turn >= BEGIN + 2 * LENGTH
    script.now += 1.0
    assert script.ask(worker="dead", lease=3.0).workers == 2  # who lives renews its lease
    script.now += 2.5
    assert script.turns({"w:1": 100.0}) == [turn]
    script.now += 1.0
    reply = script.ask({"w:1": 100.0})
    assert reply.turns[0][0] == 0
    assert reply.workers == 1
    script.forget()


def test_all_is_forgotten_in_time(client: Any) -> None:
    script = Script(client, tokens=LIMIT)
    script.turns({"w:1": 100.0, "w:2": 100.0})
    for key in script._keys:
        assert 0 < client.pttl(key) < 2 * 3600 * 1000 + 2e9
    script.forget()
