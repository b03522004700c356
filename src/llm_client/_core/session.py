"""An agent's session as a file: its conversation, its config, the names of its tools; never a key."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import files, jsons, saved
from .agent import AgentConfig
from .conversation import Conversation
from .exceptions import SessionFileError

FORMAT = "llm-client-session"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Session:
    """What is saved of an agent.

    Args:
        conversation: Everything that was said, the vendors' opaque items included.
        config: How the agent works.
        tools: The names of its tools; the tools themselves must be provided again.
    """

    conversation: Conversation
    config: AgentConfig
    tools: list[str]


def save(session: Session, path: str | os.PathLike[str]) -> None:
    """Write a session, atomically.

    Raises:
        OSError: The file cannot be written; what stood there is untouched.
    """
    value = {
        "format": FORMAT,
        "version": VERSION,
        "conversation": session.conversation.to_dict(),
        "config": asdict(session.config),
        "tools": session.tools,
    }
    files.write_atomic(path, jsons.dumps(value))


def load(path: str | os.PathLike[str], provided: Iterable[str]) -> Session:
    """Read what `save` wrote; the file is left as it is.

    Args:
        path: Where it was saved.
        provided: Names of the tools that there are now.

    Raises:
        FileNotFoundError: There is no such file.
        SessionFileError: It is damaged, of another kind, or of a newer version.
        ValueError: Tools of the session are missing; names all of them.
    """
    value = saved.read(path, kind=FORMAT, version=VERSION)
    source = f"the file {os.fspath(path)!r}"
    config, conversation, tools = value.get("config"), value.get("conversation"), value.get("tools")
    if not isinstance(config, Mapping) or not isinstance(conversation, Mapping) or not isinstance(tools, list):
        raise SessionFileError(f"{source} is damaged: it needs 'conversation', 'config' and 'tools'")
    if not all(isinstance(name, str) for name in tools):
        raise SessionFileError(f"{source} is damaged: 'tools' is a list of names")
    missing = sorted(set(tools) - set(provided))
    if missing:
        raise ValueError(
            f"the session was saved with tools that are missing now: {', '.join(missing)}; pass them as tools=[...]"
        )
    return Session(Conversation.from_dict(conversation), _config(config, source), list(tools))


def _config(value: Mapping[str, Any], source: str) -> AgentConfig:
    known = {name: value[name] for name in AgentConfig.__dataclass_fields__ if name in value}
    try:
        return AgentConfig(**known)
    except (TypeError, ValueError) as error:
        raise SessionFileError(f"{source} is damaged: {error}") from error
