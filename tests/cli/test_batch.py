"""`llm-client batch`, called in this process against the fake API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_client.cli.main import main
from llm_client.testing import FakeAPI, Reply

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server that repeats questions."""
    with FakeAPI() as api:
        for name, value in api.environment.items():
            monkeypatch.setenv(name, value)

        @api.on_request
        def answer(request: Any) -> Reply:
            return Reply(f"You said {request.text}", usage=(3, 2))

        yield api


def write(folder: Path, *lines: Any) -> None:
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def test_every_kind_of_line(server: FakeAPI, folder: Path, capsys: Captured) -> None:
    write(
        folder,
        "one",
        {"id": "b", "prompt": "two", "temperature": 0.5},
        {"messages": [{"role": "system", "content": "Mine."}, {"role": "user", "content": "three"}]},
        {
            "custom_id": "d", "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "gpt-5-nano", "messages": [{"role": "user", "content": "four"}], "max_tokens": 7},
        },
    )  # fmt: skip
    assert main(["batch", "in.jsonl", "-o", "out.jsonl", "-m", "gpt-4.1", "-s", "Brief.", "--max-tokens", "9"]) == 0
    found = read(folder)
    assert [(answer["line"], answer.get("id"), answer["output"]) for answer in found] == [
        (1, None, "You said one"), (2, "b", "You said two"), (3, None, "You said three"), (4, "d", "You said four")
    ]  # fmt: skip
    assert {(answer["status"], answer["error"], answer["usage"]["total_tokens"]) for answer in found} == {
        (200, None, 5)
    }
    sent = {request.text: request.body for request in server.requests}
    assert [message["content"] for message in sent["one"]["messages"]] == ["Brief.", "one"]
    assert [message["content"] for message in sent["three"]["messages"]] == ["Mine.", "three"]
    assert sent["two"]["temperature"] == 0.5
    assert (sent["one"]["model"], sent["four"]["model"]) == ("gpt-4.1", "gpt-5-nano")
    limits = {"max_tokens", "max_completion_tokens"}
    assert [sent["one"][name] for name in limits & sent["one"].keys()] == [9]
    assert [sent["four"][name] for name in limits & sent["four"].keys()] == [7]
    assert "4 done" in capsys.readouterr().err


def test_what_is_answered_is_not_asked_again(server: FakeAPI, folder: Path, capsys: Captured) -> None:
    write(folder, "one", "two")
    for _ in range(2):
        assert main(["batch", "in.jsonl", "-o", "out.jsonl"]) == 0
    assert len(server.requests) == 2
    assert "2 done (2 from the checkpoint)" in capsys.readouterr().err
    write(folder, "two", "three", "one")
    assert main(["batch", "in.jsonl", "-o", "out.jsonl"]) == 0
    assert len(server.requests) == 3
    assert [answer["output"] for answer in read(folder)] == ["You said two", "You said three", "You said one"]
    # Another model is another question.
    assert main(["batch", "in.jsonl", "-o", "out.jsonl", "-m", "gpt-5-nano"]) == 0
    assert len(server.requests) == 6


def test_a_schema(api: FakeAPI, folder: Path, capsys: Captured) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    (folder / "schema.json").write_text(json.dumps(schema))
    write(folder, "one")
    api.reply('{"n": 1}')
    command = ["batch", "in.jsonl", "-o", "out.jsonl", "--base-url", api.openai_url]
    assert main([*command, "--json-schema", "schema.json"]) == 0
    assert read(folder)[0]["output"] == {"n": 1}
    assert api.last_request.body["response_format"]["type"] == "json_schema"


def test_failures_are_listed_and_tried_again(api: FakeAPI, folder: Path, capsys: Captured) -> None:
    write(folder, "one", {"prompt": "two", "temperature": "hot"})
    api.fail(400, "not like this")
    command = ["batch", "in.jsonl", "-o", "out.jsonl", "--base-url", api.openai_url, "--workers", "1"]
    assert main(command) == 1
    one, two = read(folder)
    assert (one["output"], one["status"], one["error"]) == (None, 400, "not like this")
    assert (two["output"], two["status"]) == (None, None)
    assert "temperature is a number" in two["error"]
    assert (folder / "out.jsonl.failures").read_text().count("\n") == 2
    write(folder, "one", "two")
    api.reply("1")
    api.reply("2")
    assert main(command) == 0
    assert [answer["output"] for answer in read(folder)] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n", "in.jsonl holds no questions"),
        ('"one"\n{"messages": ', "line 2 is no JSON"),
        ("\n[1]\n", "line 2 is a list, expected a JSON string or object"),
        ('{"question": "one"}', "line 1 holds no question: neither messages nor prompt"),
    ],
)
def test_a_file_that_is_none(server: FakeAPI, folder: Path, capsys: Captured, text: str, said: str) -> None:
    (folder / "in.jsonl").write_text(text)
    assert main(["batch", "in.jsonl", "-o", "out.jsonl"]) == 2
    assert said in capsys.readouterr().err
    assert not server.requests
    assert [path.name for path in folder.iterdir()] == ["in.jsonl"]


def test_another_server_is_asked_anew(server: FakeAPI, folder: Path) -> None:
    write(folder, "One?")
    server.reply("first")
    assert main(["batch", "in.jsonl", "-o", "out.jsonl"]) == 0
    with FakeAPI() as other:
        other.reply("second")
        assert main(["batch", "in.jsonl", "-o", "out.jsonl", "--base-url", other.openai_url]) == 0
    assert [answer["output"] for answer in read(folder)] == ["second"]


@pytest.mark.parametrize("output", ["in.jsonl", "./in.jsonl", "link.jsonl"])
def test_the_answers_do_not_overwrite_the_questions(
    server: FakeAPI, folder: Path, capsys: Captured, output: str
) -> None:
    write(folder, "One?")
    (folder / "link.jsonl").symlink_to("in.jsonl")
    before = (folder / "in.jsonl").read_bytes()
    assert main(["batch", "in.jsonl", "-o", output]) == 2
    assert "would overwrite the questions" in capsys.readouterr().err
    assert (folder / "in.jsonl").read_bytes() == before
    assert not server.requests


def test_no_file_and_no_key(folder: Path, capsys: Captured) -> None:
    assert main(["batch", "in.jsonl", "-o", "out.jsonl"]) == 1
    assert "in.jsonl" in capsys.readouterr().err
    write(folder, "one")
    assert main(["batch", "in.jsonl", "-o", "out.jsonl"]) == 2
    assert "no key for OpenAI" in capsys.readouterr().err
