"""`llm-client chat`: a conversation in the terminal, kept in a file."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from .._core.conversation import Conversation
from .._core.usage import Usage
from .ask import usage_line
from .connecting import add_model_arguments, add_tool_argument, call_options, face_of, load_tools, make_provider
from .screen import Answer, is_rich, note

_HELP = "/clear forgets what was said, /usage tells what it has cost, /exit or Ctrl-D ends; Ctrl-C stops an answer."


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser("chat", help="talk to a model", description=f"Talk to a model. {_HELP}")
    add_model_arguments(parser)
    add_tool_argument(parser)
    parser.add_argument(
        "-f", "--file", type=Path, metavar="FILE",
        help="where the conversation is kept, and goes on if there is one; by default a new file for each chat",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Talk until the user ends it."""
    face = face_of(blocking=True)
    file = options.file or _new_file()
    conversation = Conversation.load(file) if file.exists() else Conversation()
    tools = load_tools(options.tool)
    with make_provider(face, options) as provider:
        agent = face.Agent(provider, tools, options.system, conversation)
        if len(conversation):
            note(f"going on with {len(conversation)} messages of {file}")
        note(f"{options.model}. {_HELP}")
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # gives input() its line editing
        _talk(agent, file, call_options(options))
    if len(conversation):
        note(f"kept in {file}")
    return 0


def _talk(agent: Any, file: Path, options: dict[str, Any]) -> None:
    spent: list[Usage] = []
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            note("")
            return
        if line == "/exit":
            return
        if line == "/clear":
            agent.reset()
            agent.conversation.save(file)
        elif line == "/usage":
            note(usage_line(Usage.sum(spent)))
        elif line.startswith("/"):
            note(_HELP)
        elif line:
            usage = _answer(agent, line, options)
            if usage is not None:
                spent.append(usage)
            agent.conversation.save(file)


def _answer(agent: Any, question: str, options: dict[str, Any]) -> Any:
    """Show the answer to a question; returns its usage, None where it did not come to an end."""
    answer = Answer(rich=is_rich())
    try:
        with answer, agent.stream(question, **options) as events:
            for event in events:
                answer.show(event)
    except KeyboardInterrupt:
        note("(stopped)")
    if answer.error is not None:
        note(f"llm-client: {answer.error}")
    return None if answer.result is None else answer.result.usage


def _new_file() -> Path:
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(root) / "llm-client" / "chats"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{os.getpid()}.json"
