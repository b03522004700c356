"""`llm-client ask`: one question, one answer."""

# ruff: noqa: T201 (a program prints)

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from .._core import jsons
from .._core.usage import Usage
from .connecting import (
    add_model_arguments,
    add_tool_argument,
    call_options,
    face_of,
    load_tools,
    make_provider,
    read_prompt,
    read_schema,
)
from .screen import Answer, is_rich, note


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser("ask", help="ask one question", description="Ask a model one question.")
    parser.add_argument("prompt", nargs="?", help='the question; "-", or nothing, reads standard input')
    add_model_arguments(parser)
    add_tool_argument(parser)
    parser.add_argument("--json-schema", metavar="FILE", help="the answer is JSON of this schema")
    parser.add_argument("--sync", action="store_true", help="ask through the blocking face of the library")
    parser.add_argument("--usage", action="store_true", help="tell tokens and cost")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask; 0 for an answer, 1 for none."""
    prompt, schema = read_prompt(options.prompt), read_schema(options.json_schema)
    face = face_of(blocking=options.sync)
    tools = load_tools(options.tool)
    provider = make_provider(face, options)
    agent = face.Agent(provider, tools, options.system, output_type=schema)
    answer = Answer(quiet=schema is not None, rich=is_rich())
    if options.sync:
        with provider, answer, agent.stream(prompt, **call_options(options)) as events:
            for event in events:
                answer.show(event)
    else:
        asyncio.run(_watch(provider, agent.stream(prompt, **call_options(options)), answer))
    result = answer.result
    if result is not None and options.usage:
        note(usage_line(result.usage))
    if answer.error is not None:
        note(f"llm-client: {answer.error}")
        return 1
    if schema is not None:
        print(jsons.dumps_text(result.output))
    return 0


async def _watch(provider: Any, stream: Any, answer: Answer) -> None:
    with answer:
        async with provider, stream as events:
            async for event in events:
                answer.show(event)


def usage_line(usage: Usage) -> str:
    """Tokens and cost, for people."""
    cost = "" if usage.total_cost is None else f", ${usage.total_cost:.6f}"
    return f"{usage.input_tokens} tokens in, {usage.output_tokens} out{cost}"
