"""Stored answers: equal to what was stored, and nothing at all where they are damaged."""

from __future__ import annotations

import sys
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core import jsons
from llm_client._core.cache_answers import as_events, as_hit, as_shared, shared_event
from llm_client._core.cache_entry import Entry, decode_entry, encode_entry, is_worth_keeping
from llm_client._core.cache_frame import DamagedEntry, UnreadableEntry, check_compression, seal, unseal
from llm_client._core.cache_vectors import StoredVector, decode_vector, encode_vector, joined, to_stored
from llm_client._core.events import StreamEvent, StreamEventType
from llm_client._core.messages import ProviderItems, ToolCall, ToolCallDelta
from llm_client._core.results import Attempt, CompletionResult, EmbeddingResult
from llm_client._core.structured import TEXT, output_form
from llm_client._core.usage import Usage

FULL = CompletionResult(
    content="Hello \U0001f600",
    tool_calls=[ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "g", "")],
    usage=Usage(10, 5, 15, 2, 0.1, 0.2, 0.3, 1, 3),
    reasoning="Hm.",
    model="m-2026",
    finish_reason="tool_calls",
    raw_finish_reason="tool_use",
    raw={"id": "x", "choices": [1, {"n": 2**64}], "pi": 3.5},
    refusal="No.",
    provider_items=ProviderItems("anthropic-messages", ({"type": "thinking", "signature": "s"},)),
    request_id="req-1",
    provider="anthropic",
    attempts=(Attempt(500, "x", 1.0), Attempt(200)),
)


def stored(result: CompletionResult, events: list[StreamEvent] | None = None) -> Entry:
    data = encode_entry(result, events)
    assert data is not None
    entry = decode_entry(data)
    assert entry is not None
    return entry


def test_a_result_comes_back_whole() -> None:
    entry = stored(FULL)
    assert entry.result() == FULL
    assert entry.result().raw == FULL.raw
    hit = as_hit(entry, TEXT, None)
    assert hit is not None
    assert hit.cached
    assert not hit.coalesced
    assert (hit.usage.input_tokens, hit.usage.output_tokens, hit.usage.reasoning_tokens) == (10, 5, 3)
    assert (hit.usage.input_cost, hit.usage.output_cost, hit.usage.total_cost) == (0.0, 0.0, 0.0)
    assert hit.attempts == ()
    assert hit.provider_items == FULL.provider_items
    assert entry.cost == 0.3


def test_only_complete_successful_answers_are_worth_keeping() -> None:
    assert is_worth_keeping(FULL)
    assert is_worth_keeping(CompletionResult(content="cut", finish_reason="length"))
    assert not is_worth_keeping(CompletionResult(status=500, error="no"))
    assert not is_worth_keeping(CompletionResult(status=200, error="not in the wanted form"))
    assert not is_worth_keeping(CompletionResult(content="", finish_reason="content_filter"))


def test_what_json_cannot_hold_is_not_stored() -> None:
    assert encode_entry(CompletionResult(raw={"x": object()})) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
COUNTS = st.integers(0, 10**9)
COSTS = st.none() | st.floats(0, 1e6)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COSTS, COSTS, COSTS, COUNTS, COUNTS)
DELTAS = st.builds(ToolCallDelta, COUNTS, st.none() | st.text(), st.none() | st.text(), st.text())
CALLS = st.builds(ToolCall, st.text(), st.text(min_size=1), st.text())
SURROGATES = st.text(st.characters(codec=None), max_size=20)
KINDS = StreamEventType
EVENTS = st.one_of(
    st.builds(StreamEvent, st.sampled_from([KINDS.TOKEN, KINDS.REASONING]), SURROGATES),
    st.builds(StreamEvent, st.sampled_from([KINDS.TOOL_CALL_START, KINDS.TOOL_CALL_DELTA]), DELTAS),
    st.builds(StreamEvent, st.just(KINDS.TOOL_CALL_END), CALLS),
    st.builds(StreamEvent, st.just(KINDS.USAGE), USAGES),
    st.builds(StreamEvent, st.just(KINDS.META), st.dictionaries(st.text(), JSON, max_size=3)),
)
RESULTS = st.builds(
    CompletionResult,
    content=SURROGATES,
    tool_calls=st.none() | st.lists(CALLS, max_size=3),
    usage=USAGES,
    reasoning=st.none() | st.text(),
    model=st.none() | st.text(),
    finish_reason=st.none() | st.sampled_from(["stop", "length", "tool_calls"]),
    raw=JSON,
    refusal=st.none() | st.text(),
    provider_items=st.none()
    | st.builds(
        ProviderItems, st.text(), st.lists(st.dictionaries(st.text(), JSON, max_size=2), max_size=2).map(tuple)
    ),
)


