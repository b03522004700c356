"""The type of a tool."""

from __future__ import annotations

import copy
import math
import pickle
import re
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from .arguments import ToolArgumentError, bind_arguments, parse_arguments
from .callables import PositionalCall, callable_name, docstring_of
from .docstrings import first_paragraph, parameter_descriptions
from .schema import signature_schema
from .signatures import Signature, UnresolvedHint, context_parameters, read_signature, takes_self
from .strict_schema import StrictSchemaError, drop_added_nulls, strict_schema
from .tool_context import ToolContext

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# As a tool_choice these mean something else.
_RESERVED_NAMES = frozenset({"auto", "none", "required", "any"})


class Tool:
    """A function that a model may call; made by `@tool`, or by hand.

    A tool made from a function has its schema from the signature, and its arguments are validated and coerced before
    the function runs. For one made by hand the model's arguments are passed as they are. Tools do not change:
    `replace()` makes another one.

    Args:
        name: What the model calls it: letters, digits, _ and -, at most 64.
        description: What it does, for the model.
        parameters: JSON schema of its arguments, an object.
        handler: What is called, with the arguments as keywords: a coroutine function or a plain one.
        strict: Have the vendor enforce the schema.
        timeout: Seconds that a call may take, in place of the agent's limit; None for the agent's.

    Raises:
        ValueError: The name, the schema or the time-out is not one that can be used.
        TypeError: The handler cannot be called.
    """

    name: str
    description: str
    handler: Callable[..., Any]
    strict: bool
    timeout: float | None
    _function: Callable[..., Any]
    _signature: Signature | None
    _parameters: dict[str, Any] | None
    _strict_parameters: dict[str, Any] | None
    _contexts: tuple[tuple[str, bool], ...] | None

    def __init__(
        self,
        name: str,
        description: str,
        parameters: Mapping[str, Any],
        handler: Callable[..., Any],
        strict: bool = False,
        timeout: float | None = None,
    ) -> None:
        self._set(name, description, handler, strict, timeout)
        self._keep(_function=handler, _parameters=_checked_parameters(parameters, name))
        if strict:
            self.check()

    def _set(
        self, name: str, description: str, handler: Callable[..., Any], strict: bool, timeout: float | None
    ) -> None:
        _check_name(name)
        if not isinstance(description, str):
            raise TypeError(f"the description of tool {name!r} is a string, got {type(description).__name__}")
        if not callable(handler):
            raise TypeError(f"the handler of tool {name!r} must be callable, got {handler!r}")
        if timeout is not None and not _is_duration(timeout):
            raise ValueError(f"the timeout of tool {name!r} is a number of seconds above 0 or None, got {timeout!r}")
        self._keep(
            name=name,
            description=description,
            handler=handler,
            strict=bool(strict),
            timeout=timeout,
            _signature=None,
            _parameters=None,
            _strict_parameters=None,
            _contexts=None,
        )

    @classmethod
    def from_function(
        cls,
        fn: Callable[..., Any],
        name: str | None,
        description: str | None,
        strict: bool,
        timeout: float | None,
        signature: Signature | None = None,
    ) -> Tool:
        """A tool whose schema is inferred from its function; see `tool_from_function`."""
        if signature is None:
            signature = read_signature(fn)
        made = cls.__new__(cls)
        handler = PositionalCall(fn, signature.positional) if signature.positional else fn
        text = first_paragraph(docstring_of(fn)) if description is None else description
        made._set(callable_name(fn) if name is None else name, text, handler, strict, timeout)
        made._keep(_function=fn, _signature=signature)
        for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
            value = getattr(fn, attribute, None)
            if value is not None:
                made._keep(**{attribute: value})
        return made

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the arguments.

        Raises:
            TypeError: A type hint cannot be resolved, or JSON schema cannot describe it; says which parameter.
        """
        if self._parameters is None:
            descriptions = parameter_descriptions(docstring_of(self._function))
            self._keep(_parameters=signature_schema(self._resolved_signature(), descriptions, self.name))
        return self._parameters  # type: ignore[return-value]  # kept one line above

    @property
    def strict_parameters(self) -> dict[str, Any]:
        """The schema in the form that vendors enforce for strict tools.

        Raises:
            ValueError: It has no such form; says where and why.
        """
        if self._strict_parameters is None:
            try:
                self._keep(_strict_parameters=strict_schema(self.parameters))
            except StrictSchemaError as error:
                raise StrictSchemaError(f"tool {self.name!r} cannot be strict: {error}") from error
        return self._strict_parameters  # type: ignore[return-value]

    def check(self) -> None:
        """Find out now whether the schema can be made, instead of at the first request.

        Raises:
            TypeError: A type hint cannot be resolved or described, or the tool is a method without its object.
            ValueError: A strict tool has no strict schema.
        """
        if takes_self(self._function) and self._signature is not None:
            raise TypeError(
                f"tool {self.name!r} is a method without its object; "
                f"pass it from an instance, such as {self._function.__qualname__.rpartition('.')[0]}().{self.name}"
            )
        if self.strict:
            self.strict_parameters  # noqa: B018  # computing it is the check
        else:
            self.parameters  # noqa: B018

    def to_dict(self) -> dict[str, Any]:
        """Name, description and parameters, as values that JSON can hold."""
        return {"name": self.name, "description": self.description, "parameters": copy.deepcopy(self.parameters)}

    def prepare(self, arguments: str | Mapping[str, Any] | None, context: ToolContext | None = None) -> dict[str, Any]:
        """Turn what the model wrote into keyword arguments for the handler.

        Args:
            arguments: JSON text or a dict; None and null mean none.
            context: What parameters annotated ToolContext get.

        Raises:
            ToolArgumentError: They do not fit; the message names the field and is written for the model.
            TypeError: The tool itself is broken; see `parameters`.
        """
        given = parse_arguments(arguments, self.name)
        if self.strict:
            try:
                given = drop_added_nulls(given, self.parameters)
            except RecursionError as error:
                raise ToolArgumentError(f"the arguments of {self.name!r} are nested too deeply") from error
        if self._signature is not None:
            return bind_arguments(self._resolved_signature(), given, context, self.name)
        if self._contexts is None:
            self._keep(_contexts=context_parameters(self.handler))
        for name, may_be_none in self._contexts or ():
            given[name] = context if context is not None or may_be_none else ToolContext(tool_name=self.name)
        return given

    def replace(self, **changes: Any) -> Tool:
        """The same tool with other values of name, description, parameters, handler, strict or timeout.

        With other `parameters` or another `handler` it is one made by hand, whose arguments are not validated.
        """
        unknown = changes.keys() - {"name", "description", "parameters", "handler", "strict", "timeout"}
        if unknown:
            raise TypeError(f"a tool has no {', '.join(sorted(unknown))}")
        if self._signature is None or "parameters" in changes or "handler" in changes:
            names = ("name", "description", "parameters", "handler", "strict", "timeout")
            return type(self)(**{**{name: getattr(self, name) for name in names if name not in changes}, **changes})
        values = {"name": self.name, "description": self.description, "strict": self.strict, "timeout": self.timeout}
        made = self.from_function(self._function, **{**values, **changes}, signature=self._signature)
        made._keep(_parameters=self._parameters)
        return made

    __replace__ = replace

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the handler itself: a decorated function stays a function."""
        return self.handler(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Tool:
        """A decorated method becomes a tool of its instance."""
        if instance is None or self._signature is None or not takes_self(self._function):
            return self
        method = types.MethodType(self._function, instance)
        # A hint that could not be resolved before may name something of the class, which is known now.
        signature = None if self._signature.unresolved else self._signature
        made = self.from_function(method, self.name, self.description, self.strict, self.timeout, signature)
        made._keep(_parameters=self._parameters)
        return made

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self._function

    def _resolved_signature(self) -> Signature:
        signature = self._signature
        if signature is None:
            raise TypeError(f"tool {self.name!r} was made by hand and has no signature")
        if signature.unresolved is not None:
            signature = read_signature(self._function)
            if signature.unresolved is not None:
                raise UnresolvedHint(str(signature.unresolved))
            self._keep(_signature=signature)
        return signature

    def _keep(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"tools do not change; use tool.replace({name}=...) to make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("tools do not change")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Tool):
            return NotImplemented
        return (
            (self.name, self.description, self.strict, self.timeout)
            == (other.name, other.description, other.strict, other.timeout)
            and self.handler == other.handler
            # Inferred from equal functions they are equal.
            and ((self._signature is None) == (other._signature is None))
            and (self._signature is not None or self.parameters == other.parameters)
        )

    def __hash__(self) -> int:
        return hash((Tool, self.name, self.description))

    def __repr__(self) -> str:
        return f"<Tool {self.name!r}>"

    def __copy__(self) -> Tool:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tool:
        # The handler is code, perhaps a method of an object with connections: it is shared, like every function.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        function = self._function
        found = _at_home(function)
        if found is self:
            return (_find, (function.__module__, function.__qualname__))
        if isinstance(function, types.FunctionType):
            if isinstance(found, Tool) and found._function is function:
                function = found  # read again by reference: under its name stands the tool, not the function
            elif found is not function:
                raise pickle.PicklingError(
                    f"tool {self.name!r} cannot be pickled: its function {function.__qualname__!r} is not found in "
                    f"module {function.__module__!r} under that name; define it at the top of a module"
                )
        parameters = None if self._signature is not None else self.parameters
        return (_rebuild, (self.name, self.description, parameters, function, self.strict, self.timeout))


def _find(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module) or __import__(module, fromlist=["_"])
    for name in qualname.split("."):
        found = getattr(found, name)
    return found


def _at_home(function: Any) -> Any:
    """What is found where the function says it was defined; None where nothing is."""
    try:
        return _find(function.__module__, function.__qualname__)
    except (AttributeError, ImportError, KeyError, TypeError):
        return None


def _rebuild(
    name: str,
    description: str,
    parameters: dict[str, Any] | None,
    function: Any,
    strict: bool,
    timeout: float | None,
) -> Tool:
    if isinstance(function, Tool):
        function = function._function
    if parameters is None:
        return Tool.from_function(function, name, description, strict, timeout)
    return Tool(name, description, parameters, function, strict, timeout)


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name of a tool is a string, got {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for a tool: vendors take 1 to 64 of a-z, A-Z, 0-9, _ and -; give one with name=..."
        )
    if name in _RESERVED_NAMES:
        raise ValueError(f"{name!r} is no name for a tool: as a tool_choice it means something else; choose another")


def _checked_parameters(parameters: Any, name: str) -> dict[str, Any]:
    if not isinstance(parameters, Mapping):
        raise TypeError(f"the parameters of tool {name!r} are a JSON schema as a dict, got {type(parameters).__name__}")
    kind = parameters.get("type", "object")
    if kind != "object":
        raise ValueError(f"the parameters of tool {name!r} must be a schema of type 'object', got {kind!r}")
    schema = copy.deepcopy(dict(parameters))
    if not ({"type", "properties"} <= schema.keys() or "$ref" in schema):
        schema = {"type": "object", "properties": {}, **schema}
    return schema


def _is_duration(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
