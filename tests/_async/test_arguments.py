"""Arguments of the constructor and of calls, and bad input, alike on all dialects of both vendors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_client._core.http import Timeouts
from llm_client._seam import _async as seam
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.sdk import httpx_client

DIALECTS = ["chat", "responses", "anthropic"]
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "anthropic": "/v1/messages"}
KEY = "secret-key-of-mine"


def provider(api: FakeAPI, dialect: str, **options: Any) -> Any:
    if dialect == "anthropic":
        return face.AnthropicProvider(
            **{"model": "claude-haiku-4-5", "base_url": api.anthropic_url, "backoff": 0.0, **options}
        )
    return face.OpenAIProvider(
        **{"model": "gpt-5.6-luna", "base_url": api.openai_url, "backoff": 0.0, **options},
        use_responses_api=dialect == "responses",
    )


async def outcomes(asked: Any, **options: Any) -> list[tuple[int, str]]:
    """Status and error of a question asked plainly and as a stream, which both fail."""
    result = await asked.complete("Hi", **options)
    events = [event async for event in asked.stream("Hi", **options)]
    assert not result.ok
    assert result.content == ""
    assert [event.type.value for event in events] == ["error"]
    return [(result.status, result.error), (events[0].data["status"], events[0].data["error"])]


# ---------------------------------------------------------------- arguments of the constructor


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_key_and_the_server(api: FakeAPI, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    api.reply("yes", times=2)
    assert (await provider(api, dialect, api_key=KEY).complete("Hi")).ok
    headers = api.last_request.headers
    assert KEY in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer "))
    assert headers["user-agent"].startswith("llm-client/")
    for name, value in api.environment.items():
        monkeypatch.setenv(name, value)
    assert (await provider(api, dialect, base_url=None).complete("Hi")).ok
    headers = api.last_request.headers
    assert "test-key" in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer "))
    assert api.last_request.path == PATHS[dialect]


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_organization_and_project(api: FakeAPI, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-of-the-environment")
    api.reply("yes", times=2)
    await provider(api, dialect).complete("Hi")
    headers = api.last_request.headers
    assert headers["openai-organization"] == "org-of-the-environment"
    assert headers["openai-project"] == "proj-of-the-environment"
    await provider(api, dialect, organization="org", project="proj").complete("Hi")
    headers = api.last_request.headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org", "proj")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_http_client_of_the_callers(api: FakeAPI, dialect: str) -> None:
    api.reply("yes", times=2)
    async with httpx_client(seam.FACE, headers={"x-of-the-client": "1"}) as client:
        async with provider(api, dialect, http_client=client) as asked:
            assert (await asked.complete("Hi")).content == "yes"
            assert api.last_request.headers["x-of-the-client"] == "1"
            events = [event async for event in asked.stream("Hi")]
            assert events[-1].data.content == "yes"
        assert not client.is_closed


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_http_client_of_the_other_face(api: FakeAPI, dialect: str) -> None:
    other = httpx_client(seam.FACE, other=True)
    with pytest.raises(TypeError, match="this face needs"):
        provider(api, dialect, http_client=other)
    with pytest.raises(TypeError, match="must be an httpx"):
        provider(api, dialect, http_client="http://127.0.0.1:9")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_time_limits(api: FakeAPI, dialect: str) -> None:
    for limits in (0.2, Timeouts(read=0.2)):
        asked = provider(api, dialect, timeout=limits, attempts=1)
        api.stall(times=2)
        assert {status for status, _ in await outcomes(asked)} == {408}
        api.reply(Reply("slow", delay=0.4))
        assert (await asked.complete("Hi", timeout=30)).content == "slow"
    with pytest.raises(ValueError, match="timeout"):
        provider(api, dialect, timeout=0)
    with pytest.raises(TypeError, match="timeout"):
        provider(api, dialect, timeout="long")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_attempts_of_the_constructor_and_of_the_call(api: FakeAPI, dialect: str) -> None:
    asked = provider(api, dialect, attempts=2)
    api.fail(500, "broken", times=6)
    assert (await asked.complete("Hi")).status == 500
    assert len(api.requests) == 2
    assert (await asked.complete("Hi", attempts=1)).status == 500
    assert len(api.requests) == 3
    assert [event async for event in asked.stream("Hi", attempts=3)][-1].data["status"] == 500
    assert len(api.requests) == 6
    with pytest.raises(ValueError, match="attempts"):
        provider(api, dialect, attempts=0)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_further_headers_and_members_of_the_body(api: FakeAPI, dialect: str) -> None:
    asked = provider(api, dialect, api_key=KEY)
    further: dict[str, Any] = {
        "extra_headers": {"X-Team": "blue", "User-Agent": "mine"},
        "extra_body": {"model": "another-model", "further": {"a": [1]}},
    }
    api.reply("yes", times=2)
    assert (await asked.complete("Hi", **further)).ok
    assert [event async for event in asked.stream("Hi", **further)][-1].type.value == "done"
    for request in api.requests:
        assert (request.headers["x-team"], request.headers["user-agent"]) == ("blue", "mine")
        assert (request.body["model"], request.body["further"]) == ("another-model", {"a": [1]})
    with pytest.raises(TypeError, match="extra_body is a dict"):
        await asked.complete("Hi", extra_body=[("a", 1)])


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_images_that_are_none(api: FakeAPI, dialect: str, tmp_path: Path) -> None:
    image = face.providers.ImagePart
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        image.from_path(tmp_path / "nowhere.png")
    text = tmp_path / "text.png"
    text.write_text("This is no image.")
    with pytest.raises(ValueError, match=r"text\.png' is no PNG, JPEG, GIF or WebP image"):
        image.from_path(text)
    with pytest.raises(ValueError, match="the bytes are no PNG, JPEG, GIF or WebP image"):
        image.from_bytes(b"This is no image.")
    with pytest.raises((TypeError, ValueError), match="url"):
        image()
    # What only the server can tell comes back as its answer.
    api.fail(400, "Could not fetch the image.", times=2)
    message = face.Message.user([image(url="http://127.0.0.1:9/nowhere.png")])
    result = await provider(api, dialect).complete(message)
    assert (result.status, result.error) == (400, "Could not fetch the image.")
    events = [event async for event in provider(api, dialect).stream(message)]
    assert events[-1].data == {"status": 400, "error": "Could not fetch the image."}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_schemas_that_strict_mode_cannot_express(api: FakeAPI, dialect: str) -> None:
    asked = provider(api, dialect)
    for wanted, words in (
        (dict[str, int], r"the root: an object with free keys .* has no strict form; name its keys"),
        (list[tuple[int, int]], r"value\[\]: a tuple has no strict form"),
    ):
        with pytest.raises(ValueError, match=words):
            await asked.complete("Hi", response_format=wanted)
        with pytest.raises(ValueError, match=words):
            asked.stream("Hi", response_format=wanted)
    assert not api.requests


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_tool_choice_that_names_no_tool(api: FakeAPI, dialect: str) -> None:
    @face.tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    asked = provider(api, dialect)
    for tools, known in (([add], "one of: 'add'"), (None, "one of: none")):
        with pytest.raises(ValueError, match=rf"tool_choice='subtract' names no tool.*{known}"):
            await asked.complete("Hi", tools=tools, tool_choice="subtract")
        with pytest.raises(ValueError, match="names no tool"):
            asked.stream("Hi", tools=tools, tool_choice="subtract")
    with pytest.raises(ValueError, match="demands a tool call, but no tools"):
        await asked.complete("Hi", tool_choice="any")
    with pytest.raises(TypeError, match="got dict"):
        await asked.complete("Hi", tools=[add], tool_choice={"type": "function"})
    assert not api.requests


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_effort_that_the_model_does_not_know(api: FakeAPI, dialect: str) -> None:
    asked = provider(api, dialect)
    with pytest.raises(ValueError, match=r"does not know reasoning_effort='gigantic'; expected one of: .*'low'"):
        await asked.complete("Hi", reasoning_effort="gigantic")
    with pytest.raises(ValueError, match="gigantic"):
        asked.stream("Hi", reasoning_effort="gigantic")
    assert not api.requests


BODIES = [
    b"This is no JSON at all.",
    b'{"id": "msg_1", "type": "message", "content": [{"type": "te',
    b"<html><body>Log in to the hotel's network</body></html>",
    b"[1, 2]",
    b"null",
    b"{}",
    b"\xff\xfe\x00",
    b'{"choices": 5, "content": 7, "output": "x"}',
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_replies_that_are_none(api: FakeAPI, dialect: str, body: bytes) -> None:
    kind = "text/html" if body.startswith(b"<") else "application/json"
    api.raw(200, {"content-type": kind}, body, times=2)
    shown = body[:20].decode(errors="replace").split("\ufffd")[0]
    for status, error in await outcomes(provider(api, dialect)):
        assert status == 502
        assert shown in error


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_long_reply_is_shown_up_to_200_characters(api: FakeAPI, dialect: str) -> None:
    api.raw(200, {"content-type": "text/html"}, b"<html>" + b"x" * 5000, times=2)
    for _, error in await outcomes(provider(api, dialect)):
        assert "<html>" + "x" * 194 in error
        assert "x" * 195 not in error


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_empty_reply_says_so(api: FakeAPI, dialect: str) -> None:
    api.raw(200, {"content-type": "application/json"}, b"", times=2)
    for status, error in await outcomes(provider(api, dialect)):
        assert (status, "the reply is empty" in error) == (502, True)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_errors_that_are_no_json(api: FakeAPI, dialect: str) -> None:
    api.raw(404, {"content-type": "text/html"}, b"<html>nginx: " + b"n" * 5000, times=2)
    for status, error in await outcomes(provider(api, dialect)):
        assert status == 404
        assert "<html>nginx: " in error
        assert len(error) < 400
