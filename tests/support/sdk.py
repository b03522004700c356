"""The vendors' own SDK clients, of the colour of the face under test."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import openai

_PACKAGES: dict[str, Any] = {"OpenAI": openai, "AzureOpenAI": openai}


def sdk_client(face: str, kind: str, *, other: bool = False, **options: Any) -> Any:
    """A client.

    Args:
        face: "llm_client" or "llm_client.sync".
        kind: The blocking class's name: "OpenAI", "AzureOpenAI", "Anthropic", "AnthropicBedrock", ...
        other: The other face's colour instead.
        options: For its constructor.
    """
    asynchronous = (face == "llm_client") != other
    package = _PACKAGES.get(kind, anthropic)
    return getattr(package, f"Async{kind}" if asynchronous else kind)(**options)


def httpx_client(face: str, *, other: bool = False, **options: Any) -> Any:
    """An httpx client.

    Args:
        face: "llm_client" or "llm_client.sync".
        other: The other face's colour instead.
        options: For its constructor.
    """
    asynchronous = (face == "llm_client") != other
    return httpx.AsyncClient(**options) if asynchronous else httpx.Client(**options)
