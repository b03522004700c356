# ruff: noqa: UP007, UP045  # the old spellings are what is tested, too
import asyncio
import copy
import functools
import inspect
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Optional, Union

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict, Unpack

from core import tools_elsewhere
from llm_client._core.callables import is_coroutine_callable
from llm_client._core.tools import (
    Tool,
    ToolArgumentError,
    ToolContext,
    as_tool_list,
    sync_tool,
    tool,
    tool_from_function,
)

SEARCH = {
    "name": "search_database",
    "description": "Search the database for matching records.",
    "parameters": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "Search query string"},
            "limit": {"type": "integer", "description": "Maximum results to return", "default": 10},
            "include_metadata": {
                "type": "boolean",
                "description": "Whether to include metadata in results",
                "default": False,
            },
        },
        "required": ["query"],
    },
}


def ordered(value: Any) -> Any:
    """With the order of the keys made visible to ==."""
    if isinstance(value, dict):
        return [(key, ordered(item)) for key, item in value.items()]
    return [ordered(item) for item in value] if isinstance(value, list) else value


def search_function() -> Any:
    async def search_database(
        query: str,
        limit: int = 10,
        include_metadata: bool = False,
    ) -> str:
        """Search the database for matching records.

        Args:
            query: Search query string
            limit: Maximum results to return
            include_metadata: Whether to include metadata in results

        Returns:
            JSON string of matching records
        """
        return f"{query} {limit} {include_metadata}"

    return search_database


def manual(**changes: Any) -> Tool:
    values: dict[str, Any] = {
        "name": "calculate",
        "description": "Evaluate",
        "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
        "handler": lambda **kwargs: kwargs,
    }
    return Tool(**{**values, **changes})


# --- Decorators


def test_the_specifications_example_exactly():
    assert ordered(tool(search_function()).to_dict()) == ordered(SEARCH)


def test_decorated_tools_stay_callable():
    made = tool(search_function())
    assert asyncio.run(made("a", limit=2)) == "a 2 False"

    @sync_tool
    def double(x: int) -> int:
        """Double."""
        return 2 * x

    assert double(4) == 8
    assert double.name == "double"
    assert list(inspect.signature(double).parameters) == ["x"]
    assert double.__name__ == "double"
    assert double.__doc__ == "Double."


@pytest.mark.parametrize("decorator", [tool, sync_tool])
def test_decorator_with_arguments(decorator):
    @decorator(name="other", description="Says.", strict=True, timeout=4)
    def say(x: int) -> int:
        """Not this."""
        return x

    assert (say.name, say.description, say.strict, say.timeout) == ("other", "Says.", True, 4)
    assert decorator()(lambda_free).name == "lambda_free"


def lambda_free(x: int) -> int:
    return x


def test_sync_tool_refuses_coroutine_functions():
    with pytest.raises(TypeError, match="'search_database' is async; use @tool"):
        sync_tool(search_function())
    with pytest.raises(TypeError, match="use @tool"):
        sync_tool(name="x")(functools.partial(search_function(), limit=2))


def test_a_tool_takes_plain_functions():
    assert tool(lambda_free).prepare({"x": "3"}) == {"x": 3}
    assert tool_from_function(lambda_free, name="other").name == "other"


def test_repr_is_short():
    assert repr(tool(search_function())) == "<Tool 'search_database'>"


