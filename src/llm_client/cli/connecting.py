"""What the command line says about models, keys and tools, turned into objects of a face."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from .._core import jsons
from .._core.profiles import ModelProfile

DEFAULT_MODEL = "gpt-5.6-luna"


class SetupError(Exception):
    """The command cannot begin; the text says why, and what to do."""


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that asks a model."""
    parser.add_argument("-m", "--model", default=DEFAULT_MODEL, help=f"the model (default {DEFAULT_MODEL})")
    parser.add_argument(
        "--provider", choices=("openai", "anthropic"), help="whose API to speak; by default the model's name decides"
    )
    parser.add_argument("--base-url", metavar="URL", help="another server that speaks that API")
    parser.add_argument(
        "--api-key-env", metavar="NAME", help="the environment variable that holds the key (default the vendor's own)"
    )
    parser.add_argument("-s", "--system", metavar="TEXT", help="instructions for the model")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="most tokens of an answer")


def add_tool_argument(parser: argparse.ArgumentParser) -> None:
    """The argument of commands whose models may call tools."""
    parser.add_argument(
        "-t", "--tool", action="append", default=[], metavar="MODULE:FUNCTION",
        help="a function that the model may call, from a module that Python finds here; may be repeated",
    )  # fmt: skip


def face_of(*, blocking: bool) -> Any:
    """The library, of either face."""
    return importlib.import_module("llm_client.sync" if blocking else "llm_client")


def make_provider(face: Any, options: argparse.Namespace) -> Any:
    """The provider for the model that was asked for.

    Raises:
        ConfigurationError: There is no key.
        SetupError: The variable that shall hold the key is not set.
    """
    vendor = options.provider or ModelProfile.resolve(options.model).vendor
    arguments: dict[str, Any] = {"model": options.model, "base_url": options.base_url}
    if options.api_key_env is not None:
        arguments["api_key"] = os.environ.get(options.api_key_env)
        if not arguments["api_key"]:
            raise SetupError(f"--api-key-env {options.api_key_env}: that environment variable is not set, or empty")
    if vendor == "anthropic":
        return face.AnthropicProvider(**arguments)
    return face.OpenAIProvider(**arguments)


def call_options(options: argparse.Namespace) -> dict[str, Any]:
    """What goes with every request."""
    return {} if options.max_tokens is None else {"max_tokens": options.max_tokens}


def load_tools(names: list[str]) -> list[Any]:
    """The functions or tools that were named.

    Raises:
        SetupError: There is none of that name.
    """
    if names and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return [_load_tool(name) for name in names]


def _load_tool(name: str) -> Any:
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise SetupError(f"--tool {name}: write MODULE:FUNCTION, such as my_tools:get_weather")
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise SetupError(f"--tool {name}: {module} cannot be imported: {error}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise SetupError(f"--tool {name}: there is no function {path} in {module}")
    return found


def read_schema(path: str | None) -> Any:
    """The JSON schema in a file; None where no file is named.

    Raises:
        SetupError: It cannot be read, or holds none.
    """
    if path is None:
        return None
    try:
        schema = jsons.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise SetupError(f"--json-schema {path}: {error}") from error
    if not isinstance(schema, dict):
        raise SetupError(f"--json-schema {path}: a JSON schema is an object, this is a {type(schema).__name__}")
    return schema


def read_prompt(given: str | None) -> str:
    """The question: an argument, or standard input where it is "-" or left out.

    Raises:
        SetupError: There is none.
    """
    text = given
    if given == "-" or (given is None and not sys.stdin.isatty()):
        text = sys.stdin.read()
    if not text or not text.strip():
        raise SetupError('there is no question: llm-client ask "Why is the sky blue?", or write it to standard input')
    return text
