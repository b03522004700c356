"""`llm-client batch`: a file of questions in, a file of answers out."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .._core import files, jsons
from .._core.batch_errors import BatchStoppedError
from .._core.results import CompletionResult
from .._core.v1 import completion_call
from .connecting import SetupError, add_model_arguments, face_of, make_provider, read_schema
from .screen import INTERRUPTED, note

_IDS = ("id", "custom_id")
_STEPS = 10
"""Lines that tell of the progress where there is no bar."""


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "batch", help="answer a file of questions",
        description="Answer every line of a file: a JSON string, an object with messages (or prompt) and whatever goes "
        "with them, or a line of OpenAI's own batch files. Started again, it goes on where it was stopped, and asks "
        "again what failed.",
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="the questions, one a line")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT.jsonl",
        help="the answers, in the order of the questions; OUT.jsonl.checkpoint and OUT.jsonl.failures stand beside it",
    )  # fmt: skip
    add_model_arguments(parser)
    parser.add_argument("--json-schema", metavar="FILE", help="all answers are JSON of this schema")
    parser.add_argument("--workers", type=int, default=10, metavar="N", help="questions at the same time (default 10)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer; 0 where every line has its answer, 1 where some failed, 130 where it was stopped."""
    if options.output.exists() and options.output.samefile(options.file):
        raise SetupError(f"the answers would overwrite the questions in {options.file}: name another file with -o")
    lines = [_read_line(text, place) for place, text in _texts(options.file)]
    if not lines:
        raise SetupError(f"{options.file} holds no questions")
    shared = {"system": options.system, "schema": read_schema(options.json_schema), "max_tokens": options.max_tokens}
    # What a question is known by when the batch goes on: all that shapes its answer, and not where it stands.
    items = [{**shared, "model": options.model, "params": params} for _, _, params in lines]
    try:
        results = asyncio.run(_answer_all(items, options))
    except (KeyboardInterrupt, BatchStoppedError):
        note("\nllm-client: stopped; start the same command again to go on")
        return INTERRUPTED
    answers = [_record(line, result) for line, result in zip(lines, results, strict=True)]
    files.write_atomic(options.output, b"".join(jsons.dumps(answer) + b"\n" for answer in answers))
    return 1 if any(answer["error"] is not None for answer in answers) else 0


def _texts(file: Path) -> list[tuple[int, str]]:
    numbered = enumerate(file.read_text(encoding="utf-8").split("\n"), 1)
    return [(place, text) for place, text in numbered if text.strip()]


def _read_line(text: str, place: int) -> tuple[int, Any, dict[str, Any]]:
    """Number, id and arguments of a line.

    Raises:
        SetupError: It is no question.
    """
    try:
        value = jsons.loads(text)
    except ValueError as error:
        raise SetupError(f"line {place} is no JSON: {error}") from error
    if isinstance(value, str):
        return place, None, {"prompt": value}
    if not isinstance(value, dict):
        raise SetupError(f"line {place} is a {type(value).__name__}, expected a JSON string or object")
    name = next((value[key] for key in _IDS if key in value), None)
    body = value.get("body")
    params = dict(body) if isinstance(body, Mapping) else {key: item for key, item in value.items() if key not in _IDS}
    if not {"messages", "prompt", "input"} & params.keys():
        raise SetupError(f"line {place} holds no question: neither messages nor prompt")
    return place, name, params


async def _answer_all(items: list[dict[str, Any]], options: argparse.Namespace) -> list[Any]:
    face = face_of(blocking=False)

    @cache
    def provider_of(model: str) -> Any:
        made = make_provider(face, argparse.Namespace(**{**vars(options), "model": model}))
        providers.append(made)
        return made

    async def answer(item: dict[str, Any]) -> CompletionResult:
        params = {name: value for name, value in item["params"].items() if name not in ("stream", "stream_options")}
        provider = provider_of(params.pop("model", None) or item["model"])
        call = completion_call(provider.model, {**_defaults(item), **params}, responses=False)
        arguments = call.arguments
        messages = call.question if item["system"] is None else _with_system(item["system"], call.question)
        result: CompletionResult = await provider.complete(messages, **arguments)
        return result

    providers: list[Any] = []
    server = provider_of(options.model)._endpoint.shown_url  # a missing key is told now, and once
    items = [{**item, "server": server} for item in items]  # the same name may be another model there
    manager = face.BatchManager(
        max_workers=options.workers,
        checkpoint_file=f"{options.output}.checkpoint",
        failures_file=f"{options.output}.failures",
    )
    results: list[Any] = [None] * len(items)
    has_bar = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    ended = 0
    try:
        stream = manager.process_stream(items, answer, desc=options.file.name)
        async for index, result in stream:
            results[index] = result
            ended += 1
            if not has_bar and ended * _STEPS // len(items) > (ended - 1) * _STEPS // len(items):
                note(f"{ended} of {len(items)}")
    finally:
        for provider in providers:
            await provider.close()
    note(str(manager.summary))
    return results


def _defaults(item: Mapping[str, Any]) -> dict[str, Any]:
    given = {"response_format": item["schema"], "max_tokens": item["max_tokens"]}
    return {name: value for name, value in given.items() if value is not None}


def _with_system(text: str, question: Any) -> Any:
    messages = question if isinstance(question, list) else [question]
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") in ("system", "developer"):
        return question
    return [{"role": "system", "content": text}, *messages]


def _record(line: tuple[int, Any, dict[str, Any]], result: Any) -> dict[str, Any]:
    """What stands in the output for a line."""
    place, name, _ = line
    record: dict[str, Any] = {"line": place}
    if name is not None:
        record["id"] = name
    if not isinstance(result, CompletionResult):  # the question itself is wrong, and nothing was sent
        return {**record, "output": None, "usage": {}, "status": None, "error": result.error}
    record["output"] = result.content if result.parsed is None else result.parsed
    if not result.ok:
        record["output"] = result.content or None
    if result.tool_calls:
        record["tool_calls"] = [call.to_dict() for call in result.tool_calls]
    error = None if result.ok else result.error or f"the API answered with status {result.status}"
    return {**record, "usage": result.usage.to_dict(), "status": result.status, "error": error}
