"""A function's signature, with its type hints resolved: what a tool takes."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Union

from .callables import callable_name, is_routine, underlying_function
from .tool_context import ToolContext

MISSING: Any = inspect.Parameter.empty

_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
_VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD

# Linters move imports that only annotations need under TYPE_CHECKING: the name is then unknown at run time.
_CONTEXT_AS_TEXT = re.compile(r"(?:Optional\[)?(?:\w+\.)*ToolContext(?:\[.*\])?\]?(?:\s*\|\s*None)?")


class UnresolvedHint(TypeError):
    """A type hint names something that does not exist (yet)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that the model sees.

    Args:
        name: The keyword.
        annotation: The resolved type; `Any` where there is none.
        default: The default of the signature, MISSING where there is none.
    """

    name: str
    annotation: Any = Any
    default: Any = MISSING


@dataclass(frozen=True, slots=True)
class Signature:
    """What a tool takes, read from its function.

    Args:
        parameters: What the model sees, in order.
        contexts: Parameters that get the ToolContext; True where they may be None.
        extra: The type of `**kwargs`, MISSING where the function has none.
        positional: Names of positional-only parameters, in order, with their defaults.
        hidden: Names that must not come from the model: contexts, `self`, what a partial has bound.
        local_types: Classes of the function around this one, which the types' own hints may name.
        unresolved: The hint that could not be resolved yet, None where all could.
        adapters: pydantic's validators by parameter, made when first needed.
    """

    parameters: tuple[Parameter, ...]
    contexts: tuple[tuple[str, bool], ...] = ()
    extra: Any = MISSING
    positional: tuple[tuple[str, Any], ...] = ()
    hidden: frozenset[str] = frozenset()
    local_types: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    unresolved: UnresolvedHint | None = field(default=None, repr=False, compare=False)
    adapters: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


def takes_self(fn: Any) -> bool:
    """True for a function written as a method, that is no method of an instance yet."""
    if not isinstance(fn, types.FunctionType) or "." not in fn.__qualname__:
        return False
    if fn.__qualname__.rpartition(".")[0].endswith("<locals>"):
        return False
    code = fn.__code__
    first = code.co_varnames[0] if code.co_argcount else ""
    return first in ("self", "cls") and first not in fn.__annotations__


def read_signature(fn: Callable[..., Any]) -> Signature:
    """Read and check a function's signature.

    Args:
        fn: Function, method, partial or callable object.

    Raises:
        TypeError: The function cannot be a tool: it takes `*args`, is a generator, or has no readable signature.
        UnresolvedHint: A function inside another one has a type hint that names something unknown. At module level
            the name may come later: the error is then kept in `unresolved`.
    """
    label = callable_name(fn)
    signature = _signature(fn, label)
    hints = _Hints(fn, label)
    bound = _bound_keywords(fn)
    skip_self = takes_self(fn)
    hidden = set(bound)
    if skip_self or _has_self(fn):
        hidden.update(getattr(getattr(underlying_function(fn), "__code__", None), "co_varnames", ())[:1])
    parameters: list[Parameter] = []
    contexts: list[tuple[str, bool]] = []
    positional: list[tuple[str, Any]] = []
    extra: Any = MISSING
    for index, parameter in enumerate(signature.parameters.values()):
        if (skip_self and index == 0) or parameter.name in bound:
            continue
        if parameter.kind is _VAR_POSITIONAL:
            raise TypeError(
                f"{label!r} takes *{parameter.name}, which a model cannot fill: arguments of tools have names; "
                f"write a parameter such as {parameter.name}: list[str] instead"
            )
        if parameter.kind is _VAR_KEYWORD:
            extra = hints.resolve(parameter)
            _refuse_unpack(extra, label, parameter.name)
            continue
        annotation = hints.resolve(parameter)
        if parameter.kind is _POSITIONAL_ONLY:
            positional.append((parameter.name, parameter.default))
        may_be_none = _context_kind(annotation)
        if may_be_none is not None:
            contexts.append((parameter.name, may_be_none))
            hidden.add(parameter.name)
            continue
        if parameter.default is None and not accepts_none(annotation):
            # `limit: int = None` says that None is fine, and models send null for what they leave out.
            annotation = Union[annotation, None]  # noqa: UP007  # made at run time
        parameters.append(Parameter(parameter.name, annotation, parameter.default))
    return Signature(
        tuple(parameters),
        tuple(contexts),
        extra,
        tuple(positional),
        frozenset(hidden),
        hints.local_types(),
        hints.unresolved,
    )


def context_parameters(fn: Callable[..., Any]) -> tuple[tuple[str, bool], ...]:
    """The parameters that get the ToolContext, of a function whose schema was written by hand."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # built-in functions tell nothing of themselves
        return ()
    hints = _Hints(fn, callable_name(fn))
    contexts = []
    for parameter in parameters:
        if "ToolContext" not in str(parameter.annotation):
            continue
        may_be_none = _context_kind(hints.resolve(parameter))
        if may_be_none is not None:
            contexts.append((parameter.name, may_be_none))
    return tuple(contexts)


