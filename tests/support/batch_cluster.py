"""A processor for other processes: a function of a module, which makes its own provider, once in each process."""

from __future__ import annotations

import functools
import os
from typing import Any

import llm_client.sync


@functools.cache
def _provider(url: str, process: int) -> Any:
    return llm_client.sync.OpenAIProvider(model="gpt-5.6-luna", base_url=url, api_key="k", attempts=1)


def ask(item: dict[str, str]) -> llm_client.CompletionResult:
    """Ask the API at item["url"], and say which process did."""
    headers = {"x-process": str(os.getpid())}
    result: llm_client.CompletionResult = _provider(item["url"], os.getpid()).complete(
        item["question"], extra_headers=headers
    )
    return result


def double(number: int) -> int:
    """Twice the number; 13 brings bad luck."""
    if number == 13:
        raise ValueError("bad luck")
    return 2 * number
