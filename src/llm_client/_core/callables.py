"""What kind of callable something is, seen through partials, methods and callable objects."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

_MOST_LAYERS = 32

# inspect.isroutine is no help: it takes every object with __get__ for a routine, lru_cache's and our own Tool too.
_ROUTINES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    type,
)


def is_routine(fn: Any) -> bool:
    """True for functions, built-in ones too, and classes; False for objects that are merely callable."""
    return isinstance(fn, _ROUTINES)


def underlying_function(fn: Any) -> Any:
    """What runs when `fn` is called: through partials, bound methods and callable objects.

    A plain function is never looked through, even where it wraps another one (`functools.wraps`): a blocking
    wrapper around a coroutine function is itself a blocking function.
    """
    for _ in range(_MOST_LAYERS):
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, (types.MethodType, staticmethod, classmethod)):
            fn = fn.__func__
        elif is_routine(fn):
            return fn
        elif hasattr(fn, "__wrapped__"):
            # An object that stands for another callable: our own Tool, functools.lru_cache, wrapt's proxies.
            fn = fn.__wrapped__
        elif callable(fn):
            fn = type(fn).__call__
        else:
            return fn
    return fn


def is_coroutine_callable(fn: Callable[..., Any]) -> bool:
    """True if calling `fn` makes a coroutine, as far as can be told without calling it.

    A plain function that returns an awaitable is not recognised: whoever calls it looks at what comes back.
    """
    # A marked callable (inspect.markcoroutinefunction, AsyncMock) says so itself.
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(underlying_function(fn))


def callable_name(fn: Any) -> str:
    """A name for `fn`: the function's, or the class's of a callable object."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if isinstance(fn, (staticmethod, classmethod)):
        fn = fn.__func__
    name = getattr(fn, "__name__", None)
    return name if isinstance(name, str) else type(fn).__name__


def docstring_of(fn: Any) -> str | None:
    """The docstring of a function, also under a partial; of a callable object its `__call__`'s, else its class's."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if is_routine(fn) or isinstance(fn, (types.MethodType, staticmethod)):
        return _text(fn.__doc__)
    return _text(getattr(type(fn).__call__, "__doc__", None)) or _text(type(fn).__doc__)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


class PositionalCall:
    """A function with positional-only parameters, callable with keywords.

    Args:
        fn: The function.
        positional: Its positional-only parameters in order, with their defaults.
    """

    __slots__ = ("__wrapped__", "_positional")

    def __init__(self, fn: Callable[..., Any], positional: tuple[tuple[str, Any], ...]) -> None:
        self.__wrapped__ = fn
        self._positional = positional

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if args:
            return self.__wrapped__(*args, **kwargs)
        first = []
        for name, default in self._positional:
            if name not in kwargs and default is inspect.Parameter.empty:
                break  # the function's own error says what is missing
            first.append(kwargs.pop(name, default))
        return self.__wrapped__(*first, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PositionalCall) and self.__wrapped__ == other.__wrapped__

    def __hash__(self) -> int:
        return hash(("PositionalCall", callable_name(self.__wrapped__)))
