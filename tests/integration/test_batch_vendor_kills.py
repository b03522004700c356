"""A run through the vendor's Batch API, killed at each request that it makes: the next one pays for nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_client.sync import AnthropicProvider, BatchManager, OpenAIProvider
from llm_client.testing import FakeAPI, Reply

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [f"text {number}" for number in range(5)]
PROGRAM = """
import json, sys
from llm_client.sync import AnthropicProvider, BatchManager, OpenAIProvider

sys.stdin.readline()
vendor, url, checkpoint, texts = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
kind, model = (OpenAIProvider, "gpt-5-mini") if vendor == "openai" else (AnthropicProvider, "claude-haiku-4-5")
with kind(model, base_url=url, api_key="k", cache_backend=None) as provider:
    manager = BatchManager(checkpoint_file=checkpoint, progress=False)
    results = manager.process_requests(texts, provider, via="vendor", poll_interval=0.01)
print(json.dumps([result.content for result in results]))
"""


class Killer:
    """Answers every text, and kills the process that asks when it has asked for so many things."""

    def __init__(self, api: FakeAPI) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.left = 0
        api.on_request(self.answer)

    def answer(self, request: Any) -> Reply:
        if request.endpoint in ("files", "batches", "message_batches"):
            self.left -= 1
            if self.left == 0 and self.process is not None:
                # The server goes on: what was asked for is done, and nobody hears of it.
                self.process.kill()
                self.process.wait()
        return Reply(f"answer to {request.text}")


def arguments(api: FakeAPI, vendor: str, checkpoint: Path) -> list[str]:
    url = api.openai_url if vendor == "openai" else api.anthropic_url
    return [vendor, url, str(checkpoint), json.dumps(TEXTS)]


def run_and_kill(killer: Killer, given: list[str], kill_at: int) -> list[str] | None:
    """What a process found, None if it was killed."""
    killer.left = kill_at
    killer.process = process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *given],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    # It begins when it is told to, so that the killer knows whom to kill.
    output, _ = process.communicate(b"begin\n", timeout=120)
    killer.process = None
    if process.returncode == 0:
        found: list[str] = json.loads(output)
        return found
    assert killer.left <= 0
    return None


def run_here(vendor: str, url: str, checkpoint: str, texts: str) -> list[str]:
    kind, model = (OpenAIProvider, "gpt-5-mini") if vendor == "openai" else (AnthropicProvider, "claude-haiku-4-5")
    with kind(model, base_url=url, api_key="k", cache_backend=None) as provider:
        manager = BatchManager(checkpoint_file=checkpoint, progress=False)
        results = manager.process_requests(json.loads(texts), provider, via="vendor", poll_interval=0.01)
    return [result.content for result in results]


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_killed_at_each_request(vendor: str, tmp_path: Path) -> None:
    kill_at = 0
    found = None
    while found is None:
        kill_at += 1
        with FakeAPI() as api:
            killer = Killer(api)
            given = arguments(api, vendor, tmp_path / f"killed-at-{kill_at}.jsonl")
            found = run_and_kill(killer, given, kill_at)
            assert (found or run_here(*given)) == [f"answer to {text}" for text in TEXTS], kill_at
            assert sorted(request.text for request in api.batches.answered) == TEXTS, kill_at
            assert api.batches.sizes == [len(TEXTS)], kill_at
    assert kill_at >= 5  # the making, a look, and the results are among them
