"""`python -m llm_client.testing`: the fake API as a program of its own."""

# ruff: noqa: T201 (a program prints)

from __future__ import annotations

import argparse
import signal
import sys
import threading
from types import FrameType

from .._core import jsons
from .fake_api import FakeAPI
from .journal import RecordedRequest
from .replies import Wire


def main(arguments: list[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM.

    Args:
        arguments: Command line arguments; by default those of the process.

    Returns:
        0 after an ordinary end, 2 when the port or the script cannot be used.
    """
    options = _parser().parse_args(arguments)
    api = FakeAPI(
        port=options.port,
        strict=options.strict,
        api_key=options.api_key,
        latency=options.latency,
        chunk_delay=options.chunk_delay,
        wire=Wire(write=int(options.write) if options.write.isdigit() else options.write),
        requests_per_minute=options.rpm or 30_000,
        tokens_per_minute=options.tpm or 150_000_000,
        enforce_limits=bool(options.rpm or options.tpm),
    )
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    try:
        if options.script:
            with open(options.script, "rb") as file:
                api.load_script(jsons.loads(file.read()))
        api.start()
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        _announce(api)
        _report_until(api, ended, quiet=options.quiet)
    finally:
        api.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llm_client.testing",
        description="A fake OpenAI and Anthropic API on 127.0.0.1: plain and streamed, with tools and embeddings.",
    )
    parser.add_argument("--port", type=int, default=8399, help="port to listen on; 0 takes a free one (default 8399)")
    parser.add_argument("--script", metavar="FILE", help="JSON list of answers to give first, one for each request")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before each answer")
    parser.add_argument("--chunk-delay", type=float, default=0.0, metavar="S", help="seconds between stream events")
    parser.add_argument("--write", default="event", metavar="HOW", help="event, whole, or a number of bytes at a time")
    parser.add_argument("--api-key", metavar="KEY", help="the key that requests must carry (default: any)")
    parser.add_argument("--rpm", type=int, metavar="N", help="refuse more requests a minute than this")
    parser.add_argument("--tpm", type=int, metavar="N", help="refuse more tokens a minute than this")
    parser.add_argument("--strict", action="store_true", help="answer 500 once the script has run out")
    parser.add_argument("--quiet", action="store_true", help="do not print a line for each request")
    return parser


def _announce(api: FakeAPI) -> None:
    print(f"FakeAPI is listening on {api.anthropic_url}")
    print(f"  OpenAI base_url     {api.openai_url}")
    print(f"  Anthropic base_url  {api.anthropic_url}")
    print()
    for name, value in api.environment.items():
        print(f"export {name}={value}")
    print()
    print("Stop it with Ctrl-C.", flush=True)


def _report_until(api: FakeAPI, ended: threading.Event, *, quiet: bool) -> None:
    """Print a line for each finished request until the end is asked for."""
    while not ended.wait(0.1):
        for request in api.take_finished():
            if not quiet:
                print(_line(request), flush=True)


def _line(request: RecordedRequest) -> str:
    took = (request.finished or request.started) - request.started
    notes = " stream" if request.stream else ""
    if request.client_hung_up:
        notes += ", the client hung up"
    return f"{request.method} {request.path} {request.status or '-'} {took * 1000:.0f} ms {request.model}{notes}"


if __name__ == "__main__":
    sys.exit(main())
