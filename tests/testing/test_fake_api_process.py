"""The fake API as a part of a process: threads, forks, gevent, its end, and the program of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import llm_client.testing
from llm_client.testing import FakeAPI

SOURCE = Path(llm_client.testing.__file__).parents[2]
CHAT = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
ASK = """
import http.client, json
def ask(port, **more):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}], **more}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return text if more.get("stream") else json.loads(text)["choices"][0]["message"]["content"]
"""


def connect(api: FakeAPI) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)


def post(connection: http.client.HTTPConnection, **more: Any) -> http.client.HTTPResponse:
    connection.request("POST", "/v1/chat/completions", json.dumps({**CHAT, **more}))
    return connection.getresponse()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE)}


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK + code],
        capture_output=True, text=True, timeout=30, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_64_threads_of_10_calls_each() -> None:
    def call(number: int) -> list[str]:
        with closing(connect(api)) as connection:
            return [
                json.loads(post(connection, messages=[{"role": "user", "content": f"{number}-{turn}"}]).read())[
                    "choices"
                ][0]["message"]["content"]
                for turn in range(10)
            ]

    with FakeAPI() as api, ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(call, range(64)))
        assert answers == [[f"{number}-{turn}" for turn in range(10)] for number in range(64)]
        assert sorted(request.number for request in api.requests) == list(range(1, 641))
        api.wait_for_connections(0)


def test_200_streams_at_once() -> None:
    with FakeAPI() as api:
        api.reply("a b c d e", times=200)
        connections = [connect(api) for _ in range(200)]
        with api.holding():
            for connection in connections:
                connection.request("POST", "/v1/chat/completions", json.dumps({**CHAT, "stream": True}))
            api.wait_for_requests(200, timeout=20)
            assert api.open_connections == 200
        bodies = {connection.getresponse().read().count(b"data: ") for connection in connections}
        assert bodies == {8}
        for connection in connections:
            connection.close()
        api.wait_for_connections(0)


def test_stop_ends_everything_at_once() -> None:
    api = FakeAPI().start()
    api.stall(times=2)
    api.stall(after_events=1, times=2)
    api.reply("slow", delay=60)
    connections = [connect(api) for _ in range(7)]
    for connection in connections[:5]:
        connection.request("POST", "/v1/chat/completions", json.dumps({**CHAT, "stream": True}))
    for connection in connections[5:]:
        connection.connect()
    api.wait_for_requests(5)
    api.wait_for_connections(7)
    began = time.monotonic()
    api.stop()
    assert time.monotonic() - began < 10
    assert api.open_connections == 0
    assert [request.client_hung_up for request in api.requests] == [False] * 5
    for connection in connections:
        connection.close()
    api.stop()


def test_a_server_can_be_started_again_and_a_taken_port_is_named() -> None:
    with FakeAPI() as api:
        port = api.port
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            FakeAPI(port=port).start()
    with FakeAPI(port=port) as api, closing(connect(api)) as connection:
        assert post(connection).status == 200
    with api, closing(connect(api)) as connection:
        assert post(connection).status == 200
        assert len(api.requests) == 2


def test_closing_idle_connections_looks_like_a_restart() -> None:
    with FakeAPI() as api, closing(connect(api)) as connection:
        post(connection).read()
        api.close_connections()
        api.wait_for_connections(0)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            post(connection)
        connection.close()
        assert post(connection).status == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_do_the_server_no_harm() -> None:
    out = run("""
import os, sys, threading
from llm_client.testing import FakeAPI
with FakeAPI() as api:
    port = api.port
    ask(port)                   # imports encodings.idna: forking while another thread imports it would hang the child
    calls = [threading.Thread(target=lambda: [ask(port) for _ in range(20)]) for _ in range(4)]
    for call in calls: call.start()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        answer = ask(port)      # the parent's server answers the child as well
        api.stop()              # and is not stopped by it
        os.write(write, f"{answer} {api.open_connections}".encode())
        os._exit(0)
    os.close(write)
    print(os.read(read, 100).decode())
    os.waitpid(child, 0)
    for call in calls: call.join()
    print(ask(port), len(api.requests))
    # A child that lives on must not keep connections open that the server has closed.
    api.hang_up(after_events=1)
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    api.hold()
    connection.request("POST", "/v1/chat/completions", '{"model": "m", "messages": [{}], "stream": true}')
    api.wait_for_requests(84)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)        # until the parent closes its end, at the latest by ending itself
        os._exit(0)
    api.release()
    try:
        connection.getresponse().read()
    except http.client.IncompleteRead:
        print("hung up")
    connection.close()
    os.close(write)
    os.waitpid(child, 0)
