"""The fake API's batches, as the vendors' own SDKs see them."""

from __future__ import annotations

import io
import json
from typing import Any

import anthropic
import openai
import pytest

from llm_client.testing import FakeAPI


def openai_client(api: FakeAPI) -> Any:
    return openai.OpenAI(api_key="k", base_url=api.openai_url, max_retries=0)


def anthropic_client(api: FakeAPI) -> Any:
    return anthropic.Anthropic(api_key="k", base_url=api.anthropic_url, max_retries=0)


def lines(*texts: str, url: str = "/v1/chat/completions") -> bytes:
    return b"\n".join(
        json.dumps(
            {
                "custom_id": text, "method": "POST", "url": url,
                "body": {"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}]},
            }
        ).encode()
        for text in texts
    )  # fmt: skip


def start(client: Any, content: bytes) -> Any:
    file = client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")
    assert (file.object, file.purpose, file.bytes) == ("file", "batch", len(content))
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )


def test_openais_batches_from_the_upload_to_the_results(api: FakeAPI) -> None:
    api.reply("first")
    api.fail(400, "bad")
    api.batches.polls = 2
    with openai_client(api) as client:
        batch = start(client, lines("x", "y"))
        assert (batch.status, batch.metadata, batch.request_counts.total) == ("validating", {"a": "b"}, 2)
        assert client.batches.retrieve(batch.id).status == "in_progress"
        batch = client.batches.retrieve(batch.id)
        assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 1, 1)
        good = json.loads(client.files.content(batch.output_file_id).content)
        bad = json.loads(client.files.content(batch.error_file_id).content)
        assert [each.id for each in client.batches.list()] == [batch.id]
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(batch.id)
    assert (good["custom_id"], good["error"], good["response"]["status_code"]) == ("x", None, 200)
    assert good["response"]["body"]["choices"][0]["message"]["content"] == "first"
    assert (bad["custom_id"], bad["response"]["body"]["error"]["message"]) == ("y", "bad")
    assert [request.text for request in api.batches.answered] == ["x"]
    assert api.batches.sizes == [2]


def test_openais_batches_that_expire_are_canceled_or_refused() -> None:
    with FakeAPI() as api, openai_client(api) as client:
        api.batches.expire()
        batch = client.batches.retrieve(start(client, lines("x", "y")).id)
        assert batch.status == "expired"
        line = json.loads(client.files.content(batch.error_file_id).content)
        assert (line["custom_id"], line["response"], line["error"]["code"]) == ("x", None, "batch_expired")
        batch = start(client, lines("x"))
        assert client.batches.cancel(batch.id).status == "cancelling"
        batch = client.batches.retrieve(batch.id)
        assert (batch.status, batch.output_file_id, batch.error_file_id) == ("cancelled", None, None)
        for content, code in [
            (lines("x", "x"), "duplicate_custom_id"),
            (b"nonsense", "invalid_json_line"),
            (lines("x", url="/v1/embeddings"), "mismatched_url"),
            (b'{"custom_id": "x"}', "missing_required_parameter"),
        ]:
            batch = client.batches.retrieve(start(client, content).id)
            assert (batch.status, batch.errors.data[0].code) == ("failed", code)
        with pytest.raises(openai.BadRequestError):
            client.batches.create(input_file_id="none", endpoint="/v1/responses", completion_window="24h")
        with pytest.raises(openai.NotFoundError):
            client.batches.retrieve("batch_none")
        with pytest.raises(openai.BadRequestError):
            client.files.create(file=b"x", purpose="fine-tune")


def message(name: str, text: str) -> Any:
    return {
        "custom_id": name,
        "params": {
            "model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]
        },
    }  # fmt: skip


def test_anthropics_batches_from_the_making_to_the_results(api: FakeAPI) -> None:
    api.reply("first")
    api.fail(529, "busy")
    fates: dict[str, Any] = {"c": "expired", "d": "canceled", "e": "missing"}
    api.reply("for nothing")
    api.batches.on_item(lambda name, request: fates.get(name))
    with anthropic_client(api) as client:
        made = client.messages.batches.create(requests=[message(name, name) for name in "abcde"])
        assert (made.processing_status, made.request_counts.processing, made.results_url) == ("in_progress", 5, None)
        api.batches.hold()
        with pytest.raises(anthropic.AnthropicError):
            list(client.messages.batches.results(made.id))
        api.batches.release()
        batch = client.messages.batches.retrieve(made.id)
        assert (batch.processing_status, batch.request_counts.processing) == ("ended", 0)
        counts = batch.request_counts
        assert (counts.succeeded, counts.errored, counts.expired, counts.canceled) == (2, 1, 1, 1)
        results = {each.custom_id: each.result for each in client.messages.batches.results(made.id)}
        assert [each.id for each in client.messages.batches.list()] == [made.id]
    assert {name: result.type for name, result in results.items()} == {
        "a": "succeeded", "b": "errored", "c": "expired", "d": "canceled"
    }  # fmt: skip
    assert results["a"].message.content[0].text == "first"
    assert results["b"].error.error.message == "busy"


def test_anthropics_batches_that_are_canceled_or_wrong() -> None:
    with FakeAPI() as api, anthropic_client(api) as client:
        api.batches.hold()
        batch = client.messages.batches.create(requests=[message("a", "x")])
        assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
        api.batches.release()
        assert client.messages.batches.retrieve(batch.id).request_counts.canceled == 1
        for wrong in ([], [message("no spaces", "x")], [message("a", "x"), message("a", "y")], [{"custom_id": "a"}]):
            with pytest.raises(anthropic.BadRequestError):
                client.messages.batches.create(requests=wrong)


def test_the_pages_of_anthropics_list() -> None:
    with FakeAPI() as api, anthropic_client(api) as client:
        made = [client.messages.batches.create(requests=[message("a", "x")]).id for _ in range(5)]
        assert [each.id for each in client.messages.batches.list(limit=2)] == made[::-1]
        page = client.messages.batches.list(limit=2, before_id=made[1])
        assert [each.id for each in page.data] == made[3:1:-1]
        assert page.has_more


def test_a_lost_answer_is_lost_after_the_deed(api: FakeAPI) -> None:
    api.hang_up(on="message_batches")
    with anthropic_client(api) as client, pytest.raises(anthropic.APIConnectionError):
        client.messages.batches.create(requests=[message("a", "x")])
    assert api.batches.sizes == [1]


def test_the_key_is_asked_for_here_too() -> None:
    with FakeAPI(api_key="another") as api, openai_client(api) as client, pytest.raises(openai.AuthenticationError):
        client.batches.list()
