"""`client=`: the vendors' own SDK clients as the transport. Shapes are proved against loopback servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_client._core.http import Timeouts
from llm_client._seam import _async as seam
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.clouds import Cloud, signature_of
from support.sdk import sdk_client

OPENAI, CLAUDE = "gpt-5.6-luna", "claude-haiku-4-5"
ON_BEDROCK = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def cloud(api: FakeAPI) -> Iterator[Cloud]:
    """Bedrock and Vertex, with the fake API's answers."""
    with Cloud(api) as running:
        yield running


def make(kind: str, **options: Any) -> Any:
    return sdk_client(seam.FACE, kind, **options)


class Served:
    """One kind of client, a provider over it, and where its requests arrive."""

    def __init__(self, kind: str, api: FakeAPI, cloud: Cloud) -> None:
        self.kind = kind
        if kind in ("OpenAI", "Responses"):
            self.client = make("OpenAI", base_url=api.openai_url, api_key="key-of-the-client")
        elif kind == "AzureOpenAI":
            self.client = make(
                kind, azure_endpoint=api.anthropic_url, api_key="key-of-the-client", api_version="2024-10-21"
            )
        elif kind == "Anthropic":
            self.client = make(kind, base_url=api.anthropic_url, api_key="key-of-the-client")
        elif kind == "AnthropicBedrock":
            self.client = make(
                kind, base_url=cloud.url, aws_access_key=KEY, aws_secret_key=SECRET, aws_region="eu-central-1"
            )
        else:
            self.client = make(
                kind, base_url=f"{cloud.url}/v1", project_id="proj", region="europe-west1", access_token="token-of-mine"
            )
        options: dict[str, Any] = {"client": self.client, "backoff": 0.0}
        if kind in ("OpenAI", "AzureOpenAI", "Responses"):
            self.model = OPENAI
            options["use_responses_api"] = kind == "Responses"
            self.provider = face.OpenAIProvider(model=OPENAI, **options)
        else:
            self.model = ON_BEDROCK if kind == "AnthropicBedrock" else CLAUDE
            self.provider = face.AnthropicProvider(model=self.model, **options)


KINDS = ["OpenAI", "Responses", "AzureOpenAI", "Anthropic", "AnthropicBedrock", "AnthropicVertex"]


@pytest.fixture(params=KINDS)
def served(request: pytest.FixtureRequest, api: FakeAPI, cloud: Cloud) -> Served:
    return Served(request.param, api, cloud)


# ---------------------------------------------------------------- what every client does


async def test_a_question_and_its_answer(api: FakeAPI, served: Served) -> None:
    api.reply(Reply("Grüezi.", usage=(10, 3)))
    async with served.client:
        result = await served.provider.complete("Hello", max_tokens=50)
    assert (result.content, result.ok, result.status, result.finish_reason) == ("Grüezi.", True, 200, "stop")
    assert result.usage.total_tokens == 13
    assert result.provider == ("openai" if served.model == OPENAI else "anthropic")
    assert result.raw
    assert [attempt.status for attempt in result.attempts] == [200]


async def test_a_stream(api: FakeAPI, served: Served) -> None:
    api.reply(Reply("one zwei drü", usage=(10, 3)))
    async with served.client:
        events = [event async for event in served.provider.stream("Count")]
    assert "".join(event.data for event in events if event.type.value == "token") == "one zwei drü"
    assert len([event for event in events if event.type.value == "token"]) == 3
    result = events[-1].data
    assert (events[-1].type.value, result.content, result.usage.total_tokens) == ("done", "one zwei drü", 13)


async def test_tools(api: FakeAPI, served: Served) -> None:
    @face.tool
    async def get_weather(city: str) -> str:
        """Get the weather of a city."""
        return f"sunny in {city}"

    for _ in range(2):
        api.reply(Reply(tool_calls=[("get_weather", {"city": "Zürich"}), ("get_weather", {"city": "Bern"})]))
        api.reply("Sunny in both.")
    async with served.client:
        agent = face.Agent(served.provider, tools=[get_weather])
        result = await agent.run("Weather?")
        assert result.content == "Sunny in both."
        assert [call.parse_arguments()["city"] for call in result.all_tool_calls] == ["Zürich", "Bern"]
        assert "sunny in Bern" in str(api.last_request.body)
        events = [event async for event in agent.stream("And now?")]
        assert events[-1].data.content == "Sunny in both."


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_mistakes_are_results(api: FakeAPI, served: Served, status: int) -> None:
    api.fail(status, "not like this", times=2)
    async with served.client:
        result = await served.provider.complete("Hi")
        assert (result.ok, result.status, result.error) == (False, status, "not like this")
        events = [event async for event in served.provider.stream("Hi")]
    assert [event.data for event in events] == [{"status": status, "error": "not like this"}]
    assert len(api.requests) == 2


