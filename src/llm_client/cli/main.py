"""Which command there is, and what becomes of its errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .._core.exceptions import ConfigurationError, LLMClientError
from .._core.version import VERSION
from . import ask, batch, chat, doctor, models
from .connecting import SetupError
from .screen import INTERRUPTED, note


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Those of the command line; by default those of the process.

    Returns:
        0 for success, 1 where the command's work failed, 2 for a mistake in how it was called, 130 after Ctrl-C.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        note("")
        return INTERRUPTED
    except (SetupError, ConfigurationError, ImportError) as error:
        note(f"llm-client: {error}")
        return 2
    except (LLMClientError, OSError, ValueError, TypeError) as error:
        if isinstance(error, BrokenPipeError):
            return _reader_is_gone()
        note(f"llm-client: {error}")
        return 1


def _reader_is_gone() -> int:
    """`llm-client models | head`: the interpreter would complain when it flushes what nobody reads any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llm-client", description="Language models from the command line.")
    parser.add_argument("--version", action="version", version=f"llm-client {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in (ask, chat, batch, models, doctor):
        module.add_to(commands)
    return parser