""")
    assert out.splitlines() == ["Hi 0", "Hi 83", "hung up"]


@pytest.mark.parametrize("when", ["before", "after", "import"])
def test_it_serves_greenlets_whenever_they_were_patched_in(when: str) -> None:
    start = {
        "before": "api = FakeAPI().start(); patch()",
        "after": "patch(); api = FakeAPI().start()",
        "import": "import llm_client.testing.fake_api; patch(); api = FakeAPI().start()",
    }[when]
    out = run(f"""
import gevent.monkey
def patch():
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gevent.monkey.patch_all()
if {when!r} == "after": patch()
from llm_client.testing import FakeAPI
{start}
import gevent
with api.holding():
    waiting = [gevent.spawn(ask, api.port) for _ in range(20)]
    api.wait_for_requests(20)              # other greenlets run while this one waits
print({{call.get() for call in waiting}})
ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.005)
ticker = gevent.spawn(tick)
api.reply("tick ", endless=True)
def hang_up():
    import http.client, json
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)
    body = {{"model": "m", "messages": [{{"role": "user"}}], "stream": True}}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    answer = connection.getresponse()
    answer.readline()
    gevent.sleep(0.1)
    answer.close()
    connection.close()
gevent.spawn(hang_up)
print(api.wait_for_hang_up().client_hung_up, len(ticks) > 5)
ticker.kill()
api.stop()
""")
    assert out.splitlines() == ["{'Hi'}", "True True"]


def test_importing_it_imports_no_event_loop_and_nothing_from_outside() -> None:
    out = run("""
import sys
before = set(sys.modules)
from llm_client.testing import FakeAPI
with FakeAPI() as api: ask(api.port)
heavy = {"asyncio", "openai", "anthropic", "httpx", "aiohttp", "pydantic", "gevent", "tiktoken"}
print(sorted(heavy & (set(sys.modules) - before)))
""")
    assert out.strip() == "[]"


def test_environment_names_what_both_sdks_read() -> None:
    with FakeAPI(api_key="k") as api:
        assert api.environment == {
            "OPENAI_BASE_URL": api.openai_url,
            "OPENAI_API_KEY": "k",
            "ANTHROPIC_BASE_URL": api.anthropic_url,
            "ANTHROPIC_API_KEY": "k",
        }


def test_the_program(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('["from the script", {"fail": 503}]')
    command = [sys.executable, "-m", "llm_client.testing", "--port", "0", "--script", str(script), "--write", "3"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        head = [program.stdout.readline() for _ in range(10)]
        exports = dict(line[7:].strip().split("=") for line in head if line.startswith("export "))
        port = int(exports["OPENAI_BASE_URL"].split(":")[2].removesuffix("/v1"))
        assert exports["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{port}"
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            assert b"from the script" in post(connection).read()
            assert post(connection).status == 503
        lines = [program.stdout.readline() for _ in range(2)]
        program.send_signal(signal.SIGINT)
        assert program.wait(5) == 0
        assert program.stderr.read() == ""
    assert [line.split()[:3] for line in lines] == [
        ["POST", "/v1/chat/completions", "200"],
        ["POST", "/v1/chat/completions", "503"],
    ]


@pytest.mark.parametrize("script", ["{}", "nonsense", '[{"reply": {"txt": 1}}]'])
def test_the_program_refuses_a_script_with_mistakes(tmp_path: Path, script: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(script)
    command = [sys.executable, "-m", "llm_client.testing", "--port", "0", "--script", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, env=environment(), check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