async def test_the_clients_own_retries_are_off(api: FakeAPI, served: Served) -> None:
    api.fail(500, "broken", times=4)
    async with served.client:
        result = await served.provider.complete("Hi", attempts=2)
        assert [attempt.status for attempt in result.attempts] == [500, 500]
        events = [event async for event in served.provider.stream("Hi", attempts=2)]
        assert events[-1].data == {"status": 500, "error": "broken"}
        assert len(api.requests) == 4
        api.fail(529, "full")
        api.reply("yes")
        assert (await served.provider.complete("Hi")).content == "yes"


async def test_an_error_in_the_middle_of_a_stream(api: FakeAPI, served: Served) -> None:
    api.fail_mid_stream(after=4, status=529, message="the model broke", reply="one two three four five")
    async with served.client:
        events = [event async for event in served.provider.stream("Go")]
    assert events[-1].type.value == "error"
    assert events[-1].data["error"] == "the model broke"
    assert [event.type.value for event in events].count("error") == 1


async def test_the_client_stays_the_callers(api: FakeAPI, served: Served) -> None:
    api.reply("yes", times=2)
    async with served.client:
        async with served.provider as asked:
            assert (await asked.complete("Hi")).ok
        assert not served.client.is_closed()
        assert (await served.provider.complete("Hi")).ok
    assert served.client.max_retries == 2


async def test_an_unreachable_server_is_an_error_result() -> None:
    for kind, provider in (("OpenAI", face.OpenAIProvider), ("Anthropic", face.AnthropicProvider)):
        async with make(kind, base_url="http://127.0.0.1:9", api_key="key-of-the-client") as client:
            asked = provider(client=client, attempts=1)
            result = await asked.complete("Hi")
            assert (result.status, result.error_code) == (503, "connection")
            assert result.error == "could not connect to 127.0.0.1:9: connection refused"
            events = [event async for event in asked.stream("Hi")]
            assert [event.data["status"] for event in events] == [503]


@pytest.mark.parametrize("kind", ["OpenAI", "Anthropic"])
async def test_faults_of_the_wire(api: FakeAPI, cloud: Cloud, kind: str) -> None:
    served = Served(kind, api, cloud)
    async with served.client:
        api.stall()
        result = await served.provider.complete("Hi", timeout=0.2, attempts=1)
        assert (result.status, result.error_code) == (408, "timeout")
        assert "sent nothing for 0.2 s" in result.error
        api.stall(after_events=4, reply="one two three four five six")
        events = [event async for event in served.provider.stream("Hi", timeout=Timeouts(read=0.2))]
        assert events[-1].data["status"] == 408
        api.hang_up()
        result = await served.provider.complete("Hi", attempts=1)
        assert result.status == 503
        assert "closed the connection" in result.error
        api.hang_up(after_events=4, reply="one two three four five six")
        events = [event async for event in served.provider.stream("Hi")]
        assert events[-1].data["status"] == 503
        assert "broke off" in events[-1].data["error"]
        api.raw(302, {"location": "http://127.0.0.1:9/elsewhere"}, b"")
        result = await served.provider.complete("Hi")
        assert (result.status, "does not follow" in result.error or "redirects to" in result.error) == (302, True)
        api.raw(200, {"content-type": "text/html"}, b"<html>Log in to the hotel's network</html>")
        result = await served.provider.complete("Hi")
        assert not result.ok
        assert "Log in to the hotel's network" in result.error


@pytest.mark.parametrize("kind", ["OpenAI", "Anthropic"])
async def test_leaving_a_stream_hangs_up(api: FakeAPI, cloud: Cloud, kind: str) -> None:
    served = Served(kind, api, cloud)
    api.reply(Reply("word " * 50, endless=True))
    async with served.client:
        async with served.provider.stream("Go") as events:
            async for event in events:
                assert event.type.value == "token"
                break
        assert await seam.offload(api.wait_for_hang_up)


# ---------------------------------------------------------------- what the servers received