@given(st.lists(EVENTS, max_size=12), RESULTS)
def test_any_event_sequence_comes_back_event_for_event(events: list[StreamEvent], result: CompletionResult) -> None:
    given_events = [*events, StreamEvent(KINDS.DONE, result)]
    entry = stored(result, given_events)
    assert entry.result() == result
    assert entry.result().raw == result.raw
    again = entry.replay(entry.result(), now=1000.0)
    assert again == given_events
    assert [type(event.data) for event in again] == [type(event.data) for event in given_events]


def test_events_keep_their_pace_and_end_now() -> None:
    events = [
        StreamEvent(KINDS.TOKEN, "a", 50.0),
        StreamEvent(KINDS.TOKEN, "b", 50.5),
        StreamEvent(KINDS.DONE, FULL, 52.0),
    ]
    again = stored(FULL, events).replay(FULL, now=1000.0)
    assert [event.timestamp for event in again] == [998.0, 998.5, 1000.0]


def test_a_whole_answer_is_replayed_as_a_stream_and_a_hit_costs_nothing() -> None:
    entry = stored(CompletionResult(content="Hello there", usage=Usage(1, 2, 3, 0, 1.0, 2.0, 3.0)))
    hit = as_hit(entry, TEXT, None)
    assert hit is not None
    events = list(as_events(entry, hit, 0.0))
    assert [event.type.value for event in events] == ["token", "token", "usage", "done"]
    assert events[-1].data is hit
    assert events[-2].data.total_cost == 0.0


def test_an_answer_that_lacks_the_wanted_form_is_no_hit() -> None:
    form = output_form(list[int])
    assert as_hit(stored(CompletionResult(content='{"value": "no"}')), form, None) is None
    hit = as_hit(stored(CompletionResult(content='{"value": [1, 2]}')), form, None)
    assert hit is not None
    assert hit.parsed == [1, 2]


def test_a_shared_answer_is_a_copy_in_the_form_that_its_taker_asked_for() -> None:
    result = CompletionResult(
        content='{"value": [1]}', tool_calls=None, usage=Usage(1, 2, 3, 0, 1.0, 2.0, 3.0), parsed=[1]
    )
    shared = as_shared(result, output_form(list[float]), None)
    assert (shared.coalesced, shared.cached, shared.usage.total_cost, shared.usage.total_tokens) == (
        True,
        False,
        0.0,
        3,
    )
    assert shared.parsed == [1.0]
    assert shared.parsed is not result.parsed
    failed = as_shared(CompletionResult(status=500, error="no"), TEXT, None)
    assert (failed.ok, failed.coalesced, failed.error) == (False, True, "no")
    delta = StreamEvent(KINDS.TOOL_CALL_DELTA, ToolCallDelta(0, "1", "f", "{"))
    assert shared_event(delta, TEXT) == delta
    assert shared_event(delta, TEXT).data is not delta.data


