"""Both halves of the seam offer the same names with the same parameters, and keep out of each other's way."""

from __future__ import annotations

import inspect

import pytest

from llm_client._seam import _async, _sync
from support.processes import run_python


def test_both_halves_export_the_same_names() -> None:
    assert _async.__all__ == _sync.__all__
    assert [name for name in _async.__all__ if not hasattr(_async, name) or not hasattr(_sync, name)] == []


@pytest.mark.parametrize("name", _async.__all__)
def test_functions_and_methods_take_the_same_parameters(name: str) -> None:
    ours, theirs = getattr(_async, name), getattr(_sync, name)
    if inspect.isfunction(ours):
        assert _shape(ours) == _shape(theirs)
    elif inspect.isclass(ours) and inspect.isclass(theirs):
        methods = {key for key, value in vars(ours).items() if inspect.isfunction(value) and not key.startswith("_")}
        for method in methods:
            assert _shape(getattr(ours, method)) == _shape(getattr(theirs, method)), method


def _shape(function: object) -> list[tuple[str, object, object]]:
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


def test_the_blocking_half_imports_asyncio_only_for_an_async_tool() -> None:
    program = """
        import sys
        from llm_client._seam import _sync as seam
        from support.processes import ROOT
        seam.call(lambda: 1, {}, None)
        seam.call(lambda: 1, {}, 5.0)
        seam.gather([lambda: 1, lambda: 2])
        seam.shared_call("key", lambda: 1)
        seam.per_loop(object, close=id).get()
        assert "asyncio" not in sys.modules, [name for name in sys.modules if "asyncio" in name]
        from support import tools
        assert seam.call(tools.async_add, {"a": 1}, 5.0) == 2
        assert "asyncio" in sys.modules
        print("done")
    """
    assert run_python(program) == "done\n"


def test_importing_the_seam_imports_no_optional_package() -> None:
    program = """
        import sys
        from llm_client._seam import _async, _sync
        optional = {"aiohttp", "httpx", "httpcore", "psycopg", "psycopg_pool", "redis", "qdrant_client", "gevent"}
        print(sorted(optional & set(sys.modules)))
    """
    assert run_python(program) == "[]\n"


@pytest.mark.parametrize("half", ["_async", "_sync"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(half: str) -> None:
    program = f"""
        import asyncio, sys
        for name in ("psycopg_pool", "redis", "redis.asyncio", "qdrant_client"):
            sys.modules[name] = None
        from llm_client._seam import {half} as seam
        for make in (seam.pg_pool, seam.redis_from_url, seam.qdrant_client):
            try:
                make("somewhere")
            except ImportError as error:
                print(error)
    """
    lines = run_python(program).splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [
        'pip install "llm-client[postgres]"',
        'pip install "llm-client[redis]"',
        'pip install "llm-client[qdrant]"',
    ]