async def test_openai(api: FakeAPI) -> None:
    api.reply("yes")
    api.reply(Reply(embeddings=[[1.0, 2.0]]))
    made = make(
        "OpenAI", base_url=api.openai_url, api_key="key-of-the-client", organization="org", default_headers={"x-a": "1"}
    )
    async with made as client:
        asked = face.OpenAIProvider(model=OPENAI, client=client, project="proj")
        await asked.complete("Hi", extra_headers={"X-B": "2"}, extra_body={"verbosity": "low"})
        request = api.last_request
        assert request.body == {
            "model": OPENAI,
            "messages": [{"role": "user", "content": "Hi"}],
            "verbosity": "low",
        }
        assert request.path == "/v1/chat/completions"
        headers = request.headers
        assert headers["authorization"] == "Bearer key-of-the-client"
        assert (headers["openai-organization"], headers["openai-project"]) == ("org", "proj")
        assert (headers["x-a"], headers["x-b"], headers["content-type"]) == ("1", "2", "application/json")
        assert "OpenAI/Python" in headers["user-agent"]
        assert headers["x-stainless-retry-count"] == "0"
        result = await face.OpenAIProvider(model="text-embedding-3-small", client=client).embed("Hi")
        assert result.embedding == [1.0, 2.0]
        assert api.last_request.path == "/v1/embeddings"


async def test_azure(api: FakeAPI) -> None:
    api.reply("yes", times=4)
    options = {"azure_endpoint": api.anthropic_url, "api_version": "2024-10-21"}
    async with make("AzureOpenAI", api_key="key-of-the-client", **options) as client:
        await face.OpenAIProvider(model="my-deployment", client=client).complete("Hi")
        request = api.last_request
        assert request.path == "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
        assert request.headers["api-key"] == "key-of-the-client"
        assert "authorization" not in request.headers
        await face.OpenAIProvider(model="my-deployment", client=client, use_responses_api=True).complete("Hi")
        assert api.last_request.path == "/openai/responses?api-version=2024-10-21"
    async with make("AzureOpenAI", azure_ad_token="entra-token", azure_deployment="fixed", **options) as client:
        asked = face.OpenAIProvider(model="gpt-4o", client=client)
        assert (await asked.complete("Hi")).ok
        request = api.last_request
        assert request.path == "/openai/deployments/fixed/chat/completions?api-version=2024-10-21"
        assert request.headers["authorization"] == "Bearer entra-token"
        events = [event async for event in asked.stream("Hi")]
        assert events[-1].type.value == "done"


async def test_anthropic(api: FakeAPI) -> None:
    api.reply("yes")
    async with make("Anthropic", base_url=api.anthropic_url, api_key="key-of-the-client") as client:
        asked = face.AnthropicProvider(model=CLAUDE, client=client, max_tokens=77)
        await asked.complete("Hi", extra_headers={"anthropic-beta": "some-beta"})
        request = api.last_request
        assert request.path == "/v1/messages"
        assert request.body == {
            "model": CLAUDE,
            "max_tokens": 77,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        }
        headers = request.headers
        # Which header carries the key is the SDK's choice; the version is that of our dialect.
        assert "key-of-the-client" in (headers.get("x-api-key"), headers.get("authorization", "")[len("Bearer ") :])
        assert headers["anthropic-version"] == "2023-06-01"
        assert headers["anthropic-beta"] == "some-beta"
        assert await asked.count_tokens("Hi there") > 0
        assert api.last_request.path == "/v1/messages/count_tokens"


async def test_bedrock(api: FakeAPI, cloud: Cloud) -> None:
    api.reply("yes", times=2)
    served = Served("AnthropicBedrock", api, cloud)
    async with served.client:
        assert (await served.provider.complete("Grüezi", extra_headers={"anthropic-beta": "some-beta"})).ok
        events = [event async for event in served.provider.stream("Hi")]
        assert events[-1].type.value == "done"
    plain, streamed = cloud.requests
    model = "us.anthropic.claude-haiku-4-5-20251001-v1"
    assert plain.path.replace("%3A", ":") == f"/model/{model}:0/invoke"
    assert streamed.path.replace("%3A", ":") == f"/model/{model}:0/invoke-with-response-stream"
    assert plain.body == {
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Grüezi"}]}],
        "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["some-beta"],
    }
    for request in (plain, streamed):
        authorization = request.headers["authorization"]
        assert authorization.startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/")
        assert "/eu-central-1/bedrock/aws4_request, " in authorization
        assert authorization.endswith(f"Signature={signature_of(request, SECRET)}")
        assert "x-api-key" not in request.headers


