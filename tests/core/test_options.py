"""The arguments of `complete()` and `stream()`, checked before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from llm_client._core.http import Timeouts
from llm_client._core.messages import Message, Role
from llm_client._core.options import check_option_names, check_tool_choice, completion_request, read_timeouts
from llm_client._core.profiles import ModelProfile
from llm_client._core.tools import Tool
from llm_client._core.wire.request import CompletionRequest

MODEL = "gpt-5.2"


def weather(city: str) -> str:
    """Tell the weather."""
    return city


def asked(
    messages: Any = "Hello", tools: Any = None, tool_choice: Any = None, *, model: str = MODEL, **options: Any
) -> CompletionRequest:
    request, _ = completion_request(
        messages, tools, tool_choice, options, model=model, profile=ModelProfile.resolve(model), stream=False
    )  # type: ignore[arg-type]  # also what callers get wrong
    return request


def test_nothing_is_made_up() -> None:
    request = asked()
    assert request == CompletionRequest(MODEL, ModelProfile.resolve(MODEL), [Message.user("Hello")], tools=[])


def test_options_that_do_not_exist() -> None:
    check_option_names("complete", {"temperature": 1, "cache_response": True})
    with pytest.raises(
        TypeError, match=r"complete\(\) got an unexpected argument 'temprature'; did you mean 'temperature'"
    ):
        check_option_names("complete", {"temprature": 1})
    with pytest.raises(TypeError, match="extra_body"):
        check_option_names("stream", {"zzz": 1})


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"temperature": -1}, ValueError, "temperature is a number at least 0, got -1"),
        ({"temperature": "hot"}, TypeError, "temperature is a number, got str"),
        ({"temperature": True}, TypeError, "got bool"),
        ({"temperature": float("nan")}, ValueError, "temperature"),
        ({"top_p": 1.5}, ValueError, "from 0 to 1"),
        ({"max_tokens": 0}, ValueError, "at least 1"),
        ({"max_tokens": 1.0}, TypeError, "whole number"),
        ({"unsupported": "ignore"}, ValueError, "'ignore'"),
        ({"extra_body": ["x"]}, TypeError, "extra_body is a dict"),
        ({"response_format": "yaml"}, ValueError, "yaml"),
        ({"model": "text-embedding-3-small"}, ValueError, "embed"),
        ({"tools": "weather"}, TypeError, "tools is a list"),
        ({"messages": []}, ValueError, "empty"),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        asked(**options)


def test_what_is_no_part_of_the_question_is_left_out() -> None:
    request = asked(
        attempts=3, backoff=1.0, timeout=5, extra_headers={"a": "b"}, output_retries=2, cache_response=True,
        cache_collection="c", rewrite_cache=True, regen_cache=True, coalesce=False, temperature=None, seed=7,
    )  # fmt: skip
    assert request == asked(seed=7)
    assert request.seed == 7


def test_one_stop_text_is_a_list_of_one() -> None:
    assert asked(stop="END").stop == ["END"]
    assert asked(stop=["a", "b"]).stop == ["a", "b"]


def test_functions_become_tools() -> None:
    request = asked(tools=[weather], tool_choice="weather")
    assert isinstance(request.tools[0], Tool)
    assert (request.tools[0].name, request.tool_choice) == ("weather", "weather")


@pytest.mark.parametrize(
    ("choice", "common"),
    [(None, None), ("auto", "auto"), ("none", "none"), ("required", "required"), ("any", "required"), ("a", "a")],
)
def test_tool_choices(choice: str | None, common: str | None) -> None:
    assert check_tool_choice(choice, [Tool("a", "", {"type": "object"}, weather)]) == common


def test_tool_choices_that_cannot_be() -> None:
    assert check_tool_choice("auto", []) is None
    assert check_tool_choice("none", []) is None
    tools = [Tool("a", "", {"type": "object"}, weather)]
    for choice, given, kind, words in (
        ("required", [], ValueError, "no tools were passed"),
        ("any", [], ValueError, "no tools were passed"),
        ("b", tools, ValueError, "names no tool; expected 'auto', 'none', 'required' or one of: 'a'"),
        ("a", [], ValueError, "one of: none"),
        ({"type": "function"}, tools, TypeError, "got dict"),
    ):
        with pytest.raises(kind, match=words):
            check_tool_choice(choice, given)  # type: ignore[arg-type]


def test_json_mode_brings_the_word_json() -> None:
    request = asked([Message.system("Be brief."), Message.user("Hi")], response_format="json_object")
    assert [message.role for message in request.messages] == [Role.SYSTEM, Role.SYSTEM, Role.USER]
    assert "JSON" in request.messages[1].text
    assert len(asked("Hi", response_format="json_object").messages) == 2
    assert len(asked("Answer in Json.", response_format="json_object").messages) == 1
    assert len(asked("Hi", response_format="text").messages) == 1


def test_timeouts() -> None:
    given = Timeouts(connect=1.0, read=2.0)
    assert read_timeouts(given) is given
    assert read_timeouts(30) == Timeouts(connect=5.0, read=30)
    assert read_timeouts(2) == Timeouts(connect=2, read=2)
    for value, kind in (
        (0, ValueError),
        (-1, ValueError),
        ("1", TypeError),
        (True, TypeError),
        (float("nan"), ValueError),
    ):
        with pytest.raises(kind, match="timeout"):
            read_timeouts(value)  # type: ignore[arg-type]