def _damage() -> list[bytes]:
    good = jsons.loads(encode_entry(FULL) or b"")
    return [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b'{"v": 1}', b'{"v": 99, "result": {}}',
        jsons.dumps({**good, "result": {**good["result"], "nonsense": 1}}),
        jsons.dumps({**good, "result": {**good["result"], "usage": {"x": 1}}}),
        jsons.dumps({**good, "result": {**good["result"], "tool_calls": [[1]]}}),
        jsons.dumps({**good, "events": [["nonsense", 0, 1]]}),
        jsons.dumps({**good, "events": []}),
        jsons.dumps({**good, "events": [["usage", 0, 1]]}),
        (encode_entry(FULL) or b"")[:-5],
    ]  # fmt: skip


@pytest.mark.parametrize("data", _damage())
def test_a_damaged_entry_is_none(data: bytes) -> None:
    assert decode_entry(data) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_none(data: bytes) -> None:
    assert decode_entry(data) is None
    with pytest.raises(DamagedEntry):
        unseal(data)


@pytest.mark.parametrize("compression", [None, "zlib"])
@given(content=st.binary(max_size=2000), position=st.integers(0, 10**6), change=st.integers(1, 255))
def test_a_sealed_entry_opens_and_shows_any_change(
    compression: Any, content: bytes, position: int, change: int
) -> None:
    data = seal(content, 12.5, compression)
    assert unseal(data) == (content, 12.5)
    position %= len(data)
    with pytest.raises(DamagedEntry):
        unseal(data[:position] + bytes([data[position] ^ change]) + data[position + 1 :])
    with pytest.raises(DamagedEntry):
        unseal(data[:position])


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_compression_is_checked_and_saves_space(compression: Literal["zlib", "zstd"]) -> None:
    check_compression(compression)
    content = b"the same words again and again, " * 100
    sealed = seal(content, 7.0, compression)
    assert len(sealed) < len(content) / 10
    assert unseal(sealed) == (content, 7.0)
    assert unseal(seal(b"short", 7.0, compression)) == (b"short", 7.0)
    with pytest.raises(ValueError, match="compression is None"):
        check_compression("lzma")


def test_zstd_names_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = seal(b"the same words again and again, " * 100, 7.0, "zstd")
    monkeypatch.setattr(sys, "version_info", (3, 13))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ImportError, match="pip install zstandard"):
        check_compression("zstd")
    with pytest.raises(UnreadableEntry, match="pip install zstandard") as caught:
        unseal(sealed)
    assert caught.value.created == 7.0


def test_vectors_come_back_exactly() -> None:
    single = StoredVector([0.5, -0.25, 1.0], 3, 0.1, "m")
    double = StoredVector([0.1, 1e-300], 3, None, None)
    assert decode_vector(encode_vector(single)) == single
    assert decode_vector(encode_vector(double)) == double
    assert len(encode_vector(StoredVector([0.5] * 1536, 1, None, None))) < 1536 * 6
    assert decode_vector(encode_entry(FULL) or b"") is None
    assert decode_vector(b"{}") is None


def test_tokens_and_cost_of_a_request_are_shared_out_and_joined_again() -> None:
    result = EmbeddingResult([[1.0], [2.0], [3.0]], Usage(10, 0, 10, 0, 1.0, 0.0, 1.0), "m")
    parts = to_stored(result, [1, 1, 5])
    assert sum(part.tokens for part in parts) == 10
    assert sum(part.cost or 0.0 for part in parts) == pytest.approx(1.0)
    whole = joined(parts, None, ())
    assert (whole.embeddings, whole.cached, whole.usage.input_tokens, whole.usage.total_cost) == (
        [[1.0], [2.0], [3.0]], True, 10, 0.0,
    )  # fmt: skip
    mixed = joined(
        [parts[0], None, parts[2]], EmbeddingResult([[9.0]], Usage(4, 0, 4, 0, 0.5, 0.0, 0.5), "m"), [0, 0, 0]
    )
    assert (mixed.embeddings, mixed.cached, mixed.usage.total_cost) == ([[1.0], [9.0], [3.0]], False, 0.5)
