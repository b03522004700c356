"""The forms of the vendors' batches: what goes in, and what is made of whatever comes out."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_client._core.batch_errors import BatchStoppedError
from llm_client._core.exceptions import SessionFileError
from llm_client._core.vendor_batch import (
    BatchEmbedding,
    BatchHandle,
    BatchLimits,
    BatchProblem,
    BatchRequest,
    BatchStatus,
    Intent,
    Outcome,
    as_batch_request,
    check_key,
    round_key,
    unanswered,
)
from llm_client._core.vendor_batch_answers import read_results, to_be_repeated
from llm_client._core.vendor_batch_packing import Pack, Packer, Question
from llm_client._core.wire import batch_anthropic, batch_openai
from llm_client._core.wire.batch_json import read_page, read_status
from llm_client.providers.types import CompletionResult

# The machine that runs this may be busy with other things.
PATIENT = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
WIRES = pytest.mark.parametrize("wire", [batch_openai, batch_anthropic])


def good(wire: Any, name: str, content: str = "yes") -> bytes:
    body = {"id": "x", "content": content}
    if wire is batch_openai:
        line: Any = {
            "custom_id": name,
            "response": {"status_code": 200, "request_id": "r", "body": body},
            "error": None,
        }
    else:
        line = {"custom_id": name, "result": {"type": "succeeded", "message": body}}
    return json.dumps(line).encode()


def bad(wire: Any, name: str) -> bytes:
    error = {"type": "invalid_request_error", "message": "no such thing"}
    if wire is batch_openai:
        line: Any = {"custom_id": name, "response": {"status_code": 400, "body": {"error": error}}, "error": None}
    else:
        line = {"custom_id": name, "result": {"type": "errored", "error": {"type": "error", "error": error}}}
    return json.dumps(line).encode()


# ------------------------------------------------------------ requests and handles


def test_a_request_takes_the_arguments_of_a_call() -> None:
    request = BatchRequest("Hello", "a", tools=[], tool_choice="auto", temperature=0.5)
    assert (request.messages, request.custom_id, request.options) == ("Hello", "a", {"temperature": 0.5})
    assert request == BatchRequest("Hello", custom_id="a", tools=[], tool_choice="auto", temperature=0.5)
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        BatchRequest("Hello", temprature=0.5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="custom_id is a string"):
        BatchRequest("Hello", custom_id=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="custom_id is a string"):
        BatchEmbedding("Hello", custom_id=7)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        request.custom_id = "b"  # type: ignore[misc]


def test_a_request_travels_between_processes() -> None:
    request = BatchRequest([{"role": "user", "content": "Hello"}], "a", temperature=0.5)
    assert pickle.loads(pickle.dumps(request)) == request
    assert copy.deepcopy(request) == request


def test_what_is_no_request_is_its_messages() -> None:
    assert as_batch_request("Hi", embeddings=False) == BatchRequest("Hi")
    assert as_batch_request(["Hi"], embeddings=True) == BatchEmbedding(["Hi"])
    given_one = BatchRequest("Hi")
    assert as_batch_request(given_one, embeddings=True) is given_one


def test_a_handle_survives_being_saved() -> None:
    handle = BatchHandle("openai", "batch_1", "key", ("a", "b"), "m", "embedding", "https://x/v1")
    saved = json.loads(json.dumps(handle.to_dict()))
    assert BatchHandle.from_dict(saved) == handle
    assert BatchHandle.from_dict({**saved, "of a later version": 1}) == handle
    with pytest.raises(SessionFileError, match="newer version"):
        BatchHandle.from_dict({**saved, "version": 99})
    with pytest.raises(SessionFileError, match="incomplete"):
        BatchHandle.from_dict({"format": saved["format"], "version": 1, "custom_ids": []})
    with pytest.raises(SessionFileError, match="states the format"):
        BatchHandle.from_dict({"format": "a shopping list"})


def test_names_of_submissions_are_short_and_plain() -> None:
    assert check_key("night-2026_11") == "night-2026_11"
    for wrong in ("", "a b", "x" * 49, "ä"):
        with pytest.raises(ValueError, match="1 to 48 letters"):
            check_key(wrong)
    with pytest.raises(TypeError, match="key is a string"):
        check_key(7)


@PATIENT
@given(key=st.from_regex(r"[A-Za-z0-9_-]{1,48}", fullmatch=True), number=st.integers(0, 10_000))
def test_names_of_further_rounds_fit_and_are_their_own(key: str, number: int) -> None:
    name = round_key(key, number)
    assert check_key(name) == round_key(key, number)
    assert name == key or number
    assert name != round_key(key, number + 1)


def test_names_of_further_rounds_of_long_keys_differ() -> None:
    assert round_key("night", 2) == "night-r2"
    assert round_key("k" * 47 + "a", 1) != round_key("k" * 47 + "b", 1)


def test_the_error_of_a_batch_travels_with_its_handles() -> None:
    handle = BatchHandle("openai", "batch_1", "key", ("a", "b"), "m")
    error = pickle.loads(pickle.dumps(BatchStoppedError("stopped", handles=[handle])))
    assert (type(error), str(error), error.handles, error.summary) == (BatchStoppedError, "stopped", (handle,), None)


# ------------------------------------------------------------ packing


class SmallCodec:
    LIMITS = BatchLimits(requests=3, size=100, inputs=5)
    FRAME = 10
    CUSTOM_ID = re.compile(r"[a-z0-9-]+")

    def line(self, custom_id: str, path: str, body: bytes) -> bytes:
        return custom_id.encode() + b":" + body + b"\n"


def question(body: bytes = b"{}", inputs: int = 0, path: str = "/p", **headers: str) -> Question:
    def read(outcome: Outcome) -> CompletionResult:
        return CompletionResult()

    return Question(path, body, read, headers, inputs)


def pack_all(questions: list[Question], key: str = "k") -> list[Pack]:
    packer = Packer(key, SmallCodec())
    packs = [pack for each in questions if (pack := packer.add(None, each)) is not None]
    rest = packer.rest()
    return packs if rest is None else [*packs, rest]


@PATIENT
@given(st.lists(st.tuples(st.integers(2, 80), st.integers(0, 5), st.sampled_from(["/p", "/q"])), max_size=40))
def test_packs_keep_the_limits_and_the_order(sizes: list[tuple[int, int, str]]) -> None:
    packs = pack_all([question(b"x" * size, inputs, path) for size, inputs, path in sizes])
    assert [name for pack in packs for name in pack.custom_ids] == [f"k-{number}" for number in range(len(sizes))]
    assert [pack.part for pack in packs] == list(range(len(packs)))
    for pack in packs:
        assert 1 <= len(pack.lines) <= 3
        assert sum(map(len, pack.lines)) + 10 <= 100
        assert pack.inputs <= 5 or len(pack.lines) == 1
        assert len(pack.lines) == len(pack.custom_ids)


def test_packs_are_no_smaller_than_they_need_be() -> None:
    assert [len(pack.lines) for pack in pack_all([question()] * 7)] == [3, 3, 1]
    assert [len(pack.lines) for pack in pack_all([question(inputs=2)] * 4)] == [2, 2]
    assert [len(pack.lines) for pack in pack_all([question(b"x" * 43)] * 3)] == [1, 1, 1]


def test_a_request_that_fits_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match=r"request 0 alone has 15\d bytes; a batch takes 100"):
        pack_all([question(b"x" * 150)])


def test_names_come_once_and_are_what_the_vendor_takes() -> None:
    packer = Packer("k", SmallCodec())
    packer.add("a", question())
    with pytest.raises(ValueError, match="requests 0 and 1 have the same custom_id 'a'"):
        packer.add("a", question())
    with pytest.raises(ValueError, match="custom_id of request 1 is 'A'"):
        packer.add("A", question())
    assert Packer("k", SmallCodec()).rest() is None


def test_headers_of_a_batch_are_those_of_all_its_requests() -> None:
    packer = Packer("k", SmallCodec())
    for value in ("one", "two", "one"):
        packer.add(None, question(beta=value))
    rest = packer.rest()
    assert rest is not None
    assert rest.headers == {"beta": "one,two"}


def test_the_same_requests_have_the_same_digest() -> None:
    first, second = pack_all([question()])[0].intent("k"), pack_all([question()])[0].intent("k")
    assert first == second == Intent.from_dict(json.loads(json.dumps(first.to_dict())))
    assert pack_all([question(b"[]")])[0].intent("k").digest != first.digest


# ------------------------------------------------------------ what goes out


def test_openais_file() -> None:
    lines = [batch_openai.line("ä", "/chat/completions", b'{"model":"m"}') for _ in range(2)]
    assert json.loads(lines[0]) == {
        "custom_id": "ä", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}
    }  # fmt: skip
    kind, body = batch_openai.upload(lines, "mark")
    assert kind == "multipart/form-data; boundary=mark"
    parts = body.split(b"--mark")
    assert len(parts) == 4
    assert parts[3] == b"--\r\n"
    assert parts[1].endswith(b'name="purpose"\r\n\r\nbatch\r\n')
    assert parts[2].partition(b"\r\n\r\n")[2] == b"".join(lines) + b"\r\n"
    made = json.loads(batch_openai.create_body("file-1", "/responses", Intent("k", 2, "d", 1)))
    assert made["completion_window"] == "24h"
    assert made["endpoint"] == "/v1/responses"
    assert made["metadata"] == {"llm_client_key": "k", "llm_client_part": "2", "llm_client_digest": "d"}


def test_anthropics_batch() -> None:
    lines = [batch_anthropic.line(name, "", b'{"model":"m"}') for name in ("a", "b")]
    body = batch_anthropic.create_body(lines)
    assert json.loads(body) == {
        "requests": [{"custom_id": "a", "params": {"model": "m"}}, {"custom_id": "b", "params": {"model": "m"}}]
    }
    assert len(body) <= sum(map(len, lines)) + batch_anthropic.FRAME


# ------------------------------------------------------------ statuses


@pytest.mark.parametrize(
    ("word", "state"),
    [("validating", "running"), ("in_progress", "running"), ("finalizing", "running"), ("something new", "running"),
     ("cancelling", "canceling"), ("completed", "ended"), ("failed", "ended"), ("expired", "ended"),
     ("cancelled", "ended")],
)  # fmt: skip
def test_openais_words(word: str, state: str) -> None:
    body = {
        "id": "batch_1", "status": word, "created_at": 5, "expires_at": None, "output_file_id": "f", "errors": None,
        "request_counts": {"total": 3, "completed": 2, "failed": 1}, "metadata": {"a": "b", "c": 1},
    }  # fmt: skip
    status = read_status(batch_openai, json.dumps(body).encode())
    assert status is not None
    assert (status.id, status.state, status.vendor_state, status.done) == ("batch_1", state, word, state == "ended")
    assert (status.total, status.succeeded, status.failed) == (3, 2, 1)
    assert (status.created_at, status.expires_at, status.results) == (5.0, None, ("f",))
    assert status.labels == {"a": "b"}


def test_anthropics_words() -> None:
    body: dict[str, Any] = {
        "id": "msgbatch_1", "processing_status": "ended", "created_at": "2026-01-01T00:00:00.123456789Z",
        "expires_at": "2026-01-02T00:00:00+00:00", "results_url": "https://x/results",
        "request_counts": {"processing": 0, "succeeded": 4, "errored": 3, "canceled": 2, "expired": 1},
    }  # fmt: skip
    status = read_status(batch_anthropic, json.dumps(body).encode())
    assert status is not None
    assert status.done
    assert (status.total, status.succeeded, status.failed) == (10, 4, 6)
    assert (status.created_at, status.expires_at) == (1_767_225_600.0, 1_767_312_000.0)
    body.update(processing_status="canceling", created_at="yesterday", request_counts=None)
    status = read_status(batch_anthropic, json.dumps(body).encode())
    assert status is not None
    assert (status.state, status.created_at, status.total) == ("canceling", None, 0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "id", "status", "processing_status", "request_counts", "metadata", "errors", "data", "has_more", "output_file_id",
    "created_at", "results_url", "custom_id", "response", "result", "error", "type", "message", "status_code", "body",
)  # fmt: skip
vendor_like = st.dictionaries(
    st.sampled_from(FIELDS), json_values | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5), max_size=9
)


@WIRES
@PATIENT
@given(value=vendor_like | json_values)
def test_no_answer_makes_a_reader_fail(wire: Any, value: Any) -> None:
    data = json.dumps(value).encode()
    status, page, line = read_status(wire, data), read_page(wire, data), wire.read_line(value)
    assert status is None or isinstance(status, BatchStatus)
    assert page is None or isinstance(page[0], list)
    assert line is None or (isinstance(line[0], str) and 200 <= line[1].status < 600)
    assert batch_openai.read_file_id(data) is None or value["id"]


@WIRES
@PATIENT
@given(data=st.binary(max_size=30))
def test_no_bytes_make_a_reader_fail(wire: Any, data: bytes) -> None:
    outcomes, _ = read_results([data], wire.read_line)
    assert all(isinstance(name, str) for name in outcomes)
    assert read_status(wire, data) is None or data


# ------------------------------------------------------------ results


@WIRES
@PATIENT
@given(data=st.data())
def test_results_in_any_order_torn_or_mixed_with_other_things(wire: Any, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text(max_size=6), unique=True, max_size=12))
    answered = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    lines = [good(wire, name, name) if name in answered else bad(wire, name) for name in names]
    noise = data.draw(st.lists(st.sampled_from([b"", b"  ", b"{", b"[]", b"\xff", b'{"custom_id":7}'])))
    torn = data.draw(st.sampled_from([None, *range(len(lines))]))
    torn_name = None if torn is None else names[torn]
    if torn is not None:
        lines[torn] = lines[torn][: data.draw(st.integers(1, len(lines[torn]) - 1))]
    everything = data.draw(st.permutations([*lines, *noise]))
    cut = data.draw(st.integers(0, len(everything)))
    files = [b"\n".join(everything[:cut]), b"\r\n".join(everything[cut:]) + b"\n"]
    outcomes, damaged = read_results(files, wire.read_line)
    assert outcomes.keys() == set(names) - {torn_name}
    assert damaged == (torn is not None) + sum(bool(each.strip()) for each in noise)
    for name, outcome in outcomes.items():
        assert outcome.ok == (name in answered)
        if outcome.ok:
            assert json.loads(outcome.body)["content"] == name
        else:
            assert outcome.status == 400
            assert outcome.failure is not None
            assert outcome.failure.message == "no such thing"


@WIRES
def test_a_paid_answer_outweighs_a_word_that_there_is_none(wire: Any) -> None:
    for lines in ([good(wire, "a"), bad(wire, "a")], [bad(wire, "a"), good(wire, "a")]):
        outcomes, damaged = read_results([b"\n".join(lines)], wire.read_line)
        assert outcomes["a"].ok
        assert damaged == 0


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ({"response": None, "error": {"code": "batch_expired", "message": "late"}}, 408, "expired"),
        ({"response": None, "error": {"code": "batch_cancelled", "message": "off"}}, 499, "canceled"),
        ({"response": None, "error": {"code": "rate_limit_exceeded", "message": "slow down"}}, 429, None),
        ({"response": None, "error": {"code": "new", "message": "what"}}, 500, None),
        ({"response": None, "error": {"code": "new"}}, 502, "missing"),
        ({"response": None, "error": None}, 502, "missing"),
        ({"response": {"status_code": 503, "body": None}, "error": None}, 503, None),
        ({"response": {"status_code": 302, "body": "elsewhere"}, "error": None}, 502, None),
        ({"response": {"status_code": 400, "body": {"error": {"code": "context_length_exceeded", "message": "long"}}}},
         400, "context_length"),
    ],
)  # fmt: skip
def test_openais_kinds_of_failure(line: dict[str, Any], status: int, code: str | None) -> None:
    read = batch_openai.read_line({"custom_id": "a", **line})
    assert read is not None
    assert read[0] == "a"
    assert (read[1].status, read[1].failure and read[1].failure.code) == (status, code)


@pytest.mark.parametrize(
    ("result", "status", "code"),
    [
        ({"type": "expired"}, 408, "expired"),
        ({"type": "canceled"}, 499, "canceled"),
        ({"type": "errored", "error": {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}}, 529,
         None),
        ({"type": "errored", "error": {"type": "invalid_request_error", "message": "x"}}, 400, None),
        ({"type": "errored", "error": None}, 502, "missing"),
        ({"type": "something new"}, 502, "missing"),
        ({"type": "succeeded", "message": None}, 502, "missing"),
        (None, 502, "missing"),
    ],
)  # fmt: skip
def test_anthropics_kinds_of_failure(result: Any, status: int, code: str | None) -> None:
    read = batch_anthropic.read_line({"custom_id": "a", "result": result})
    assert read is not None
    assert (read[1].status, read[1].failure and read[1].failure.code) == (status, code)


def test_what_no_file_mentions() -> None:
    def of(word: str, *problems: BatchProblem) -> list[tuple[int, str | None]]:
        status = BatchStatus("b", "ended", word, problems=problems)
        found = [unanswered(status, ["x", "y"], position) for position in range(2)]
        return [(each.status, each.failure.code if each.failure else None) for each in found]

    assert of("expired") == [(408, "expired")] * 2
    assert of("cancelled") == [(499, "canceled")] * 2
    assert of("completed") == [(502, "missing")] * 2
    assert of("failed", BatchProblem("bad line", "invalid", 2)) == [(503, None), (400, "invalid")]
    assert of("failed", BatchProblem("all bad", "invalid")) == [(400, "invalid")] * 2
    assert of("failed", BatchProblem("full", "token_limit_exceeded")) == [(429, "token_limit_exceeded")] * 2


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [(200, None, False), (408, "expired", True), (502, "missing", True), (499, "canceled", False), (400, None, False),
     (429, None, True), (429, "insufficient_quota", False), (529, None, True)],
)  # fmt: skip
def test_what_is_submitted_again(status: int, code: str | None, again: bool) -> None:
    error = None if status == 200 else "words"
    assert to_be_repeated(CompletionResult(status=status, error=error, error_code=code)) is again


def test_an_intent_finds_its_batch_and_no_other() -> None:
    intent = Intent("k", 0, "d", 2)
    labels = {"llm_client_key": "k", "llm_client_part": "0", "llm_client_digest": "d"}
    assert batch_openai.is_of(BatchStatus("b", "running", "x", labels=labels), intent)
    assert not batch_openai.is_of(BatchStatus("b", "running", "x", labels={**labels, "llm_client_part": "1"}), intent)
    assert not batch_openai.is_of(BatchStatus("b", "running", "x"), intent)
    with pytest.raises(ValueError, match="used before, for other requests"):
        batch_openai.is_of(BatchStatus("b", "running", "x", labels={**labels, "llm_client_digest": "e"}), intent)
    assert batch_anthropic.is_of(BatchStatus("b", "running", "x", total=2), intent)
    assert not batch_anthropic.is_of(BatchStatus("b", "running", "x", total=3), intent)
