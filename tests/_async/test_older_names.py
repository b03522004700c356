"""Names of version 1 that still work."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client.exceptions import ConfigurationError
from llm_client.testing import FakeAPI, Reply
from support._async import face
from support.pusher_server import APP_ID


async def test_a_bucket_by_its_size() -> None:
    bucket = face.TokenBucket(size=500)
    assert (bucket.capacity, bucket.refill_rate) == (500, 500 / 60)
    assert face.TokenBucket(500).capacity == 500
    await bucket.consume(500)
    assert bucket.tokens < 400
    with pytest.raises(ValueError, match="capacity"):
        face.TokenBucket(size=0)


async def test_a_limiter_by_its_model_s_specs() -> None:
    assert face.Limiter(model_specs=face.GPT5).model_profile is face.GPT5
    assert face.Limiter(face.GPT5).model_profile is face.GPT5


async def test_callbacks_of_tool_calls(api: FakeAPI) -> None:
    seen: list[tuple[str, Any]] = []
    adapter = face.CallbackAdapter(
        on_tool_call_start=lambda call: seen.append(("start", call.name)),
        on_tool_call_end=lambda call: seen.append(("end", call.parse_arguments())),
    )
    api.reply(Reply(tool_calls=[("look", {"where": "up"})]))
    await adapter.consume(face.OpenAIProvider("gpt-5.6-luna", base_url=api.openai_url).stream("Hello"))
    assert seen == [("start", "look"), ("end", {"where": "up"})]


@pytest.mark.parametrize("name", ["tool_start", "tool_end"])
async def test_a_callback_under_both_names(name: str) -> None:
    older = name.replace("tool", "tool_call")
    with pytest.raises(TypeError, match="give one"):
        face.CallbackAdapter(**{f"on_{name}": print, f"on_{older}": print})


async def test_tool_results() -> None:
    assert face.ToolResult.success_result({"a": 1}).to_string() == '{"a":1}'
    failed = face.ToolResult.error_result("no such file")
    assert (failed.success, failed.to_string()) == (False, "Error: no such file")


@pytest.mark.parametrize("cluster", ["PUSHER_CLUSTER", "PUSHER_APP_CLUSTER", "PUSHER_AUTH_CLUSTER"])
async def test_pusher_s_variables(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHER_APP_ID", APP_ID)
    monkeypatch.setenv("PUSHER_AUTH_KEY", "older key")
    monkeypatch.setenv("PUSHER_AUTH_SECRET", "older secret")
    with pytest.raises(ConfigurationError, match="PUSHER_CLUSTER"):
        face.PusherStreamer("chat")
    monkeypatch.setenv(cluster, "eu")
    made = face.PusherStreamer("chat")
    assert (made._key, made._secret, made._cluster) == ("older key", "older secret", "eu")
    monkeypatch.setenv("PUSHER_KEY", "key")
    assert face.PusherStreamer("chat")._key == "key"