def accepts_none(annotation: Any) -> bool:
    """True if None is a value of the type, as far as its outer layers show."""
    if annotation is None or annotation is type(None) or annotation is Any or annotation is object:
        return True
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return accepts_none(typing.get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return any(accepts_none(member) for member in typing.get_args(annotation))
    if origin is typing.Literal:
        return None in typing.get_args(annotation)
    return False


def _signature(fn: Any, label: str) -> inspect.Signature:
    function = underlying_function(fn)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{label!r} is a generator function, but a tool gives one answer: return a value, do not yield")
    try:
        return inspect.signature(fn)
    except (ValueError, TypeError) as error:
        raise TypeError(
            f"the signature of {label!r} cannot be read ({error}); "
            "wrap it in a function with type hints, or use Tool(name=..., parameters=..., handler=...)"
        ) from error


def _bound_keywords(fn: Any) -> set[str]:
    """Keywords that partials have bound: the developer chose them, often secrets, so the model sees none of them."""
    bound: set[str] = set()
    while isinstance(fn, functools.partial):
        bound.update(fn.keywords)
        fn = fn.func
    return bound


def _has_self(fn: Any) -> bool:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return not is_routine(fn) and not isinstance(fn, staticmethod)


def _refuse_unpack(annotation: Any, label: str, name: str) -> None:
    if getattr(typing.get_origin(annotation), "__name__", "") == "Unpack" or (
        type(annotation).__name__ == "_UnpackGenericAlias" or getattr(annotation, "__unpacked__", False)
    ):
        raise TypeError(
            f"{label!r} takes **{name}: Unpack[...], which is not supported; "
            "write the fields as parameters, or take the TypedDict as one parameter"
        )


def _context_kind(annotation: Any) -> bool | None:
    """None for an ordinary type, else whether the context may be None."""
    if annotation is ToolContext or typing.get_origin(annotation) is ToolContext:
        return False
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _context_kind(typing.get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        if len(members) == 1 and _context_kind(members[0]) is not None:
            return True
    return None


_PLAIN_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}


class _Hints:
    """Resolves the type hints of one function's parameters, each by itself so that an error can name it."""

    def __init__(self, fn: Any, label: str) -> None:
        self._label = label
        self._function = inspect.unwrap(underlying_function(fn))
        self._owner = _owner(fn)
        self._names: dict[str, Any] | None = None
        self.unresolved: UnresolvedHint | None = None

    def resolve(self, parameter: inspect.Parameter) -> Any:
        annotation = parameter.annotation
        if annotation is MISSING:
            return Any
        if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
            return annotation
        if annotation is None:
            return type(None)
        scope = getattr(self._function, "__globals__", {})
        if annotation.__class__ is str and annotation in _PLAIN_TYPES and annotation not in scope:
            return _PLAIN_TYPES[annotation]  # what follows would find the same, in a hundred times the time
        holder = types.SimpleNamespace(__annotations__={"hint": _with_forward_references(annotation)})
        try:
            try:
                return typing.get_type_hints(holder, scope, {}, include_extras=True)["hint"]
            except NameError:  # not a global: one of the surrounding function or class, then
                return typing.get_type_hints(holder, scope, self._local_names(), include_extras=True)["hint"]
        except NameError as error:
            text = annotation if isinstance(annotation, str) else ""
            if _CONTEXT_AS_TEXT.fullmatch(text.strip()):
                return ToolContext | None if "None" in text or "Optional" in text else ToolContext
            problem = self._error(parameter, annotation, error)
            if self._is_local():
                raise problem from error
            self.unresolved = problem
            return Any
        except Exception as error:
            raise self._error(parameter, annotation, error) from error

    def _is_local(self) -> bool:
        return "<locals>" in getattr(self._function, "__qualname__", "")

    def local_types(self) -> dict[str, Any]:
        """The classes among the local names: no other object is kept alive by a tool."""
        if not self._is_local():
            return {}
        return {name: value for name, value in self._local_names().items() if isinstance(value, type)}

    def _error(self, parameter: inspect.Parameter, annotation: Any, error: Exception) -> UnresolvedHint:
        return UnresolvedHint(
            f"the type hint {annotation!r} of parameter {parameter.name!r} of {self._label!r} cannot be resolved: "
            f"{error}; the type must exist when the tool is made, and not only under TYPE_CHECKING"
        )

    def _local_names(self) -> dict[str, Any]:
        if self._names is None:
            names: dict[str, Any] = {}
            for owner in reversed(getattr(self._owner, "__mro__", ())):
                if owner is not object:
                    names.update(vars(owner))
                    names[owner.__name__] = owner
            names.update(caller_names(self._function))
            code = getattr(self._function, "__code__", None)
            cells = getattr(self._function, "__closure__", None) or ()
            for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
                try:
                    names[name] = cell.cell_contents
                except ValueError:  # a variable without a value yet
                    continue
            for parameter in getattr(self._function, "__type_params__", ()):
                names[parameter.__name__] = parameter
            self._names = names
        return self._names


def _owner(fn: Any) -> type | None:
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.ismethod(fn):
        return fn.__self__ if isinstance(fn.__self__, type) else type(fn.__self__)
    return None if is_routine(fn) else type(fn)


def _with_forward_references(annotation: Any) -> Any:
    """`list["Node"]` as Python 3.11 reads it: 3.10 leaves the string inside as it is."""
    if sys.version_info >= (3, 11) or not isinstance(annotation, types.GenericAlias):
        return annotation
    arguments = tuple(
        typing.ForwardRef(argument) if isinstance(argument, str) else _with_forward_references(argument)
        for argument in annotation.__args__
    )
    origin: Any = annotation.__origin__
    return types.GenericAlias(origin, arguments)


def caller_names(fn: Any) -> dict[str, Any]:
    """The local names of the functions and classes in which `fn` is defined, while those still run; the nearest win.

    Only frames of the same module count: names of other modules' functions mean something else.
    """
    function = inspect.unwrap(underlying_function(fn))
    if "." not in getattr(function, "__qualname__", ""):
        return {}
    scope = getattr(function, "__globals__", None)
    frames = []
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is scope and frame.f_locals is not scope:
            frames.append(frame.f_locals)
        frame = frame.f_back  # type: ignore[assignment]
    names: dict[str, Any] = {}
    for local_names in reversed(frames):
        names.update(local_names)
    return names
