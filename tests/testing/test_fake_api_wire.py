"""The fake API on the wire, seen without any client library's help: framing, cutting, faults and hang-ups."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from llm_client.testing import FakeAPI, Reply, Wire

TEXT = "Grüße 東京 🙂 done"
CHAT = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
STREAM = {**CHAT, "stream": True}


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    with FakeAPI() as api:
        yield api


@pytest.fixture
def client(api: FakeAPI) -> Iterator[http.client.HTTPConnection]:
    with closing(http_client(api)) as connection:
        yield connection


def http_client(api: FakeAPI) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)


def post(
    connection: http.client.HTTPConnection, body: Any, path: str = "/v1/chat/completions", **headers: str
) -> http.client.HTTPResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, raw, {"content-type": "application/json", **headers})
    return connection.getresponse()


def exchange(api: FakeAPI, raw: bytes) -> bytes:
    """Send bytes as they are and read to the end of the connection."""
    with closing(socket.create_connection(("127.0.0.1", api.port), timeout=5)) as sock:
        sock.sendall(raw)
        pieces = []
        while data := sock.recv(65536):
            pieces.append(data)
    return b"".join(pieces)


def raw_request(body: Any, *headers: str, path: str = "/v1/chat/completions", version: str = "1.1") -> bytes:
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/{version}", "host: test", f"content-length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def read_events(body: bytes) -> list[Any]:
    """Events of a body with any line end, parsed in the plainest way."""
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    blocks = [block for block in text.split("\n\n") if block]
    data = [
        "\n".join(line[6:] for line in block.split("\n") if line.startswith("data: "))
        for block in blocks
        if not block.startswith(":")
    ]
    return [json.loads(item) if item != "[DONE]" else item for item in data]


def said(body: bytes) -> str:
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in read_events(body)[:-1])


# -- HTTP ---------------------------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    for _ in range(3):
        assert json.loads(post(client, CHAT).read())["choices"][0]["message"]["content"] == "Hi"
        assert read_events(post(client, STREAM).read())[-1] == "[DONE]"
    assert {request.connection for request in api.requests} == {1}
    assert api.open_connections == 1
    client.close()
    api.wait_for_connections(0)


def test_pipelined_requests_are_answered_in_order(api: FakeAPI) -> None:
    api.reply("first", delay=0.02)
    api.reply("second")
    answer = exchange(api, raw_request(CHAT) + raw_request(CHAT, "connection: close"))
    assert answer.index(b"first") < answer.index(b"second")
    assert not any(request.client_hung_up for request in api.requests)


def test_connection_close_and_http_1_0_end_the_connection(api: FakeAPI) -> None:
    assert b"connection: close" in exchange(api, raw_request(CHAT, "connection: close"))
    answer = exchange(api, raw_request(STREAM, version="1.0"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert said(body) == "Hi"


def test_chunked_request_bodies_and_expect_continue(api: FakeAPI) -> None:
    content = json.dumps(CHAT).encode()
    chunks = b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in (content[:7], content[7:]))
    head = b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n"
    head += b"expect: 100-continue\r\nconnection: close\r\n\r\n"
    answer = exchange(api, head + chunks + b"0\r\ntrailer: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert api.last_request.body == CHAT


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/models HTTP/2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000,
    ],
)
def test_bytes_that_are_no_request_get_a_400(api: FakeAPI, raw: bytes) -> None:
    try:
        answer = exchange(api, raw)
    except ConnectionResetError:  # the server closed while bytes were still on their way
        answer = b"HTTP/1.1 400"
    assert answer.startswith(b"HTTP/1.1 400")
    assert api.requests == []


def test_a_half_sent_request_leaves_nothing_behind(api: FakeAPI) -> None:
    with closing(socket.create_connection(("127.0.0.1", api.port), timeout=5)) as sock:
        sock.sendall(raw_request(CHAT)[:-10])
        api.wait_for_connections(1)
    api.wait_for_connections(0)
    assert api.requests == []


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "status", "param", "word"),
    [
        ("/v1/chat/completions", b"{not json", 400, None, "JSON"),
        ("/v1/chat/completions", b"[1]", 400, None, "JSON object"),
        ("/v1/chat/completions", {"messages": CHAT["messages"]}, 400, "model", "model"),
        ("/v1/chat/completions", {"model": "m"}, 400, "messages", "messages"),
        ("/v1/chat/completions", {"model": "m", "messages": []}, 400, "messages", "at least one"),
        ("/v1/chat/completions", {"model": 5, "messages": CHAT["messages"]}, 400, "model", "string"),
        ("/v1/responses", {"model": "m"}, 400, "input", "input"),
        ("/v1/embeddings", {"model": "m"}, 400, "input", "input"),
        ("/v1/embeddings", {"model": "m", "input": []}, 400, "input", "not empty"),
        ("/v1/nowhere", CHAT, 404, None, "/v1/nowhere"),
        ("/chat/completions", CHAT, 404, None, "/chat/completions"),
        ("/v1/models", CHAT, 405, None, "GET"),
    ],
)
def test_openai_refusals(
    api: FakeAPI, client: http.client.HTTPConnection, path: str, body: Any, status: int, param: str | None, word: str
) -> None:
    api.reply("not for this one")
    answer = post(client, body, path)
    error = json.loads(answer.read())["error"]
    assert (answer.status, error["param"]) == (status, param)
    assert error.keys() == {"message", "type", "param", "code"}
    assert word in error["message"]
    assert api.last_request.status == status
    assert api.pending == 1


@pytest.mark.parametrize("missing", ["model", "messages", "max_tokens"])
def test_anthropic_refusals(api: FakeAPI, client: http.client.HTTPConnection, missing: str) -> None:
    body = {**CHAT, "max_tokens": 5}
    del body[missing]
    answer = post(client, body, "/v1/messages")
    assert answer.status == 400
    assert json.loads(answer.read()) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": f"{missing}: Field required"},
        "request_id": "req_00000001",
    }


def test_unknown_paths_answer_in_the_shape_that_the_client_knows(
    api: FakeAPI, client: http.client.HTTPConnection
) -> None:
    client.request("GET", "/v2/what", headers={"anthropic-version": "2023-06-01"})
    answer = client.getresponse()
    assert answer.status == 404
    assert json.loads(answer.read())["error"]["type"] == "not_found_error"


def test_a_validator_of_the_test_refuses_requests() -> None:
    server = FakeAPI(validate=lambda request: "No tools here." if request.tools else None)
    with server as api, closing(http_client(api)) as connection:
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        answer = post(connection, {**CHAT, "tools": tools})
        assert (answer.status, json.loads(answer.read())["error"]["message"]) == (400, "No tools here.")
        assert post(connection, CHAT).read().startswith(b"{")


# -- rate limits --------------------------------------------------------------------------------------------------


def test_rate_limit_headers_of_both_vendors(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    answer = post(client, CHAT)
    answer.read()
    assert answer.headers["x-ratelimit-limit-requests"] == "30000"
    assert answer.headers["x-ratelimit-remaining-requests"] == "29999"
    assert answer.headers["x-ratelimit-reset-requests"] == "2ms"
    assert answer.headers["x-request-id"] == "req_00000001"
    answer = post(client, {**CHAT, "max_tokens": 5}, "/v1/messages")
    answer.read()
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "30000"
    assert answer.headers["anthropic-ratelimit-output-tokens-reset"].endswith("Z")


def test_limits_are_enforced_on_request() -> None:
    with FakeAPI(requests_per_minute=2, enforce_limits=True) as api, closing(http_client(api)) as connection:
        statuses = []
        for _ in range(3):
            answer = post(connection, CHAT)
            answer.read()
            statuses.append(answer.status)
        assert statuses == [200, 200, 429]
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert 0 < int(answer.headers["retry-after-ms"]) <= 30_000
        other = post(connection, {**CHAT, "model": "another"})
        assert (other.status, bool(other.read())) == (200, True)


def test_no_limits_no_headers() -> None:
    with FakeAPI(requests_per_minute=None) as api, closing(http_client(api)) as connection:
        answer = post(connection, CHAT)
        answer.read()
        assert not [name for name in answer.headers if "ratelimit" in name]


# -- cutting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["auto", "chunked", "length", "close"])
@pytest.mark.parametrize("write", ["event", "whole", 1, 7, 64])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_cut_carries_the_same_stream(
    api: FakeAPI, client: http.client.HTTPConnection, framing: Any, write: Any, newline: Any
) -> None:
    api.reply(TEXT, wire=Wire(write=write, framing=framing, newline=newline, comments=True))
    answer = post(client, STREAM)
    body = answer.read()
    assert said(body) == TEXT
    assert f"{newline}{newline}".encode() in body
    assert body.startswith(b": keep-alive")
    assert (answer.headers["transfer-encoding"] == "chunked") == (framing in ("auto", "chunked"))
    assert (answer.headers["content-length"] == str(len(body))) == (framing == "length")
    assert (answer.headers["connection"] == "close") == (framing == "close")
    assert api.last_request.events_sent == len(read_events(body))


@pytest.mark.parametrize("framing", ["auto", "chunked", "length", "close"])
@pytest.mark.parametrize("write", ["whole", 1, 50])
def test_every_cut_carries_the_same_plain_answer(
    api: FakeAPI, client: http.client.HTTPConnection, framing: Any, write: Any
) -> None:
    api.reply(TEXT, wire=Wire(write=write, framing=framing))
    assert json.loads(post(client, CHAT).read())["choices"][0]["message"]["content"] == TEXT


def test_single_bytes_split_characters(api: FakeAPI) -> None:
    api.reply("🙂", wire=Wire(write=1))
    answer = exchange(api, raw_request(STREAM, "connection: close"))
    assert all(b"1\r\n%c\r\n" % byte in answer for byte in "🙂".encode())


def test_pieces_of_the_text_are_as_scripted(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    def pieces(reply: Reply) -> list[str]:
        api.reply(reply)
        events = read_events(post(client, STREAM).read())[1:-2]
        return [event["choices"][0]["delta"]["content"] for event in events]

    assert pieces(Reply(chunks=["a", "", "bc"])) == ["a", "", "bc"]
    assert pieces(Reply("abcde", chunk_size=2)) == ["ab", "cd", "e"]
    assert pieces(Reply("two words\n more ")) == ["two", " words", "\n more", " "]


# -- faults -------------------------------------------------------------------------------------------------------


def test_hang_up_before_the_headers(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    api.hang_up()
    with pytest.raises(http_errors()):
        post(client, CHAT)
    request = api.wait_until(lambda: next((r for r in api.requests if r.finished), None))
    assert (request.status, request.client_hung_up) == (None, False)


def test_hang_up_in_the_middle_of_a_stream(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    api.hang_up(after_events=2, reply="one two three")
    answer = post(client, STREAM)
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert len(read_events(caught.value.partial)) == 2
    assert api.last_request.events_sent == 2


def test_hang_up_in_the_middle_of_a_plain_answer(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    api.hang_up(after_events=1)
    answer = post(client, CHAT)
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert 0 < len(caught.value.partial) < int(answer.headers["content-length"])


def test_reset_instead_of_an_orderly_end(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    api.hang_up(reset=True)
    with pytest.raises(ConnectionResetError):
        post(client, CHAT)


def test_faults_in_a_stream_that_is_too_short_come_before_its_last_event(
    api: FakeAPI, client: http.client.HTTPConnection
) -> None:
    api.fail_mid_stream(100, "boom", reply="x")
    events = read_events(post(client, STREAM).read())
    assert events[-1]["error"]["message"] == "boom"
    assert len(events) == 4


def test_a_stall_lasts_until_the_client_hangs_up(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    api.stall(after_events=1)
    answer = post(client, STREAM)
    assert answer.readline().startswith(b"data: ")
    assert api.last_request.client_hung_up is None
    answer.close()
    client.close()
    request = api.wait_for_hang_up()
    assert (request.client_hung_up, request.events_sent, request.status) == (True, 1, 200)
    api.wait_for_connections(0)


def test_a_stall_before_the_headers_ends_with_the_client(api: FakeAPI) -> None:
    api.stall()
    with closing(http_client(api)) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT))
        api.wait_for_requests(1)
    assert api.wait_for_hang_up().status is None


@pytest.mark.parametrize("body", [CHAT, STREAM])
@pytest.mark.parametrize("after", [None, 1])
def test_a_stall_of_limited_length_goes_on(
    api: FakeAPI, client: http.client.HTTPConnection, body: Any, after: int | None
) -> None:
    api.stall(after, seconds=0.02, reply=TEXT)
    assert "done" in post(client, body).read().decode()
    assert api.last_request.client_hung_up is False


def test_endless_streams_end_with_the_client_or_the_server() -> None:
    with FakeAPI() as api:
        api.reply("tick ", endless=True, times=2)
        for number in (1, 2):
            connection = http_client(api)
            with closing(connection):
                answer = post(connection, STREAM)
                api.wait_until(lambda: api.last_request.events_sent > 50)
                if number == 1:
                    answer.close()
                    connection.close()
                    api.wait_for_hang_up()
                else:
                    api.stop()
                    with pytest.raises((http.client.IncompleteRead, OSError)):
                        answer.read()
                    assert api.last_request.client_hung_up is False


def test_a_reset_by_the_client_is_a_hang_up(api: FakeAPI) -> None:
    api.stall(after_events=1)
    with closing(socket.create_connection(("127.0.0.1", api.port), timeout=5)) as sock:
        sock.sendall(raw_request(STREAM))
        assert sock.recv(10) == b"HTTP/1.1 2"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert api.wait_for_hang_up().number == 1


def test_raw_answers_are_sent_byte_for_byte(api: FakeAPI, client: http.client.HTTPConnection) -> None:
    api.raw(418, {"X-Odd": "yes"}, "short and stout")
    answer = post(client, CHAT)
    assert (answer.status, answer.headers["x-odd"], answer.read()) == (418, "yes", b"short and stout")
    api.raw(200, {"content-type": "text/event-stream"}, [b"data: {", b"}\n\n"], piece_delay=0.001)
    assert post(client, CHAT).read() == b"data: {}\n\n"
    assert {request.connection for request in api.requests} == {1}
    api.raw(200, {"content-length": "50"}, b"a lie")
    with pytest.raises(http.client.IncompleteRead):
        post(client, CHAT).read()


def http_errors() -> tuple[type[Exception], ...]:
    return (http.client.RemoteDisconnected, ConnectionResetError)
