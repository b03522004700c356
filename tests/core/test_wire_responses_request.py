"""Requests in the form of OpenAI's Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_client._core.messages import Message, ProviderItems, ToolCall
from llm_client._core.parts import AudioPart, FilePart, ImagePart, TextPart
from llm_client._core.strict_schema import StrictSchemaError
from llm_client._core.tools import Tool
from llm_client._core.validate import repair
from llm_client._core.wire.openai_responses import NAME, PATH, build_request, parse_response
from llm_client._core.wire.request import ResponseFormat
from llm_client._core.wire.responses_input import begun_on_server, input_items
from llm_client.testing import FakeAPI
from support.openai_wire import (
    PLAIN_MODEL,
    call_item,
    check_body,
    reasoning_item,
    refusal_item,
    request,
    response,
    text_item,
)

CALL = ToolCall("call_1", "weather", '{"city":"Zürich"}')
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def body_of(messages: Any = "Hello", **given: Any) -> dict[str, Any]:
    return check_body("responses", build_request(request(messages, **given)))


def answered(*output: dict[str, Any], **given: Any) -> Message:
    """The message that an answer with this output becomes."""
    result = parse_response(json.dumps(response(*output)).encode(), request(**given))
    assert result.ok
    return result.to_message()


def weather(**given: Any) -> Tool:
    return Tool("weather", "Tells the weather.", SCHEMA, lambda city: city, **given)


# --- members of the body


def test_a_plain_question() -> None:
    assert body_of() == {"model": "gpt-5.2", "input": [{"role": "user", "content": "Hello"}]}
    assert PATH == "/responses"
    assert body_of(stream=True)["stream"] is True


def test_parameters_go_out_under_the_names_of_this_api() -> None:
    body = body_of(
        max_tokens=100, reasoning_effort="low", temperature=0.5, top_p=0.9, prompt_cache_key="k", user="u", store=True
    )
    assert body == {
        "model": "gpt-5.2",
        "input": [{"role": "user", "content": "Hello"}],
        "max_output_tokens": 100,
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "top_p": 0.9,
        "store": True,
        "prompt_cache_key": "k",
        "safety_identifier": "u",
    }


def test_tools_say_whether_they_are_strict() -> None:
    loose, strict = body_of(tools=[weather(), weather(strict=True).replace(name="exact")])["tools"]
    assert loose == {
        "type": "function",
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": SCHEMA,
        "strict": False,
    }
    assert strict["strict"] is True
    assert strict["parameters"]["additionalProperties"] is False


def test_a_tool_that_cannot_be_strict_is_refused() -> None:
    with pytest.raises(StrictSchemaError, match="loose"):
        Tool("loose", "", {"type": "object", "patternProperties": {".*": {}}}, lambda: None, strict=True)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("any", "required"),
        ("weather", {"type": "function", "name": "weather"}),
    ],
)
def test_tool_choice(choice: str, sent: Any) -> None:
    body = body_of(tools=[weather()], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == sent
    assert body["parallel_tool_calls"] is False


def test_response_formats() -> None:
    assert body_of(response_format=ResponseFormat("json_object"))["text"] == {"format": {"type": "json_object"}}
    loose = ResponseFormat("json_schema", schema=SCHEMA, name="place")
    assert body_of(response_format=loose)["text"] == {
        "format": {"type": "json_schema", "name": "place", "schema": SCHEMA}
    }
    strict = ResponseFormat("json_schema", schema=SCHEMA, name="place", description="Where.", strict=True)
    assert body_of(response_format=strict)["text"]["format"] == {
        "type": "json_schema", "name": "place", "schema": SCHEMA, "description": "Where.", "strict": True
    }  # fmt: skip


def test_extra_body_wins_and_is_merged_into_objects() -> None:
    body = body_of(
        reasoning_effort="low",
        max_tokens=5,
        store=False,
        extra_body={
            "reasoning": {"summary": "auto"},
            "max_output_tokens": 50,
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "truncation": "auto",
        },
    )
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["max_output_tokens"] == 50
    assert body["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert body["truncation"] == "auto"
    forced = body_of(tools=[weather()], tool_choice="weather", extra_body={"tool_choice": {"type": "image_generation"}})
    assert forced["tool_choice"] == {"type": "image_generation"}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, False),
        ({"store": True}, False),
        ({"store": False}, True),
        ({"extra_body": {"store": False}}, True),
        ({"store": False, "extra_body": {"store": True}}, False),
        ({"store": False, "model": PLAIN_MODEL}, False),
        ({"store": False, "model": "some-server's-model"}, True),
    ],
)
def test_reasoning_is_asked_for_in_its_encrypted_form_where_nothing_is_stored(
    given: dict[str, Any], asked: bool
) -> None:
    assert ("reasoning.encrypted_content" in body_of(**given).get("include", ())) is asked


# --- input items


def test_system_messages_stay_in_the_input() -> None:
    body = body_of([Message.system("Be brief."), Message.user("Hi"), Message.system("In JSON."), Message.user("Go")])
    assert body["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "In JSON."},
        {"role": "user", "content": "Go"},
    ]
    assert "instructions" not in body


def test_calls_and_their_results() -> None:
    exchange = [
        Message.user("Weather?"),
        Message.assistant("I will look.", [CALL, ToolCall("call_2", "now", "")]),
        Message.tool_result("call_1", "sunny", "weather"),
        Message.tool_result("call_2", "", "now", is_error=True),
        Message.assistant("It is sunny."),
    ]
    assert body_of(exchange)["input"][1:] == [
        {"role": "assistant", "content": "I will look."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Zürich"}'},
        {"type": "function_call", "call_id": "call_2", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "call_2", "output": ""},
        {"role": "assistant", "content": "It is sunny."},
    ]


def test_parts() -> None:
    parts: list[Any] = [
        TextPart("Look: "),
        ImagePart(url="https://example.org/a.png", detail="low"),
        ImagePart(data="aGk=", media_type="image/png"),
        FilePart(data="aGk=", media_type="application/pdf", filename="a.pdf"),
        FilePart(data="aGk=", media_type="application/pdf"),
        FilePart(data="aGk=", media_type="image/png", filename="a.png"),
        FilePart(url="https://example.org/a.pdf"),
        FilePart(file_id="file-1"),
        {"type": "input_image", "file_id": "file-2", "detail": "auto"},
    ]
    assert body_of([Message.user(parts)])["input"][0]["content"] == [
        {"type": "input_text", "text": "Look: "},
        {"type": "input_image", "detail": "low", "image_url": "https://example.org/a.png"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_file", "filename": "file.pdf", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_image", "file_id": "file-2", "detail": "auto"},
    ]


def test_audio_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="Chat Completions"):
        build_request(request([Message.user([AudioPart("aGk=")])]))


def test_a_tool_may_return_an_image() -> None:
    message = Message(
        role="tool",  # type: ignore[arg-type]  # normalised
        content=[TextPart("Seen:"), ImagePart(data="aGk=", media_type="image/png")],  # type: ignore[arg-type]
        tool_call_id="call_1",
    )
    body = body_of([Message.user("Look"), Message.assistant(None, [CALL]), message])
    assert [part["type"] for part in body["input"][-1]["output"]] == ["input_text", "input_image"]


# --- what goes back unchanged


def test_plain_answers_carry_no_items() -> None:
    assert answered(text_item("Hello")).provider_items is None
    assert answered(text_item("Hello"), call_item()).provider_items is None
    # Reasoning that nothing follows cannot be sent back.
    assert answered(text_item("Hello"), reasoning_item("Hm.")).provider_items is None


def test_reasoning_goes_back_with_what_followed_it() -> None:
    output = (reasoning_item("Hm.", status=None, content=None), call_item(), call_item("now", "{}", number=2))
    message = answered(*output)
    assert message.provider_items == ProviderItems(NAME, output)
    body = body_of([Message.user("Weather?"), message, Message.tool_result("call_1", "sunny")])
    # The API gives null where it does not take it.
    assert body["input"][1] == reasoning_item("Hm.")
    assert body["input"][2:4] == [call_item(), call_item("now", "{}", number=2)]


def test_items_survive_save_and_load() -> None:
    message = answered(reasoning_item(encrypted_content="secret"), text_item("Hello"))
    loaded = Message.from_dict(json.loads(json.dumps(message.to_dict())))
    assert body_of([Message.user("Hi"), loaded]) == body_of([Message.user("Hi"), message])
    assert body_of([Message.user("Hi"), loaded])["input"][1]["encrypted_content"] == "secret"


def test_without_a_store_only_encrypted_reasoning_goes_back() -> None:
    plain = answered(reasoning_item("Hm."), text_item("Hello"), call_item())
    encrypted = answered(reasoning_item("Hm.", encrypted_content="secret"), text_item("Hello"), call_item())
    result = Message.tool_result("call_1", "sunny")
    kinds = [item.get("type") for item in body_of(["Hi", encrypted, result], store=False)["input"]]
    assert kinds == [None, "reasoning", "message", "function_call", "function_call_output"]
    # Without the ids too, for which the server would want the reasoning.
    assert body_of(["Hi", plain, result], store=False)["input"][1:3] == [
        {"role": "assistant", "content": "Hello"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Zürich"}'},
    ]


def test_items_of_another_vendor_are_left_out() -> None:
    foreign = ProviderItems("anthropic-messages", ({"type": "thinking", "thinking": "Hm.", "signature": "s"},))
    message = Message(role="assistant", content="Hello", provider_items=foreign)  # type: ignore[arg-type]
    assert body_of(["Hi", message])["input"][1:] == [{"role": "assistant", "content": "Hello"}]


def test_items_that_no_longer_fit_the_message_are_left_out() -> None:
    message = answered(reasoning_item("Hm."), text_item("Hello"), call_item())
    changed = [
        Message(role=message.role, content="Bye", tool_calls=message.tool_calls, provider_items=message.provider_items),
        Message(role=message.role, content="Hello", provider_items=message.provider_items),
        Message(
            role=message.role,
            content="Hello",
            tool_calls=[ToolCall("other", "weather", "{}")],
            provider_items=message.provider_items,
        ),
    ]
    for edited in changed:
        items = input_items([edited], stored=True)
        assert items[0] == {"role": "assistant", "content": edited.text}
        assert not any("id" in item for item in items)


def test_edited_arguments_are_sent() -> None:
    message = answered(reasoning_item("Hm."), call_item())
    edited = Message(
        role=message.role,
        tool_calls=[ToolCall("call_1", "weather", '{"city":"Bern"}')],
        provider_items=message.provider_items,
    )
    assert input_items([edited], stored=True)[1]["arguments"] == '{"city":"Bern"}'


def test_hosted_tools_and_phases_go_back() -> None:
    search = {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    message = answered(search, text_item("Found."))
    assert [item["type"] for item in input_items([message], stored=True)] == ["web_search_call", "message"]
    spoken = answered(text_item("Let me see.", phase="commentary"), call_item())
    assert input_items([spoken], stored=True)[0]["phase"] == "commentary"


def test_a_custom_tool_call_is_answered_in_its_own_form() -> None:
    custom = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_9", "name": "math", "input": "4 + 4"}
    message = answered(reasoning_item(), {**custom, "status": "completed"})
    assert message.tool_calls == [ToolCall("call_9", "math", '{"input":"4 + 4"}')]
    items = body_of(["Add", message, Message.tool_result("call_9", "8")])["input"]
    assert items[2] == custom
    assert items[3] == {"type": "custom_tool_call_output", "call_id": "call_9", "output": "8"}


def test_a_refusal_with_reasoning_goes_back() -> None:
    message = answered(reasoning_item("Hm."), refusal_item("I will not."))
    assert message.text == "I will not."
    assert [item["type"] for item in input_items([message], stored=True)] == ["reasoning", "message"]


@pytest.mark.parametrize("store", [True, False])
def test_two_turns_with_reasoning_pass_the_servers_own_checks(store: bool) -> None:
    output = (
        reasoning_item("First.", id="rs_a", encrypted_content="e1"),
        reasoning_item("Second.", id="rs_b", encrypted_content="e2"),
        call_item(),
        reasoning_item("Third.", id="rs_c", encrypted_content="e3"),
        text_item("Hello"),
    )
    history = [Message.user("Hi"), answered(*output, store=store), Message.tool_result("call_1", "sunny")]
    repaired = repair(history, NAME)
    assert not repaired.notes
    body = body_of(repaired.messages, store=store)
    assert [item.get("id") for item in body["input"][1:6]] == ["rs_a", "rs_b", "fc_1", "rs_c", "msg_1"]


# --- conversations that the server keeps


def test_results_for_calls_that_only_the_server_knows() -> None:
    result, system, user = Message.tool_result("call_1", "sunny"), Message.system("Be brief."), Message.user("And?")
    assert begun_on_server([result], {}) == 1
    assert begun_on_server([system, result], {}) == 2
    assert begun_on_server([result, user], {"previous_response_id": "resp_1"}) == 1
    assert begun_on_server([result, user], {"conversation": "conv_1"}) == 1
    assert begun_on_server([result, user], {}) == 0
    assert begun_on_server([system, user], {"previous_response_id": "resp_1"}) == 0
    assert begun_on_server([], {"previous_response_id": "resp_1"}) == 0


def test_the_fake_api_takes_the_bodies() -> None:
    import urllib.request

    with FakeAPI() as api:
        api.reply("Fine.")
        body = body_of(
            [
                Message.system("Be brief."),
                "Weather?",
                Message.assistant(None, [CALL]),
                Message.tool_result("call_1", "x"),
            ],
            tools=[weather()],
        )
        asked = urllib.request.Request(
            api.openai_url + PATH, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(asked) as answer:
            result = parse_response(answer.read(), request())
    assert result.content == "Fine."