def test_decoration_imports_no_pydantic():
    source = """
import sys
from llm_client._core.tools import tool
def search(query: str, limit: int = 10, names: list[str] = (), flag: bool | None = None) -> str:
    '''Search.

    Args:
        query: What.
    '''
tool(search)
made = tool(search)
assert 'docstring_parser' not in sys.modules
made.to_dict()
made.prepare('{"query": "a", "limit": 3, "flag": null}')
assert 'pydantic' not in sys.modules
made.prepare('{"query": "a", "limit": "3"}')
assert 'pydantic' in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- What can be a tool


def test_methods_callables_partials():
    weather = tools_elsewhere.Weather("F")
    made = as_tool_list([weather.undecorated, weather])
    assert [t.name for t in made] == ["undecorated", "Weather"]
    partial = tool_from_function(functools.partial(weather.undecorated))
    assert (partial.name, partial.prepare({"city": "Oslo"})) == ("undecorated", {"city": "Oslo"})
    assert made[0].parameters["required"] == ["city"]
    assert made[1].parameters["required"] == ["town"]
    assert made[1].description == "Call it."
    assert made[1](**made[1].prepare('{"town": "Oslo"}')) == "OsloF"


def test_partials_hide_what_they_bind():
    def fetch(url: str, key: str, depth: int = 2) -> str:
        """Fetch.

        Args:
            url: Where.
            key: Secret.
        """
        return f"{url} {key} {depth}"

    made = tool_from_function(functools.partial(fetch, key="SECRET"))
    assert made.name == "fetch"
    assert made.description == "Fetch."
    assert list(made.parameters["properties"]) == ["url", "depth"]
    assert "SECRET" not in str(made.to_dict())
    assert made(**made.prepare({"url": "u"})) == "u SECRET 2"
    with pytest.raises(ToolArgumentError, match="key: there is no such argument"):
        made.prepare({"url": "u", "key": "mine"})
    positional = tool_from_function(functools.partial(functools.partial(fetch, "u"), depth=7))
    assert list(positional.parameters["properties"]) == ["key"]
    assert positional(**positional.prepare({"key": "k"})) == "u k 7"


def test_decorated_methods_become_tools_of_their_instance():
    weather = tools_elsewhere.Weather("F")
    bound = weather.get
    assert isinstance(bound, Tool)
    assert list(bound.parameters["properties"]) == ["city", "days"]
    assert bound.parameters["properties"]["city"]["description"] == "Where."
    assert asyncio.run(bound(**bound.prepare({"city": "Oslo"}))) == "Oslo 1 F"
    assert asyncio.run(weather.get("Rome", days=2)) == "Rome 2 F"
    assert asyncio.run(tools_elsewhere.Weather.get(weather, "Rome")) == "Rome 1 F"
    assert is_coroutine_callable(bound.handler)
    at = weather.at
    assert at(**at.prepare({"place": {"name": "Rome"}})) == "Rome F at"
    assert as_tool_list([weather.get, weather.at, weather.static, weather.of_class])[3].name == "of_class"
    of_class = as_tool_list([weather.of_class])[0]
    assert of_class(**of_class.prepare({"a": 1})) == "Weather 1"
    assert weather.static(**weather.static.prepare({"a": 1})) == 1


def test_methods_without_their_object_are_refused():
    for item in (tools_elsewhere.Weather.get, tools_elsewhere.Weather.undecorated):
        with pytest.raises(TypeError, match=r"tools\[0\]: .* method without its object; .* Weather\(\)"):
            as_tool_list([item])


def test_a_tool_as_class_attribute_is_no_method():
    class Box:
        search = tools_elsewhere.search

    assert Box().search is tools_elsewhere.search


def test_decorated_functions():
    made = tools_elsewhere.decorated
    assert made.parameters["required"] == ["when"]
    assert made(**made.prepare({"when": {"x": 3}})) == 6


def test_positional_only_parameters():
    made = tool_from_function(tools_elsewhere.undecorated)
    assert list(made.parameters["properties"]) == ["a", "b", "c"]
    assert made.handler(**made.prepare({"a": 1})) == "1xFalse"
    assert made.handler(**made.prepare({"a": 1, "b": "y", "c": True})) == "1yTrue"
    assert made(1, "z") == "1zFalse"

    async def later(a: int = 1, b: int = 2, /, *, context: ToolContext) -> str:
        return f"{a}{b}{context.call_id}"

    made = tool(later)
    assert is_coroutine_callable(made.handler)
    assert asyncio.run(made.handler(**made.prepare({"b": 5}, ToolContext(call_id="c")))) == "15c"
    with pytest.raises(TypeError):
        tool_from_function(tools_elsewhere.undecorated).handler(b="y")


def test_builtin_functions():
    import math

    made = tool_from_function(math.sqrt)
    assert made.handler(**made.prepare({"x": 16})) == 4.0
    with pytest.raises(TypeError, match="cannot be read"):
        tool_from_function(max)


def test_star_args_are_refused():
    def total(first: int, *numbers: int) -> int:
        return first

    with pytest.raises(TypeError, match=r"takes \*numbers, .* numbers: list\[str\]"):
        tool(total)


def test_keyword_args_become_additional_properties():
    def options(a: int, **rest: int) -> Any:
        return {"a": a, **rest}

    made = tool(options)
    assert made.parameters["additionalProperties"] == {"type": "integer"}
    assert list(made.parameters["properties"]) == ["a"]
    assert made(**made.prepare({"a": "1", "b": "2"})) == {"a": 1, "b": 2}
    with pytest.raises(ToolArgumentError, match="b: Input should be a valid integer"):
        made.prepare({"a": 1, "b": "x"})

    def anything(context: ToolContext, **rest) -> Any:
        return rest

    made = tool(anything)
    assert made.parameters["additionalProperties"] is True
    assert made.prepare({"z": [1]})["z"] == [1]
    with pytest.raises(ToolArgumentError, match="context: there is no such argument"):
        made.prepare({"context": 1})

    class Holder:
        def open(self, **rest: Any) -> Any:
            return rest

    with pytest.raises(ToolArgumentError, match="self: there is no such argument"):
        tool_from_function(Holder().open).prepare({"self": 1})

    class Fields(TypedDict):
        a: int

    def unpacked(**fields: Unpack[Fields]) -> None:
        return None

    with pytest.raises(TypeError, match="Unpack"):
        tool(unpacked)


def test_what_cannot_be_a_tool():
    def generator(x: int) -> Any:
        yield x

    async def async_generator(x: int) -> Any:
        yield x

    for function in (generator, async_generator):
        with pytest.raises(TypeError, match="generator"):
            tool(function)
    with pytest.raises(TypeError, match="is a class"):
        tool_from_function(dict)
    with pytest.raises(TypeError, match="name='search'"):
        tool("search")
    with pytest.raises(TypeError, match="got int"):
        tool(3)
    with pytest.raises(ValueError, match=r"<lambda>.*name="):
        tool(lambda x: x)
    with pytest.raises(TypeError, match="below @classmethod"):
        tool(classmethod(lambda_free))


# --- Hints


def test_unannotated_parameters_take_anything():
    def loose(a, b=3):
        """Loose."""

    made = tool(loose)
    assert made.parameters["properties"] == {"a": {}, "b": {"default": 3}}
    assert made.prepare({"a": [1, {"x": None}]}) == {"a": [1, {"x": None}]}


def test_forward_references_to_what_comes_later():
    made = tools_elsewhere.plain
    assert made.timeout == 2.5
    later = made.prepare({"when": {"x": 1, "next": {"x": 2}}})["when"]
    assert later == tools_elsewhere.Later(1, tools_elsewhere.Later(2))
    assert made.parameters["properties"]["when"] == {"$ref": "#/$defs/Later"}
    assert list(made.parameters["$defs"]) == ["Later"]


def test_hints_for_type_checkers_alone():
    made = tools_elsewhere.unknown
    for use in (lambda: made.parameters, lambda: made.prepare({}), lambda: as_tool_list([made])):
        with pytest.raises(TypeError, match=r"'Decimal' of parameter 'amount' of 'unknown' cannot be resolved"):
            use()
    assert tools_elsewhere.returns_unknown.prepare({"amount": 1}) == {"amount": 1}
    hidden = tools_elsewhere.with_hidden_context
    assert list(hidden.parameters["properties"]) == ["amount"]
    assert hidden(**hidden.prepare({"amount": 1}, ToolContext())) == "1 True"
    assert hidden(**hidden.prepare({"amount": 1})) == "1 False"


def test_local_types_as_text():
    @dataclass
    class Inner:
        x: int

    @dataclass
    class Outer:
        inner: "Inner"
        more: "list[Inner]"

    def use(a: "Outer", b: "Optional[Inner]" = None) -> Any:
        return a, b

    made = tool(use)
    value = made.prepare({"a": {"inner": {"x": 1}, "more": [{"x": 2}]}, "b": {"x": "3"}})
    assert value == {"a": Outer(Inner(1), [Inner(2)]), "b": Inner(3)}

    def wrong(a: "Nowhere") -> None:  # noqa: F821
        return None

    with pytest.raises(TypeError, match="'Nowhere' of parameter 'a' of 'wrong' cannot be resolved"):
        tool(wrong)

    def broken(a: "list[") -> None:  # noqa: F722
        return None

    with pytest.raises(TypeError, match="parameter 'a' of 'broken'"):
        tool(broken)


def test_forward_references_inside_builtin_generics():
    def use(nodes: list["SomeModel"], by_name: dict[str, "SomeModel"]) -> None:
        return None

    made = tool_from_function(use)
    assert made.prepare({"nodes": [{"a": 1}], "by_name": {}}) == {"nodes": [SomeModel(a=1)], "by_name": {}}


class SomeModel(BaseModel):
    a: int


def test_descriptions_in_annotated():
    def use(
        a: Annotated[str, "First"],
        b: Annotated[int, Field(description="Second", ge=1)] = 2,
        c: Annotated[SomeModel, "Third"] = SomeModel(a=1),  # noqa: B008
        d: Annotated[Optional[int], "Fourth"] = None,
    ) -> None:
        """Use.

        Args:
            a: Not this.
            b: Nor this.
        """

    properties = tool(use).parameters["properties"]
    assert properties["a"] == {"type": "string", "description": "First"}
    assert properties["b"] == {"type": "integer", "minimum": 1, "description": "Second", "default": 2}
    assert properties["c"]["description"] == "Third"
    assert properties["c"]["default"] == {"a": 1}
    assert properties["d"]["description"] == "Fourth"


def test_docstring_describes_a_model_in_its_place():
    def use(model: SomeModel) -> None:
        """Use.

        Args:
            model: The settings.
        """

    assert tool(use).parameters["properties"]["model"]["description"] == "The settings."


def test_defaults_are_shown_as_json():
    import datetime
    import enum

    class Colour(enum.Enum):
        RED = "red"

    @dataclass
    class Point:
        x: int = 1

    missing = object()

    def use(
        a: float = float("nan"),
        b: datetime.date = datetime.date(2024, 1, 2),
        c: Colour = Colour.RED,
        d: Point = Point(2),  # noqa: B008
        e: tuple[int, ...] = (1, 2),
        f: set[int] = {3},  # noqa: B006
        g: Any = missing,
        h: int = None,  # type: ignore[assignment]  # noqa: RUF013
        i: Optional[str] = None,
        j: Any = print,
    ) -> None:
        return None

    schema = tool(use).parameters
    shown = {name: schema["properties"][name].get("default", "-") for name in schema["properties"]}
    assert shown == {
        "a": "-", "b": "2024-01-02", "c": "red", "d": {"x": 2}, "e": [1, 2], "f": [3], "g": "-", "h": None, "i": None,
        "j": "-",
    }  # fmt: skip
    assert schema["required"] == []
    assert schema["properties"]["h"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]


def test_field_as_default():
    def use(
        a: int = Field(ge=1, description="A"),
        b: int = Field(default=4, lt=9),
        c: list[int] = Field(default_factory=list),  # noqa: B008
        d: Annotated[int, Field(default=5)] = ...,  # type: ignore[assignment]
    ) -> Any:
        return a, b, c

    del use.__annotations__["d"]
    use.__defaults__ = (*use.__defaults__[:3], 7)
    made = tool(use)
    assert made.parameters["required"] == ["a"]
    assert made.parameters["properties"]["b"] == {"type": "integer", "exclusiveMaximum": 9, "default": 4}
    assert made.parameters["properties"]["a"]["description"] == "A"
    first, second = made.prepare({"a": 1}), made.prepare({"a": 1})
    assert first == {"a": 1, "b": 4, "c": []}
    assert first["c"] is not second["c"]
    with pytest.raises(ToolArgumentError, match="a: Input should be greater than or equal to 1"):
        made.prepare({"a": 0})

    def annotated(a: Annotated[int, Field(default=5)]) -> int:
        return a

    made = tool(annotated)
    assert made.parameters["required"] == []
    assert made(**made.prepare({})) == 5


if sys.version_info >= (3, 12):

    def test_type_parameters():
        names: dict[str, Any] = {"tool": tool}
        exec("from __future__ import annotations\n@tool\ndef f[T: int](x: T, y: list[T]) -> T:\n    return x\n", names)
        assert names["f"].parameters["properties"]["x"] == {"type": "integer"}


# --- ToolContext


@pytest.mark.parametrize(
    "annotation",
    [
        ToolContext,
        ToolContext[int],
        Optional[ToolContext],
        Union[ToolContext[str], None],
        Annotated[ToolContext, "x"],
        "ToolContext",
        "Optional[ToolContext[int]]",
    ],
    ids=str,
)
def test_contexts_are_injected_and_not_shown(annotation):
    def use(a: int, context=None) -> None:
        return None

    use.__annotations__["context"] = annotation
    made = tool(use)
    assert list(made.parameters["properties"]) == ["a"]
    context = ToolContext(call_id="c1", deps=3)
    assert made.prepare({"a": 1}, context) == {"a": 1, "context": context}
    with pytest.raises(ToolArgumentError, match="context: there is no such argument"):
        made.prepare({"a": 1, "context": {}}, context)


def test_context_outside_an_agent():
    def needs(context: ToolContext) -> str:
        return context.tool_name

    def may(context: Optional[ToolContext]) -> bool:
        return context is None

    assert tool(needs)(**tool(needs).prepare(None)) == "needs"
    assert tool(may)(**tool(may).prepare(None)) is True


def test_context_of_tools_made_by_hand():
    def handler(context: ToolContext, **kwargs: Any) -> Any:
        return context.call_id, kwargs

    made = manual(handler=handler)
    assert made(**made.prepare('{"expression": 1}', ToolContext(call_id="c"))) == ("c", {"expression": 1})
    assert manual(handler=max).prepare("{}") == {}


def test_remaining_time():
    context: ToolContext[Any] = ToolContext(remaining=lambda: 2.5)
    assert context.remaining_time() == 2.5
    assert ToolContext().remaining_time() is None
    with pytest.raises(AttributeError):
        context.turn = 3  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(ToolContext(deps={"a": 1}))).deps == {"a": 1}


# --- Tools by hand


def test_manual_tools_pass_arguments_on():
    made = manual()
    assert made.prepare('{"expression": 5, "more": null}') == {"expression": 5, "more": None}
    assert made.prepare(None) == {}
    assert list(made.to_dict()) == ["name", "description", "parameters"]
    assert manual(parameters={}).parameters == {"type": "object", "properties": {}}
    for arguments in ("[1]", "3", "{", '"x"'):
        with pytest.raises(ToolArgumentError, match="'calculate'"):
            made.prepare(arguments)


def test_manual_tools_are_checked():
    with pytest.raises(TypeError, match="handler of tool 'calculate' must be callable"):
        manual(handler="x")
    with pytest.raises(ValueError, match="type 'object', got 'string'"):
        manual(parameters={"type": "string"})
    with pytest.raises(TypeError, match="as a dict, got list"):
        manual(parameters=[])
    with pytest.raises(TypeError, match="description"):
        manual(description=None)
    for timeout in (0, -1, float("nan"), True, "3"):
        with pytest.raises(ValueError, match="timeout"):
            manual(timeout=timeout)
    with pytest.raises(ValueError, match=r"cannot be strict: the root: .*free keys"):
        manual(strict=True, parameters={"type": "object", "additionalProperties": True})


@pytest.mark.parametrize("name", ["", "a b", "a.b", "é", "x" * 65, "a\n", "auto", "none", "required", "any"])
def test_bad_names(name):
    with pytest.raises(ValueError, match="no name for a tool"):
        manual(name=name)
    with pytest.raises(ValueError, match="no name for a tool"):
        tool(name=name)(lambda_free)
    with pytest.raises(TypeError, match="is a string"):
        manual(name=3)


def test_manual_parameters_are_copied():
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    made = manual(parameters=parameters)
    parameters["properties"]["x"] = 1
    made.to_dict()["parameters"]["properties"]["y"] = 1
    assert made.parameters == {"type": "object", "properties": {}}


# --- Strict


def test_strict_tools():
    @tool(strict=True)
    def plan(city: str, days: int = 3, note: Optional[str] = None) -> Any:
        """Plan."""
        return city, days, note

    assert "additionalProperties" not in plan.parameters
    strict = plan.strict_parameters
    assert strict["additionalProperties"] is False
    assert strict["required"] == ["city", "days", "note"]
    assert strict["properties"]["days"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "description": "(default: 3)",
    }
    assert plan(**plan.prepare({"city": "Rome", "days": None, "note": None})) == ("Rome", 3, None)

    @tool(strict=True)
    def free(options: dict[str, int]) -> None:
        """Free."""

    with pytest.raises(ValueError, match=r"tools\[0\]: tool 'free' cannot be strict: options: .*free keys"):
        as_tool_list([free])

    by_hand = manual(strict=True, parameters={"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}})
    assert by_hand.prepare({"a": 1, "b": None}) == {"a": 1}
    deep: Any = None
    for _ in range(100_000):
        deep = [deep]
    nested = manual(
        strict=True,
        parameters={
            "properties": {"a": {"$ref": "#/$defs/L"}},
            "$defs": {"L": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/L"}}, {"type": "null"}]}},
        },
    )
    with pytest.raises(ToolArgumentError, match="nested too deeply"):
        nested.prepare({"a": deep})
    while deep is not None:  # letting go of it at once would overflow the C stack of old Pythons
        deep = deep[0]


# --- Values


def test_tools_do_not_change():
    made = tool(search_function())
    with pytest.raises(AttributeError, match=r"tool\.replace\(timeout=\.\.\.\)"):
        made.timeout = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del made.name
    other = made.replace(timeout=3, name="other", description="D")
    assert (other.name, other.timeout, other.description) == ("other", 3, "D")
    assert other.parameters == made.parameters
    assert other.prepare({"query": "x", "limit": "1"}) == {"query": "x", "limit": 1}
    assert made.replace(parameters={"type": "object"}).prepare({"z": 1}) == {"z": 1}
    with pytest.raises(TypeError, match="has no colour"):
        made.replace(colour=1)
    assert tool_from_function(made) is made
    assert tool_from_function(made, timeout=9).timeout == 9


def test_equality_and_hash():
    function = search_function()
    assert tool(function) == tool(function)
    assert hash(tool(function)) == hash(tool(function))
    assert tool(function) != tool(function, timeout=1)
    assert tool(function) != tool(search_function())
    assert tool(function) != "x"
    handler = lambda_free
    assert manual(handler=handler) == manual(handler=handler)
    assert manual(handler=handler) != manual(handler=handler, parameters={"type": "object", "properties": {}})
    positional = tool(tools_elsewhere.undecorated)
    assert positional == tool(tools_elsewhere.undecorated)
    assert len({positional, tool(tools_elsewhere.undecorated), manual()}) == 2


def test_copies():
    made = tool(search_function())
    assert copy.copy(made) == made
    assert copy.deepcopy([made])[0] == made
    assert copy.deepcopy(made).handler is made.handler


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(protocol):
    def again(value: Tool) -> Tool:
        return pickle.loads(pickle.dumps(value, protocol))

    assert again(tools_elsewhere.search) is tools_elsewhere.search
    changed = tools_elsewhere.search.replace(timeout=4)
    assert again(changed) == changed
    assert again(changed).prepare({"query": "x", "limit": "2"}) == {"query": "x", "limit": 2}
    positional = tool(tools_elsewhere.undecorated)
    assert again(positional) == positional
    by_hand = manual(handler=lambda_free)
    assert again(by_hand) == by_hand
    weather = tools_elsewhere.Weather("F")
    for made in (weather.get, tool(weather.undecorated), tool(weather), tool(functools.partial(lambda_free, x=2))):
        back = again(made)
        assert back.to_dict() == made.to_dict()
    assert again(weather.get)._function.__self__ == weather
    with pytest.raises(pickle.PicklingError, match=r"tool 'inner' cannot be pickled: .*at the top of a module"):
        again(tools_elsewhere.make_tool())


# --- Lists


def test_as_tool_list_takes_mixtures():
    made = as_tool_list((tools_elsewhere.search, lambda_free, manual(), tools_elsewhere.Weather()))
    assert [t.name for t in made] == ["search", "lambda_free", "calculate", "Weather"]
    assert made[0] is tools_elsewhere.search
    assert as_tool_list(None) == []
    assert as_tool_list(iter([lambda_free]))[0].name == "lambda_free"


def test_as_tool_list_names_the_position():
    with pytest.raises(TypeError, match=r"tools\[1\] must be a Tool or something that can be called, got str 'search'"):
        as_tool_list([lambda_free, "search"])
    with pytest.raises(TypeError, match=r"tools\[0\] .*got dict \{"):
        as_tool_list([{"type": "function"}])
    with pytest.raises(TypeError, match=r"tools\[1\]: .*is a class"):
        as_tool_list([manual(), dict])
    with pytest.raises(ValueError, match=r"tools\[0\]: '<lambda>' is no name"):
        as_tool_list([lambda x: x])
    with pytest.raises(ValueError, match=r"tools\[1\] and tools\[0\] are both named 'lambda_free'"):
        as_tool_list([lambda_free, tool(lambda_free)])
    for wrong in (manual(), "search", lambda_free, 3, {"a": lambda_free}):
        with pytest.raises(TypeError, match="tools is a list"):
            as_tool_list(wrong)


def test_coroutine_callables():
    class Asynchronous:
        async def __call__(self) -> None:
            return None

    class Plain:
        def __call__(self) -> None:
            return None

    @functools.wraps(search_function())
    def blocking(*args: Any) -> Any:
        return None

    async def function() -> None:
        return None

    for callable_ in (
        function,
        Asynchronous(),
        functools.partial(functools.partial(function)),
        Asynchronous().__call__,
        tool(function),
        staticmethod(function),
        tools_elsewhere.Weather().get,
    ):
        assert is_coroutine_callable(callable_)
    for callable_ in (Plain(), blocking, print, dict, lambda_free, functools.lru_cache(lambda_free), manual()):
        assert not is_coroutine_callable(callable_)
