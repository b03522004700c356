"""The commands of `llm-client`, called in this process against the fake API."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_client import Conversation
from llm_client.cli import chat
from llm_client.cli.main import main
from llm_client.testing import FakeAPI, Reply

KEY = "sk-a-key-that-nobody-shall-see"
TOOLS = '''
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"

NOTHING = 1
'''
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture
def server(api: FakeAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeAPI:
    """The environment of a user whose vendors are the fake server, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in api.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return api


@pytest.fixture
def my_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of tools in the working directory."""
    (tmp_path / "my_cli_tools.py").write_text(TOOLS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "my_cli_tools"
    sys.modules.pop("my_cli_tools", None)


Captured = pytest.CaptureFixture[str]


def test_no_command_shows_what_there_is(capsys: Captured) -> None:
    assert main([]) == 2
    printed = capsys.readouterr().out
    assert all(f"\n    {name}" in printed for name in ("ask", "chat", "batch", "models", "doctor"))


@pytest.mark.parametrize("face", [[], ["--sync"]], ids=["async", "sync"])
class TestAsk:
    def test_a_question(self, server: FakeAPI, capsys: Captured, face: list[str]) -> None:
        server.reply(Reply("Because of\nRayleigh.", usage=(10, 5)))
        assert main(["ask", "Why is the sky blue?", "--usage", "-s", "Be brief.", "--max-tokens", "99", *face]) == 0
        printed = capsys.readouterr()
        assert printed.out == "Because of\nRayleigh.\n"
        assert printed.err.startswith("10 tokens in, 5 out, $")
        body = server.last_request.body
        assert [message["content"] for message in body["messages"]] == ["Be brief.", "Why is the sky blue?"]
        assert (body["max_completion_tokens"], body["stream"]) == (99, True)
        assert server.last_request.headers["authorization"] == f"Bearer {KEY}"

    def test_tools(self, server: FakeAPI, capsys: Captured, face: list[str], my_tools: str) -> None:
        server.reply(Reply(tool_calls=[("get_weather", {"city": "Rome"})]))
        server.reply("It is sunny.")
        assert main(["ask", "Weather?", "--tool", f"{my_tools}:get_weather", *face]) == 0
        printed = capsys.readouterr()
        assert printed.out == "It is sunny.\n"
        assert printed.err == '> get_weather({"city":"Rome"})\n< sunny in Rome\n'

    def test_json(self, server: FakeAPI, capsys: Captured, face: list[str], tmp_path: Path) -> None:
        (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
        server.reply("no JSON")
        server.reply('{"city": "Rome"}')
        assert main(["ask", "A city", "--json-schema", "schema.json", *face]) == 0
        assert capsys.readouterr().out == '{"city":"Rome"}\n'

    def test_a_failure(self, server: FakeAPI, capsys: Captured, face: list[str]) -> None:
        server.fail(401, f"no such key: {KEY}")
        assert main(["ask", "Why?", *face]) == 1
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("", "llm-client: no such key: [key hidden] (status 401)\n")

    def test_the_model_s_name_chooses_the_vendor(self, server: FakeAPI, capsys: Captured, face: list[str]) -> None:
        server.reply("Hi.", times=3)
        assert main(["ask", "Hello", "-m", "claude-haiku-4-5", *face]) == 0
        assert server.last_request.path == "/v1/messages"
        assert server.last_request.headers["x-api-key"] == KEY
        assert main(["ask", "Hello", "-m", "claude-haiku-4-5", "--provider", "openai", *face]) == 0
        assert server.last_request.path == "/v1/chat/completions"
        assert main(["ask", "Hello", "-m", "my-own", *face]) == 0
        assert (server.last_request.path, server.last_request.body["model"]) == ("/v1/chat/completions", "my-own")
        assert capsys.readouterr().out == "Hi.\n" * 3

    def test_another_server_and_key(
        self, api: FakeAPI, capsys: Captured, face: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_KEY", "the other key")
        with pytest.raises(SystemExit):
            main(["ask", "Hello", "--no-such-argument", *face])
        monkeypatch.setenv("MY_KEY", "the-other-key")
        api.reply("Hi.")
        assert main(["ask", "Hello", "--base-url", api.openai_url, "--api-key-env", "MY_KEY", *face]) == 0
        assert api.last_request.headers["authorization"] == "Bearer the-other-key"
        assert "the-other-key" not in str(capsys.readouterr())

    def test_no_key(self, capsys: Captured, face: list[str]) -> None:
        assert main(["ask", "Hello", *face]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("llm-client: no key for OpenAI: set the environment variable OPENAI_API_KEY")
        assert printed.err.count("\n") == 1


def test_a_question_from_standard_input(server: FakeAPI, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reply("Hi.", times=2)
    for arguments in ([], ["-"]):
        monkeypatch.setattr(sys, "stdin", io.StringIO("From a pipe\n"))
        assert main(["ask", *arguments]) == 0
        assert server.last_request.text == "From a pipe\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(" \n"))
    assert main(["ask"]) == 2
    assert "there is no question" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tool", "no_colon"], "write MODULE:FUNCTION"),
        (["--tool", "no_such_module_here:f"], "no_such_module_here cannot be imported"),
        (["--tool", "my_cli_tools:nothing"], "there is no function nothing in my_cli_tools"),
        (["--tool", "my_cli_tools:NOTHING"], "there is no function NOTHING"),
        (["--json-schema", "missing.json"], "missing.json"),
        (["--json-schema", "list.json"], "is an object, this is a list"),
        (["--api-key-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE: that environment variable is not set"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(
    server: FakeAPI, capsys: Captured, my_tools: str, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "list.json").write_text("[1]")
    assert main(["ask", "Hello", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert not server.requests


# ---------------------------------------------------------------- chat


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_chat_is_kept_and_goes_on(
    server: FakeAPI, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "talk.json"
    server.reply(Reply("Hello to you.", usage=(10, 5)))
    server.reply("Still here.")
    type_in(monkeypatch, "Hello", "/usage", "/what", "", "Still there?", "/exit", "never read")
    assert main(["chat", "-f", str(file), "-s", "Be brief."]) == 0
    printed = capsys.readouterr()
    assert printed.out == "Hello to you.\nStill here.\n"
    assert "10 tokens in, 5 out" in printed.err
    assert f"kept in {file}" in printed.err
    assert [message.text for message in Conversation.load(file)] == [
        "Hello", "Hello to you.", "Still there?", "Still here."
    ]  # fmt: skip
    server.reply("Yes.")
    type_in(monkeypatch, "And now?")
    assert main(["chat", "-f", str(file)]) == 0
    assert "going on with 4 messages" in capsys.readouterr().err
    assert [message["content"] for message in server.last_request.body["messages"]] == [
        "Be brief.", "Hello", "Hello to you.", "Still there?", "Still here.", "And now?"
    ]  # fmt: skip
    type_in(monkeypatch, "/clear")
    assert main(["chat", "-f", str(file)]) == 0
    assert len(Conversation.load(file)) == 0


def test_a_chat_finds_a_place_of_its_own(
    server: FakeAPI, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, my_tools: str
) -> None:
    server.fail(400, "not like this")
    server.reply(Reply(tool_calls=[("get_weather", {"city": "Rome"})]))
    server.reply("Sunny.")
    type_in(monkeypatch, "Hello", "Weather?")
    assert main(["chat", "-m", "claude-haiku-4-5", "-t", f"{my_tools}:get_weather"]) == 0
    printed = capsys.readouterr()
    assert "not like this (status 400)" in printed.err
    assert "< sunny in Rome" in printed.err
    assert printed.out == "Sunny.\n"
    (file,) = (tmp_path / "state" / "llm-client" / "chats").iterdir()
    assert Conversation.load(file).get_last_assistant_message().text == "Sunny."  # type: ignore[union-attr]


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on(
    server: FakeAPI, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Interrupted(chat.Answer):
        def show(self, event: Any) -> None:
            super().show(event)
            if event.data == "one ":
                raise KeyboardInterrupt

    server.reply(Reply(chunks=["one ", "two ", "three"]))
    server.reply("Whole.")
    monkeypatch.setattr(chat, "Answer", Interrupted)
    type_in(monkeypatch, "Count", "Again")
    assert main(["chat", "-f", str(tmp_path / "talk.json")]) == 0
    printed = capsys.readouterr()
    assert printed.out == "one \nWhole.\n"
    assert "(stopped)" in printed.err


# ---------------------------------------------------------------- models


def test_models(capsys: Captured) -> None:
    assert main(["models"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["model", "vendor", "tokens", "in", "out", "$", "in", "cached", "$", "out", "retires"]
    assert printed.err.startswith(f"{len(lines) - 1} models; figures of 20")
    (line,) = [line for line in lines if line.startswith("gpt-5 ")]
    assert [word for word in line.split() if word in ("openai", "1.25", "0.125", "10")] == [
        "openai", "1.25", "0.125", "10"
    ]  # fmt: skip
    assert any(line.rstrip().endswith("gone") for line in lines)


def test_some_models_as_json(capsys: Captured) -> None:
    assert main(["models", "text-embedding", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"text-embedding-3-large", "text-embedding-3-small"} <= {model["model"] for model in found}
    assert {model["category"] for model in found} == {"embeddings"}
    assert main(["models", "anthropic", "--json"]) == 0
    assert {json.loads(line)["vendor"] for line in capsys.readouterr().out.splitlines()} == {"anthropic"}
    assert main(["models", "no-such-model"]) == 1
    assert "no model's name holds 'no-such-model'" in capsys.readouterr().err


# ---------------------------------------------------------------- doctor


def findings(capsys: Captured) -> dict[str, tuple[str, str]]:
    """Level and text by subject."""
    found = {}
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("  "):
            level, _, rest = line.strip().partition(" ")
            subject, _, text = rest.strip().partition(": ")
            found[subject] = (level, text)
    assert KEY not in str(found)
    return found


def test_doctor_finds_what_works(server: FakeAPI, capsys: Captured, tmp_path: Path) -> None:
    assert main(["doctor"]) == 0
    found = findings(capsys)
    assert found["llm-client"][0] == found["httpx"][0] == found["rich"][0] == "ok"
    assert found["OpenAI key"] == ("ok", "OPENAI_API_KEY is set")
    assert found[f"OpenAI at {server.openai_url}"] == ("ok", "answers, and takes the key")
    assert found[f"Anthropic at {server.anthropic_url}"] == ("ok", "answers, and takes the key")
    assert found["files"] == ("ok", str(tmp_path / "cache"))
    assert found["Redis"] == ("off", "REDIS_URL is not set")
    assert found["o200k_base"][0] in ("ok", "warn")
    assert found["Pusher"] == ("off", "is not set up")
    assert {request.path for request in server.requests} == {"/v1/models"}


def test_doctor_finds_refused_keys(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeAPI(api_key="another") as api:
        monkeypatch.setenv("OPENAI_BASE_URL", api.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        url = api.openai_url
        assert main(["doctor"]) == 1
    found = findings(capsys)
    assert found[f"OpenAI at {url}"] == ("FAIL", "answers, but refuses the key (status 401)")
    assert found["Anthropic"] == ("off", "ANTHROPIC_API_KEY is not set")


def test_doctor_finds_what_cannot_be_reached(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, server: FakeAPI
) -> None:
    closed = "http://127.0.0.1:9"
    monkeypatch.setenv("OPENAI_BASE_URL", f"{closed}/v1")
    monkeypatch.setenv("QDRANT_URL", closed)
    monkeypatch.setenv("REDIS_URL", "redis://user:the-password@127.0.0.1:9")
    monkeypatch.setenv("PG_DSN", "postgresql://user:the-password@127.0.0.1:9/db")
    monkeypatch.setenv("PUSHER_KEY", "the-pusher-key")
    assert main(["doctor"]) == 1
    found = findings(capsys)
    for subject in (f"OpenAI at {closed}/v1", "Qdrant", "Redis", "PostgreSQL"):
        assert found[subject][0] == "FAIL", subject
    assert "the-password" not in str(found)
    assert found["Pusher"] == ("warn", "PUSHER_APP_ID, PUSHER_SECRET, PUSHER_CLUSTER is not set")
    assert main(["doctor", "--offline"]) == 0
    found = findings(capsys)
    assert found["Redis"] == ("ok", "REDIS_URL is set")


@pytest.mark.parametrize(
    ("variable", "subject", "address"),
    [
        ("PG_DSN", "PostgreSQL", "host=127.0.0.1 port=9 password=hush secretword"),
        ("PG_DSN", "PostgreSQL", "postgresql://user:hush secretword@127.0.0.1:9/db"),
        ("REDIS_URL", "Redis", "redis://:secretword#hush@127.0.0.1:9/0"),
        ("REDIS_URL", "Redis", "redis://user:secretword/hush@127.0.0.1:9"),
        ("QDRANT_URL", "Qdrant", "http://user:secretword?hush@127.0.0.1:9"),
    ],
)
def test_doctor_hides_passwords_that_spoil_their_address(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, server: FakeAPI, variable: str, subject: str, address: str
) -> None:
    monkeypatch.setenv(variable, address)
    assert main(["doctor"]) == 1
    level, text = findings(capsys)[subject]
    assert (level, "[hidden]" in text) == ("FAIL", True)
    assert "secretword" not in text
    assert ("percent-encoded" if "://" in address else "single quotes") in text


def test_doctor_finds_cache_servers(
    server: FakeAPI, capsys: Captured, monkeypatch: pytest.MonkeyPatch, pg_dsn: str, redis_url: str
) -> None:
    monkeypatch.setenv("PG_DSN", pg_dsn)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("QDRANT_URL", ":memory:")
    assert main(["doctor", "--timeout", "30"]) == 0
    found = findings(capsys)
    assert found["Qdrant"] == ("ok", "Qdrant's own engine, in memory")
    assert found["PostgreSQL"][1].startswith("answers, version ")
    assert found["Redis"][1].startswith("answers, version ")


def test_doctor_without_any_key(capsys: Captured) -> None:
    assert main(["doctor", "--offline"]) == 1
    found = findings(capsys)
    assert found["models"][0] == "FAIL"
    assert "OPENAI_API_KEY" in found["models"][1]


# ---------------------------------------------------------------- on a terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_rich_draws(server: FakeAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reply("A *word* of Markdown.\n\n- one\n- two\n")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["ask", "Hello", "--sync"]) == 0
    assert "A word of Markdown." in terminal.getvalue().replace("\x1b[3m", "").replace("\x1b[0m", "")
    assert "•" in terminal.getvalue()
    assert main(["models", "gpt-5.2"]) == 0
    assert "gpt-5.2" in terminal.getvalue()


def test_no_color_is_plain(server: FakeAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reply("A *word*.")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["ask", "Hello"]) == 0
    assert terminal.getvalue() == "A *word*.\n"
