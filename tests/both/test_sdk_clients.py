"""`client=`: what concerns one face alone, and clients that callers have made their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import anthropic
import httpx
import openai
import pytest

import llm_client
import llm_client.sync
from llm_client.testing import FakeAPI


def test_a_second_event_loop_is_refused(api: FakeAPI) -> None:
    api.reply("yes", times=2)
    for provider_class, client in (
        (llm_client.OpenAIProvider, openai.AsyncOpenAI(base_url=api.openai_url, api_key="key-of-mine")),
        (llm_client.AnthropicProvider, anthropic.AsyncAnthropic(base_url=api.anthropic_url, api_key="key-of-mine")),
    ):
        provider: Any = provider_class(client=client)

        async def ask(provider: Any = provider) -> Any:
            return await provider.complete("Hi")

        async def ask_and_close(provider: Any = provider, client: Any = client) -> Any:
            try:
                return await provider.complete("Hi")
            finally:
                await client.close()

        assert asyncio.run(ask_and_close()).content == "yes"
        with pytest.raises(RuntimeError, match=r"this client is in use on another event loop.*leave client= out"):
            asyncio.run(ask())


def test_an_httpx_client_inside_the_sdk_client(api: FakeAPI) -> None:
    seen: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda request: seen.append(request.url.path)]}) as inner:
        client = openai.OpenAI(base_url=api.openai_url, api_key="key-of-mine", http_client=inner)
        provider = llm_client.sync.OpenAIProvider(model="gpt-4o", client=client, attempts=1)
        api.reply("yes", times=2)
        assert provider.complete("Hi", timeout=20).content == "yes"
        assert [event.type.value for event in provider.stream("Hi")][-1] == "done"
        assert seen == ["/v1/chat/completions"] * 2
        api.stall()
        assert provider.complete("Hi", timeout=0.2).status == 408
        api.hang_up()
        result = provider.complete("Hi")
        assert (result.status, result.error_code) == (503, "connection")


def test_a_class_of_the_callers_own(api: FakeAPI) -> None:
    class Signed(openai.OpenAI):
        @property
        def auth_headers(self) -> dict[str, str]:
            return {"authorization": "Custom signature"}

        def _auth_headers(self, security: Any) -> dict[str, str]:
            return self.auth_headers

    api.reply("yes")
    with Signed(base_url=api.openai_url, api_key="unused-key") as client:
        assert llm_client.sync.OpenAIProvider(model="gpt-4o", client=client).complete("Hi").ok
    assert api.last_request.headers["authorization"] == "Custom signature"


def test_a_broken_amazon_stream_is_an_error_event(api: FakeAPI) -> None:
    kinds = {"content-type": "application/vnd.amazon.eventstream"}
    with anthropic.Anthropic(base_url=api.anthropic_url, api_key="key-of-mine") as client:
        provider = llm_client.sync.AnthropicProvider(client=client)
        for body, words in ((b"x" * 40, "is damaged"), (b"\0\0\0\x40", "ends within a message")):
            api.raw(200, kinds, body)
            events = list(provider.stream("Hi", attempts=1))
            assert [event.type.value for event in events] == ["error"]
            assert words in events[0].data["error"]


def test_no_sdk_is_imported_unless_a_client_is_given() -> None:
    program = (
        "import sys, llm_client.sync as face\n"
        "face.OpenAIProvider(base_url='http://127.0.0.1:9')\n"
        "face.AnthropicProvider(base_url='http://127.0.0.1:9')\n"
        "print(sorted({'openai', 'anthropic', 'httpx2', 'boto3'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
