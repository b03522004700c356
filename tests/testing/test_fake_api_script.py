"""Scripting the fake API, reading its journal, waiting for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_client import testing
from llm_client.testing import Call, Failure, FakeAPI, Interruption, RecordedRequest, Reply, Wire
from llm_client.testing.built_in import arguments_for
from llm_client.testing.limits import duration
from llm_client.testing.prompts import Prompt
from llm_client.testing.rendering import Draft

CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGES = {**CHAT, "max_tokens": 9}
EMBED = {"model": "e", "input": "x"}


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    with FakeAPI() as api:
        yield api


def post(api: FakeAPI, body: Any = CHAT, path: str = "/v1/chat/completions") -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)) as connection:
        connection.request("POST", path, json.dumps(body), {"X-Mark": "m"})
        answer = connection.getresponse()
        data = answer.read()
    return answer.status, data.decode() if body.get("stream") else json.loads(data)


def said(api: FakeAPI, **settings: Any) -> str:
    status, body = post(api, {**CHAT, **settings})
    assert status == 200, body
    text = body["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


# -- the queue ----------------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_script(api: FakeAPI) -> None:
    api.reply("one")
    api.reply(Reply("two"), times=2)
    api.fail(429, "slow down", headers={"Retry-After": "0"})
    api.reply("last", model="gpt-x")
    assert [said(api), said(api), said(api)] == ["one", "two", "two"]
    assert post(api)[0] == 429
    assert api.pending == 1
    assert post(api)[1]["model"] == "gpt-x"
    assert said(api) == "Hi"  # the built-in answer


def test_an_answer_for_one_endpoint_waits_for_it(api: FakeAPI) -> None:
    api.reply("for Claude", on="messages")
    api.fail(500, on="embeddings")
    api.reply("for the second question", on=lambda request: request.text == "two")
    api.fail(503, on="models")
    assert said(api) == "Hi"
    assert post(api, MESSAGES, "/v1/messages")[1]["content"][0]["text"] == "for Claude"
    assert post(api, EMBED, "/v1/embeddings")[0] == 500
    assert said(api, messages=[{"role": "user", "content": "two"}]) == "for the second question"
    assert api.pending == 1


def test_strict_servers_refuse_what_was_not_scripted() -> None:
    with FakeAPI(strict=True) as api:
        api.reply("one")
        assert said(api) == "one"
        status, body = post(api)
        assert status == 500
        assert "no scripted answer for request 2, POST /v1/chat/completions" in body["error"]["message"]
        assert post(api, MESSAGES, "/v1/messages/count_tokens")[0] == 200


def test_strict_servers_complain_about_what_was_never_asked_for() -> None:
    with pytest.raises(AssertionError, match=r"2 scripted answer\(s\)"), FakeAPI(strict=True) as api:
        api.reply("never", times=2)
    with pytest.raises(LookupError), FakeAPI(strict=True) as api:
        _ = (api.reply("never"), api.last_request)  # the test's own failure comes first


def test_a_function_answers_what_it_wants_to(api: FakeAPI) -> None:
    @api.on_request
    def answer(request: RecordedRequest) -> Reply | str | Failure | None:
        if request.text == "fail":
            return Failure(529)
        if request.text == "text":
            return f"{request.model} has {request.headers['x-mark']}"
        return Reply("a reply") if request.text == "reply" else None

    def ask(text: str) -> str:
        return said(api, messages=[{"role": "user", "content": text}])

    api.reply("from the queue")
    assert ask("text") == "gpt-5 has m"
    assert ask("reply") == "a reply"
    assert ask("else") == "from the queue"
    assert post(api, {**CHAT, "messages": [{"role": "user", "content": "fail"}]})[0] == 529


def test_a_function_that_raises_is_seen_by_client_and_test(api: FakeAPI) -> None:
    api.on_request(lambda request: request.body["missing"])
    status, body = post(api)
    assert (status, "KeyError('missing')" in body["error"]["message"]) == (500, True)
    assert "Traceback" in (api.last_request.error or "")
    wrong: Any = lambda request: 5  # noqa: E731
    api.on_request(wrong)
    assert "must be a string, Reply" in post(api)[1]["error"]["message"]


def test_defaults(api: FakeAPI) -> None:
    api.by_default("always")
    assert [said(api), said(api)] == ["always", "always"]
    assert post(api, EMBED, "/v1/embeddings")[0] == 200  # a text is no answer to this
    api.by_default(Failure(500))
    assert post(api)[0] == 500
    api.by_default(None)
    assert said(api) == "Hi"
    with FakeAPI(default="mine") as other:
        assert said(other) == "mine"


def test_clear_forgets_everything_but_the_count(api: FakeAPI) -> None:
    api.reply("one", times=3)
    api.on_request(lambda request: "two")
    post(api)
    api.clear()
    assert (api.pending, api.requests) == (0, [])
    assert said(api) == "Hi"
    assert api.last_request.number == 2


def test_reply_headers_replace_the_servers_own(api: FakeAPI) -> None:
    api.reply("Hi", headers={"X-Request-Id": "mine", "x-new": "1"})
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT))
        answer = connection.getresponse()
        answer.read()
    assert (answer.headers["x-request-id"], answer.headers["x-new"]) == ("mine", "1")


def test_broken_arguments_go_out_as_they_are(api: FakeAPI) -> None:
    api.reply(tool_calls=[Call("f", '{"a": '), "g", ("h",)], times=2)
    calls = post(api)[1]["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"a": ', "{}", "{}"]
    blocks = post(api, MESSAGES, "/v1/messages")[1]["content"]
    assert blocks[0]["input"] == {"INVALID_JSON": '{"a": '}


def test_two_runs_give_equal_bytes() -> None:
    bodies = []
    for _ in range(2):
        with FakeAPI() as api:
            api.reply("text", reasoning="why", tool_calls=["f"], times=3)
            bodies.append([
                post(api, {**CHAT, "stream": True}),
                post(api, {**CHAT, "input": "x"}, "/v1/responses"),
                post(api, MESSAGES, "/v1/messages"),
                post(api, EMBED, "/v1/embeddings"),
            ])  # fmt: skip
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Reply("a", chunks=["b"]), "joined"),
        (lambda: Reply(chunk_size=0), "at least 1"),
        (lambda: Reply(endless=True), "needs a text"),
        (lambda: Reply("x", endless=True, wire=Wire(framing="length")), "no length"),
        (lambda: Failure(200), "400 to 599"),
        (lambda: Wire(write=0), "positive number"),
        (lambda: Wire(newline="x"), "LF, CRLF or CR"),  # type: ignore[arg-type]
        (lambda: Wire(framing="x"), "framing"),  # type: ignore[arg-type]
        (lambda: Interruption("error"), "use fail"),
        (lambda: Interruption("stall", after_events=-1), "0 or more"),
        (lambda: FakeAPI(requests_per_minute=0), "at least 1"),
        (lambda: FakeAPI().reply("x", times=0), "at least 1"),
        (lambda: FakeAPI().reply("x", on="chats"), "endpoints are"),
    ],
)
def test_values_that_make_no_sense_are_refused(make: Any, word: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert word in str(caught.value)


def test_types_that_make_no_sense_are_refused() -> None:
    wrong: Any = 5
    for make in (
        lambda: Reply(wrong),
        lambda: Reply(tool_calls=[wrong]),
        lambda: FakeAPI().reply(wrong),
        lambda: FakeAPI().reply(Reply("x"), delay=1.0),
        lambda: FakeAPI(default=wrong),
    ):
        with pytest.raises(TypeError):
            make()


# -- scripts in JSON ----------------------------------------------------------------------------------------------


def test_scripts_in_json(api: FakeAPI) -> None:
    script = [
        "plain text",
        {"reply": {"text": "full", "usage": {"input": 3, "output": 4}, "wire": {"write": 1}}},
        {"reply": {"tool_calls": [["f", {"a": 1}], {"name": "g"}]}},
        {"fail": 429},
        {"fail": {"status": 500, "message": "m"}, "times": 2},
        {"fail_mid_stream": {"after": 1, "message": "mid", "reply": "x"}},
        {"hang_up": {"after_events": 1, "reply": {"text": "gone"}}, "on": "responses"},
        {"stall": {"seconds": 0.01}},
        {"raw": {"status": 201, "body": ["a", "b"]}},
    ]
    api.load_script(json.loads(json.dumps(script)))
    assert said(api) == "plain text"
    assert post(api)[1]["usage"]["total_tokens"] == 7
    assert len(post(api)[1]["choices"][0]["message"]["tool_calls"]) == 2
    assert [post(api)[0] for _ in range(3)] == [429, 500, 500]
    assert "mid" in post(api, {**CHAT, "stream": True})[1]
    assert said(api) == "Hi"  # after the stall; the hang-up waits for Responses
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT))
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (201, b"ab")
    assert api.pending == 1


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ({}, "list of steps"),
        ([5], "Step 1"),
        (["a", {"replay": {}}], "Step 2"),
        ([{"reply": {"txt": "a"}}], "txt"),
        ([{"reply": "a", "fail": 400}], "exactly one"),
        ([{"fail": {"status": 200}}], "400 to 599"),
        ([{"reply": "a", "on": "nowhere"}], "endpoints are"),
    ],
)
def test_scripts_with_mistakes_are_refused_whole(api: FakeAPI, script: Any, word: str) -> None:
    with pytest.raises(ValueError) as caught:
        api.load_script(script)
    assert word in str(caught.value)
    assert api.pending == 0


# -- the journal --------------------------------------------------------------------------------------------------


def test_a_request_is_recorded_with_all_that_matters(api: FakeAPI) -> None:
    before = time.time()
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    body = {**CHAT, "tools": tools, "stream": True}
    post(api, body, "/v1/chat/completions?x=1")
    request = api.last_request
    assert (request.number, request.method, request.path) == (1, "POST", "/v1/chat/completions?x=1")
    assert (request.endpoint, request.model, request.stream, request.text) == ("chat", "gpt-5", True, "Hi")
    assert (request.body, json.loads(request.raw), request.tools) == (body, body, ["f"])
    assert request.headers["x-mark"] == "m"
    assert (request.status, request.client_hung_up, request.error) == (200, False, None)
    assert request.finished is not None
    assert before <= request.started <= request.finished <= time.time()
    assert request.events_sent > 2


def test_bodies_that_are_no_json_are_kept_raw(api: FakeAPI) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)) as connection:
        connection.request("POST", "/v1/chat/completions", b"\xff{")
        assert connection.getresponse().status == 400
    assert (api.last_request.body, api.last_request.raw) == (None, b"\xff{")


def test_tool_results_of_every_dialect_are_read(api: FakeAPI) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chat = [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "r"},
    ]
    post(api, {"model": "m", "messages": chat})
    items = [
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "r"}]},
    ]
    post(api, {"model": "m", "input": items}, "/v1/responses")
    blocks = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "r"}]},
    ]
    post(api, {"model": "m", "max_tokens": 5, "messages": blocks}, "/v1/messages")
    assert [request.tool_results for request in api.requests] == [[("f", "r")]] * 3


def test_held_answers_wait_for_their_release(api: FakeAPI) -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(said(api))) for _ in range(4)]
    with api.holding():
        for thread in threads:
            thread.start()
        requests = api.wait_for_requests(4)
        assert (answers, [request.status for request in requests]) == ([], [None] * 4)
    for thread in threads:
        thread.join(5)
    assert answers == ["Hi"] * 4


def test_waits_name_what_did_not_come(api: FakeAPI) -> None:
    post(api)
    with pytest.raises(TimeoutError, match=r"Expected 2 request\(s\); there were 1 request\(s\), 0 of them under way"):
        api.wait_for_requests(2, timeout=0.01)
    with pytest.raises(TimeoutError, match="hang up 1 time"):
        api.wait_for_hang_up(timeout=0.01)
    with pytest.raises(TimeoutError, match=r"Expected 9 open connection\(s\)"):
        api.wait_for_connections(9, timeout=0.01)
    with pytest.raises(TimeoutError, match="did not come true"):
        api.wait_until(lambda: False, timeout=0.01)
    assert api.wait_until(lambda: "value", timeout=0) == "value"


def test_nothing_received_and_not_running_are_said_clearly() -> None:
    api = FakeAPI()
    with pytest.raises(LookupError, match="not received any request"):
        _ = api.last_request
    with pytest.raises(RuntimeError, match="not running"):
        _ = api.openai_url
    assert api.open_connections == 0
    api.stop()
    with api, pytest.raises(RuntimeError, match="runs already"):
        api.start()


async def test_waits_work_from_a_running_event_loop(api: FakeAPI) -> None:
    with api.holding():
        calls = [asyncio.create_task(asyncio.to_thread(said, api)) for _ in range(3)]
        assert len(await asyncio.to_thread(api.wait_for_requests, 3)) == 3
    assert await asyncio.gather(*calls) == ["Hi"] * 3


def test_latency_and_delays(api: FakeAPI) -> None:
    with FakeAPI(latency=0.05, chunk_delay=0.01) as slow:
        post(slow)
        request = slow.last_request
        assert request.finished is not None
        assert request.finished - request.started >= 0.05
        slow.reply("a b c", delay=0.0)
        post(slow, {**CHAT, "stream": True})
        request = slow.last_request
        assert request.finished is not None
        assert request.finished - request.started >= 0.01 * (request.events_sent - 1)


# -- small parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0021, "3ms"), (0.12, "120ms"), (1.5, "1.5s"), (59, "59s"), (360, "6m0s"), (61.5, "1m1.5s")],
)
def test_durations_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_arguments_are_made_from_schema_and_text() -> None:
    schema = {
        "$defs": {"Place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
        "type": "object",
        "properties": {
            "place": {"$ref": "#/$defs/Place"},
            "unit": {"enum": ["C", "F"]},
            "kind": {"const": "k"},
            "days": {"type": "integer", "maximum": 10},
            "ratio": {"type": "number"},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
            "list": {"type": ["array", "null"], "items": {"type": "string", "maxLength": 3}, "minItems": 2},
            "day": {"type": "string", "format": "date"},
            "nothing": {"type": "null"},
            "free": {},
            "limit": {"type": "integer", "default": 7},
        },
    }
    assert arguments_for(schema, "What about New York in 14 days at 2.5?") == {
        "place": {"city": "New York"},
        "unit": "C",
        "kind": "k",
        "days": 10,
        "ratio": 2.5,
        "maybe": True,
        "list": ["lis", "lis"],
        "day": "2026-01-31",
        "nothing": None,
        "free": "free",
        "limit": 7,
    }
    assert arguments_for({"type": "object", "properties": {"a": {"type": "string"}}, "required": []}, "") == {}
    endless: dict[str, Any] = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert "next" in arguments_for(endless, "")


@settings(deadline=None)
@given(st.text(), st.one_of(st.none(), st.integers(1, 5)))
def test_pieces_always_add_up(text: str, size: int | None) -> None:
    draft = Draft(1, {}, Prompt(), Reply(text, chunk_size=size))
    assert "".join(draft.text_pieces()) == text
    call = Call("f", text)
    assert "".join(draft.argument_pieces(call)) == text


KEYS = (
    "messages input content role type tools text tool_calls function model system tool_choice output parameters name "
    "input_schema response_format"
)
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS.split()), inner),
)


@settings(deadline=None, max_examples=60)  # the machine may be busy: time is not what is tested
@given(BODIES)
def test_any_body_can_be_read(body: Any) -> None:
    for endpoint in ("chat", "responses", "messages", "embeddings", "models"):
        request = RecordedRequest(1, 1, endpoint, "POST", "/", {}, body, b"", 0.0)  # type: ignore[arg-type]
        assert isinstance(request.text, str)
        assert isinstance(request.tools, list)


def test_public_names_are_lazy_and_complete() -> None:
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = testing.Nonsense  # type: ignore[attr-defined]
