"""Telling blocking from asynchronous functions and values, and refusing the wrong one in words that help."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Coroutine


def is_async_callable(function: object) -> bool:
    """Whether calling it returns a coroutine, as far as its definition tells.

    Looks through partials and at the `__call__` of objects. A plain function may still return something to await:
    only its result can tell.
    """
    function, its_call = _unwrap(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(its_call)


def makes_async(function: object) -> bool:
    """Whether it is a coroutine function or an async generator function."""
    function, its_call = _unwrap(function)
    return is_async_callable(function) or inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(its_call)


def _unwrap(function: object) -> tuple[object, object]:
    """What a partial calls in the end, and how an object of its class is called."""
    while isinstance(function, functools.partial):
        function = function.func
    kinds = type(function).__mro__
    return function, next((vars(kind)["__call__"] for kind in kinds if "__call__" in vars(kind)), None)


def can_await(value: object) -> bool:
    """Whether a value is something to await."""
    return inspect.isawaitable(value)


def is_async_value(value: object) -> bool:
    """Whether a value is of use only to asynchronous code: something to await, or an asynchronous iterator."""
    return can_await(value) or hasattr(type(value), "__aiter__")


def discard(value: object) -> None:
    """End a value that nobody will use, so that Python does not warn that it was never awaited."""
    if isinstance(value, Coroutine) or inspect.isgenerator(value):
        value.close()
    elif inspect.isawaitable(value) and hasattr(value, "get_loop") and hasattr(value, "cancel"):
        with contextlib.suppress(RuntimeError):  # its loop has ended, and the task with it
            value.get_loop().call_soon_threadsafe(value.cancel)


def describe(value: object) -> str:
    """The kind of a value, with its article, as it stands in an error."""
    if isinstance(value, Coroutine):
        return "a coroutine"
    if inspect.isasyncgen(value):
        return "an asynchronous generator"
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def wants_async(returned: object, owner: object, method: str, expected: str) -> TypeError:
    """The error of the asynchronous face for something blocking."""
    return TypeError(
        f"{_title(owner)}.{method}() returned {describe(returned)} where {expected} was expected: it belongs to the"
        f" blocking face. Use {_own_name(owner, 'llm_client')} here, or keep it and use llm_client.sync"
        " (llm_client.sync.Agent and the rest) with it."
    )


def wants_blocking(returned: object, owner: object, method: str) -> TypeError:
    """The error of the blocking face for something asynchronous."""
    return TypeError(
        f"{_title(owner)}.{method}() returned {describe(returned)}: it belongs to the asynchronous face, llm_client."
        f" Use {_own_name(owner, 'llm_client.sync')} here, or keep it and use llm_client (llm_client.Agent and the"
        " rest) with it."
    )


def _title(owner: object) -> str:
    return "the provider" if owner is None else type(owner).__name__


def _own_name(owner: object, face: str) -> str:
    kind = type(owner)
    if owner is not None and kind.__module__.startswith("llm_client."):
        return f"{face}.{kind.__name__}"
    return f"a provider of that face, such as {face}.OpenAIProvider,"
