"""What is sent to Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_client._core.messages import Message, ProviderItems, ToolCall
from llm_client._core.parts import AudioPart, FilePart, ImagePart, TextPart
from llm_client._core.tools import Tool
from llm_client._core.wire import anthropic_messages as dialect
from support.anthropic_wire import OLD_MODEL, STRICT_MODEL, check_body, request

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


async def _handler(**given: Any) -> str:
    return str(given)


def tool(name: str = "weather", *, strict: bool = False) -> Tool:
    return Tool(name=name, description="Tells the weather.", parameters=SCHEMA, handler=_handler, strict=strict)


def body(*given: Any, **options: Any) -> dict[str, Any]:
    return check_body(dialect.build_request(request(*given, **options)))


def texts(turn: dict[str, Any]) -> list[str]:
    return [block["text"] for block in turn["content"]]


def test_the_smallest_request() -> None:
    assert body("Hi") == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_plain_parameters() -> None:
    sent = body("Hi", stream=True, max_tokens=9, temperature=0.5, top_p=0.9, stop=["END"], user="u1")
    assert sent["stream"] is True
    assert sent["max_tokens"] == 9
    assert (sent["temperature"], sent["top_p"]) == (0.5, 0.9)
    assert sent["stop_sequences"] == ["END"]
    assert sent["metadata"] == {"user_id": "u1"}


def test_system_messages_are_hoisted_in_order() -> None:
    sent = body(
        [
            {"role": "system", "content": "One"},
            {"role": "user", "content": "Hi"},
            {"role": "developer", "content": [{"type": "text", "text": "Two"}]},
        ]
    )
    assert sent["system"] == "One\n\nTwo"
    assert [turn["role"] for turn in sent["messages"]] == ["user"]


def test_a_system_message_with_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="text only, got ImagePart"):
        body([Message.system([ImagePart(url="https://example.org/a.png")]), Message.user("Hi")])


def test_neighbours_of_one_role_become_one_turn() -> None:
    sent = body(
        [Message.user("a"), Message.user("b"), Message.assistant("c"), Message.assistant("d"), Message.user("e")]
    )
    assert [(turn["role"], texts(turn)) for turn in sent["messages"]] == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
        ("user", ["e"]),
    ]


def test_results_stand_in_one_turn_before_text_in_the_order_of_the_calls() -> None:
    calls = [
        ToolCall("t1", "weather", '{"city": "Bern"}'),
        ToolCall("t2", "weather", "{}"),
        ToolCall("t3", "weather", ""),
    ]
    sent = body(
        [
            Message.user("Hi"),
            Message.assistant("I look.", calls),
            Message.tool_result("t3", "three"),
            Message.user("And?"),
            Message.tool_result("t1", "one", is_error=True),
            Message.tool_result("t2", ""),
        ]
    )
    assert sent["messages"][1]["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
        {"type": "tool_use", "id": "t2", "name": "weather", "input": {}},
        {"type": "tool_use", "id": "t3", "name": "weather", "input": {}},
    ]
    assert sent["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": "one", "is_error": True},
        {"type": "tool_result", "tool_use_id": "t2"},
        {"type": "tool_result", "tool_use_id": "t3", "content": "three"},
        {"type": "text", "text": "And?"},
    ]
    assert len(sent["messages"]) == 3


@pytest.mark.parametrize("arguments", ['{"city": "Be', "[1]", "nonsense"])
def test_arguments_that_are_no_object_go_back_as_they_were_written(arguments: str) -> None:
    sent = body([Message.user("Hi"), Message.assistant(None, [ToolCall("t1", "weather", arguments)]),
                 Message.tool_result("t1", "not JSON", is_error=True)])  # fmt: skip
    assert sent["messages"][1]["content"][0]["input"] == {"INVALID_JSON": arguments}


def test_what_is_empty_is_left_out() -> None:
    sent = body([Message.user("a"), Message.assistant(" \n"), Message.user(""), Message.user(["  ", "b"])])
    assert [(turn["role"], texts(turn)) for turn in sent["messages"]] == [("user", ["a", "b"])]


@pytest.mark.parametrize("messages", [[Message.system("only")], [Message.user("  ")]])
def test_nothing_to_send_is_said(messages: list[Message]) -> None:
    with pytest.raises(ValueError, match="nothing to send"):
        body(messages)


def test_a_prefill_ends_without_white_space() -> None:
    sent = body([Message.user("a"), Message.assistant('{"x": \n')])
    assert texts(sent["messages"][1]) == ['{"x":']


def test_images_and_documents() -> None:
    sent = body(
        [
            Message.user(
                [
                    ImagePart(url="https://example.org/a.png"),
                    ImagePart(data="aGk=", media_type="image/jpg"),
                    FilePart(data="JVBERg==", media_type="application/pdf", filename="a.pdf"),
                    FilePart(data="aMO8", media_type="text/csv"),
                    FilePart(url="https://example.org/a.pdf"),
                    FilePart(data="aGk=", media_type="image/png"),
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                ]
            )
        ]
    )
    assert [block["source"] for block in sent["messages"][0]["content"]] == [
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "base64", "media_type": "image/jpeg", "data": "aGk="},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
        {"type": "text", "media_type": "text/plain", "data": "hü"},
        {"type": "url", "url": "https://example.org/a.pdf"},
        {"type": "base64", "media_type": "image/png", "data": "aGk="},
        {"type": "text", "media_type": "text/plain", "data": "plain"},
    ]
    assert sent["messages"][0]["content"][2]["title"] == "a.pdf"


def test_an_uploaded_file_needs_the_beta() -> None:
    asked = request([Message.user([FilePart(file_id="file_1")])])
    assert dialect.build_request(asked)["messages"][0]["content"][0]["source"] == {"type": "file", "file_id": "file_1"}
    assert dialect.beta_headers(asked) == {"anthropic-beta": "files-api-2025-04-14"}
    assert dialect.beta_headers(request("Hi")) == {}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (AudioPart(data="aGk="), "takes no audio"),
        (ImagePart(data="aGk=", media_type="image/bmp"), "JPEG, PNG, GIF and WebP images, got 'image/bmp'"),
        (FilePart(data="aGk=", media_type="application/zip", filename="a.zip"), "got 'application/zip' .*a.zip"),
        (FilePart(data="/w==", media_type="text/plain", filename="a.txt"), "is not UTF-8 text"),
    ],
)
def test_parts_without_a_form_are_refused(part: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        body([Message.user([part])])


def test_a_tool_result_may_hold_an_image() -> None:
    result = Message(role="tool", tool_call_id="t1", content=[ImagePart(data="aGk=", media_type="image/png")])  # type: ignore[arg-type]
    sent = body([Message.user("Hi"), Message.assistant(None, [ToolCall("t1", "weather")]), result])
    assert sent["messages"][2]["content"][0]["content"][0]["type"] == "image"


def test_tools() -> None:
    sent = body("Hi", tools=[tool()])
    assert sent["tools"] == [{"name": "weather", "description": "Tells the weather.", "input_schema": SCHEMA}]
    assert "tool_choice" not in sent


def test_strict_tools_only_where_the_model_has_them() -> None:
    strict = body("Hi", tools=[tool(strict=True)])["tools"][0]
    assert strict["strict"] is True
    assert strict["input_schema"]["additionalProperties"] is False
    assert "strict" not in body("Hi", tools=[tool(strict=True)], model=OLD_MODEL)["tools"][0]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ("any", {"type": "any"}),
        ("weather", {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choice(choice: str, sent: dict[str, Any]) -> None:
    assert body("Hi", tools=[tool()], tool_choice=choice)["tool_choice"] == sent
    single = body("Hi", tools=[tool()], tool_choice=choice, parallel_tool_calls=False)["tool_choice"]
    assert single == (sent if choice == "none" else {**sent, "disable_parallel_tool_use": True})


def test_single_calls_need_a_tool_choice() -> None:
    sent = body("Hi", tools=[tool()], parallel_tool_calls=False)
    assert sent["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in body("Hi", parallel_tool_calls=False, tool_choice="auto")


def test_thinking_and_effort() -> None:
    sent = body("Hi", thinking={"type": "adaptive"}, reasoning_effort="low", model=STRICT_MODEL)
    assert sent["thinking"] == {"type": "adaptive"}
    assert sent["output_config"] == {"effort": "low"}


def test_extra_body_wins() -> None:
    assert body("Hi", max_tokens=5, extra_body={"max_tokens": 7, "service_tier": "auto"})["max_tokens"] == 7


# --- what goes back as it came

THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
REDACTED = {"type": "redacted_thinking", "data": "xyz"}
USE = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}
CALL = ToolCall("t1", "weather", '{"city":"Bern"}')


def answer(
    *items: dict[str, Any], content: str | None = None, calls: Any = None, dialect: str = dialect.NAME
) -> Message:
    return Message(
        role="assistant",  # type: ignore[arg-type]
        content=content,
        tool_calls=calls,
        provider_items=ProviderItems(dialect, items),
    )


def replay(message: Message, *after: Message, **options: Any) -> list[dict[str, Any]]:
    following = after or ((Message.tool_result("t1", "sunny"),) if message.tool_calls else (Message.user("And?"),))
    sent = body([Message.user("Hi"), message, *following], **options)
    return [block for turn in sent["messages"] if turn["role"] == "assistant" for block in turn["content"]]


def test_thinking_is_replayed_verbatim() -> None:
    assert replay(answer(THINKING, REDACTED, USE, calls=[CALL])) == [THINKING, REDACTED, USE]


def test_replay_survives_save_and_load() -> None:
    saved = json.loads(json.dumps(answer(THINKING, USE, calls=[CALL]).to_dict()))
    assert replay(Message.from_dict(saved)) == [THINKING, USE]


def test_foreign_items_are_dropped() -> None:
    foreign = answer({"type": "reasoning", "id": "rs_1"}, content="Hello", dialect="openai-responses")
    assert replay(foreign) == [{"type": "text", "text": "Hello"}]


def test_items_that_no_longer_fit_are_dropped() -> None:
    text = {"type": "text", "text": "Hello"}
    assert replay(answer(THINKING, text, content="Hello")) == [THINKING, text]
    assert replay(answer(THINKING, text, content="changed")) == [{"type": "text", "text": "changed"}]
    assert replay(answer(THINKING, USE, calls=None, content="x"))[0]["type"] == "text"
    renamed = ToolCall("t2", "weather", "{}")
    kept = replay(answer(THINKING, USE, calls=[renamed]), Message.tool_result("t2", "sunny"))
    assert kept == [{"type": "tool_use", "id": "t2", "name": "weather", "input": {}}]


def test_what_the_api_refuses_is_not_replayed() -> None:
    unsigned = {"type": "thinking", "thinking": "Hm."}
    blank = {"type": "text", "text": "\n\n"}
    assert replay(answer(THINKING, blank, USE, content="\n\n", calls=[CALL])) == [THINKING, USE]
    assert replay(answer(unsigned, USE, calls=[CALL])) == [USE]
    text = {"type": "text", "text": "a"}
    assert replay(answer(text, THINKING, content="a")) == [text]
    assert replay(answer(THINKING)) == []


def test_cut_off_arguments_are_replayed_beside_their_thinking() -> None:
    cut = ToolCall("t1", "weather", '{"city": "Be')
    sent = replay(answer(THINKING, {**USE, "input": {}}, calls=[cut]))
    assert sent == [THINKING, {**USE, "input": {"INVALID_JSON": '{"city": "Be'}}]


def test_a_paused_turn_goes_on_with_thinking_only_where_it_is_on() -> None:
    search = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    paused = answer(THINKING, search)
    asked = [Message.user("Hi"), paused]
    on = body(asked, thinking={"type": "enabled", "budget_tokens": 1024})
    assert on["messages"][1]["content"] == [THINKING, search]
    assert body(asked)["messages"][1]["content"] == [search]
    assert body(asked, model=STRICT_MODEL)["messages"][1]["content"] == [THINKING, search]


# --- prompt caching

MARK = {"type": "ephemeral"}


def marks(sent: dict[str, Any]) -> int:
    return json.dumps(sent).count('"cache_control"')


def test_auto_marks_tools_system_and_the_last_turns() -> None:
    talk = [Message.system("Be kind.")]
    for number in range(4):
        talk += [Message.user(f"q{number}"), Message.assistant(f"a{number}")]
    sent = body([*talk, Message.user("last")], tools=[tool("one"), tool("two")], cache="auto")
    assert marks(sent) == 4
    assert [("cache_control" in one) for one in sent["tools"]] == [False, True]
    assert sent["system"] == [{"type": "text", "text": "Be kind.", "cache_control": MARK}]
    marked = [turn["content"][-1]["text"] for turn in sent["messages"] if "cache_control" in turn["content"][-1]]
    assert marked == ["q3", "last"]


def test_auto_leaves_room_for_marks_of_the_caller() -> None:
    hour = {"type": "ephemeral", "ttl": "1h"}
    sent = body(
        [
            Message.system([TextPart("Be kind.", cache_control=hour), TextPart("And brief.")]),
            Message.user([TextPart("a", cache_control=hour), FilePart(url="https://e.org/a.pdf", cache_control=hour)]),
            Message.assistant("b"),
            Message.user("c"),
        ],
        tools=[tool()],
        cache="auto",
    )
    assert marks(sent) == 4
    assert sent["system"][0]["cache_control"] == hour
    assert sent["tools"][0]["cache_control"] == MARK


def test_marks_of_the_caller_alone() -> None:
    part = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    image = {"type": "image_url", "image_url": {"url": "https://e.org/a.png"}, "cache_control": {"type": "ephemeral"}}
    message = Message.from_dict({"role": "user", "content": [part, image]})
    assert Message.from_dict(json.loads(json.dumps(message.to_dict()))) == message
    assert hash(message.content) == hash(message.content)
    sent = body([message])
    assert [block["cache_control"] for block in sent["messages"][0]["content"]] == [MARK, MARK]
    with pytest.raises(ValueError, match="cache_control is a dict"):
        Message.user([{"type": "text", "text": "a", "cache_control": "yes"}])


def test_auto_never_marks_thinking_and_does_not_change_the_history() -> None:
    asked = request(
        [Message.user("Hi"), answer(THINKING, USE, calls=[CALL]), Message.tool_result("t1", "x")], cache="auto"
    )
    sent = check_body(dialect.build_request(asked))
    assert "cache_control" not in json.dumps(sent["messages"][1])
    assert sent == dialect.build_request(asked)
    assert "cache_control" not in THINKING


def test_another_word_for_cache_is_refused() -> None:
    with pytest.raises(ValueError, match='cache is "auto" or None'):
        body("Hi", cache="always")


# --- counting, headers


def test_counting_tokens() -> None:
    asked = request([Message.system("Be kind."), Message.user("Hi")], tools=[tool()], stream=True, temperature=1.0)
    assert dialect.COUNT_PATH == "/v1/messages/count_tokens"
    assert set(dialect.build_count_request(asked)) == {"model", "messages", "system", "tools"}
    assert dialect.parse_count(b'{"input_tokens": 14}') == 14
    for broken in (b"", b"<html>", b"[]", b'{"input_tokens": "x"}', b"{}"):
        assert dialect.parse_count(broken) is None


def test_headers() -> None:
    assert dialect.auth_headers("k") == {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    assert dialect.auth_headers(None) == {"anthropic-version": "2023-06-01"}