async def test_bedrock_with_a_bearer_token(api: FakeAPI, cloud: Cloud) -> None:
    api.reply("yes")
    made = make("AnthropicBedrock", base_url=cloud.url, api_key="bedrock-token", aws_region="us-east-1")
    async with made as client:
        assert (await face.AnthropicProvider(model=ON_BEDROCK, client=client).complete("Hi")).ok
    assert cloud.requests[0].headers["authorization"] == "Bearer bedrock-token"


async def test_vertex(api: FakeAPI, cloud: Cloud) -> None:
    api.reply("yes", times=2)
    served = Served("AnthropicVertex", api, cloud)
    async with served.client:
        assert (await served.provider.complete("Hi")).ok
        events = [event async for event in served.provider.stream("Hi")]
        assert events[-1].type.value == "done"
        assert await served.provider.count_tokens("Hi there") > 0
    plain, streamed, counted = cloud.requests
    models = "/v1/projects/proj/locations/europe-west1/publishers/anthropic/models"
    assert plain.path == f"{models}/{CLAUDE}:rawPredict"
    assert streamed.path == f"{models}/{CLAUDE}:streamRawPredict"
    assert counted.path == f"{models}/count-tokens:rawPredict"
    assert plain.body == {
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "anthropic_version": "vertex-2023-10-16",
    }
    assert all(request.headers["authorization"] == "Bearer token-of-mine" for request in cloud.requests)


async def test_time_limits_are_the_clients_unless_given(api: FakeAPI) -> None:
    made = make("OpenAI", base_url=api.openai_url, api_key="key-of-the-client", timeout=0.2)
    async with made as client:
        api.stall()
        result = await face.OpenAIProvider(model=OPENAI, client=client, attempts=1).complete("Hi")
        assert (result.status, "sent nothing for 0.2 s" in result.error) == (408, True)
        api.reply(Reply("slow", delay=0.4))
        assert (await face.OpenAIProvider(model=OPENAI, client=client, timeout=30).complete("Hi")).content == "slow"


async def test_the_key_is_kept_out_of_errors(api: FakeAPI) -> None:
    api.fail(401, "wrong key: key-of-the-client")
    async with make("OpenAI", base_url=api.openai_url, api_key="key-of-the-client") as client:
        asked = face.OpenAIProvider(model=OPENAI, client=client)
        result = await asked.complete("Hi")
    assert "key-of-the-client" not in repr(result) + repr(asked)


# ---------------------------------------------------------------- mistakes


async def test_clients_of_the_other_face_are_refused() -> None:
    other = "llm_client" if seam.FACE == "llm_client.sync" else "llm_client.sync"
    for kind, provider in (("OpenAI", face.OpenAIProvider), ("Anthropic", face.AnthropicProvider)):
        client = make(kind, api_key="key-of-the-client", other=True)
        with pytest.raises(TypeError, match=rf"belongs to the other face: use {other}\.{kind}Provider"):
            provider(client=client)


async def test_clients_of_the_other_vendor_are_refused() -> None:
    async with make("OpenAI", api_key="key-of-the-client") as client:
        with pytest.raises(TypeError, match=r"this provider needs one of the anthropic package: use OpenAIProvider"):
            face.AnthropicProvider(client=client)
    async with make("Anthropic", api_key="key-of-the-client") as client:
        with pytest.raises(TypeError, match=r"this provider needs one of the openai package: use AnthropicProvider"):
            face.OpenAIProvider(client=client)
        with pytest.raises(TypeError, match="the class"):
            face.AnthropicProvider(client=type(client))
        with pytest.raises(TypeError, match=r"not .*Messages"):
            face.AnthropicProvider(client=client.messages)
    for wrong in (5, "sk-key", object()):
        with pytest.raises(TypeError, match="client is a client of the openai package"):
            face.OpenAIProvider(client=wrong)


@pytest.mark.parametrize("name", ["api_key", "base_url", "http_client"])
async def test_what_the_client_decides_is_not_given_twice(name: str) -> None:
    for kind, provider in (("OpenAI", face.OpenAIProvider), ("Anthropic", face.AnthropicProvider)):
        async with make(kind, api_key="key-of-the-client") as client:
            with pytest.raises(ValueError, match=f"client= brings its own {name}"):
                provider(client=client, **{name: "http://127.0.0.1:9"})


async def test_missing_credentials_are_an_error_that_says_so(api: FakeAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async with make("Anthropic", base_url=api.anthropic_url, api_key="key-of-the-client") as client:
        client.api_key = None
        with pytest.raises(Exception, match="authentication"):
            await face.AnthropicProvider(model=CLAUDE, client=client).complete("Hi")
    assert not api.requests
