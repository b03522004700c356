"""Embeddings: requests and their splitting, answers in both encodings."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.profiles import ModelProfile
from llm_client._core.results import Attempt, EmbeddingResult
from llm_client._core.usage import NO_USAGE
from llm_client._core.wire.openai_embeddings import (
    MAX_INPUTS,
    MAX_TOKENS,
    EmbeddingRequest,
    build_request,
    embedding_request,
    join,
    parse_response,
    split,
)
from support.openai_wire import check_body

MODEL = "text-embedding-3-small"
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def asked(inputs: Any = "Hello", *, model: str = MODEL, **given: Any) -> EmbeddingRequest:
    return embedding_request(inputs, model=model, profile=ModelProfile.resolve(model), **given)


def base64_of(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def reply(*vectors: Any, numbers: list[Any] | None = None, **given: Any) -> bytes:
    data: list[dict[str, Any]] = [{"object": "embedding", "embedding": vector} for vector in vectors]
    for item, number in zip(data, range(len(data)) if numbers is None else numbers, strict=True):
        item["index"] = number
    usage = {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}
    return json.dumps({"object": "list", "data": data, "model": MODEL, "usage": usage, **given}).encode()


def read(body: bytes, count: int = 1) -> EmbeddingResult:
    return parse_response(body, asked(["x"] * count), count)


# --- requests


def test_a_request() -> None:
    made = asked("Hello", dimensions=256, user="u", extra_body={"priority": 1})
    assert build_request(made, made.inputs) == {
        "model": MODEL,
        "input": ["Hello"],
        "encoding_format": "base64",
        "dimensions": 256,
        "user": "u",
        "priority": 1,
    }
    plain = asked(("a", "b"), encoding_format="float")
    assert check_body("embeddings", build_request(plain, plain.inputs))["encoding_format"] == "float"


@pytest.mark.parametrize(
    ("inputs", "sent"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        (iter("ab"), ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], (3,)], [[1, 2], [3]]),
        (["a", [1]], ["a", [1]]),
    ],
)
def test_forms_of_inputs(inputs: Any, sent: Any) -> None:
    made = asked(inputs)
    assert build_request(made, made.inputs)["input"] == sent


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ("", ValueError, "inputs is an empty string"),
        ([], ValueError, "inputs is empty"),
        (["a", ""], ValueError, r"inputs\[1\] is an empty string"),
        ([[1], []], ValueError, r"inputs\[1\] is an empty list"),
        (b"a", TypeError, "got bytes"),
        ({"a": 1}, TypeError, "got dict"),
        (None, TypeError, "got NoneType"),
        (["a", 1], TypeError, r"inputs\[1\] is a string or"),
        ([1, "a"], TypeError, "token numbers"),
        ([[1, 2.5]], TypeError, r"inputs\[0\] holds"),
        ([True], TypeError, "got bool"),
    ],
)
def test_inputs_that_cannot_be_embedded(inputs: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        asked(inputs)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"encoding_format": "hex"}, ValueError, "'hex'"),
        ({"dimensions": 0}, ValueError, "at least 1"),
        ({"dimensions": 2.0}, TypeError, "float"),
        ({"dimensions": True}, TypeError, "bool"),
        ({"extra_body": []}, TypeError, "extra_body"),
        ({"dimensions": 10, "model": "text-embedding-ada-002"}, ValueError, "one size only"),
        ({"model": "gpt-5.2"}, ValueError, "not an embedding model"),
        ({"model": "claude-sonnet-4-5"}, ValueError, "not an embedding model"),
    ],
)
def test_arguments_out_of_range(given: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        asked(**given)


def test_models_that_nobody_knows_are_asked() -> None:
    assert asked(model="nomic-embed-text", dimensions=256).model == "nomic-embed-text"
    assert asked(encoding_format=None).encoding_format == "base64"


# --- splitting


def test_few_inputs_are_one_part() -> None:
    made = asked(["a", "b"])
    assert split(made) == [["a", "b"]]


def test_at_most_2048_inputs_in_a_part() -> None:
    inputs = [str(number) for number in range(MAX_INPUTS * 2 + 1)]
    parts = split(asked(inputs))
    assert [len(part) for part in parts] == [MAX_INPUTS, MAX_INPUTS, 1]
    assert [item for part in parts for item in part] == inputs
    assert len(split(asked(inputs[:MAX_INPUTS]))) == 1


def test_at_most_300000_tokens_in_a_part() -> None:
    # No text has more tokens than the model reads, however long it is: 36 of 8192 fit.
    assert [len(part) for part in split(asked(["word " * 8000] * 100))] == [36, 36, 28]
    assert [len(part) for part in split(asked([[1] * 8000] * 100))] == [37, 37, 26]
    # Bytes, not characters.
    assert [len(part) for part in split(asked(["東" * 1000] * 101))] == [100, 1]


def test_a_single_input_that_is_too_long_is_left_to_the_api() -> None:
    made = asked(["a", "b" * 10_000_000, "c"], model="nomic-embed-text")
    assert [len(part) for part in split(made)] == [1, 1, 1]


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=60))
def test_parts_are_in_order_and_within_the_limits(sizes: list[int]) -> None:
    inputs = ["é" * size for size in sizes]
    made = asked(inputs, model="nomic-embed-text")
    parts = split(made)
    assert [item for part in parts for item in part] == inputs
    for part, following in zip(parts, [*parts[1:], []], strict=True):
        size = sum(len(item) * 2 for item in part)
        assert size <= MAX_TOKENS
        assert not following or size + len(following[0]) * 2 > MAX_TOKENS


# --- answers


def test_an_answer_in_base64() -> None:
    result = read(reply(base64_of([0.5, -1.0]), base64_of([0.25, 2.0])), 2)
    assert result.embeddings == [[0.5, -1.0], [0.25, 2.0]]
    assert result.embedding == [0.5, -1.0]
    assert (result.ok, result.model) == (True, MODEL)
    usage = result.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1_000_000, 0, 1_000_000)
    assert usage.total_cost == pytest.approx(0.02)


def test_an_answer_in_numbers() -> None:
    result = read(reply([0.5, 1, -3]))
    assert result.embeddings == [[0.5, 1.0, -3.0]]
    assert all(type(number) is float for number in result.embeddings[0])


@given(st.lists(FLOAT32, min_size=1, max_size=20))
def test_both_encodings_give_the_same_vector(vector: list[float]) -> None:
    assert read(reply(base64_of(vector))).embeddings == read(reply(vector)).embeddings == [vector]


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    assert read(reply([2.0], [0.0], [1.0], numbers=[2, 0, 1]), 3).embeddings == [[0.0], [1.0], [2.0]]
    assert read(reply([0.0], [1.0], numbers=[None, None]), 2).embeddings == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("body", "count", "words"),
    [
        (b"", 1, "empty"),
        (b"<html>Sign in</html>", 1, "<html>Sign in</html>"),
        (b'{"data": [{"embedding": [', 1, "it begins"),
        (b"[]", 1, "list of embeddings"),
        (reply([1.0], data=None), 1, "list of embeddings"),
        (reply([]), 1, "list of embeddings"),
        (reply(""), 1, "list of embeddings"),
        (reply("!!!!"), 1, "list of embeddings"),
        (reply("AAAA"), 1, "list of embeddings"),
        (reply("AAAAA"), 1, "list of embeddings"),
        (reply(base64_of([1.0])[:-2] + "!!" + base64_of([1.0])[-2:]), 1, "list of embeddings"),
        (reply([1.0, None]), 1, "list of embeddings"),
        (reply([1.0, "2"]), 1, "list of embeddings"),
        (reply(None), 1, "list of embeddings"),
        (reply([1.0], [2.0], numbers=[0, 0]), 2, "list of embeddings"),
        (reply([1.0], [2.0], numbers=[1, 2]), 2, "list of embeddings"),
        (reply([1.0], [2.0], numbers=[0, None]), 2, "list of embeddings"),
        (reply([1.0]), 2, "holds 1 embeddings, expected 2"),
        (reply(), 1, "holds 0 embeddings, expected 1"),
    ],
)
def test_broken_replies(body: bytes, count: int, words: str) -> None:
    result = read(body, count)
    assert (result.ok, result.status, result.embeddings) == (False, 502, [])
    assert result.error is not None
    assert words in result.error


def test_an_error_under_status_200() -> None:
    result = read(b'{"error": {"message": "No more.", "type": "rate_limit_error"}}')
    assert (result.status, result.error) == (429, "No more.")


def test_usage_that_nobody_can_read() -> None:
    for usage in (None, {}, 5, {"prompt_tokens": "x"}):
        result = read(reply([1.0], usage=usage))
        assert (result.ok, result.usage) == (True, NO_USAGE)


@given(JSON)
def test_whatever_comes_is_a_result(value: Any) -> None:
    for body in (value, {"data": value}, {"data": [value]}, {"data": [{"embedding": value}]}):
        assert isinstance(read(json.dumps(body).encode()), EmbeddingResult)


# --- joining


def test_joining() -> None:
    first = replace(read(reply([1.0])), request_id="a", attempts=(Attempt(500, "x", 0.1), Attempt(200)))
    second = replace(read(reply([2.0])), request_id="b", attempts=(Attempt(200),))
    joined = join([first, second])
    assert joined.embeddings == [[1.0], [2.0]]
    assert (joined.usage.input_tokens, joined.usage.total_cost) == (2_000_000, pytest.approx(0.04))
    assert (joined.model, joined.request_id, len(joined.attempts)) == (MODEL, "b", 3)
    assert join([first]) is first


def test_joining_where_one_failed() -> None:
    good = read(reply([1.0]))
    failed = EmbeddingResult(status=429, error="Slow down.", error_code=None, attempts=(Attempt(429, "x"),))
    joined = join([good, failed, None, good])
    assert (joined.ok, joined.status, joined.embeddings) == (False, 429, [])
    assert joined.error == "2 of 4 requests succeeded; another one failed: Slow down."
    assert joined.usage.input_tokens == 2_000_000
    nothing = join([failed, None])
    assert nothing.usage == NO_USAGE
    assert nothing.error == "0 of 2 requests succeeded; another one failed: Slow down."
